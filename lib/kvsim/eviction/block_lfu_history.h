// LFU with history ("perfect LFU"): like lfu, but the count of uses survives eviction, so that a block that comes back
// goes on where it was. Output without a name is never the same block again and starts at 1. Blocks seen for the first
// time stand in line, the others in a heap (key_heap.h, which keeps the keys of those that have gone): O(1) per hit
// and for blocks used once, O(log n) otherwise.
#pragma once

#include <kvsim/eviction/key_heap.h>

namespace kvsim {

template <bool kLeaves>
class BlockLfuHistory : public BlockStrategyBase {
  public:
    static StrategyInfo info() {
        return {"lfu_history", "fewest uses in the whole run first, then least recently used", "textbook: perfect LFU",
                "pinned flat tree", "published counts and a naive twin"};
    }
    static constexpr bool kKeepsPrefixes = true;
    explicit BlockLfuHistory(Spec&) {}

    void reset(const StrategyContext& context) {
        time_.reset(context);
        heap_.reset(context.blocks, context.capacity_blocks);
        named_ = context.named_blocks;
    }
    void on_lookup(const RequestView&) { heap_.begin_request(); }
    void on_hit(BlockId block) { heap_.raise(block, heap_.key(block) + 1, time_.next()); }
    void on_insert(BlockId block) {
        uint64_t uses = block < named_ ? heap_.key(block) + 1 : 1;
        if (uses == 1) {
            heap_.insert_last(block, 1, time_.next());
        } else {
            heap_.insert(block, uses, time_.next());
        }
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
    UseTime time_;
    KeyHeap<kLeaves> heap_;
    uint64_t named_ = 0;
};

static_assert(BlockStrategy<BlockLfuHistory<false>> && BlockStrategy<BlockLfuHistory<true>>);

}  // namespace kvsim
