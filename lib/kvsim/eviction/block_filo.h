// FILO over blocks: the block inserted last goes first; hits change nothing. SGLang's `filo`. The first blocks that
// fill the cache stay for good and one place is left for all the others: a baseline. O(1) amortized, see block_stack.h.
#pragma once

#include <kvsim/eviction/block_stack.h>

namespace kvsim {

template <bool kLeaves>
class BlockFilo : public BlockStrategyBase {
  public:
    static StrategyInfo info() {
        return {"filo", "the block inserted last first; hits change nothing", "SGLang", "pinned flat tree",
                "a naive twin"};
    }
    explicit BlockFilo(Spec&) {}

    void reset(const StrategyContext& context) {
        stack_.reset(context.blocks, std::min(context.capacity_blocks, context.blocks));
    }
    void on_hit(BlockId) {}
    void on_insert(BlockId block) {
        stack_.push(block);
        stack_.on_leaf(block);
    }
    template <EligibleBlocks E>
    BlockId pick_victim(BlockId, const E& eligible) {
        return stack_.newest(eligible);
    }
    void on_evict(BlockId block) { stack_.erase(block); }
    void on_leaf(BlockId block) { stack_.on_leaf(block); }
    void on_inner(BlockId block) { stack_.on_inner(block); }
    bool contains(BlockId block) const { return stack_.contains(block); }
    uint64_t state_bytes() const { return stack_.state_bytes(); }

  private:
    BlockStack<kLeaves> stack_;
};

static_assert(BlockStrategy<BlockFilo<false>> && BlockStrategy<BlockFilo<true>>);

}  // namespace kvsim
