// Rules: which value each one means in which cell, and whether it holds there.
#include <kvsim/core/error.h>
#include <kvsim/core/suggest.h>
#include <kvsim/core/units.h>
#include <kvsim/report/check_parts.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

namespace kvsim {

uint64_t Check::failures() const {
    return static_cast<uint64_t>(
        std::count_if(findings.begin(), findings.end(), [](const CheckFinding& f) { return f.failed; }));
}

const char* verdict_id(CheckVerdict verdict) {
    static const char* const ids[] = {"passed", "failed",  "better", "worse", "changed", "missing", "new",
                                      "noise",  "skipped", "unsure", "same",  "faster",  "slower"};
    return ids[static_cast<size_t>(verdict)];
}

namespace {

/// What a number may be: itself, or of a time all its interval.
struct Value {
    Exact low, high;  ///< as printed
    Exact exact;      ///< the ratio of its counts, where there are
    bool sure = true;
    std::string text;
};

bool is_number(const Json* j) { return j && j->is_number(); }

const Json* at(const Json* object, const std::string& key) {
    if (!object || !object->is_object()) return nullptr;
    auto found = object->find(key);
    return found == object->end() ? nullptr : &*found;
}

// The counts that the printed rate was made of, if they make it.
Exact exact_rate(const CheckParts& parts, const CheckLeaf& leaf) {
    std::string name = leaf.path.substr(leaf.path.rfind('.') + 1);
    std::string what = name == "token_hit_rate" ? "tokens" : name == "block_hit_rate" ? "blocks" : "";
    const Json *part = at(leaf.parent, "hit_" + what), *whole = at(leaf.parent, "lookup_" + what);
    if (!whole) whole = at(parts.report, "lookup_" + what);  // points of a curve
    if (what.empty() || !part || !whole || !part->is_number_unsigned() || !whole->is_number_unsigned() || *whole == 0)
        return exact_of(*leaf.value);
    uint64_t p = *part, w = *whole;
    bool made = static_cast<double>(p) / static_cast<double>(w) == leaf.value->get<double>();
    return made ? Exact::ratio(p, w) : exact_of(*leaf.value);
}

constexpr uint64_t kFewestSamples = 6;  // fewer have no interval of 95 %

// gb_per_s and fraction_of_copy are bytes over the median: fast where it is low.
Value time_of(const CheckParts& parts, const CheckUnit& unit, const CheckLeaf& leaf) {
    Value v;
    v.text = leaf.value->dump();
    v.low = v.high = v.exact = exact_of(*leaf.value);
    if (leaf.path.size() > 3 && leaf.path.compare(leaf.path.size() - 3, 3, "_us") == 0 && leaf.path != "median_us" &&
        leaf.path != "roofline_us")
        throw_input(place_of(parts, unit) + leaf.path +
                    " has no interval, so one noisy run would decide; gate median_us, gb_per_s or fraction_of_copy");
    if (leaf.path != "median_us" && leaf.path != "gb_per_s" && leaf.path != "fraction_of_copy") return v;
    const Json *low = at(unit.json, "ci_low_us"), *high = at(unit.json, "ci_high_us"),
               *median = at(unit.json, "median_us");
    const Json* samples = at(unit.json, "samples");
    v.sure = is_number(low) && is_number(high) && is_number(median) &&
             !(samples && samples->is_number_unsigned() && *samples < kFewestSamples);
    if (!v.sure) return v;
    Exact l = exact_of(*low), h = exact_of(*high), m = exact_of(*median);
    if (!(l > Exact()) || h < l || !(m > Exact()))
        throw_input(place_of(parts, unit) + "expected 0 < ci_low_us <= ci_high_us");
    bool speed = leaf.path != "median_us";
    v.low = speed ? v.exact * m / h : l;
    v.high = speed ? v.exact * m / l : h;
    return v;
}

Value value_of(const CheckParts& parts, const CheckUnit& unit, const CheckLeaf& leaf) {
    if (!leaf.value->is_number()) {
        std::string text = leaf.value->dump(-1, ' ', false, Json::error_handler_t::replace);
        throw_input(place_of(parts, unit) + leaf.path + " is " + printable(text.substr(0, 60)) +
                    "; a rule needs a number");
    }
    if (parts.report->at("kind") == "bench" && unit.json != parts.report) return time_of(parts, unit, leaf);
    Value v;
    v.text = leaf.value->dump();
    v.low = v.high = exact_of(*leaf.value);
    v.exact = exact_rate(parts, leaf);
    return v;
}

// Times fail where even the favourable ends of both intervals do.
bool holds(const CheckRule& rule, const Value& is, const Value* was) {
    const Value& other = was ? *was : is;
    bool interval = !(is.low == is.high) || !(other.low == other.high);
    switch (rule.kind) {
        case CheckKind::max_drop: {
            Exact before = interval ? other.low : other.exact;
            Exact drop = before - (interval ? is.high : is.exact);
            return !(drop > (rule.relative ? rule.limit * before.abs() : rule.limit));
        }
        case CheckKind::max_rise: {
            Exact before = interval ? other.high : other.exact;
            Exact rise = (interval ? is.low : is.exact) - before;
            return !(rise > (rule.relative ? rule.limit * before.abs() : rule.limit));
        }
        case CheckKind::min:
            return !(is.high < rule.limit);
        case CheckKind::max:
            return !(is.low > rule.limit);
        case CheckKind::fail_if:
            break;
    }
    if (rule.op == "<") return !(is.high < rule.limit);
    if (rule.op == "<=") return is.high > rule.limit;
    if (rule.op == ">") return !(is.low > rule.limit);
    if (rule.op == ">=") return is.low < rule.limit;
    bool is_it = is.low == is.high ? is.low == rule.limit : !(is.low > rule.limit) && !(is.high < rule.limit);
    if (rule.op == "==") return !(is_it && is.low == is.high);
    return is_it;
}

// By how far a rate's difference to another strategy is known: to the nearer end of its interval.
std::optional<Exact> reach(const CheckUnit& unit) {
    const Json* d = at(unit.json, "difference");
    const Json *middle = at(d, "token_hit_rate"), *low = at(d, "low"), *high = at(d, "high");
    if (!is_number(middle) || !is_number(low) || !is_number(high)) return {};
    Exact down = exact_of(*middle) - exact_of(*low), up = exact_of(*high) - exact_of(*middle);
    return down < up ? down : up;
}

bool within_noise(const CheckUnit& unit, const CheckUnit& before, const CheckLeaf& leaf, const Value& is,
                  const Value& was) {
    if (leaf.path != "results.hits.token_hit_rate") return false;
    std::optional<Exact> now = reach(unit), then = reach(before);
    Exact by = (is.exact - was.exact).abs();
    return now && then && !(by > *now) && !(by > *then);
}

// ---- one rule ----------------------------------------------------------------------------------------------------

class RuleRun {
  public:
    RuleRun(const CheckRule& rule, const CheckParts& now, const CheckParts* before, Check& check)
        : rule_(rule), now_(now), before_(before), check_(check) {}

