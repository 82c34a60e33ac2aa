// What CLOCK and SIEVE under flat accounting share: who is resident and who was hit, a bit per block each, and queues of
// runs of consecutive ids. Who goes and who is spared is found a run at a time, so that a request costs its runs and
// the places where hits begin and end, not its blocks.
#pragma once

#include <kvsim/eviction/block_bits.h>
#include <kvsim/eviction/block_policy.h>

#include <algorithm>
#include <vector>

namespace kvsim {

/// Runs of consecutive ids, oldest first. A run is one number, its count above its first id: two halves that are written
/// one by one cannot be read as one soon after without waiting.
class RunQueue {
  public:
    void reset() {
        ring_.assign(64, 0);
        mask_ = 63;
        first_ = end_ = 0;
    }
    bool empty() const { return first_ == end_; }
    /// There is one.
    Segment oldest() const {
        uint64_t run = ring_[first_ & mask_];
        return {static_cast<BlockId>(run), static_cast<uint32_t>(run >> 32)};
    }
    /// The first `count` blocks of the oldest run leave.
    void pop(uint32_t count) {
        uint64_t left = ring_[first_ & mask_] + count - (uint64_t{count} << 32);
        ring_[first_ & mask_] = left;
        first_ += left >> 32 == 0;
    }
    void push(Segment s) {
        uint64_t& newest = ring_[(end_ - 1) & mask_];
        if (static_cast<BlockId>(newest) + static_cast<uint32_t>(newest >> 32) == s.begin && !empty()) {
            newest += uint64_t{s.count} << 32;
            return;
        }
        ring_[end_++ & mask_] = uint64_t{s.count} << 32 | s.begin;
        if (end_ - first_ > mask_) [[unlikely]] lengthen();
    }
    uint64_t bytes() const { return ring_.size() * sizeof(uint64_t); }

  private:
    [[gnu::noinline]] void lengthen() {
        uint32_t mask = 2 * mask_ + 1;
        std::vector<uint64_t> longer(size_t{mask} + 1);
        for (uint32_t i = first_; i != end_; ++i) longer[i & mask] = ring_[i & mask_];
        ring_.swap(longer);
        mask_ = mask;
    }

    std::vector<uint64_t> ring_;  ///< its size is mask_ + 1
    uint32_t mask_ = 0;
    uint32_t first_ = 0, end_ = 0;
};

/// `P` has push(run), which puts newcomers in the queue, and replace(begin, count, leave), which puts each in the place of
/// one who goes.
template <class P>
class FlatHits : public FlatPolicyBase {
  public:
    void reset(const StrategyContext& context) {
        most_ = free_ = std::min(context.capacity_blocks, context.blocks);
        resident_.reset(context.blocks);
        hit_.reset(context.blocks);
    }
    uint32_t lead(BlockId begin, uint32_t count) {
        uint32_t n = resident_.leading(begin, count);
        hit_.set_run(begin, n);
        return n;
    }
    template <class L>
    RunHits use(BlockId begin, uint32_t count, const L& leave) {
        RunHits hits;
        while (count > 0) {
            // Whoever goes meanwhile is not among the absent, so a stretch of them enters at once.
            uint32_t n = resident_.leading_absent(begin, count);
            if (n > 0) add(begin, n, leave);
            begin += n;
            count -= n;
            hits.last = count > 0;
            if (count == 0) break;
            n = lead(begin, count);
            hits.count += n;
            begin += n;
            count -= n;
        }
        return hits;
    }
    template <class L>
    void add(BlockId begin, uint32_t count, const L& leave) {
        if (free_ > 0) [[unlikely]] {
            auto n = static_cast<uint32_t>(std::min<uint64_t>(count, free_));
            free_ -= n;
            resident_.set_run(begin, n);
            self().push({begin, n});
            begin += n;
            count -= n;
        }
        evicted_ += count;
        while (count > 0) {
            auto n = static_cast<uint32_t>(std::min<uint64_t>(count, most_));
            resident_.set_run(begin, n);  // before: the first may be gone when the last enters
            self().replace(begin, n, leave);
            begin += n;
            count -= n;
        }
    }
    bool contains(BlockId block) const { return resident_.has(block); }
    bool contains_any(BlockId begin, uint32_t count) const { return resident_.any(begin, count); }
    uint64_t resident() const { return most_ - free_; }
    uint64_t evicted() const { return evicted_; }
    uint64_t state_bytes() const { return resident_.bytes() + hit_.bytes() + self().queue_bytes(); }

  protected:
    /// How many of the run's first blocks, at most `count`, go; they are no longer resident.
    template <class L>
    uint32_t dismiss(const Segment& run, uint32_t count, const L& leave) {
        uint32_t n = hit_.leading_absent(run.begin, std::min(run.count, count));
        if (n > 0) {
            resident_.clear_run(run.begin, n);
            leave.run(run.begin, n);
        }
        return n;
    }
    /// How many of the run's first blocks are spared this time; it begins with one.
    uint32_t spare(const Segment& run) {
        uint32_t n = hit_.leading(run.begin, run.count);
        hit_.clear_run(run.begin, n);
        return n;
    }

  private:
    P& self() { return static_cast<P&>(*this); }
    const P& self() const { return static_cast<const P&>(*this); }

    uint64_t most_ = 0;  ///< blocks resident at once
    uint64_t free_ = 0;  ///< places that nobody has taken yet
    uint64_t evicted_ = 0;
    BlockBits resident_, hit_;
};

}  // namespace kvsim
