// The report of `kvsim compare`: cells in rows (who) and columns (how much room), a table per trace, JSON of
// everything.
#pragma once

#include <kvsim/report/replay_report.h>
#include <kvsim/sim/compare.h>
#include <kvsim/sim/curve.h>

#include <optional>
#include <string>
#include <vector>

namespace kvsim {

/// A cell with what the user asked for.
struct CompareCell {
    CellSpec spec;
    CellResult result;
    size_t table = 0;      ///< cells of one table: same trace, block size, model and dtype
    size_t column = 0;     ///< place of its capacity in the list given
    std::string capacity;  ///< as asked: "10%", "10000"
    std::string engine;    ///< as asked; empty: a layout with its strategy
    std::string model, kv_dtype, k_dtype, v_dtype;
    std::optional<TokenStorage> storage;  ///< with --model, under quantized
    bool pareto = false;  ///< measured, and no other cell of its data is smaller and nearer to full attention
    std::optional<MemoryBytes> memory;
    std::optional<CostView> cost;
    size_t versus = 0;      ///< cell it is compared with
    bool compared = false;  ///< there is such a cell, another one, and both ran
    Comparison difference;  ///< of token hit rates; if compared and confidence was asked for

    /// What reports call its row.
    const std::string& who() const { return engine.empty() ? spec.options.cache.eviction : engine; }
};

/// Where LRU comes near the ceiling, in one table.
struct LruKnees {
    size_t table = 0;
    std::string accounting;
    std::vector<Knee> knees;
};

struct CompareReport {
    std::vector<CompareCell> cells;
    std::vector<ReplayReport> traces;  ///< one per table: trace, options, outcome of its first finished cell
    ConfigEntries config;              ///< what results depend on; lists are joined by commas
    std::string versus;                ///< strategy or engine that the others are compared with
    bool confidence = false;
    BootstrapOptions bootstrap;
    std::vector<ConfidenceTable> tables;  ///< without cells: requests, block size drawn; per table
    std::vector<LruKnees> knees;
    std::vector<std::string> notes;
    double load_ms = 0, wall_ms = 0;
    bool interrupted = false;
};

/// A cell as a report of its own.
ReplayReport cell_report(const CompareCell& cell);

/// Whether its strategy reads the trace ahead: then it is the best of nothing.
bool knows_future(const CompareCell& cell);

/// Compares every finished cell with the one that differs from it in the strategy alone, which is `versus`. An engine has
/// none: it is compared with the first cell of `versus` in its table and column, and if it is `versus` they all are with it.
/// Blocks of `block_requests` requests are drawn; 0: no differences.
void compare_with(CompareReport& report, const std::string& versus, uint32_t block_requests, uint64_t seed);

/// Fills in `knees`: LRU's exact curve of every table and accounting of the prefix layout that has one.
void find_knees(CompareReport& report);

/// Fills in `pareto` over all cells that were measured on keys and values.
void mark_pareto(CompareReport& report);

std::string compare_json(const CompareReport& report);
std::string compare_table(const CompareReport& report);

}  // namespace kvsim