    void run() {
        bool anywhere = false;
        for (const CheckUnit& u : now_.cells) anywhere = anywhere || (u.ok && !find_key(now_, u, rule_.key).empty());
        if (!anywhere && before_)  // gone everywhere
            for (const CheckUnit& u : before_->cells)
                anywhere = anywhere || (u.ok && !find_key(*before_, u, rule_.key).empty());
        if (anywhere) {
            judge_cells();
            return;
        }
        if (std::none_of(now_.cells.begin(), now_.cells.end(), [](const CheckUnit& u) { return u.ok; }) &&
            !now_.cells.empty())
            throw_input(now_.file + ": no cell was finished, so no rule can be judged");
        judge(now_.whole, before_ ? &before_->whole : nullptr);
    }

  private:
    CheckFinding& add(CheckVerdict v, bool failed, const CheckUnit& u, const std::string& note) {
        check_.findings.push_back({v, failed, u.name, "", rule_.str(), "", "", rule_.allowed(), note});
        return check_.findings.back();
    }

    void judge_cells() {
        std::map<std::string, const CheckUnit*> then;
        if (before_)
            for (const CheckUnit& u : before_->cells) then[u.id] = &u;
        for (const CheckUnit& u : now_.cells) {
            auto found = then.find(u.id);
            const CheckUnit* before = found == then.end() ? nullptr : found->second;
            bool bench = check_.kind == "bench";
            if (!u.ok) {
                bool gone = before && before->ok, cut = u.status.rfind("interrupted", 0) == 0;
                bool plain = u.status.rfind("skipped: ", 0) == 0 && !gone;  // the verdict says so
                add(gone ? CheckVerdict::missing : CheckVerdict::skipped, gone || cut, u,
                    plain ? u.status.substr(9) : u.status);
            } else if (rule_.needs_baseline() && (!before || !before->ok)) {
                add(CheckVerdict::added, !bench, u,
                    before ? "the baseline has no numbers here: " + before->status : "the baseline has no such cell");
            } else {
                judge(u, before && before->ok ? before : nullptr);
            }
            if (found != then.end()) then.erase(found);
        }
        for (const CheckUnit& u : before_ ? before_->cells : std::vector<CheckUnit>{})
            if (then.count(u.id) != 0) add(CheckVerdict::missing, u.ok, u, "the report has no such cell");
    }

