// 2Q (Johnson and Shasha, VLDB 1994): new blocks pass through a FIFO queue; only what comes back soon after leaving it
// enters the LRU queue.
//
// A1in: FIFO, target floor(in * C). A1out: ghosts of what left A1in, FIFO, at most floor(out * C) names. Am: LRU.
// A hit in A1in changes nothing; a hit in Am renews. A missed block that is a ghost enters Am (and is a ghost no more),
// any other enters A1in. When room is needed: the oldest of A1in, if A1in is above its target or Am is empty, becomes a
// ghost; otherwise the oldest of Am goes and leaves no trace. With a target of 0 (small C) whatever is in A1in goes
// first; with floor(out * C) = 0 nothing ever enters Am and this is FIFO.
// Source: the paper's full version with the sizes of libCacheSim, which also bounds Am by C - floor(in * C): without
// ineligible blocks it never gets there before room is needed, so nothing of the kind is written here.
//
// A block that is not eligible keeps its place. If the queue whose turn it is has no eligible block, the other one
// gives its oldest. The end of the last running request that holds a block renews it in Am and changes nothing in A1in.
// A ghost that is missed is forgotten even if it is then not stored (tree).
// Cost: O(1) amortized; 25 bytes per block.
#pragma once

#include <kvsim/eviction/block_ghosts.h>

namespace kvsim {

template <bool kLeaves>
class BlockTwoQ : public BlockStrategyBase {
  public:
    static constexpr bool kKeyed = false;
    static StrategyInfo info() {
        return {"two_q", "new blocks in a FIFO queue, those that come back after leaving it in an LRU queue",
                "Johnson and Shasha 1994", "pinned flat tree", "published counts and a naive twin", "in=0.25 out=0.5"};
    }
    explicit BlockTwoQ(Spec& spec)
        : in_share_(spec.number("in", 0.25, 0, 0.99)), out_share_(spec.number("out", 0.5, 0, 100)) {}

    void reset(const StrategyContext& context) {
        uint64_t capacity = std::min(context.capacity_blocks, context.blocks);
        in_target_ = static_cast<uint64_t>(in_share_ * static_cast<double>(capacity));
        places_.assign(context.blocks, 0);
        where_.assign(context.blocks, BlockGhosts::kNowhere);
        in_.reset(capacity, places_);
        main_.reset(capacity, places_);
        ghosts_.reset(static_cast<uint64_t>(out_share_ * static_cast<double>(capacity)), context, places_, where_);
    }
    void on_lookup(const RequestView&) {
        in_.begin_request();
        main_.begin_request();
    }
    void on_hit(BlockId block) {
        if (where_[block] == kMain) main_.renew(block);
    }
    void on_miss(BlockId block) { comes_back_ = ghosts_.remove(block); }
    void on_insert(BlockId block) {
        where_[block] = comes_back_ ? kMain : kIn;
        queue_of(block).push(block);
        queue_of(block).on_leaf(block);
    }
    template <EligibleBlocks E>
    BlockId pick_victim(BlockId, const E& eligible) {
        bool in_first = in_.size() > in_target_;
        BlockId block = (in_first ? in_ : main_).oldest(eligible);
        return block != kNone ? block : (in_first ? main_ : in_).oldest(eligible);
    }
    void on_evict(BlockId block) {
        bool leaves_ghost = where_[block] == kIn;
        queue_of(block).erase(block);
        where_[block] = BlockGhosts::kNowhere;
        if (leaves_ghost) ghosts_.add(block);
    }
    void on_release(BlockId block) { on_hit(block); }
    void on_leaf(BlockId block) { queue_of(block).on_leaf(block); }
    void on_inner(BlockId block) { queue_of(block).on_inner(block); }
    bool contains(BlockId block) const { return where_[block] > BlockGhosts::kGhost; }
    uint64_t state_bytes() const {
        return places_.size() * 4 + where_.size() + in_.state_bytes() + main_.state_bytes() + ghosts_.state_bytes();
    }

  private:
    static constexpr ByteNumber kIn{2}, kMain{3};

    BlockQueue<kLeaves>& queue_of(BlockId block) { return where_[block] == kMain ? main_ : in_; }

    double in_share_, out_share_;
    uint64_t in_target_ = 0;
    bool comes_back_ = false;  ///< the block that was missed last was a ghost
    BlockPlaces places_;
    HugeVector<ByteNumber> where_;
    BlockQueue<kLeaves> in_, main_;
    BlockGhosts ghosts_;
};

static_assert(BlockStrategy<BlockTwoQ<false>> && BlockStrategy<BlockTwoQ<true>>);

}  // namespace kvsim
