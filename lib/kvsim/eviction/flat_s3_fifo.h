// S3-FIFO under flat accounting. The rule is block_s3_fifo.h's.
//
// Where anybody may go, the small and the main queue lose blocks at their ends only, so they are plain rings, and one
// number per block says all else: where it is, how often it was hit, whether it must be told of when it goes, or
// which place among the ghosts is its own. A ghost that comes back leaves its place behind, which counts as empty as
// the block's number is another; when the ring is full of such places the others are written anew.
// Cost: O(1) amortized; 4 bytes per block of the trace, 8 per block of the capacity, 8 to 16 per ghost.
#pragma once

#include <kvsim/core/huge_vector.h>
#include <kvsim/eviction/block_policy.h>

#include <algorithm>
#include <bit>

namespace kvsim {

/// The parameters; see block_s3_fifo.h. Sizes are parts of the capacity.
struct S3FifoRules {
    double small, ghost;
    uint8_t promote;
    bool fill_main;
};

class FlatS3Fifo : public FlatPolicyBase {
  public:
    explicit FlatS3Fifo(const S3FifoRules& rules) : rules_(rules) {}

    void reset(const StrategyContext& context) {
        most_ = std::min(context.capacity_blocks, context.blocks);
        named_ = context.named_blocks;
        small_size_ = static_cast<uint64_t>(rules_.small * static_cast<double>(most_));
        main_size_ = most_ - small_size_;
        // At most one block is missing from a full cache, and ghosts are not in it.
        most_ghosts_ = static_cast<uint64_t>(rules_.ghost * static_cast<double>(most_));
        most_ghosts_ = std::min(most_ghosts_, context.blocks - most_ + 1);
        state_.assign(context.blocks, kNowhere);
        small_.reset(most_);
        main_.reset(most_);
        ghosts_.assign(std::bit_ceil(2 * most_ghosts_ + 2), kNone);
        ghost_mask_ = ghosts_.size() - 1;
        oldest_ghost_ = next_ghost_ = 0;
        plain_below_ = kSmall + std::min<uint32_t>(rules_.promote, kMost) * kOne;
    }
    uint32_t lead(BlockId begin, uint32_t count) {
        uint32_t* state = state_.data() + begin;
        uint32_t n = 0;
        for (; n < count && (state[n] & kSmall) != 0; ++n) hit(state[n]);
        return n;
    }
    template <class L>
    RunHits use(BlockId begin, uint32_t count, const L& leave) {
        RunHits hits;
        for (BlockId block = begin; block - begin < count; ++block) {
            uint32_t& state = state_[block];
            hits.last = (state & kSmall) != 0;
            if (hits.last) {
                ++hits.count;
                hit(state);
            } else {
                bool ghost = state != kNowhere;
                ghost_count_ -= ghost;
                state = kNowhere;
                store(block, ghost, leave);
            }
        }
        return hits;
    }
    template <class L>
    void add(BlockId begin, uint32_t count, const L& leave) {
        while (count > 0) {
            uint32_t n = replace_plain(begin, count);
            begin += n;
            count -= n;
            if (count == 0) return;
            store(begin++, false, leave);
            --count;
        }
    }
    void mark(BlockId block) { state_[block] |= kMarked; }
    bool in_order() const { return !rules_.fill_main || evicted_ > 0; }
    bool contains(BlockId block) const { return (state_[block] & kSmall) != 0; }
    uint64_t resident() const { return small_.size + main_.size; }
    uint64_t evicted() const { return evicted_; }
    uint64_t state_bytes() const {
        return (state_.size() + small_.blocks.size() + main_.blocks.size() + ghosts_.size()) * 4;
    }

  private:
    // Where a block is in two bits (the upper one: resident); above them how often it was hit, or a ghost's place.
    static constexpr uint32_t kNowhere = 0, kGhost = 1, kSmall = 2, kMain = 3, kOne = 4, kMost = 63, kMarked = 1u << 8;
    static constexpr uint32_t kRounds = 3;

    struct Ring {
        HugeVector<BlockId> blocks;
        uint64_t first = 0, size = 0;

        void reset(uint64_t most) {
            blocks.assign(most, kNone);
            first = size = 0;
        }
        void push(BlockId block) {
            uint64_t at = first + size++;
            blocks[at < blocks.size() ? at : at - blocks.size()] = block;
        }
        BlockId pop() {
            BlockId block = blocks[first];
            first = first + 1 == blocks.size() ? 0 : first + 1;
            --size;
            return block;
        }
    };

    static uint32_t uses(uint32_t state) { return state / kOne & kMost; }
    static void hit(uint32_t& state) { state += uses(state) < kMost ? kOne : 0; }