    // The one value that is meant; nothing where there is none.
    std::optional<CheckLeaf> meant(const CheckParts& parts, const CheckUnit& unit) const {
        std::vector<CheckLeaf> found = find_key(parts, unit, rule_.key);
        if (found.empty()) return {};
        if (found.size() == 1) return found.front();
        std::vector<std::string> paths;
        for (const CheckLeaf& leaf : found) paths.push_back(printable(leaf.path));
        size_t more = paths.size() > 8 ? paths.size() - 8 : 0;
        paths.resize(paths.size() - more);
        throw_input("--" + std::string(check_option(rule_.kind)) + " " + rule_.text + ": " + rule_.key + " could be " +
                    join(paths, " or ") + (more > 0 ? " or one of " + std::to_string(more) + " more" : "") + " in " +
                    parts.file);
    }

    [[noreturn]] void unknown(const CheckParts& parts, const CheckUnit& unit) const {
        std::vector<std::string> paths = all_paths(parts, unit), words;
        size_t depth = 1 + static_cast<size_t>(std::count(rule_.key.begin(), rule_.key.end(), '.'));
        for (const std::string& path : paths) {
            size_t from = path.size();
            for (size_t i = 0; i < depth && from != std::string::npos && from > 0; ++i)
                from = path.rfind('.', from - 1);
            words.push_back(from == std::string::npos || from == 0 ? path : path.substr(from + 1));
        }
        throw_input("--" + std::string(check_option(rule_.kind)) + " " + rule_.text + ": there is no " + rule_.key +
                    " in " + parts.file + (unit.name.empty() ? "" : ", " + printable(unit.name)) +
                    did_you_mean(rule_.key, words));
    }

    // `before`: nullptr where there is no baseline.
    void judge(const CheckUnit& unit, const CheckUnit* before) {
        std::optional<CheckLeaf> is = meant(now_, unit), was;
        if (before) was = meant(*before_, *before);
        if (!is && (!was || unit.name.empty())) {
            if (unit.name.empty()) unknown(now_, unit);
            add(CheckVerdict::skipped, false, unit, "there is no " + rule_.key + " here");
            return;
        }
        if (!is) unknown(now_, unit);
        if (rule_.needs_baseline() && !was) unknown(*before_, *before);
        Value now = value_of(now_, unit, *is);
        std::optional<Value> then;
        if (was && was->value->is_number()) then = value_of(*before_, *before, *was);
        if (rule_.needs_baseline() && !then) then = value_of(*before_, *before, *was);  // says that it is no number
        CheckFinding& f = add(CheckVerdict::passed, false, unit, "");
        f.what = is->path;
        f.is = now.text;
        if (then) f.was = then->text;
        if (!now.sure || (rule_.needs_baseline() && !then->sure)) {
            f.verdict = CheckVerdict::unsure;
            f.note = "too few samples for an interval, so it is not judged";
        } else if (!holds(rule_, now, rule_.needs_baseline() ? &*then : nullptr)) {
            bool noise =
                check_.options.ignore_noise && rule_.needs_baseline() && within_noise(unit, *before, *is, now, *then);
            f.verdict = noise ? CheckVerdict::noise : CheckVerdict::failed;
            f.failed = !noise;
            if (rule_.needs_baseline()) f.note = change(is->value->get<double>(), was->value->get<double>());
        }
    }

