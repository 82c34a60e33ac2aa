// Is a strategy really better than the baseline, or was it this trace? Bootstrap intervals of differences.
//
// Circular block bootstrap (Politis and Romano 1992): a draw lines up blocks of consecutive requests, taken from
// uniformly random places and around the end, until it has as many requests as the trace; the last block is cut.
// Blocks, not single requests, because neighbours depend on each other (the cache's content, bursts, sessions).
// Every cell is evaluated on the same draw (paired), so what a draw does to all strategies alike cancels in the
// difference. The cache is not simulated again: a draw resamples what each request hit on the whole trace.
// Cost: prefix sums make a block of a draw one subtraction, O(requests / block_requests) per draw and cell.
//
// Every number is a ratio of exact 64-bit integer sums and the random numbers are integers too, so the same columns and
// seed give the same bits everywhere. A cell's own numbers do not depend on the other cells; p_holm and the verdict do.
#pragma once

#include <kvsim/cache/run_result.h>
#include <kvsim/trace/trace.h>

#include <cstdint>
#include <span>
#include <vector>

namespace kvsim {

struct BootstrapOptions {
    uint32_t block_requests = 200;  ///< consecutive requests that stay together, at least 1
    uint32_t draws = 1000;          ///< see draws_for()
    double level = 0.95;            ///< of the intervals; inside (0, 1)
    uint64_t seed = 0;
};

/// A run's counted requests, in tokens or in blocks. Hit rate: sum of hits / sum of lookups, 0 without lookups.
struct HitColumns {
    std::vector<uint64_t> lookups, hits;
};
enum class HitUnit : uint8_t { tokens, blocks };
/// Leading hits of the requests from `warmup` on, as in HitCounts.
HitColumns hit_columns(const Trace& trace, const RunResult& run, uint64_t warmup, HitUnit unit = HitUnit::tokens);

/// One row of a table. Columns are of the same requests in all cells; cells may share a lookup column.
struct BootstrapCell {
    std::span<const uint64_t> lookups, hits;
    size_t baseline = 0;  ///< cell it is compared with; its own number: it is a baseline, and no comparison
};

enum class Verdict : uint8_t {
    better,
    worse,
    no_difference,  ///< none that this trace can show
};
const char* verdict_id(Verdict verdict);

struct Comparison {
    bool compared = false;     ///< false: a baseline; then everything but the rate stays as it is here
    double rate = 0;           ///< of the trace itself
    double difference = 0;     ///< rate - the baseline's rate
    double low = 0, high = 0;  ///< percentile interval of the difference
    double p = 1;              ///< two-sided
    double p_holm = 1;         ///< corrected for the number of comparisons
    Verdict verdict = Verdict::no_difference;
};

struct ConfidenceTable {
    uint64_t requests = 0;
    /// Blocks of this size were drawn: at most a tenth of the requests, as less than ten blocks hardly vary.
    uint32_t block_requests = 0;
    /// Less than ten requests: intervals say little, and every verdict is no_difference with p = 1.
    bool too_few = false;
    std::vector<Comparison> cells;
};

/// With B draws sorted, a = 1 - level and k = floor(a / 2 * (B + 1)), the interval is [k-th smallest, k-th largest]:
/// order statistics, no interpolation. p = min(1, 2 * (1 + c) / (B + 1)), c = the smaller of the number of draws <= 0
/// and the number of draws >= 0: never 0, and p <= a exactly if the interval leaves 0 out. better and worse need
/// p_holm <= a, so their interval leaves 0 out too.
/// Throws Error(input) on options that make no sense (k would be 0) and on columns whose draws could pass 2^64.
ConfidenceTable bootstrap(const std::vector<BootstrapCell>& cells, const BootstrapOptions& options);

/// Holm's step-down correction: the i-th smallest of m (i from 0) is multiplied by m - i, cut to 1, and is at least
/// the one before it.
std::vector<double> holm(const std::vector<double>& p);

/// Sets p_holm and the verdicts over all comparisons handed in. bootstrap() has done so for its own table; this is for
/// several tables (traces) that are read as one.
void correct(const std::vector<Comparison*>& comparisons, double level);

/// Draws with which a difference among so many comparisons can show at all: Holm multiplies the smallest p,
/// 2 / (draws + 1), by their number. At least 1,000, in thousands, and twice as many as the smallest p needs.
uint32_t draws_for(size_t comparisons, double level);

/// A value that depends on a seed, over runs with different seeds.
struct SeedSpread {
    double median = 0, low = 0, high = 0;
    size_t median_run = 0;  ///< first run with the median: the one whose columns stand for all
};
/// Median = sorted[(n - 1) / 2], always a value that a run had. Throws Error(failed) on none.
SeedSpread spread_over_seeds(const std::vector<double>& values);

}  // namespace kvsim
