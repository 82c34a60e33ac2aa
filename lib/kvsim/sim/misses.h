// Why a block was missed: every looked-up block that is not a leading hit has one of four causes, the first that fits.
//   compulsory  no request had it before, or it is the last prompt token of one-token blocks, which is always computed
//   stranded    it was resident, behind a block that was not
//   capacity    the offline bound at the same capacity misses it too
//   regret      the bound hits it: what a better strategy could have had
// The sum is lookup_blocks - hit_blocks. Leading hits, the unlimited cache's and the bound's are prefixes of the same
// chain, so three lengths and the number of stranded blocks say everything. Cost: O(1) per request.
#pragma once

#include <kvsim/cache/run_result.h>
#include <kvsim/trace/trace.h>

#include <cstdint>
#include <string>
#include <vector>

namespace kvsim {

struct MissCounts {
    uint64_t compulsory = 0, stranded = 0, capacity = 0, regret = 0;  ///< blocks
};

struct Misses {
    MissCounts counted;                   ///< requests from the warm-up on
    std::vector<uint32_t> regret_blocks;  ///< per request
};

/// `unlimited` and `bound`: leading hits per request. The run was given `bound` as RunOptions::bound_hits. Ids are paths.
Misses explain_misses(const Trace& trace, const RunResult& run, const std::vector<uint32_t>& unlimited,
                      const std::vector<uint32_t>& bound, uint64_t warmup);

/// Who lost hits to the strategy.
struct Blame {
    std::string label;
    uint64_t requests = 0;  ///< that have any regret
    uint64_t regret_blocks = 0;
};

/// Whose regret is largest: at most `n` of each kind, most blocks first, ties in order of appearance.
struct BlameTable {
    /// Prefixes, named by the request whose prompt or output (decoded here or not) had the first of the missed blocks
    /// first: what a better strategy would have kept of it.
    std::vector<Blame> prefixes;
    std::vector<Blame> sessions;    ///< empty without the column
    std::vector<Blame> categories;  ///< empty without the column
};
/// `hit_blocks`: leading hits of the run.
BlameTable blame(const Trace& trace, const Misses& misses, const std::vector<uint32_t>& hit_blocks, uint64_t warmup,
                 size_t n);

}  // namespace kvsim
