#include <kvsim/report/escape.h>

namespace kvsim {

namespace {

constexpr const char* kReplacement = "\xEF\xBF\xBD";  // U+FFFD

bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }
bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80;
}
bool is_one_of(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }

}  // namespace

std::string csv_text(std::string_view text) {
    std::string out;
    if (!text.empty() && is_one_of(text.front(), "=+-@\t\r'")) out += '\'';
    bool quoted = text.empty();  // absent is nothing, empty is ""
    for (char c : text) {
        if (is_one_of(c, ",\"\n\r")) quoted = true;
        if (c == '\0') out += kReplacement;
        else if (c == '"') out += "\"\"";
        else out += c;
    }
    return quoted ? '"' + out + '"' : out;
}

// GitHub looks for mentions in the text that is left after Markdown, so a backslash does not help: a comment does.
std::string markdown_text(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (is_space(c)) {
            out += ' ';
        } else if (is_control(c)) {
            out += kReplacement;
        } else if (c == '@') {
            out += "@<!-- -->";
        } else {
            bool at_start = out.empty() && is_one_of(c, "-+=");
            bool in_word = c == '_' && i > 0 && i + 1 < text.size() && is_plain(text[i - 1]) && is_plain(text[i + 1]);
            if (at_start || (is_one_of(c, "\\`*_[]<>|#~&$!") && !in_word)) out += '\\';
            out += c;
        }
    }
    return out;
}

// Between backticks nothing is markup but backticks, and in a table the bar. Names without them are the rule; in others
// every sign is written as an entity, which is never markup.
std::string markdown_code(std::string_view name) {
    std::string text;
    bool simple = !name.empty() && name.front() != ' ' && name.back() != ' ';
    for (char c : name) {
        text += is_space(c) ? ' ' : c;
        simple = simple && (is_space(c) || !is_control(c)) && !is_one_of(c, "`|\\");
    }
    if (simple) return '`' + text + '`';
    std::string out = "<code>";
    for (char c : text) {
        if (is_plain(c) || c == ' ') out += c;
        else if (is_control(c)) out += kReplacement;
        else out += "&#" + std::to_string(static_cast<int>(c)) + ";";
    }
    return out + "</code>";
}

std::string xml_text(std::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '&') out += "&amp;";
        else if (c == '<') out += "&lt;";
        else if (c == '>') out += "&gt;";
        else if (c == '"') out += "&quot;";
        else if (c == '\t' || c == '\n' || c == '\r') out += "&#" + std::to_string(static_cast<int>(c)) + ";";  // else an attribute loses it
        else if (static_cast<unsigned char>(c) < 0x20) out += kReplacement;
        else if (text.substr(i, 2) == "\xEF\xBF" && i + 2 < text.size() && (text[i + 2] == '\xBE' || text[i + 2] == '\xBF')) {
            out += kReplacement;  // U+FFFE, U+FFFF
            i += 2;
        } else out += c;
    }
    return out;
}

std::string mermaid_text(std::string_view text) {
    std::string out = "\"";
    for (char c : text) {
        bool twice = c == '%' && out.back() == '%';  // begins a comment
        out += !twice && (is_plain(c) || is_one_of(c, " .,:=+*/()_-%")) ? c : '_';
    }
    return out + "\"";
}

}  // namespace kvsim
