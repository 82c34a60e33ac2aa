// Many configurations over a few traces, on several threads: each trace is shared, what cells have in common (offline
// bounds, the unlimited cache, a run that only the model or the KV dtype tells apart) is computed once. Results stand
// in the order of the cells however many threads there are.
#pragma once

#include <kvsim/sim/confidence.h>
#include <kvsim/sim/replay.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace kvsim {

struct CellSpec {
    const Trace* trace = nullptr;
    ReplayOptions options;
    std::string skip;  ///< why it cannot be run; empty: run it
    /// Eviction specs of one strategy with several seeds; empty: options.cache.eviction as it is.
    std::vector<std::string> by_seed;
};

enum class CellStatus : uint8_t { ok, skipped, interrupted };

/// Per-request columns of `outcome` are gone, except that of HitColumns.
struct CellResult {
    CellStatus status = CellStatus::interrupted;
    std::string reason;  ///< of a skipped one
    ReplayOutcome outcome;
    HitColumns columns;           ///< tokens; only if asked for
    std::vector<double> by_seed;  ///< token hit rate with each seed; `outcome` is that of the median
    BlameTable blame;
};

struct CompareOptions {
    unsigned jobs = 1;
    bool columns = false;  ///< keep per-request hits for bootstrap()
    size_t blame = 0;
    const std::atomic<bool>* stop = nullptr;
    std::atomic<uint64_t>* done = nullptr;  ///< cells
};

/// How many of the cells are computed; the others share one of these runs.
size_t count_runs(const std::vector<CellSpec>& cells);

/// A configuration that makes no sense is a skipped cell with its reason. Throws Error of any other kind.
std::vector<CellResult> run_cells(const std::vector<CellSpec>& cells, const CompareOptions& options);

}  // namespace kvsim
