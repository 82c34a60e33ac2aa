// CLOCK: a FIFO queue with one reference bit per block (Corbato 1968). A hit sets the bit. For a victim look at the
// oldest block: while its bit is set, clear it and move the block to the newest end; the first one with a clear bit
// goes. Blocks enter with the bit clear. A block that is not eligible keeps its place and its bit. O(1) amortized.
#pragma once

#include <kvsim/eviction/block_queue.h>
#include <kvsim/eviction/flat_clock.h>

namespace kvsim {

template <bool kLeaves>
class BlockClock : public BlockStrategyBase {
  public:
    static constexpr bool kKeyed = false;
    static StrategyInfo info() {
        return {"clock", "oldest block first, but one that was hit gets another round", "Corbato 1968", "pinned flat tree",
                "published counts and a naive twin"};
    }
    explicit BlockClock(Spec&) {}

    void reset(const StrategyContext& context) {
        places_.assign(context.blocks, 0);
        hit_.assign(context.blocks, kNotHit);
        queue_.reset(std::min(context.capacity_blocks, context.blocks), places_);
    }
    void on_lookup(const RequestView&) { queue_.begin_request(); }
    void on_hit(BlockId block) { hit_[block] = kHit; }
    void on_insert(BlockId block) {
        queue_.push(block);
        queue_.on_leaf(block);
        hit_[block] = kNotHit;
    }
    template <EligibleBlocks E>
    BlockId pick_victim(BlockId, const E& eligible) {
        for (;;) {
            BlockId block = queue_.oldest(eligible);
            if (block == kNone || hit_[block] == kNotHit) return block;
            hit_[block] = kNotHit;
            queue_.renew(block);
        }
    }
    void on_evict(BlockId block) { queue_.erase(block); }
    void on_leaf(BlockId block) { queue_.on_leaf(block); }
    void on_inner(BlockId block) { queue_.on_inner(block); }
    bool contains(BlockId block) const { return places_[block] != 0; }
    uint64_t state_bytes() const { return places_.size() * 4 + hit_.size() + queue_.state_bytes(); }

  private:
    // An enumeration, since writing plain bytes makes compilers read everything else again.
    enum Bit : uint8_t { kNotHit, kHit };

    BlockPlaces places_;
    BlockQueue<kLeaves> queue_;
    HugeVector<Bit> hit_;
};

static_assert(BlockStrategy<BlockClock<false>> && BlockStrategy<BlockClock<true>>);

template <>
struct FlatOf<BlockClock<false>> {
    static FlatClock make(const BlockClock<false>&) { return FlatClock(); }
};

}  // namespace kvsim