    template <class L>
    void store(BlockId block, bool ghost, const L& leave) {
        if (small_.size + main_.size >= most_) evict(leave);
        bool main = ghost || (rules_.fill_main && evicted_ == 0 && small_.size >= small_size_);
        (main ? main_ : small_).push(block);
        state_[block] = main ? kMain : kSmall;
    }
    // What nearly always happens where nobody comes back: each newcomer enters the small queue, its oldest becomes a ghost, and
    // the oldest ghost is forgotten. Returns how many were stored until something else has to.
    uint32_t replace_plain(BlockId begin, uint32_t count) {
        if (small_.size + main_.size < most_ || main_.size > main_size_ || most_ghosts_ == 0) return 0;
        if (ghost_count_ < most_ghosts_ || evicted_ == 0) return 0;
        uint32_t* state = state_.data();
        BlockId* small = small_.blocks.data();
        BlockId* ghosts = ghosts_.data();
        uint64_t first = small_.first, oldest = oldest_ghost_, next = next_ghost_;
        // A small queue that is full up has its newest where its oldest was.
        uint64_t last = first + small_.size;
        if (last >= most_) last -= most_;
        uint32_t n = 0;
        count = static_cast<uint32_t>(std::min<uint64_t>(count, small_.size));
        for (; n < count; ++n) {
            BlockId block = small[first], forgotten = ghosts[oldest & ghost_mask_];
            uint32_t was = state[block];
            if (was >= plain_below_ || block >= named_ || state[forgotten] != ghost_at(oldest)) break;
            if (next - oldest == ghosts_.size()) break;
            state[forgotten] = kNowhere;
            ++oldest;
            state[block] = ghost_at(next);
            ghosts[next++ & ghost_mask_] = block;
            small[last] = begin + n;
            state[begin + n] = kSmall;
            first = first + 1 == most_ ? 0 : first + 1;
            last = last + 1 == most_ ? 0 : last + 1;
        }
        small_.first = first;
        oldest_ghost_ = oldest;
        next_ghost_ = next;
        evicted_ += n;
        return n;
    }
    template <class L>
    void evict(const L& leave) {
        ++evicted_;
        bool main = (main_.size > main_size_ || small_.size == 0) && main_.size > 0;
        while (!main) {
            BlockId block = small_.pop();
            uint32_t state = state_[block];
            if (uses(state) < rules_.promote) {
                if ((state & kMarked) != 0) leave(block);
                state_[block] = kNowhere;
                if (block < named_ && most_ghosts_ > 0) add_ghost(block);
                return;
            }
            state_[block] = kMain | (state & kMarked);
            main_.push(block);
            main = small_.size == 0;
        }
        for (;;) {
            BlockId block = main_.pop();
            uint32_t state = state_[block], n = std::min(uses(state), kRounds);
            if (n == 0) {
                if ((state & kMarked) != 0) leave(block);
                state_[block] = kNowhere;
                return;
            }
            state_[block] = kMain | (n - 1) * kOne | (state & kMarked);
            main_.push(block);
        }
    }

    static uint32_t ghost_at(uint64_t place) { return static_cast<uint32_t>(place << 2) | kGhost; }
    void add_ghost(BlockId block) {
        while (ghost_count_ == most_ghosts_) forget_oldest();
        if (next_ghost_ - oldest_ghost_ == ghosts_.size()) renew_ghosts();
        state_[block] = ghost_at(next_ghost_);
        ghosts_[next_ghost_++ & ghost_mask_] = block;
        ++ghost_count_;
    }
    void forget_oldest() {
        BlockId block = ghosts_[oldest_ghost_ & ghost_mask_];
        if (state_[block] == ghost_at(oldest_ghost_)) {
            state_[block] = kNowhere;
            --ghost_count_;
        }
        ++oldest_ghost_;
    }
    // Without the places that were left behind: they are half of all.
    [[gnu::noinline]] void renew_ghosts() {
        uint64_t to = oldest_ghost_;
        for (uint64_t from = oldest_ghost_; from < next_ghost_; ++from) {
            BlockId block = ghosts_[from & ghost_mask_];
            if (state_[block] != ghost_at(from)) continue;
            state_[block] = ghost_at(to);
            ghosts_[to++ & ghost_mask_] = block;
        }
        next_ghost_ = to;
    }

    S3FifoRules rules_;
    uint64_t most_ = 0;  ///< blocks resident at once
    uint64_t named_ = 0;
    uint64_t small_size_ = 0, main_size_ = 0, most_ghosts_ = 0;
    uint64_t evicted_ = 0;
    uint32_t plain_below_ = 0;  ///< in the small queue, neither to be promoted nor told of: its state is below
    uint64_t ghost_count_ = 0;
    HugeVector<uint32_t> state_;
    Ring small_, main_;
    HugeVector<BlockId> ghosts_;  ///< a ring of places that are numbered on and on
    uint64_t oldest_ghost_ = 0, next_ghost_ = 0, ghost_mask_ = 0;
};

static_assert(FlatPolicy<FlatS3Fifo>);

}  // namespace kvsim
