// CLOCK under flat accounting, as its inventor drew it: a ring of places with a hand. The rule is block_clock.h's.
//
// The queue's oldest block is the one at the hand, its newest the one behind it. So whoever is spared stays where it
// is while the hand moves on, and who is stored takes the place of who goes: nothing is ever moved.
// Cost: O(1) amortized; a byte per block of the trace, 4 per block of the capacity.
#pragma once

#include <kvsim/core/huge_vector.h>
#include <kvsim/eviction/block_policy.h>
#include <kvsim/eviction/flat_bytes.h>

namespace kvsim {

class FlatClock : public FlatBytes {
  public:
    void reset(const StrategyContext& context) {
        FlatBytes::reset(context);
        ring_.assign(most_, kNone);
        hand_ = 0;
    }
    template <class L>
    RunHits use(BlockId begin, uint32_t count, const L& leave) {
        return use_as(*this, begin, count, leave);
    }
    template <class L>
    void add(BlockId begin, uint32_t count, const L& leave) {
        store_states(begin, count);
        const BlockId end = begin + count;
        while (used_ < most_ && begin < end) ring_[used_++] = begin++;
        evicted_ += end - begin;
        ByteNumber* state = state_.data();
        BlockId* ring = ring_.data();
        uint64_t hand = hand_;
        for (BlockId block = begin; block < end; hand = hand + 1 == most_ ? 0 : hand + 1) {
            BlockId at_hand = ring[hand];
            uint8_t was = state[at_hand];
            if (was != kResident) [[unlikely]] {
                if ((was & kHit) != 0) {
                    state[at_hand] = static_cast<ByteNumber>(was & ~kHit);
                    continue;
                }
                leave(at_hand);
            }
            state[at_hand] = ByteNumber{0};
            ring[hand] = block++;
        }
        hand_ = hand;
    }
    uint64_t state_bytes() const { return FlatBytes::state_bytes() + ring_.size() * 4; }

  private:
    HugeVector<BlockId> ring_;
    uint64_t hand_ = 0;
};

static_assert(FlatPolicy<FlatClock>);

}  // namespace kvsim
