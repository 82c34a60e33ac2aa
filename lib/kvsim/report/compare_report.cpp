#include <kvsim/core/spec.h>
#include <kvsim/core/error.h>
#include <kvsim/core/version.h>
#include <kvsim/report/compare_report.h>
#include <kvsim/report/results_json.h>

#include <map>

#include <algorithm>

namespace kvsim {

ReplayReport cell_report(const CompareCell& cell) {
    ReplayReport r;
    r.trace = cell.spec.trace;
    r.options = &cell.spec.options;
    r.outcome = &cell.result.outcome;
    r.memory = cell.memory;
    r.cost = cell.cost;
    r.storage = cell.storage;
    return r;
}

static Json axes_json(const CompareCell& cell) {
    const CacheConfig& c = cell.spec.options.cache;
    Json j = {{"trace", cell.spec.trace->name}, {"block_size", cell.spec.trace->block_size}};
    if (!cell.model.empty()) j["model"] = cell.model;
    if (!cell.kv_dtype.empty()) j["kv_dtype"] = cell.kv_dtype;
    if (!cell.k_dtype.empty()) j["k_dtype"] = cell.k_dtype;
    if (!cell.v_dtype.empty()) j["v_dtype"] = cell.v_dtype;
    if (!cell.engine.empty()) j["engine"] = cell.engine;
    if (!c.layout.empty()) j["layout"] = c.layout;
    if (!c.accounting.empty()) j["accounting"] = c.accounting;
    if (!c.eviction.empty()) j["eviction"] = c.eviction;
    j["capacity"] = cell.capacity;
    return j;
}

static Json difference_json(const CompareReport& report, const CompareCell& cell) {
    const Comparison& d = cell.difference;
    return {{"versus", report.versus}, {"token_hit_rate", d.difference},  {"low", d.low}, {"high", d.high}, {"p", d.p},
            {"p_holm", d.p_holm},      {"verdict", verdict_id(d.verdict)}};
}

static Json blame_json(const BlameTable& blame) {
    Json j = Json::object();
    const std::pair<const char*, const std::vector<Blame>*> kinds[] = {
        {"prefixes", &blame.prefixes}, {"sessions", &blame.sessions}, {"categories", &blame.categories}};
    for (const auto& [key, rows] : kinds)
        for (const Blame& b : *rows)
            j[key].push_back({{"label", b.label}, {"requests", b.requests}, {"regret_blocks", b.regret_blocks}});
    return j;
}

static Json cell_json(const CompareReport& report, const CompareCell& cell) {
    ReplayReport r = cell_report(cell);
    Json j = {{"table", cell.table}, {"axes", axes_json(cell)}};
    const char* status[] = {"ok", "skipped", "interrupted"};
    j["status"] = status[static_cast<int>(cell.result.status)];
    if (!cell.result.reason.empty()) j["reason"] = cell.result.reason;
    if (cell.result.status != CellStatus::ok) return j;
    if (knows_future(cell)) j["knows_future"] = true;
    j["capacity"] = capacity_json(r);
    if (cell.result.outcome.run.engine) j["engine"] = engine_json(r);
    j["results"] = results_json(r);
    if (!cell.result.by_seed.empty()) {
        SeedSpread s = spread_over_seeds(cell.result.by_seed);
        Spec shown = Spec::parse(cell.spec.by_seed[s.median_run]);
        j["seeds"] = {{"runs", cell.result.by_seed.size()},
                      {"median_seed", shown.whole("seed", 0, 0, ~uint64_t{0})},
                      {"token_hit_rate_median", s.median},
                      {"token_hit_rate_low", s.low},
                      {"token_hit_rate_high", s.high}};
    }
    if (r.has_hits()) j["bounds"] = bounds_json(r);
    if (r.outcome->series) j["series"] = series_json(r);
    if (cell.result.outcome.compression) j["pareto"] = cell.pareto;
    if (report.confidence && cell.compared) j["difference"] = difference_json(report, cell);
    Json who = blame_json(cell.result.blame);
    if (!who.empty()) j["blame"] = std::move(who);
    j["timing"] = {{"simulate_ms", cell.result.outcome.simulate_ms},
                   {"state_bytes", cell.result.outcome.run.state_bytes}};
    return j;
}

// The lines of all cells; where cells differ (accountings, layouts) each text is there once.
static Json definitions_json(const CompareReport& report) {
    Json j = Json::object();
    for (const CompareCell& cell : report.cells) {
        if (cell.result.status != CellStatus::ok) continue;
        ReplayReport r = cell_report(cell);
        for (const auto& [key, text] : definitions(r)) {
            if (!j.contains(key)) {
                j[key] = text;
            } else if (j[key].get<std::string>().find(text) == std::string::npos) {
                j[key] = j[key].get<std::string>() + " | " + text;
            }
        }
    }
    j["table"] = "the place in traces of the table that the cell is in: same trace, block size, model and dtype";
    if (std::any_of(report.cells.begin(), report.cells.end(), [](const CompareCell& c) { return c.result.status == CellStatus::ok && knows_future(c); }))
        j["knows_future"] = "the strategy reads the trace ahead: no cache can be built like that, so it is never the best";
    bool seeds = false, blame = false, engines = false;
    for (const CompareCell& cell : report.cells) {
        seeds = seeds || !cell.result.by_seed.empty();
        engines = engines || !cell.engine.empty();
        blame = blame || !blame_json(cell.result.blame).empty();
    }
    if (seeds)
        j["seeds"] =
            "of strategies that draw random numbers: runs with consecutive seeds, from config's seed on; results are "
            "those of the run with median_seed, whose token hit rate is the median";
    if (blame)
        j["blame"] =
            "who lost most of misses.regret: prefixes are named by the request whose prompt or output had the first "
            "missed block first; requests: those with any regret";
    if (std::any_of(report.cells.begin(), report.cells.end(), [](const CompareCell& c) { return c.pareto; }))
        j["pareto"] = "no other cell of the report that was measured on the data takes fewer bytes (stored / those of all appended "
                      "values in f16) without a larger output_nmse, nor has a smaller output_nmse without more bytes";
    j["knees"] = "smallest capacity of LRU, from its exact curve, whose hit_tokens reach the share of the most it can have";
    if (report.confidence)
        j["difference"] =
            "token hit rate of the cell minus that of the same cell under " + report.versus +
            "; low, high: percentile interval; p: two-sided; p_holm: corrected for all comparisons of the "
            "report; better, worse: p_holm <= 1 - level" +
            (engines ? "; engines and strategies: the first cell of " + report.versus + " with the same trace and capacity" : "");
    return j;
}

void find_knees(CompareReport& report) {
    for (const CompareCell& c : report.cells) {
        const CacheConfig& cache = c.spec.options.cache;
        bool known = std::any_of(report.knees.begin(), report.knees.end(), [&](const LruKnees& k) {
            return k.table == c.table && k.accounting == cache.accounting;
        });
        if (known || c.result.status != CellStatus::ok || !cell_report(c).has_hits() || cache.accounting.empty()) continue;
        report.knees.push_back({c.table, cache.accounting, {}});
        try {
            RunOptions run = c.spec.options.run;
            run.compute_last_token = matches_tokens(cache);
            CurveOptions options;
            options.accounting = Accounting::parse(cache.accounting);
            report.knees.back().knees = knees(lru_curve(*c.spec.trace, run, options).all);
        } catch (const Error& e) {
            if (e.kind() != ErrorKind::input) throw;  // such a run has no curve
        }
    }
}

static Json knees_json(const CompareReport& report) {
    Json j = Json::array();
    for (const LruKnees& k : report.knees) {
        if (k.knees.empty()) continue;
        const Trace& t = *report.traces[k.table].trace;
        Json one = {{"trace", t.name}, {"block_size", t.block_size}, {"eviction", "lru"}, {"accounting", k.accounting}};
        for (const Knee& knee : k.knees)
            one["of_ceiling"].push_back({{"share", knee.share}, {"blocks", knee.blocks}, {"tokens", knee.blocks * t.block_size}});
        j.push_back(std::move(one));
    }
    return j;
}

std::string compare_json(const CompareReport& report) {
    Json j;
    j["schema_version"] = kSchemaVersion;
    j["kind"] = "compare";
    j["tool"] = {{"version", version()}, {"git", git_commit()}};
    j["traces"] = Json::array();
    for (const ReplayReport& t : report.traces) j["traces"].push_back(trace_json(t));
    Json config = Json::object();
    for (const auto& [key, value] : report.config) std::visit([&, &k = key](const auto& v) { config[k] = v; }, value);
    j["config"] = std::move(config);
    j["definitions"] = definitions_json(report);
    j["cells"] = Json::array();
    for (const CompareCell& cell : report.cells) j["cells"].push_back(cell_json(report, cell));
    j["knees"] = knees_json(report);
    if (report.confidence) {
        Json c = {{"method", "circular block bootstrap over requests, paired; ratio of summed hit and lookup tokens"}};
        c["block_requests"] = report.bootstrap.block_requests;
        for (const ConfidenceTable& t : report.tables)
            if (t.block_requests != report.bootstrap.block_requests)
                c["drawn_block_requests"].push_back(t.block_requests);
        c["draws"] = report.bootstrap.draws;
        c["level"] = report.bootstrap.level;
        c["seed"] = report.bootstrap.seed;
        c["correction"] = "holm";
        j["confidence"] = std::move(c);
    }
    j["timing"] = {{"load_ms", report.load_ms}, {"wall_ms", report.wall_ms}};
    return j.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace kvsim
