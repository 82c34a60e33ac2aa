// QDLP, quick demotion and lazy promotion (Yang et al., HotOS 2023): a FIFO queue that new blocks leave quickly, in
// front of a CLOCK with counters, and ghosts.
//
// New blocks enter the FIFO. When room is needed its oldest block becomes a ghost, or, if it was hit `promote` times,
// moves to the CLOCK with a counter of 0, and the next one is looked at. The CLOCK has room for C - floor(small * C):
// if it is full, a block of its own goes before another enters, and leaves no ghost. A missed block that is a ghost
// (the newest floor(ghost * C) are remembered) enters the CLOCK: after room was made, a full CLOCK gives one more, so
// that the cache holds one block less until the next miss. If the FIFO is empty the CLOCK gives a block. CLOCK: a hit
// adds 1 to a counter of at most 3; at the oldest block, 0 goes, anything else loses 1 and moves to the newest end.
// Source: the rule of libCacheSim's QDLP with Clock2. The FIFO's own size never stops anything: it holds what the CLOCK
// leaves, all C blocks at first. So floor(small * C) = 0 (small C) only means a CLOCK that may grow to C, and
// floor(ghost * C) = 0 that nothing comes back.
//
// A block that is not eligible keeps its place and its count. If nobody in a full CLOCK may go, it grows beyond its
// room; if nobody in the FIFO may, the CLOCK gives a block. A ghost that is missed is forgotten even if it is then not
// stored (tree). Cost: O(1) amortized; 30 bytes per block.
#pragma once

#include <kvsim/eviction/block_ghosts.h>

namespace kvsim {

template <bool kLeaves>
class BlockQdlp : public BlockStrategyBase {
  public:
    static constexpr bool kKeyed = false;
    static StrategyInfo info() {
        return {"qdlp", "new blocks in a FIFO queue, those hit there or coming back in a CLOCK", "Yang 2023",
                "pinned flat tree", "published counts and a naive twin", "small=0.1 ghost=0.9 promote=1"};
    }
    explicit BlockQdlp(Spec& spec)
        : small_(spec.number("small", 0.1, 0, 0.99)),
          ghost_(spec.number("ghost", 0.9, 0, 100)),
          promote_(spec.whole("promote", 1, 0, 255)) {}

    void reset(const StrategyContext& context) {
        capacity_ = std::min(context.capacity_blocks, context.blocks);
        auto share = [&](double part) { return static_cast<uint64_t>(part * static_cast<double>(capacity_)); };
        clock_room_ = capacity_ - share(small_);
        places_.assign(context.blocks, 0);
        where_.assign(context.blocks, BlockGhosts::kNowhere);
        count_.assign(context.blocks, ByteNumber{0});
        fifo_.reset(capacity_, places_);
        clock_.reset(capacity_, places_);
        ghosts_.reset(share(ghost_), context, places_, where_);
    }
    void on_lookup(const RequestView&) {
        fifo_.begin_request();
        clock_.begin_request();
    }
    void on_hit(BlockId block) {
        uint8_t most = where_[block] == kClock ? kMost : 255;
        count_[block] = static_cast<ByteNumber>(count_[block] + (count_[block] < most));
    }
    void on_miss(BlockId block) { comes_back_ = ghosts_.remove(block); }
    bool wants_room() const { return comes_back_ && clock_.size() >= clock_room_; }
    void on_insert(BlockId block) {
        where_[block] = comes_back_ ? kClock : kFifo;
        count_[block] = ByteNumber{0};
        queue_of(block).push(block);
        queue_of(block).on_leaf(block);
    }
    template <EligibleBlocks E>
    BlockId pick_victim(BlockId, const E& eligible) {
        if (fifo_.size() + clock_.size() < capacity_) return of_clock(eligible);  // wants_room()
        for (BlockId block = fifo_.oldest(eligible); block != kNone; block = fifo_.oldest(eligible)) {
            if (count_[block] < promote_) return block;
            BlockId victim = clock_.size() >= clock_room_ ? of_clock(eligible) : kNone;
            fifo_.move_to(clock_, block);
            where_[block] = kClock;
            count_[block] = ByteNumber{0};
            if (victim != kNone) return victim;
        }
        return of_clock(eligible);
    }
    void on_evict(BlockId block) {
        bool leaves_ghost = where_[block] == kFifo;
        queue_of(block).erase(block);
        where_[block] = BlockGhosts::kNowhere;
        if (leaves_ghost) ghosts_.add(block);
    }
    void on_leaf(BlockId block) { queue_of(block).on_leaf(block); }
    void on_inner(BlockId block) { queue_of(block).on_inner(block); }
    bool contains(BlockId block) const { return where_[block] > BlockGhosts::kGhost; }
    uint64_t state_bytes() const {
        return places_.size() * 4 + where_.size() + count_.size() + fifo_.state_bytes() + clock_.state_bytes() +
               ghosts_.state_bytes();
    }

  private:
    static constexpr ByteNumber kFifo{2}, kClock{3};
    static constexpr uint8_t kMost = 3;  ///< of a counter of the CLOCK

    BlockQueue<kLeaves>& queue_of(BlockId block) { return where_[block] == kClock ? clock_ : fifo_; }

    template <EligibleBlocks E>
    BlockId of_clock(const E& eligible) {
        for (;;) {
            BlockId block = clock_.oldest(eligible);
            if (block == kNone || count_[block] == 0) return block;
            count_[block] = static_cast<ByteNumber>(count_[block] - 1);
            clock_.renew(block);
        }
    }

    double small_, ghost_;
    uint64_t promote_;
    uint64_t capacity_ = 0, clock_room_ = 0;
    bool comes_back_ = false;  ///< the block that was missed last was a ghost
    BlockPlaces places_;
    HugeVector<ByteNumber> where_;
    HugeVector<ByteNumber> count_;  ///< hits in the FIFO, counter in the CLOCK
    BlockQueue<kLeaves> fifo_, clock_;
    BlockGhosts ghosts_;
};

static_assert(BlockStrategy<BlockQdlp<false>> && BlockStrategy<BlockQdlp<true>>);

}  // namespace kvsim
