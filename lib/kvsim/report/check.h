// The gate: a report against rules, or against an earlier report. Says what was, what is, what was allowed.
//
// Numbers are compared as the decimals that reports print, without rounding; the drop or rise of a rate whose counts
// stand in the report is that of the ratios of these counts (the printed rate has rounded them).
#pragma once

#include <kvsim/report/check_number.h>

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace kvsim {

enum class CheckKind : uint8_t { max_drop, max_rise, min, max, fail_if };

struct CheckRule {
    CheckKind kind = CheckKind::min;
    std::string text;  ///< as given: "token_hit_rate=1%"
    std::string key;
    std::string op;  ///< of fail_if: < <= > >= == !=
    std::string limit_text;
    Exact limit;  ///< 1% is 0.01
    bool relative = false;

    /// Throws Error(input) naming the option.
    static CheckRule parse(CheckKind kind, const std::string& text);
    /// "--max-drop token_hit_rate=1%"
    std::string str() const;
    bool needs_baseline() const { return kind == CheckKind::max_drop || kind == CheckKind::max_rise; }
    /// "drop <= 1%", "< 0.5"
    std::string allowed() const;
};

/// "max-drop", as options are called.
const char* check_option(CheckKind kind);

struct CheckOptions {
    std::vector<CheckRule> rules;
    bool ignore_noise = false;       ///< --within-noise ignore
    std::optional<Exact> tolerance;  ///< of bench reports without rules; 5 % if not given
    std::string tolerance_text = "5%";
};

enum class CheckVerdict : uint8_t {
    passed,   ///< a rule holds
    failed,   ///< a rule does not
    better,   ///< without rules: not equal, in the good direction
    worse,    ///< in the bad one
    changed,  ///< no direction is good
    missing,  ///< in the baseline only
    added,    ///< in the report only
    noise,    ///< a rule does not hold, by less than the sampling noise that the reports tell
    skipped,  ///< there is nothing to judge here, and was nothing before
    unsure,   ///< times without an interval
    same,     ///< times: as far as the noise of both runs can tell
    faster,
    slower,
};

struct CheckFinding {
    CheckVerdict verdict = CheckVerdict::passed;
    bool failed = false;
    std::string cell;     ///< which one; empty: the report itself
    std::string what;     ///< path of the value; empty: the cell itself
    std::string rule;     ///< empty: none was given
    std::string was, is;  ///< JSON texts; empty: not there
    std::string allowed;  ///< in words
    std::string note;     ///< anything else that should be said
};

struct CheckFile {
    std::string name;  ///< without folders
    std::string version, git;
};

struct CheckConfigChange {
    std::string key, was, is;  ///< JSON texts; empty: not there
};

struct Check {
    std::string kind;
    CheckFile report;
    std::optional<CheckFile> baseline;
    CheckOptions options;
    std::vector<std::string> warnings;
    std::vector<CheckConfigChange> config;
    std::vector<CheckFinding> findings;  ///< rules in the order given; without rules what is not equal
    uint64_t equal = 0;                  ///< values that were held against the baseline and are equal
    uint64_t not_measured = 0;           ///< of them: "not measured" in both

    uint64_t failures() const;
    bool passed() const { return failures() == 0; }
};

/// What each report is called, and its JSON. Throws Error(input) where they cannot be held against each other (kind,
/// trace, data, device, definitions), a key is unknown, ambiguous or no number, or a report is not what its kind should
/// be.
Check check_reports(const std::string& file, const nlohmann::ordered_json& report, const std::string& baseline_file,
                    const nlohmann::ordered_json* baseline, const CheckOptions& options);
/// The same from the texts of files; `baseline_text`: nullptr without a baseline.
Check check_texts(const std::string& file, const std::string& text, const std::string& baseline_file,
                  const std::string* baseline_text, const CheckOptions& options);

const char* verdict_id(CheckVerdict verdict);

/// The table: what, was, is, allowed, verdict; then counts.
std::string check_table(const Check& check);
/// kind "check".
std::string check_json(const Check& check);
/// `::error` and `::warning` lines for GitHub Actions.
std::string check_annotations(const Check& check);

// Of a report of kind "check".
std::string check_junit(const nlohmann::ordered_json& report);
std::string check_markdown(const nlohmann::ordered_json& report);

}  // namespace kvsim
