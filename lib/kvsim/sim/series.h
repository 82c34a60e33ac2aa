// How a replay went, for plots: over time, over the depth of prompts, over the age of what was evicted.
//
// Every number is a count of the run, or a quotient of two, and belongs to one of its results: a point of the timeline is
// the state after one admission, which utilization averages; the depths sum to the hits, the ages to the evictions.
// Depths and the timeline are made of per-request columns. Under the prefix layout samples and ages take a run block by
// block that tells who was used and who was evicted (BlockObserver): the faster paths are not burdened with it.
// Cost: O(requests + points), O(log prompt) per request for depths, O(1) per event for ages.
#pragma once

#include <kvsim/cache/cache.h>
#include <kvsim/layout/layouts.h>
#include <kvsim/trace/trace.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace kvsim {

/// Points in replay order, warm-up included.
struct Timeline {
    std::vector<uint64_t> requests;  ///< of each point: its last request
    std::vector<uint64_t> active_blocks, evictable_blocks;
    std::vector<uint64_t> free_blocks;     ///< empty without a limit
    uint64_t window_requests = 0;          ///< 0 where there are no hits
    std::vector<double> window_hit_rate;   ///< tokens; below 0: nothing was looked up. Empty where there are no hits
};

/// Tokens of counted lookups by position; a bin ends where the next begins.
struct HitDepth {
    std::vector<uint64_t> from_tokens;  ///< 0, then powers of two times the block size
    std::vector<uint64_t> lookup_tokens, hit_tokens;
};

/// Counted evictions of blocks by requests since the block's last use; a bin ends where the next begins.
struct EvictionAge {
    std::vector<uint64_t> from_requests;  ///< 0, then powers of two
    std::vector<uint64_t> blocks;

    uint64_t sum() const;
};

struct Series {
    Timeline timeline;
    std::optional<HitDepth> depth;
    std::optional<EvictionAge> age;
};

/// At most one point per request. `run` has the column of samples; `hits`: and one of hits that mean something.
Timeline make_timeline(const Trace& trace, const RunResult& run, const RunOptions& options, uint64_t points, bool hits);

HitDepth hit_depth(const Trace& trace, const RunResult& run, uint64_t warmup_requests);

/// Whether a run block by block tells an observer what became of single blocks.
bool tells_blocks(const CacheConfig& cache);

/// Takes the ages of evicted blocks down.
class EvictionAges : public BlockObserver {
  public:
    explicit EvictionAges(uint64_t warmup_requests) : warmup_(warmup_requests) {}
    void served(const Served& request, const std::function<bool(BlockId)>& resident) override;
    EvictionAge histogram() const;

  private:
    uint64_t warmup_;
    std::vector<uint32_t> last_use_;  ///< per block; kNone: not resident
    std::vector<uint64_t> bins_;
};

}  // namespace kvsim
