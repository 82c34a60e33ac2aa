// FIFO under flat accounting, where nothing is asked but whether a block is there: a bit per block, and the queue as
// runs of consecutive ids. A run enters at once and leaves a piece at a time, at the price of a few words of bits, so
// that a request costs its runs, not its blocks. The rule is block_fifo.h's.
// Cost: O(runs); an eighth of a byte per block of the trace, 8 per run in the queue, of which there are no more than
// blocks in the cache.
#pragma once

#include <kvsim/eviction/block_bits.h>
#include <kvsim/eviction/block_policy.h>

namespace kvsim {

class FlatFifo : public FlatPolicyBase {
  public:
    void reset(const StrategyContext& context) {
        most_ = free_ = std::min(context.capacity_blocks, context.blocks);
        resident_.reset(context.blocks);
        runs_.assign(64, {});
    }
    uint32_t lead(BlockId begin, uint32_t count) const { return resident_.leading(begin, count); }
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
            n = resident_.leading(begin, count);
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
            if (n > free_) evict(n - free_, leave);
            free_ -= std::min<uint64_t>(n, free_);
            resident_.set_run(begin, n);
            push({begin, n});
            begin += n;
            count -= n;
        }
    }
    RunHits touch(BlockId begin, uint32_t count) const {
        RunHits hits;
        for (uint32_t i = 0; i < count; ++i) {
            hits.last = resident_.has(begin + i);
            hits.count += hits.last;
        }
        return hits;
    }
    bool contains(BlockId block) const { return resident_.has(block); }
    uint64_t resident() const { return most_ - free_; }
    uint64_t evicted() const { return evicted_; }
    uint64_t state_bytes() const { return resident_.bytes() + runs_.size() * sizeof(Segment); }

  private:
    template <class L>
    void evict(uint64_t count, const L& leave) {
        evicted_ += count;
        while (count > 0) {
            Segment& s = runs_[first_ & (runs_.size() - 1)];
            auto n = static_cast<uint32_t>(std::min<uint64_t>(count, s.count));
            resident_.clear_run(s.begin, n);
            leave.run(s.begin, n);
            s.begin += n;
            s.count -= n;
            count -= n;
            first_ += s.count == 0;
        }
    }
    void push(Segment s) {
        // New ids follow those of the request before.
        if (end_ != first_) {
            Segment& newest = runs_[(end_ - 1) & (runs_.size() - 1)];
            if (newest.begin + newest.count == s.begin) {
                newest.count += s.count;
                return;
            }
        }
        if (end_ - first_ == runs_.size()) lengthen();
        runs_[end_++ & (runs_.size() - 1)] = s;
    }
    [[gnu::noinline]] void lengthen() {
        std::vector<Segment> longer(runs_.size() * 2);
        for (uint64_t i = first_; i != end_; ++i) longer[i & (longer.size() - 1)] = runs_[i & (runs_.size() - 1)];
        runs_.swap(longer);
    }

    uint64_t most_ = 0;  ///< blocks resident at once
    uint64_t free_ = 0;  ///< places that nobody has taken yet
    uint64_t evicted_ = 0;
    BlockBits resident_;
    std::vector<Segment> runs_;  ///< a ring, oldest at first_
    uint64_t first_ = 0, end_ = 0;
};

static_assert(FlatPolicy<FlatFifo>);

}  // namespace kvsim
