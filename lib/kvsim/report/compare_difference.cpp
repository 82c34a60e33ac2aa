// Which cell each cell is compared with, and by how much they differ.
#include <kvsim/report/compare_report.h>

namespace kvsim {

// An engine has neither layout nor accounting; the same room and the same requests are all it shares with others.
static bool same_but_strategy(const CompareCell& a, const CompareCell& b) {
    if (a.table != b.table || a.column != b.column) return false;
    const CacheConfig &x = a.spec.options.cache, &y = b.spec.options.cache;
    return !a.engine.empty() || !b.engine.empty() || (x.layout == y.layout && x.accounting == y.accounting);
}

// Number of comparisons.
static size_t find_baselines(CompareReport& report) {
    size_t comparisons = 0;
    for (CompareCell& c : report.cells) {
        if (c.result.columns.hits.empty() || c.who() == report.versus) continue;
        for (size_t i = 0; i < report.cells.size() && !c.compared; ++i) {
            const CompareCell& b = report.cells[i];
            c.compared = b.who() == report.versus && !b.result.columns.hits.empty() &&
                         same_but_strategy(b, c);
            c.versus = i;
        }
        comparisons += c.compared;
    }
    return comparisons;
}

static void bootstrap_table(CompareReport& report, size_t table) {
    std::vector<BootstrapCell> in;
    std::vector<size_t> of, place(report.cells.size(), 0);
    for (size_t i = 0; i < report.cells.size(); ++i) {
        const CompareCell& c = report.cells[i];
        if (c.table != table || c.result.columns.hits.empty()) continue;
        place[i] = in.size();
        of.push_back(i);
        in.push_back({c.result.columns.lookups, c.result.columns.hits, 0});
    }
    for (size_t k = 0; k < in.size(); ++k)
        in[k].baseline = report.cells[of[k]].compared ? place[report.cells[of[k]].versus] : k;
    if (in.empty()) return;
    ConfidenceTable t = bootstrap(in, report.bootstrap);
    for (size_t k = 0; k < in.size(); ++k) report.cells[of[k]].difference = t.cells[k];
    t.cells.clear();
    report.tables.push_back(std::move(t));
}

void compare_with(CompareReport& report, const std::string& versus, uint32_t block_requests, uint64_t seed) {
    report.versus = versus.rfind("block/", 0) == 0 ? versus.substr(6) : versus;  // as cells name it
    size_t comparisons = find_baselines(report);
    report.confidence = block_requests > 0 && comparisons > 0;
    if (!report.confidence) return;
    report.bootstrap.block_requests = block_requests;
    report.bootstrap.seed = seed;
    report.bootstrap.draws = draws_for(comparisons, report.bootstrap.level);
    for (size_t table = 0; table < report.traces.size(); ++table) bootstrap_table(report, table);
    std::vector<Comparison*> all;
    for (CompareCell& c : report.cells)
        if (c.compared) all.push_back(&c.difference);
    correct(all, report.bootstrap.level);
}

}  // namespace kvsim
