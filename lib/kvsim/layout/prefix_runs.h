// Prefix LRU on runs of the prefix index: O(1) amortized work per request instead of per block.
#pragma once

#include <kvsim/cache/cache.h>
#include <kvsim/trace/prefix_walk.h>

#include <string>
#include <vector>

namespace kvsim {

struct Accounting;

/// Whether PrefixRunLru, under flat accounting FlatRunLru, gives what the strategy (its bare id) does block by block.
bool runs_apply(const std::string& eviction, const Accounting& accounting, const Trace& trace, const RunOptions& options);

/// LRU under pinned accounting; under tree accounting too while no request is longer than the capacity.
/// For traces without named output and any fixed number of running requests.
class PrefixRunLru : public Cache {
  public:
    void run(const Trace& trace, const RunOptions& options, RunResult& result) override;
    void check_invariants() const override;

  private:
    template <bool kConcurrent>
    void run_all(const Trace& trace, const RunOptions& options, RunResult& result);
    template <bool kConcurrent>
    uint32_t take_over(const Trace& trace, uint32_t request);
    void release_oldest();
    void evict_down_to(uint64_t blocks);

    /// What is left of a request in the cache: blocks (cut, high] of its chain, 1-based, deepest last.
    struct State : WalkState {
        uint32_t high;  ///< deepest block not evicted
    };
    PrefixWalk<State> walk_;
    std::vector<uint32_t> missing_;  ///< per request: empty token places in its last block, 0 once that has gone
    uint64_t resident_ = 0;
    uint64_t resident_missing_ = 0;
    uint64_t evicted_ = 0;
    uint64_t active_ = 0;     ///< blocks that running requests hold
    uint32_t running_ = 0;    ///< requests from here on are running
    uint32_t oldest_ = 0;
    uint64_t capacity_ = 0;
};

}  // namespace kvsim
