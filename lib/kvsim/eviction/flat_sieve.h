// SIEVE under flat accounting, as a log that the hand compacts. The rule is block_sieve.h's.
//
// Blocks stand in the log by age. The hand reads it from the oldest to the newest; who is spared moves down to the end
// of the survivors that the hand has left behind it, so that places are read and written one after the other. When the
// hand has read everything the survivors are the log, and it begins anew; when the log is full, what is unread moves
// down to the survivors. Cost: O(1) amortized; a byte per block of the trace, 16 per block of the capacity.
#pragma once

#include <kvsim/eviction/flat_bytes.h>

namespace kvsim {

class FlatSieve : public FlatBytes {
  public:
    void reset(const StrategyContext& context) {
        FlatBytes::reset(context);
        log_.assign(std::max(std::min(4 * most_, context.references), most_) + 1, kNone);
        survivors_ = hand_ = end_ = 0;
    }
    template <class L>
    RunHits use(BlockId begin, uint32_t count, const L& leave) {
        return use_as(*this, begin, count, leave);
    }
    template <class L>
    void add(BlockId begin, uint32_t count, const L& leave) {
        store_states(begin, count);
        for (; used_ < most_ && count > 0; ++used_, --count) log_[end_++] = begin++;
        evicted_ += count;
        while (count > 0) {
            auto n = static_cast<uint32_t>(std::min<uint64_t>(count, most_));
            if (end_ + n >= log_.size()) slide();
            replace(begin, n, leave);
            begin += n;
            count -= n;
        }
    }
    uint64_t state_bytes() const { return FlatBytes::state_bytes() + log_.size() * 4; }

  private:
    // Each in the place of one that goes.
    template <class L>
    void replace(BlockId begin, uint32_t count, const L& leave) {
        ByteNumber* state = state_.data();
        BlockId* log = log_.data();
        uint64_t survivors = survivors_, hand = hand_, end = end_;
        for (BlockId block = begin, last = begin + count; block < last;) {
            BlockId at_hand = log[hand++];
            uint8_t was = state[at_hand];
            bool stays = (was & kHit) != 0;
            if (was != kResident) [[unlikely]] {
                if (stays) {
                    log[survivors++] = at_hand;
                } else {
                    leave(at_hand);
                }
            }
            state[at_hand] = static_cast<ByteNumber>(stays ? was & ~kHit : 0);
            if (hand == end) [[unlikely]] {  // the newest has been passed: the oldest is next
                end = survivors;
                survivors = hand = 0;
            }
            if (!stays) log[end++] = block++;
        }
        survivors_ = survivors;
        hand_ = hand;
        end_ = end;
    }
    [[gnu::noinline]] void slide() {
        std::move(log_.begin() + static_cast<ptrdiff_t>(hand_), log_.begin() + static_cast<ptrdiff_t>(end_),
                  log_.begin() + static_cast<ptrdiff_t>(survivors_));
        end_ -= hand_ - survivors_;
        hand_ = survivors_;
    }

    HugeVector<BlockId> log_;
    // Survivors are [0, survivors_), unread are [hand_, end_).
    uint64_t survivors_ = 0, hand_ = 0, end_ = 0;
};

static_assert(FlatPolicy<FlatSieve>);

}  // namespace kvsim
