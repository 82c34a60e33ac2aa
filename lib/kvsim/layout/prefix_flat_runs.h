// LRU under flat accounting on runs of the prefix index: O(1) amortized work per request instead of per block.
#pragma once

#include <kvsim/cache/cache.h>
#include <kvsim/trace/prefix_walk.h>

#include <vector>

namespace kvsim {

/// For traces whose requests are paths and leave output without names; runs_apply() says when.
class FlatRunLru : public Cache {
  public:
    void run(const Trace& trace, const RunOptions& options, RunResult& result) override;
    void check_invariants() const override;

  private:
    /// What is left of a request in the cache: blocks (max(cut, low), high] of its chain, 1-based, deepest last.
    struct State : WalkState {
        uint32_t low;   ///< leading blocks that were evicted
        uint32_t high;  ///< blocks that the request has accessed so far
    };
    /// Blocks (begin, end] of the running request's chain, and who used them last.
    struct Piece {
        uint32_t holder, begin, end;
    };

    uint32_t look_up(const ChainRecord& record, uint32_t request);
    void store(uint32_t request, uint32_t end);
    void evict_down_to_capacity();
    uint64_t count_stranded(const Trace& trace) const;

    PrefixWalk<State> walk_;
    std::vector<Piece> pieces_;      ///< of the running request, deepest first
    std::vector<uint32_t> missing_;  ///< per request: empty token places in its last block, 0 once that is not its own
    uint64_t resident_ = 0;
    uint64_t resident_missing_ = 0;
    uint64_t evicted_ = 0;
    uint32_t oldest_ = 0;
    uint64_t capacity_ = 0;
};

}  // namespace kvsim
