// What the gate says to people, and to the log of a CI job.
#include <kvsim/core/units.h>
#include <kvsim/report/check.h>
#include <kvsim/report/text_table.h>

#include <map>
#include <set>

namespace kvsim {

namespace {

constexpr size_t kMostRows = 100;        // more are in the report
constexpr size_t kFewCells = 12;         // of more, those that hold a rule are one row
constexpr size_t kMostAnnotations = 10;  // more are not shown by GitHub

// Six digits; all where these do not tell both apart, or not why a rule failed.
std::pair<std::string, std::string> numbers(const CheckFinding& f) {
    const std::string &was = f.was, &is = f.is;
    auto shortened = [](const std::string& text) {
        bool fraction =
            text.find('.') != std::string::npos && text.find_first_not_of("0123456789.-+eE") == std::string::npos;
        return fraction ? fmt::format("{:.6g}", std::stod(text)) : text;
    };
    auto shown = [](const std::string& text) {
        return text.empty() ? "-" : printable(text.size() <= 60 ? text : text.substr(0, 57) + "...");
    };
    bool alike = was != is && !was.empty() && !is.empty() && shortened(was) == shortened(is);
    if (alike || (f.failed && !f.rule.empty())) return {shown(was), shown(is)};
    return {shown(shortened(was)), shown(shortened(is))};
}

std::string word(const CheckFinding& f) {
    std::string id = verdict_id(f.verdict);
    if (f.failed)
        for (char& c : id) c = static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
    std::string note = printable(f.note.size() <= 70 ? f.note : f.note.substr(0, 67) + "...");
    return note.empty() ? id : id + " (" + note + ")";
}

std::string what_of(const CheckFinding& f) {
    return printable(!f.what.empty() ? f.what : !f.rule.empty() ? f.rule.substr(2) : "cell");
}

std::string notes(const Check& c) {
    std::string out;
    if (c.baseline)
        out += fmt::format("{} ({} {}) against {} ({} {})\n", printable(c.report.name), c.report.version, c.report.git,
                           printable(c.baseline->name), c.baseline->version, c.baseline->git);
    else
        out += fmt::format("{} ({} {})\n", printable(c.report.name), c.report.version, c.report.git);
    for (const CheckConfigChange& change : c.config)
        out += "  config: " + printable(change.key) + " was " +
               (change.was.empty() ? "not given" : printable(change.was)) + ", is " +
               (change.is.empty() ? "not given" : printable(change.is)) + "\n";
    for (const std::string& warning : c.warnings) out += "  warning: " + printable(warning) + "\n";
    return out + "\n";
}

std::string summary(const Check& c) {
    std::map<std::string, uint64_t> counts;
    for (const CheckFinding& f : c.findings) ++counts[verdict_id(f.verdict)];
    std::string out = c.passed() ? "passed" : "FAILED";
    const char* mark = ": ";
    if (c.options.rules.empty() && c.kind != "bench") {
        out += mark + fmt::format("{} value{} equal", format_count(c.equal), c.equal == 1 ? "" : "s");
        mark = ", ";
        if (c.not_measured > 0)
            out += fmt::format(" ({} of them not measured in either)", format_count(c.not_measured));
    }
    for (const auto& [id, count] : counts) {
        out += mark + format_count(count) + " " + id;
        mark = ", ";
    }
    return "  " + out + "\n";
}

}  // namespace

std::string check_table(const Check& c) {
    TextTable t(2);
    bool cells = false, any = false;
    for (const CheckFinding& f : c.findings) cells = cells || !f.cell.empty();
    std::vector<std::string> head = {"what", "was", "is", "allowed", "verdict"};
    if (cells) head.insert(head.begin(), "cell");
    t.add(head);
    // Cells that hold a rule, or are skipped under it: of many, those for one reason are one row.
    auto alike = [](const CheckFinding& f) { return f.rule + "\n" + verdict_id(f.verdict) + "\n" + f.note; };
    auto quiet = [](const CheckFinding& f) {
        return !f.failed && !f.cell.empty() &&
               (f.verdict == CheckVerdict::passed || f.verdict == CheckVerdict::skipped);
    };
    std::map<std::string, uint64_t> good, same;
    for (const CheckFinding& f : c.findings)
        if (quiet(f)) ++good[f.rule], ++same[alike(f)];
    std::set<std::string> told;
    size_t rows = 0, hidden = 0;
    for (const CheckFinding& f : c.findings) {
        bool folded = quiet(f) && good[f.rule] > kFewCells;
        if (folded && !told.insert(alike(f)).second) continue;
        if (++rows > kMostRows) {
            ++hidden;
            continue;
        }
        any = true;
        auto [was, is] = numbers(f);
        std::vector<std::string> row = {what_of(f), was, is, f.allowed, word(f)};
        if (folded) row = {what_of(f), "", "", f.allowed, word(f)};
        if (cells)
            row.insert(row.begin(), folded && same[alike(f)] > 1 ? format_count(same[alike(f)]) + " cells"
                                    : f.cell.empty()             ? "-"
                                                                 : printable(f.cell));
        t.add(std::move(row));
    }
    std::string out = notes(c) + (any ? t.str() : "");
    if (hidden > 0) out += fmt::format("  and {} more (--report FILE has all)\n", format_count(hidden));
    return out + (any ? "\n" : "") + summary(c);
}

// ---- GitHub --------------------------------------------------------------------------------------------------------

static std::string escaped(const std::string& text, bool property) {
    std::string out;
    for (char c : text) {
        if (c == '%' || c == '\r' || c == '\n' || (property && (c == ':' || c == ',')))
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        else
            out += c;
    }
    return out;
}

static std::string annotation(const char* level, const std::string& title, const std::string& text) {
    return std::string("::") + level + " title=" + escaped(title, true) + "::" + escaped(text, false) + "\n";
}

std::string check_annotations(const Check& c) {
    std::string out;
    size_t errors = 0;
    for (const CheckFinding& f : c.findings) {
        bool warns = f.verdict == CheckVerdict::unsure || f.verdict == CheckVerdict::noise;
        if (!f.failed && !warns) continue;
        if (f.failed && ++errors > kMostAnnotations) continue;
        auto [was, is] = numbers(f);
        std::string text = what_of(f) + ": was " + was + ", is " + is;
        if (!f.allowed.empty()) text += "; allowed: " + f.allowed;
        text += "; " + std::string(verdict_id(f.verdict)) + (f.note.empty() ? "" : " (" + printable(f.note) + ")");
        out += annotation(f.failed ? "error" : "warning",
                          "kvsim check" + (f.cell.empty() ? "" : " " + printable(f.cell)), text);
    }
    if (errors > kMostAnnotations)
        out += annotation("error", "kvsim check",
                          "and " + format_count(errors - kMostAnnotations) + " more; the log has them");
    for (const std::string& warning : c.warnings) out += annotation("warning", "kvsim check", printable(warning));
    return out;
}

}  // namespace kvsim
