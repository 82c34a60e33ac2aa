// LRU under flat accounting. The rule is block_lru.h's.
//
// A touch appends the block to a log (flat_log.h) and notes the place in its stamp; the place it had is empty from then
// on. The oldest place that counts is the tail, and a block is resident if its stamp is not below it. So eviction moves
// the tail over as many blocks as are to go, by their bits, and writes nothing.
// Cost: a few words of bits per run, O(1) amortized per block; 4 bytes per block of the trace, 8 to 17 per block of the
// capacity.
#pragma once

#include <kvsim/eviction/block_policy.h>
#include <kvsim/eviction/flat_log.h>

namespace kvsim {

class FlatLru : public FlatPolicyBase {
  public:
    /// `last_place`: no place gets a larger number.
    explicit FlatLru(uint32_t last_place = kNone) : last_place_(last_place) {}
    void reset(const StrategyContext& context) {
        most_ = free_ = std::min(context.capacity_blocks, context.blocks);
        stamp_.assign(context.blocks, 0);
        log_.reset(most_, 1, last_place_);
        tail_ = 1;
    }
    uint32_t lead(BlockId begin, uint32_t count) {
        uint32_t n = 0;
        while (n < count && stamp_[begin + n] >= tail_) n += renew(begin + n, count - n);
        return n;
    }
    template <class L>
    RunHits use(BlockId begin, uint32_t count, const L& leave) {
        RunHits hits;
        while (count > 0) {
            // Whoever goes meanwhile is not among the absent, so a stretch of them enters at once.
            uint32_t n = absent(begin, count);
            if (n > 0) add(begin, n, leave);
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
    template <class L>
    void add(BlockId begin, uint32_t count, const L& leave) {
        while (count > 0) {
            auto n = static_cast<uint32_t>(std::min<uint64_t>(count, most_));
            n = std::min(n, log_.longest_run());
            if (n > free_) evict(n - static_cast<uint32_t>(free_), leave);
            free_ -= std::min<uint64_t>(n, free_);
            push(begin, n);
            begin += n;
            count -= n;
        }
    }
    void mark(BlockId block) { log_.mark(stamp_[block]); }
    bool contains(BlockId block) const { return stamp_[block] >= tail_; }
    uint64_t resident() const { return most_ - free_; }
    uint64_t evicted() const { return evicted_; }
    uint64_t state_bytes() const { return stamp_.size() * 4 + log_.state_bytes(); }

  private:
    uint32_t absent(BlockId begin, uint32_t count) const {
        const uint32_t* stamp = stamp_.data() + begin;
        uint32_t n = 0, tail = tail_;
        while (n < count && stamp[n] < tail) ++n;
        return n;
    }
    void push(BlockId begin, uint32_t count) {
        if (!log_.fits(count, tail_)) [[unlikely]] log_.renew(stamp_, tail_, tail_);
        log_.push_run(stamp_, begin, count);
    }
    // Hits: the block, which is resident, and those behind it that stand behind it. Returns how many.
    uint32_t renew(BlockId block, uint32_t most) {
        const uint32_t* stamp = stamp_.data() + block;
        most = std::min(most, log_.longest_run());
        uint32_t place = stamp[0], n = 1;
        while (n < most && stamp[n] == place + n) ++n;
        log_.drop(place, n);
        push(block, n);
        return n;
    }
    template <class L>
    void evict(uint32_t count, const L& leave) {
        evicted_ += count;
        uint32_t to = log_.pass(tail_, count);
        log_.tell(tail_, to, [&](uint32_t place) { leave(log_.block(place)); });
        tail_ = to;
    }

    uint32_t last_place_;
    uint64_t most_ = 0;  ///< blocks resident at once
    uint64_t free_ = 0;  ///< places in the cache that nobody has taken yet
    uint64_t evicted_ = 0;
    BlockStamps stamp_;
    FlatLog log_;
    uint32_t tail_ = 1;
};

static_assert(FlatPolicy<FlatLru>);

}  // namespace kvsim
