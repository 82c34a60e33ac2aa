// What policies for flat accounting share that keep a byte per block: whether it is resident, whether it was hit, and
// whether it must be told of when it goes.
#pragma once

#include <kvsim/core/huge_vector.h>
#include <kvsim/eviction/block_policy.h>
#include <kvsim/eviction/byte_number.h>

#include <algorithm>
#include <cstring>

namespace kvsim {

class FlatBytes : public FlatPolicyBase {
  public:
    void reset(const StrategyContext& context) {
        most_ = std::min(context.capacity_blocks, context.blocks);
        state_.assign(context.blocks, ByteNumber{0});
    }
    uint32_t lead(BlockId begin, uint32_t count) {
        ByteNumber* state = state_.data() + begin;
        uint32_t n = 0;
        for (; n < count && (state[n] & kResident) != 0; ++n) state[n] = static_cast<ByteNumber>(state[n] | kHit);
        return n;
    }
    RunHits touch(BlockId begin, uint32_t count) {
        RunHits hits;
        for (uint32_t i = 0; i < count; ++i) {
            hits.last = lead(begin + i, 1) > 0;
            hits.count += hits.last;
        }
        return hits;
    }
    void mark(BlockId block) { state_[block] = static_cast<ByteNumber>(state_[block] | kMarked); }
    bool contains(BlockId block) const { return (state_[block] & kResident) != 0; }
    uint64_t resident() const { return used_; }
    uint64_t evicted() const { return evicted_; }
    uint64_t state_bytes() const { return state_.size(); }

  protected:
    static constexpr ByteNumber kResident{1}, kHit{2}, kMarked{4};

    /// What is about to be stored is resident from now on.
    void store_states(BlockId begin, uint32_t count) {
        uint64_t eight = 0x0101010101010101u * kResident;
        auto* to = reinterpret_cast<char*>(state_.data() + begin);
        if (count < 8) {
            for (uint32_t i = 0; i < count; ++i) state_[begin + i] = kResident;
            return;
        }
        for (uint32_t i = 0; i + 8 < count; i += 8) std::memcpy(to + i, &eight, 8);
        std::memcpy(to + (count - 8), &eight, 8);  // may overlap those before
    }
    /// use() by add() of `policy`.
    template <class P, class L>
    RunHits use_as(P& policy, BlockId begin, uint32_t count, const L& leave) {
        RunHits hits;
        while (count > 0) {
            // Whoever goes meanwhile is not among the absent, so a stretch of them enters at once.
            const ByteNumber* state = state_.data() + begin;
            uint32_t n = 0;
            while (n < count && (state[n] & kResident) == 0) ++n;
            if (n > 0) policy.add(begin, n, leave);
            begin += n;
            count -= n;
            hits.last = count > 0;
            n = lead(begin, count);
            hits.count += n;
            begin += n;
            count -= n;
        }
        return hits;
    }

    uint64_t most_ = 0;  ///< blocks resident at once
    uint64_t used_ = 0;  ///< blocks resident now
    uint64_t evicted_ = 0;
    HugeVector<ByteNumber> state_;
};

}  // namespace kvsim
