// S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi: FIFO queues are all you need for cache eviction, SOSP 2023).
//
// Most blocks are used once. So they enter a small queue, and only those that were hit often enough there when they
// come to its end move on to the main queue; the ids of the others are remembered for a while, and one that comes back
// enters the main queue at once. The main queue gives a block one more round per hit, at most three. With C blocks of
// room, small = floor(small * C), main = C - small, ghosts = floor(ghost * C), numbers as doubles:
//   hit       the block's counter goes up by 1.
//   miss      an id among the ghosts is taken out and the block enters main with counter 0, all others enter small. In
//             variant v1, until something has been evicted, a block enters main while small is full; in v0 small grows.
//   room      main has more than its size or small is empty: of main, the oldest with counter 0 goes; others before it
//             get the counter min(n, 3) - 1 and move to the newest end. Else of small: the oldest with a counter below
//             `promote` goes and becomes the newest ghost; others before it move to main with counter 0. If they all
//             do, of main.
// Blocks that are not eligible are stepped over; "small is empty" then says that nobody eligible is left in it, and if
// main has nobody eligible, small is asked, then main once more. Blocks without a name leave no ghost.
// The defaults are the paper's; its text says "more than once" for promote=2. AIBrix: small=0.3,promote=1,ghost=0.7.
// Counters stop at 63, which no rule can tell from more. Cost: O(1) amortized; 5 bytes per block of the trace, 16 per
// block of the cache, 8 per ghost.
#pragma once

#include <kvsim/eviction/block_queue.h>
#include <kvsim/eviction/byte_number.h>
#include <kvsim/eviction/flat_s3_fifo.h>

namespace kvsim {

template <bool kLeaves>
class BlockS3Fifo : public BlockStrategyBase {
  public:
    static constexpr bool kKeyed = false;
    static StrategyInfo info() {
        return {"s3_fifo", "newcomers pass a small queue; hit there, or back soon, they enter the main one",
                "Yang et al., SOSP 2023; AIBrix", "pinned flat tree", "published counts and a naive twin",
                "small=0.1 ghost=0.9 promote=2 variant=v1"};
    }
    explicit BlockS3Fifo(Spec& spec)
        : small_part_(spec.number("small", 0.1, 0, 1)),
          ghost_part_(spec.number("ghost", 0.9, 0, 100)),
          promote_(static_cast<uint8_t>(spec.whole("promote", 2, 1, kMost))),
          fill_main_(spec.choice("variant", "v1", {"v0", "v1"}) == "v1") {}

    S3FifoRules rules() const { return {small_part_, ghost_part_, promote_, fill_main_}; }

    void reset(const StrategyContext& context) {
        uint64_t room = std::min(context.capacity_blocks, context.blocks);
        named_ = context.named_blocks;
        small_size_ = static_cast<uint64_t>(small_part_ * static_cast<double>(room));
        main_size_ = room - small_size_;
        // At most one block is missing from a full cache, and ghosts are not in it.
        ghost_size_ = static_cast<uint64_t>(ghost_part_ * static_cast<double>(room));
        ghost_size_ = std::min(ghost_size_, context.blocks - room + 1);
        evicted_ = ghost_hit_ = false;
        places_.assign(context.blocks, 0);
        state_.assign(context.blocks, kNowhere);
        small_.reset(room, places_);
        main_.reset(room, places_);
        ghosts_.reset(ghost_size_, places_);
    }
    void on_lookup(const RequestView&) {
        small_.begin_request();
        main_.begin_request();
    }
    void on_hit(BlockId block) {
        if (state_[block] < kOne * kMost) state_[block] = static_cast<ByteNumber>(state_[block] + kOne);
    }
    void on_miss(BlockId block) {
        ghost_hit_ = state_[block] == kGhost;
        if (ghost_hit_) forget(block);
    }
    template <EligibleBlocks E>
    BlockId pick_victim(BlockId, const E& eligible) {
        if (main_.size() > main_size_ || small_.empty()) {
            BlockId block = pick_main(eligible);
            if (block != kNone) return block;
        }
        BlockId block = pick_small(eligible);
        return block != kNone ? block : pick_main(eligible);
    }
    void on_evict(BlockId block) {
        evicted_ = true;
        if (in_main(block)) {
            main_.erase(block);
            state_[block] = kNowhere;
            return;
        }
        small_.erase(block);
        state_[block] = kNowhere;
        if (block >= named_ || ghost_size_ == 0) return;
        if (ghosts_.size() == ghost_size_) forget(ghosts_.front());
        ghosts_.push(block);
        state_[block] = kGhost;
    }
    void on_insert(BlockId block) {
        bool main = ghost_hit_ || (fill_main_ && !evicted_ && small_.size() >= small_size_);
        Queue& queue = main ? main_ : small_;
        queue.push(block);
        queue.on_leaf(block);
        state_[block] = main ? kMain : kSmall;
    }
    void on_leaf(BlockId block) { queue_of(block).on_leaf(block); }
    void on_inner(BlockId block) { queue_of(block).on_inner(block); }
    bool contains(BlockId block) const { return (state_[block] & kSmall) != 0; }
    uint64_t state_bytes() const {
        return places_.size() * 4 + state_.size() + small_.state_bytes() + main_.state_bytes() + ghosts_.state_bytes();
    }

  private:
    using Queue = BlockQueue<kLeaves>;
    // A block's state: where it is in two bits (the upper one: resident), and its counter above them.
    static constexpr ByteNumber kNowhere{0}, kGhost{1}, kSmall{2}, kMain{3}, kOne{4};
    static constexpr uint8_t kMost = 63;
    static constexpr uint8_t kRounds = 3;

    bool in_main(BlockId block) const { return (state_[block] & 3) == kMain; }
    Queue& queue_of(BlockId block) { return in_main(block) ? main_ : small_; }
    void forget(BlockId block) {
        ghosts_.erase(block);
        state_[block] = kNowhere;
    }
    template <EligibleBlocks E>
    BlockId pick_main(const E& eligible) {
        for (;;) {
            BlockId block = main_.oldest(eligible);
            if (block == kNone || state_[block] < kMain + kOne) return block;
            int rounds = std::min<int>(state_[block] / kOne, kRounds) - 1;
            state_[block] = static_cast<ByteNumber>(kMain + rounds * kOne);
            main_.renew(block);
        }
    }
    template <EligibleBlocks E>
    BlockId pick_small(const E& eligible) {
        for (;;) {
            BlockId block = small_.oldest(eligible);
            if (block == kNone || state_[block] / kOne < promote_) return block;
            small_.move_to(main_, block);
            state_[block] = kMain;
        }
    }

    double small_part_, ghost_part_;
    uint8_t promote_;
    bool fill_main_;
    uint64_t named_ = 0;
    uint64_t small_size_ = 0, main_size_ = 0, ghost_size_ = 0;
    bool evicted_ = false;    ///< anything so far
    bool ghost_hit_ = false;  ///< the block that is missing now was a ghost
    BlockPlaces places_;
    HugeVector<ByteNumber> state_;
    Queue small_, main_;
    BlockQueue<false> ghosts_;
};

static_assert(BlockStrategy<BlockS3Fifo<false>> && BlockStrategy<BlockS3Fifo<true>>);

template <>
struct FlatOf<BlockS3Fifo<false>> {
    static FlatS3Fifo make(const BlockS3Fifo<false>& strategy) { return FlatS3Fifo(strategy.rules()); }
};

}  // namespace kvsim
