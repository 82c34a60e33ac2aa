#include <kvsim/core/error.h>
#include <kvsim/core/version.h>
#include <kvsim/report/check_bench.h>
#include <kvsim/report/results_json.h>
#include <kvsim/report/text_table.h>

#include <map>

namespace kvsim {

namespace {

struct Timed {
    std::string row, device;
    double median_us = 0, low_us = 0, high_us = 0;
};

std::string row_name(const Json& k) {
    std::string name = k.at("name").get<std::string>() + " " + k.at("backend").get<std::string>();
    if (!k.contains("shape")) return name;
    for (const auto& [key, value] : k["shape"].items())
        name += " " + key + "=" + (value.is_string() ? value.get<std::string>() : value.dump());
    return name;
}

// The rows that were measured, in order.
std::vector<Timed> rows_of(const std::string& file, const std::string& text) {
    Json j = Json::parse(text, nullptr, false);
    if (!j.is_object() || !j.contains("kind") || j["kind"] != "bench")
        throw_input(file + ": expected a report of kvsim bench (kind \"bench\")");
    if (std::string version = j.value("schema_version", ""); version.substr(0, version.find('.')) != "1")
        throw_input(file + ": schema_version \"" + version + "\"; expected 1.x");
    std::vector<Timed> rows;
    try {
        for (const Json& k : j.at("kernels")) {
            if (!k.contains("median_us") || !k["median_us"].is_number()) continue;
            Timed t{row_name(k), k.at("device").get<std::string>(), k["median_us"].get<double>(), k.at("ci_low_us").get<double>(),
                    k.at("ci_high_us").get<double>()};
            if (!(t.low_us > 0) || t.high_us < t.low_us) throw_input(file + ": " + t.row + ": expected 0 < ci_low_us <= ci_high_us");
            rows.push_back(std::move(t));
        }
    } catch (const Json::exception& e) {
        throw_input(file + ": a row of kernels: " + e.what());
    }
    if (rows.empty()) throw_input(file + ": nothing was measured");
    return rows;
}

const char* words(BenchVerdict v) {
    switch (v) {
        case BenchVerdict::same: return "same";
        case BenchVerdict::faster: return "faster";
        case BenchVerdict::slower: return "SLOWER";
        case BenchVerdict::missing: return "MISSING";
        case BenchVerdict::added: return "new";
    }
    return "";
}

}  // namespace

uint64_t BenchCheck::count(BenchVerdict v) const {
    uint64_t n = 0;
    for (const BenchDifference& d : rows) n += d.verdict == v;
    return n;
}

BenchCheck check_bench(const std::string& report, const std::string& report_text, const std::string& baseline,
                       const std::string& baseline_text, double tolerance) {
    BenchCheck c{report, baseline, tolerance, {}};
    std::map<std::string, Timed> before;
    for (Timed& t : rows_of(baseline, baseline_text)) before.emplace(t.row, t);
    for (const Timed& now : rows_of(report, report_text)) {
        BenchDifference d;
        d.row = now.row;
        d.median_us = now.median_us;
        auto found = before.find(now.row);
        if (found == before.end()) {
            d.verdict = BenchVerdict::added;
            c.rows.push_back(d);
            continue;
        }
        const Timed& then = found->second;
        if (now.device != then.device)
            throw_input(report + ": " + now.row + " was measured on " + now.device + ", in the baseline on " + then.device +
                        "; times of different devices are not compared");
        d.baseline_us = then.median_us;
        d.low = now.low_us / then.high_us;
        d.high = now.high_us / then.low_us;
        if (d.low > 1 + tolerance) d.verdict = BenchVerdict::slower;
        if (d.high < 1 - tolerance) d.verdict = BenchVerdict::faster;
        before.erase(found);
        c.rows.push_back(d);
    }
    for (const auto& [name, then] : before) c.rows.push_back({BenchVerdict::missing, name, 0, then.median_us, 0, 0});
    return c;
}

std::string check_bench_table(const BenchCheck& c) {
    TextTable t;
    t.add({"kernel", "median us", "baseline us", "change", "95 % of it", "verdict"});
    auto percent = [](double ratio) { return fmt::format("{:+.1f} %", 100 * (ratio - 1)); };
    for (const BenchDifference& d : c.rows) {
        bool both = d.median_us > 0 && d.baseline_us > 0;
        t.add({d.row, d.median_us > 0 ? fmt::format("{:.2f}", d.median_us) : "-",
               d.baseline_us > 0 ? fmt::format("{:.2f}", d.baseline_us) : "-", both ? percent(d.median_us / d.baseline_us) : "-",
               both ? percent(d.low) + " to " + percent(d.high) : "-", words(d.verdict)});
    }
    return t.str() + fmt::format("\n  {}: {} rows, {} slower, {} faster, {} new, {} missing; tolerance {} % beyond the noise of both runs\n",
                                 c.passed() ? "passed" : "FAILED", c.rows.size(), c.count(BenchVerdict::slower),
                                 c.count(BenchVerdict::faster), c.count(BenchVerdict::added), c.count(BenchVerdict::missing),
                                 100 * c.tolerance);
}

std::string check_bench_json(const BenchCheck& c) {
    Json j;
    j["schema_version"] = kSchemaVersion;
    j["kind"] = "check";
    j["tool"] = {{"version", version()}, {"git", git_commit()}};
    j["definitions"] = {{"verdict", "slower: ci_low_us / baseline ci_high_us > 1 + tolerance; faster: ci_high_us / baseline "
                                    "ci_low_us < 1 - tolerance; same: neither, as far as these runs can tell"}};
    j["report"] = c.report;
    j["baseline"] = c.baseline;
    j["tolerance"] = c.tolerance;
    j["passed"] = c.passed();
    j["rows"] = Json::array();
    const char* const ids[] = {"same", "faster", "slower", "missing", "new"};
    for (const BenchDifference& d : c.rows) {
        Json row = {{"row", d.row}, {"verdict", ids[static_cast<size_t>(d.verdict)]}};
        if (d.median_us > 0) row["median_us"] = d.median_us;
        if (d.baseline_us > 0) row["baseline_us"] = d.baseline_us;
        if (d.median_us > 0 && d.baseline_us > 0) row["ratio_low"] = d.low, row["ratio_high"] = d.high;
        j["rows"].push_back(std::move(row));
    }
    return j.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace kvsim
