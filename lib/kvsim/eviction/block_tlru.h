// T-LRU, tail-optimized LRU (Zhang and others, NeurIPS 2025; SGLang's `tlru`). A conversation that is L tokens long and
// expected to go on with Q more will have to compute at most xi tokens in its next prefill if its first L + Q - xi
// tokens are still cached. So many need stay; the blocks behind them can go without harm to the slowest answers, and go
// first, least recently used first. Then all others, least recently used first.
//
// `budget` is xi, `next` is Q, both in tokens; the defaults are ours. L is prompt and output of the request that used a
// block, whether or not output is stored. A block is needed if its first token is; once a request needs it, it stays so
// while it is resident (SGLang measures against the longest conversation below a node, which only grows). Differs from
// SGLang in that it takes blocks, not whole nodes. Chunks of content count block_size tokens each, where they stand
// first. With budget=0 the order is that of lru. Cost: O(1) per use, O(log n) per victim, see key_heap.h.
#pragma once

#include <kvsim/eviction/key_heap.h>

namespace kvsim {

template <bool kLeaves>
class BlockTlru : public BlockStrategyBase {
  public:
    static constexpr bool kNeedsDepth = true;
    static StrategyInfo info() {
        return {"tlru",
                "blocks a conversation's next prompt can spare within its budget first, then the least recently used",
                "T-LRU, NeurIPS 2025; SGLang", "pinned flat tree", "a naive twin", "budget=2048 next=256"};
    }
    explicit BlockTlru(Spec& spec)
        : budget_(spec.whole("budget", 2048, 0, kMostTokens)), next_(spec.whole("next", 256, 0, kMostTokens)) {}

    void reset(const StrategyContext& context) {
        trace_ = context.trace;
        depth_ = context.depth;
        heap_.reset(context.blocks, context.capacity_blocks);
        time_.reset(context);
    }
    void on_lookup(const RequestView& view) {
        heap_.begin_request();
        uint64_t expected = uint64_t{trace_->prompt_tokens[view.request]} + trace_->output_tokens[view.request] + next_;
        uint64_t needed = expected > budget_ ? expected - budget_ : 0;
        needed_blocks_ = (needed + trace_->block_size - 1) / trace_->block_size;
    }
    void on_insert(BlockId block) {
        if (depth_[block] < needed_blocks_) {
            heap_.insert_last(block, kNeeded, time_.next());
        } else {
            heap_.insert(block, kSpare, time_.next());
        }
    }
    void on_hit(BlockId block) {
        heap_.raise(block, depth_[block] < needed_blocks_ ? kNeeded : heap_.key(block), time_.next());
    }
    void on_release(BlockId block) { heap_.raise(block, heap_.key(block), time_.next()); }
    template <EligibleBlocks E>
    BlockId pick_victim(BlockId, const E& eligible) {
        return heap_.smallest(eligible);
    }
    void on_evict(BlockId block) { heap_.erase(block); }
    void on_leaf(BlockId block) { heap_.on_leaf(block); }
    void on_inner(BlockId block) { heap_.on_inner(block); }
    bool contains(BlockId block) const { return heap_.contains(block); }
    uint64_t state_bytes() const { return heap_.state_bytes(); }

  private:
    static constexpr uint64_t kMostTokens = 1'000'000'000'000;
    static constexpr uint64_t kSpare = 0, kNeeded = 1;

    uint64_t budget_, next_;
    const Trace* trace_ = nullptr;
    const uint32_t* depth_ = nullptr;
    uint64_t needed_blocks_ = 0;
    KeyHeap<kLeaves> heap_;
    UseTime time_;
};

static_assert(BlockStrategy<BlockTlru<false>> && BlockStrategy<BlockTlru<true>>);

}  // namespace kvsim
