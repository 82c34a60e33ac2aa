// FIFO over blocks: the block inserted longest ago goes; hits change nothing. Textbook. O(1) per insertion and victim.
// `leaf=off`, under tree only, is another cache: see layout/prefix_plain_queue.h.
#pragma once

#include <kvsim/eviction/block_queue.h>
#include <kvsim/eviction/flat_fifo.h>

namespace kvsim {

template <bool kLeaves>
class BlockFifo : public BlockStrategyBase {
  public:
    static StrategyInfo info() {
        return {"fifo", "the block inserted longest ago first; hits change nothing", "textbook", "pinned flat tree",
                "published counts and a naive twin", "leaf=on"};
    }
    explicit BlockFifo(Spec&) {}

    void reset(const StrategyContext& context) {
        places_.assign(context.blocks, 0);
        queue_.reset(std::min(context.capacity_blocks, context.blocks), places_);
    }
    void on_lookup(const RequestView&) { queue_.begin_request(); }
    void on_hit(BlockId) {}
    void on_insert(BlockId block) {
        queue_.push(block);
        queue_.on_leaf(block);
    }
    template <EligibleBlocks E>
    BlockId pick_victim(BlockId, const E& eligible) {
        return queue_.oldest(eligible);
    }
    void on_evict(BlockId block) { queue_.erase(block); }
    void on_leaf(BlockId block) { queue_.on_leaf(block); }
    void on_inner(BlockId block) { queue_.on_inner(block); }
    bool contains(BlockId block) const { return places_[block] != 0; }
    uint64_t state_bytes() const { return places_.size() * 4 + queue_.state_bytes(); }

  private:
    BlockPlaces places_;
    BlockQueue<kLeaves> queue_;
};

static_assert(BlockStrategy<BlockFifo<false>> && BlockStrategy<BlockFifo<true>>);

template <>
struct FlatOf<BlockFifo<false>> {
    static FlatFifo make(const BlockFifo<false>&) { return FlatFifo(); }
};

}  // namespace kvsim
