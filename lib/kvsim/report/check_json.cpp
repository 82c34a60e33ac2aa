// The gate's own report (kind "check"), and what is made of it: test cases for CI servers, a table for pull requests.
#include <kvsim/core/units.h>
#include <kvsim/core/version.h>
#include <kvsim/report/check.h>
#include <kvsim/report/escape.h>
#include <kvsim/report/results_json.h>

#include <fmt/format.h>

#include <map>

namespace kvsim {

namespace {

Json definitions_json(const Check& c) {
    Json d;
    if (!c.options.rules.empty()) {
        d["max_drop"] = "baseline - report <= the number; with %: <= that share of the baseline's absolute value";
        d["max_rise"] = "report - baseline <= the number; with %: <= that share of the baseline's absolute value";
        d["numbers"] =
            "decimals as the reports print them, compared without rounding; drops and rises of token_hit_rate and "
            "block_hit_rate "
            "are those of the ratios of hit and looked-up tokens and blocks, where the report has these counts";
        if (c.options.ignore_noise)
            d["noise"] =
                "the token hit rate changed by no more than difference.low and difference.high are away from "
                "difference.token_hit_rate (the nearer of both), in both reports";
    } else if (c.kind != "bench") {
        d["equal"] =
            "every value of results and bounds (of a curve: columns, points, tiers, knees; of size: its answer too) is "
            "as in the "
            "baseline; better and worse: not equal, and there is a good direction";
    }
    if (c.kind == "bench")
        d["times"] =
            "slower: ci_low_us > baseline ci_high_us x (1 + tolerance); faster: ci_high_us < baseline ci_low_us x (1 - "
            "tolerance); "
            "same: neither, as far as these runs can tell; rules fail where the favourable ends of both intervals do; "
            "unsure: "
            "fewer than six samples, or no interval";
    d["failed"] = "whether the finding fails the gate; passed: no finding does";
    return d;
}

Json file_json(const CheckFile& f) { return {{"file", f.name}, {"version", f.version}, {"git", f.git}}; }

void put_value(Json& j, const char* key, const std::string& text) {
    if (!text.empty()) j[key] = Json::parse(text);
}

Json finding_json(const CheckFinding& f) {
    Json j = Json::object();
    if (!f.cell.empty()) j["cell"] = f.cell;
    if (!f.what.empty()) j["what"] = f.what;
    if (!f.rule.empty()) j["rule"] = f.rule;
    put_value(j, "was", f.was);
    put_value(j, "is", f.is);
    if (!f.allowed.empty()) j["allowed"] = f.allowed;
    j["verdict"] = verdict_id(f.verdict);
    j["failed"] = f.failed;
    if (!f.note.empty()) j["note"] = f.note;
    return j;
}

Json config_json(const CheckOptions& options, const std::string& kind) {
    Json j = Json::object();
    for (const CheckRule& rule : options.rules) {
        std::string key = check_option(rule.kind);
        for (char& c : key) c = c == '-' ? '_' : c;
        j[key].push_back(rule.text);
    }
    if (options.ignore_noise) j["within_noise"] = "ignore";
    if (kind == "bench" && options.rules.empty()) j["tolerance"] = options.tolerance_text;
    return j;
}

}  // namespace

std::string check_json(const Check& c) {
    Json j;
    j["schema_version"] = kSchemaVersion;
    j["kind"] = "check";
    j["tool"] = {{"version", version()}, {"git", git_commit()}};
    j["config"] = config_json(c.options, c.kind);
    j["definitions"] = definitions_json(c);
    j["of"] = c.kind;
    j["report"] = file_json(c.report);
    if (c.baseline) j["baseline"] = file_json(*c.baseline);
    j["passed"] = c.passed();
    j["equal"] = c.equal;
    if (c.not_measured > 0) j["not_measured"] = c.not_measured;
    j["warnings"] = c.warnings;
    j["config_changes"] = Json::array();
    for (const CheckConfigChange& change : c.config) {
        Json one = {{"key", change.key}};
        put_value(one, "was", change.was);
        put_value(one, "is", change.is);
        j["config_changes"].push_back(std::move(one));
    }
    j["findings"] = Json::array();
    for (const CheckFinding& f : c.findings) j["findings"].push_back(finding_json(f));
    return j.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

// ---- exports, from the JSON ----------------------------------------------------------------------------------------

namespace {

std::string word_at(const Json& j, const char* key) {
    if (!j.is_object()) return {};
    auto found = j.find(key);
    if (found == j.end()) return {};
    return found->is_string() ? found->get<std::string>() : found->dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool is_true(const Json& j, const char* key) { return j.is_object() && j.contains(key) && j[key] == true; }
bool failed(const Json& finding) { return is_true(finding, "failed"); }

uint64_t equal_in(const Json& report) {
    return report.contains("equal") && report["equal"].is_number_unsigned() ? report["equal"].get<uint64_t>() : 0;
}

std::string files_of(const Json& report) {
    static const Json none = Json::object();
    auto file = [&](const char* key) {
        return word_at(report.contains(key) && report[key].is_object() ? report[key] : none, "file");
    };
    return file("report") + (report.contains("baseline") ? " against " + file("baseline") : "");
}

const Json& findings_of(const Json& report) {
    static const Json none = Json::array();
    return report.contains("findings") && report["findings"].is_array() ? report["findings"] : none;
}

std::string sentence(const Json& f) {
    std::string text;
    auto add = [&](const char* key, const char* words) {
        if (std::string value = word_at(f, key); !value.empty())
            text += (text.empty() ? "" : ", ") + std::string(words) + value;
    };
    add("was", "was ");
    add("is", "is ");
    add("allowed", "allowed: ");
    add("note", "");
    return text.empty() ? word_at(f, "verdict") : text;
}

std::string name_of(const Json& f) {
    std::string name = word_at(f, "cell"), what = word_at(f, "what"), rule = word_at(f, "rule");
    if (!what.empty()) name += (name.empty() ? "" : ": ") + what;
    if (!rule.empty()) name += (name.empty() ? "" : " ") + ("(" + rule + ")");
    return name.empty() ? "report" : name;
}

std::string markdown(const std::string& text) {
    std::string out;
    for (char c : text) {
        if (c == '|' || c == '\\' || c == '`' || c == '*' || c == '_' || c == '<' || c == '[') out += '\\';
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
    return out;
}

}  // namespace

std::string check_junit(const Json& report) {
    const Json& findings = findings_of(report);
    std::string cases;
    uint64_t tests = 0, failures = 0, skipped = 0;
    auto open = [&](const std::string& name) {
        ++tests;
        cases += "    <testcase name=\"" + xml_text(name) + "\" classname=\"kvsim.check." + xml_text(word_at(report, "of")) +
                 "\" time=\"0\"";
    };
    if (uint64_t equal = equal_in(report); equal > 0) {
        open(format_count(equal) + " values equal");
        cases += "/>\n";
    }
    for (const Json& f : findings) {
        open(name_of(f));
        std::string verdict = word_at(f, "verdict");
        if (failed(f)) {
            ++failures;
            cases += ">\n      <failure type=\"" + xml_text(verdict) + "\" message=\"" + xml_text(sentence(f)) +
                     "\"/>\n    </testcase>\n";
        } else if (verdict == "skipped" || verdict == "unsure" || verdict == "noise") {
            ++skipped;
            cases += ">\n      <skipped message=\"" + xml_text(sentence(f)) + "\"/>\n    </testcase>\n";
        } else {
            cases += "/>\n";
        }
    }
    std::string counts = fmt::format("tests=\"{}\" failures=\"{}\" errors=\"0\"", tests, failures);
    return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"kvsim check\" " + counts +
           " time=\"0\">\n  <testsuite name=\"" + xml_text(files_of(report)) + "\" " + counts +
           fmt::format(" skipped=\"{}\" time=\"0\">\n", skipped) + cases + "  </testsuite>\n</testsuites>\n";
}

std::string check_markdown(const Json& report) {
    constexpr size_t kMostRows = 200;  // a summary of a job may have a mebibyte
    bool passed = is_true(report, "passed");
    std::string out =
        "### kvsim check: " + std::string(passed ? "passed" : "failed") + "\n\n" + markdown(files_of(report)) + "\n\n";
    uint64_t equal = equal_in(report);
    if (equal > 0) out += format_count(equal) + " values are equal.\n\n";
    auto list = [&](const char* key, auto&& line) {
        if (!report.contains(key) || !report[key].is_array() || report[key].empty()) return;
        for (const Json& item : report[key]) out += "- " + line(item) + "\n";
        out += "\n";
    };
    auto or_none = [](const std::string& text) { return text.empty() ? std::string("not given") : text; };
    list("warnings",
         [](const Json& w) { return "warning: " + markdown(w.is_string() ? w.get<std::string>() : w.dump()); });
    list("config_changes", [&](const Json& c) {
        return "config: " +
               markdown(word_at(c, "key") + " was " + or_none(word_at(c, "was")) + ", is " + or_none(word_at(c, "is")));
    });
    const Json& findings = findings_of(report);
    if (findings.empty()) return out;
    out += "| cell | what | was | is | allowed | verdict |\n|---|---|--:|--:|---|---|\n";
    size_t rows = 0;
    for (bool failing : {true, false})
        for (const Json& f : findings) {
            if (failed(f) != failing || ++rows > kMostRows) continue;
            std::string what = word_at(f, "what").empty() ? word_at(f, "rule") : word_at(f, "what"),
                        note = word_at(f, "note");
            std::string verdict = markdown(word_at(f, "verdict"));
            out += "| " + markdown(word_at(f, "cell")) + " | " + markdown(what) + " | " + markdown(word_at(f, "was")) +
                   " | " + markdown(word_at(f, "is")) + " | " + markdown(word_at(f, "allowed")) + " | " +
                   (failing ? "**" + verdict + "**" : verdict) + (note.empty() ? "" : " (" + markdown(note) + ")") +
                   " |\n";
        }
    if (rows > kMostRows) out += "\nand " + format_count(rows - kMostRows) + " more\n";
    return out + "\n";
}

}  // namespace kvsim
