// Kernel timings without rules: a report of bench against one of an earlier run on the same device.
//
// A kernel is slower where even the favourable ends of both 95 % intervals are: ci_low > baseline ci_high x (1 +
// tolerance); faster where ci_high < baseline ci_low x (1 - tolerance); else the same, as far as the noise of these
// runs can tell. So one noisy run does not fail: it has a wide interval. Where a run has none, nothing is said.
#include <kvsim/core/error.h>
#include <kvsim/report/check_parts.h>

#include <fmt/format.h>

#include <map>

namespace kvsim {

namespace {

struct Interval {
    Exact low, high;
    double from = 0, to = 0;
};

std::optional<Interval> interval_of(const CheckParts& p, const CheckUnit& u) {
    auto number = [&](const char* key) { return u.json->contains(key) && (*u.json)[key].is_number(); };
    if (!number("ci_low_us") || !number("ci_high_us")) return {};
    if (number("samples") && (*u.json)["samples"] < 6) return {};  // the smallest and the largest, no interval of 95 %
    const Json &low = (*u.json)["ci_low_us"], &high = (*u.json)["ci_high_us"];
    Interval i{exact_of(low), exact_of(high), low.get<double>(), high.get<double>()};
    if (!(i.low > Exact()) || i.high < i.low) throw_input(place_of(p, u) + "expected 0 < ci_low_us <= ci_high_us");
    return i;
}

CheckFinding judge(const CheckParts& a, const CheckUnit& x, const CheckParts& b, const CheckUnit& y,
                   const CheckOptions& options) {
    CheckFinding f{CheckVerdict::same,
                   false,
                   x.name,
                   "median_us",
                   "",
                   y.json->at("median_us").dump(),
                   x.json->at("median_us").dump(),
                   "within " + options.tolerance_text + " beyond the noise",
                   ""};
    std::optional<Interval> is = interval_of(a, x), was = interval_of(b, y);
    if (!is || !was) {
        f.verdict = CheckVerdict::unsure;
        f.note = std::string(is ? "the baseline has" : "the report has") +
                 " too few samples for an interval, so it is not judged";
        return f;
    }
    Exact tolerance = options.tolerance ? *options.tolerance : Exact::ratio(1, 20);
    if (is->low > was->high * (Exact(1) + tolerance)) f.verdict = CheckVerdict::slower, f.failed = true;
    if (is->high < was->low * (Exact(1) - tolerance)) f.verdict = CheckVerdict::faster;
    f.note = fmt::format("{:+.1f} % to {:+.1f} %", 100 * (is->from / was->to - 1), 100 * (is->to / was->from - 1));
    return f;
}

}  // namespace

void check_times(const CheckParts& a, const CheckParts& b, Check& check) {
    std::map<std::string, const CheckUnit*> before;
    for (const CheckUnit& u : b.cells)
        if (u.ok) before[u.id] = &u;
    for (const CheckUnit& u : a.cells) {
        if (!u.ok) continue;
        auto found = before.find(u.id);
        if (found == before.end()) {
            check.findings.push_back(
                {CheckVerdict::added, false, u.name, "median_us", "", "", u.json->at("median_us").dump(), "", ""});
            continue;
        }
        check.findings.push_back(judge(a, u, b, *found->second, check.options));
        before.erase(found);
    }
    for (const CheckUnit& u : b.cells)
        if (before.count(u.id) != 0)
            check.findings.push_back({CheckVerdict::missing, true, u.name, "median_us", "",
                                      u.json->at("median_us").dump(), "", "measured", ""});
}

}  // namespace kvsim
