// One page with everything in it: the report as JSON, Chart.js, and the scripts that make tables and charts of the one
// with the other. It loads nothing: its policy allows exactly these scripts and this style, named by their digests, so
// that a name out of a trace could not run even if it got past the escaping. Text is put in with its five characters
// escaped; the scripts write text as text; the JSON has "<" written so that no name ends its element or begins another.
#include <kvsim/core/digest.h>
#include <kvsim/core/units.h>
#include <kvsim/core/version.h>
#include <kvsim/report/export_html.h>
#include <kvsim/report/headline.h>
#include <kvsim/report/json_view.h>
#include <kvsim/report/page_parts.h>
#include <kvsim/report/results_json.h>

#include <algorithm>
#include <array>
#include <map>

namespace kvsim {

namespace {

constexpr std::array<std::string_view, 6> kKinds = {"replay", "compare", "curve", "size", "bench", "check"};

void replace_all(std::string& text, std::string_view from, std::string_view to) {
    for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) text.replace(at, from.size(), to);
}

std::string escaped(std::string_view text) {
    std::string out;
    for (char c : text) {
        switch (c) {
            case '&': out += "&amp;"; break;
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '"': out += "&quot;"; break;
            case '\'': out += "&#39;"; break;
            default: out += c;
        }
    }
    return out;
}

// As a content security policy names a script: base64 of the SHA-256 of what stands between its tags.
std::string digest_of(const std::string& text) {
    constexpr const char* kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    Sha256 sha;
    sha.update(text.data(), text.size());
    std::string hex = sha.finish(), out;
    auto nibble = [&](size_t i) { return i < hex.size() ? static_cast<unsigned>(std::string_view("0123456789abcdef").find(hex[i])) : 0U; };
    for (size_t i = 0; i < hex.size(); i += 3) {  // three hex digits are two of base64
        unsigned bits = nibble(i) << 8 | nibble(i + 1) << 4 | nibble(i + 2);
        out += kDigits[bits >> 6];
        out += kDigits[bits & 63];
    }
    return "'sha256-" + out.substr(0, 43) + "='";  // 256 bits are 43 digits
}

// Browsers read "\r\n" as "\n" before they take digests, and "</script" as the end wherever it stands.
std::string inlined(std::string_view part) {
    std::string out(part);
    out.erase(std::remove(out.begin(), out.end(), '\r'), out.end());
    replace_all(out, "</script", "<\\/script");
    return out;
}

std::string json_in_page(const Json& report) {
    std::string text = report.dump(-1, ' ', false, Json::error_handler_t::replace), out;
    out.reserve(text.size());
    for (size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '<') out += text[i];
        else if (i + 1 < text.size() && text[i + 1] == '/') out += "<\\";
        else out += "\\u003c";
    }
    return out;
}

std::string title_of(const Json& report) {
    static const std::map<std::string, std::string> kWhat = {
        {"replay", "Replay"}, {"compare", "Comparison"},       {"curve", "Hit rate by capacity"},
        {"size", "Capacity"}, {"bench", "Timings of kernels"}, {"check", "Gates"}};
    std::string kind = text_at(report, "kind"), name = text_at(report, "trace.name");
    const Json& traces = array_at(report, "traces");
    if (name.empty() && !traces.empty()) {
        name = text_at(traces.front(), "name");
        bool others = std::any_of(traces.begin(), traces.end(), [&](const Json& t) { return text_at(t, "name") != name; });
        if (others) name += " and others";
    }
    auto what = kWhat.find(kind);
    return (what == kWhat.end() ? kind : what->second) + (name.empty() ? "" : ": " + name);
}

}  // namespace

bool html_takes(std::string_view kind) { return std::find(kKinds.begin(), kKinds.end(), kind) != kKinds.end(); }

std::string export_html(const Json& report) {
    std::string style = inlined(page::style), chart = inlined(page::chart);
    std::string script = "(() => {\n\"use strict\";\n" + inlined(page::script) + "})();\n";
    std::string first = headline(report);
    std::map<std::string_view, std::string> parts;
    parts["policy"] = "default-src 'none'; script-src " + digest_of(chart) + " " + digest_of(script) + "; style-src " + digest_of(style) +
                      "; base-uri 'none'; form-action 'none'";
    parts["version"] = escaped(version());
    parts["headline"] = escaped(first);
    parts["title"] = escaped(printable(title_of(report)));
    parts["kind"] = escaped(text_at(report, "kind"));
    parts["notice"] = escaped(page::notice);
    parts["tag"] = kReportTag;
    parts["report"] = json_in_page(report);
    parts["css"] = std::move(style);
    parts["chart"] = std::move(chart);
    parts["js"] = std::move(script);
    std::string out;
    std::string_view rest = page::frame;
    while (!rest.empty()) {
        size_t at = rest.find('@'), end = at == std::string_view::npos ? at : rest.find('@', at + 1);
        if (end == std::string_view::npos) break;
        out += rest.substr(0, at);
        out += parts.at(rest.substr(at + 1, end - at - 1));
        rest.remove_prefix(end + 1);
    }
    out += rest;
    return out;
}

}  // namespace kvsim