    static std::string change(double is, double was) {
        std::string text = fmt::format("{:+.4g}", is - was);
        return was == 0 ? text : text + fmt::format(", {:+.2f} %", 100 * (is - was) / std::fabs(was));
    }

    const CheckRule& rule_;
    const CheckParts& now_;
    const CheckParts* before_;
    Check& check_;
};

CheckFile file_of(const std::string& file, const Json& report) {
    CheckFile f{file, "unknown", "unknown"};
    const Json* tool = at(&report, "tool");
    if (const Json* version = at(tool, "version"); version && version->is_string()) f.version = printable(*version);
    if (const Json* git = at(tool, "git"); git && git->is_string()) f.git = printable(*git);
    return f;
}

void check_options(const CheckOptions& options, const std::string& kind, bool baseline) {
    bool rate = false;
    for (const CheckRule& rule : options.rules) {
        if (rule.needs_baseline() && !baseline)
            throw_input(rule.str() + ": expected --baseline FILE to hold the report against");
        size_t dot = rule.key.rfind('.');
        rate = rate ||
               (rule.needs_baseline() && rule.key.substr(dot == std::string::npos ? 0 : dot + 1) == "token_hit_rate");
    }
    if (options.rules.empty() && !baseline)
        throw_input("expected --baseline FILE, or a rule such as --min token_hit_rate=0.3");
    if (options.tolerance && kind != "bench")
        throw_input("--tolerance has no effect on a report of kind \"" + kind + "\"; it is of kvsim bench");
    if (options.tolerance && !options.rules.empty())
        throw_input("--tolerance has no effect with rules; give --max-rise median_us=P%");
    if (options.ignore_noise && (kind != "compare" || !rate))
        throw_input(
            "--within-noise ignore has no effect without a report of kvsim compare and a --max-drop or --max-rise of "
            "token_hit_rate");
}

// What the rules name, so that its definition is looked at.
std::vector<std::string> named_paths(const CheckParts& parts, const CheckOptions& options) {
    std::vector<std::string> paths;
    for (const CheckRule& rule : options.rules) {
        for (const CheckUnit& u : parts.cells)
            if (u.ok)
                for (const CheckLeaf& leaf : find_key(parts, u, rule.key)) paths.push_back(leaf.path);
        for (const CheckLeaf& leaf : find_key(parts, parts.whole, rule.key)) paths.push_back(leaf.path);
    }
    return paths;
}

}  // namespace

Check check_reports(const std::string& file, const Json& report, const std::string& baseline_file, const Json* baseline,
                    const CheckOptions& options) {
    Check check;
    check.kind = report.at("kind");
    check.options = options;
    CheckParts now = check_parts(file, report);
    check_options(options, check.kind, baseline != nullptr);
    check.report = file_of(file, report);
    std::optional<CheckParts> before;
    if (baseline) {
        check.baseline = file_of(baseline_file, *baseline);
        before = check_parts(baseline_file, *baseline);
        name_cells(now, &*before);
        check_comparable(now, *before, named_paths(now, options), check);
    } else {
        name_cells(now, nullptr);
    }
    for (const CheckRule& rule : options.rules) RuleRun(rule, now, before ? &*before : nullptr, check).run();
    if (options.rules.empty()) {
        if (check.kind == "bench")
            check_times(now, *before, check);
        else
            check_equal(now, *before, check);
    }
    if (check.kind != "bench" && check.findings.empty() && check.equal == 0)
        throw_input(file + ": there is nothing to hold against the baseline");
    return check;
}

}  // namespace kvsim
