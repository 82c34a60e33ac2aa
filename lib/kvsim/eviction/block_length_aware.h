// LengthAware: LFU that looks at where in its chain a block stands. Among the blocks with the fewest uses since
// insertion the deepest goes first (prefer=late: losing it costs the fewest blocks behind it) or the shallowest
// (prefer=early), then the one used longest ago. Named in the Mooncake paper, which leaves open which of the two is
// meant; both readings are common. A block's position is that in its chain; of content ids under flat, where it stands
// first. A heap (key_heap.h): O(1) per hit, O(log n) per insertion and victim.
#pragma once

#include <kvsim/eviction/key_heap.h>

namespace kvsim {

template <bool kLeaves>
class BlockLengthAware : public BlockStrategyBase {
  public:
    static StrategyInfo info() {
        return {"length_aware", "fewest uses first, then the last (or first) in its chain, then least recently used",
                "Mooncake, FAST 2025", "pinned flat tree", "published counts and a naive twin", "prefer=late"};
    }
    static constexpr bool kNeedsDepth = true;
    explicit BlockLengthAware(Spec& spec) : early_(spec.choice("prefer", "late", {"late", "early"}) == "early") {}

    void reset(const StrategyContext& context) {
        time_.reset(context);
        heap_.reset(context.blocks, context.capacity_blocks);
        depth_ = context.depth;
    }
    void on_lookup(const RequestView&) { heap_.begin_request(); }
    void on_hit(BlockId block) { heap_.raise(block, heap_.key(block) + kUse, time_.next()); }
    void on_insert(BlockId block) {
        heap_.insert(block, kUse | (early_ ? depth_[block] : ~depth_[block]), time_.next());
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
    static constexpr uint64_t kUse = uint64_t{1} << 32;  ///< uses above, position below

    bool early_;
    UseTime time_;
    KeyHeap<kLeaves> heap_;
    const uint32_t* depth_ = nullptr;
};

static_assert(BlockStrategy<BlockLengthAware<false>> && BlockStrategy<BlockLengthAware<true>>);

}  // namespace kvsim
