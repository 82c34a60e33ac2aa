// MRU over blocks: the block used last goes first. Textbook, and SGLang's `mru`. It keeps the oldest blocks whatever
// comes, which suits loops over more blocks than fit and nothing else: a baseline to be beaten. The chain just served
// goes first (what runs is pinned, what has run is not), its front before its end under pinned, where the front is
// touched last: children stay behind without their parents. O(1) amortized per use and victim, see block_stack.h.
#pragma once

#include <kvsim/eviction/block_stack.h>

namespace kvsim {

template <bool kLeaves>
class BlockMru : public BlockStrategyBase {
  public:
    static StrategyInfo info() {
        return {"mru", "most recently used block first", "textbook; SGLang", "pinned flat tree", "a naive twin"};
    }
    explicit BlockMru(Spec&) {}

    void reset(const StrategyContext& context) {
        stack_.reset(context.blocks, std::min(context.capacity_blocks, context.blocks));
    }
    void on_hit(BlockId block) { stack_.renew(block); }
    void on_insert(BlockId block) {
        stack_.push(block);
        stack_.on_leaf(block);
    }
    template <EligibleBlocks E>
    BlockId pick_victim(BlockId, const E& eligible) {
        return stack_.newest(eligible);
    }
    void on_evict(BlockId block) { stack_.erase(block); }
    void on_release(BlockId block) { stack_.renew(block); }
    void on_leaf(BlockId block) { stack_.on_leaf(block); }
    void on_inner(BlockId block) { stack_.on_inner(block); }
    bool contains(BlockId block) const { return stack_.contains(block); }
    uint64_t state_bytes() const { return stack_.state_bytes(); }

  private:
    BlockStack<kLeaves> stack_;
};

static_assert(BlockStrategy<BlockMru<false>> && BlockStrategy<BlockMru<true>>);

}  // namespace kvsim
