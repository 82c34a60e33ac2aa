// SIEVE (Zhang et al., NSDI 2024): a FIFO queue with one bit per block and a hand that stays where it is.
//
// A hit sets the bit. The hand walks from the oldest block to the newest and round again: a set bit is cleared and the
// block keeps its place (CLOCK would move it); the first block with a clear bit goes, and the hand waits at the next
// newer one, or at the oldest if the newest went. So new blocks are sifted in a queue of survivors. Blocks enter at the
// newest end with the bit clear. A block that is not eligible keeps its place and its bit.
// Source: the paper's rule; the queue is a log here (block_queue.h), so survivors need no move. O(1) amortized.
#pragma once

#include <kvsim/eviction/block_queue.h>
#include <kvsim/eviction/flat_sieve.h>

namespace kvsim {

template <bool kLeaves>
class BlockSieve : public BlockStrategyBase {
  public:
    static constexpr bool kKeyed = false;
    static StrategyInfo info() {
        return {"sieve", "a hand walks the FIFO queue, spares once what was hit and evicts the rest", "Zhang 2024",
                "pinned flat tree", "published counts and a naive twin"};
    }
    explicit BlockSieve(Spec&) {}

    void reset(const StrategyContext& context) {
        places_.assign(context.blocks, 0);
        hit_.assign(context.blocks, kNotHit);
        queue_.reset(std::min(context.capacity_blocks, context.blocks), places_);
        queue_.set_hand(kOldest);
    }
    void on_hit(BlockId block) { hit_[block] = kHit; }
    void on_insert(BlockId block) {
        queue_.push(block);
        queue_.on_leaf(block);
        hit_[block] = kNotHit;
    }
    template <EligibleBlocks E>
    BlockId pick_victim(BlockId, const E& eligible) {
        // From the hand on, then everything, where the bits behind the hand may all be set, then everything again.
        bool gone_round = queue_.hand() == kOldest;
        uint64_t place = gone_round ? queue_.first(eligible) : queue_.next(queue_.hand(), eligible);
        for (int walk = 0; walk < 3; ++walk, place = queue_.first(eligible))
            for (; place != queue_.kEnd; place = queue_.next(place + 1, eligible)) {
                BlockId block = queue_.at(place);
                if (hit_[block] == kNotHit) return block;
                hit_[block] = kNotHit;
            }
        return kNone;
    }
    void on_evict(BlockId block) {
        uint64_t place = places_[block];
        queue_.erase(block);
        // A block enters between two victims, so the newest place is empty only if the newest block has just gone.
        queue_.set_hand(place + 1 < queue_.end() ? place + 1 : kOldest);
    }
    void on_leaf(BlockId block) { queue_.on_leaf(block); }
    void on_inner(BlockId block) { queue_.on_inner(block); }
    bool contains(BlockId block) const { return places_[block] != 0; }
    uint64_t state_bytes() const { return places_.size() * 4 + hit_.size() + queue_.state_bytes(); }

  private:
    static constexpr uint64_t kOldest = 0;  ///< where the hand is when it has gone round

    // An enumeration, since writing plain bytes makes compilers read everything else again.
    enum Bit : uint8_t { kNotHit, kHit };

    BlockPlaces places_;
    BlockQueue<kLeaves> queue_;
    HugeVector<Bit> hit_;
};

static_assert(BlockStrategy<BlockSieve<false>> && BlockStrategy<BlockSieve<true>>);

template <>
struct FlatOf<BlockSieve<false>> {
    static FlatSieve make(const BlockSieve<false>&) { return FlatSieve(); }
};

}  // namespace kvsim
