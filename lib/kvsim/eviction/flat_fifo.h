// FIFO under flat accounting, where nothing is asked but whether a block is there. The rule is block_fifo.h's.
//
// Ids are given in order of first appearance, so those that enter for the first time stand in the queue as they are
// numbered: all from a tail on are resident, and evicting them moves the tail. Only who enters again has a bit, and
// stands in the queue as a run of consecutive ids that knows before which newcomer it came. So a request costs its runs,
// not its blocks, and a new run a few additions.
// Cost: O(runs); an eighth of a byte per block of the trace, 12 per run that entered again, of which there are no more
// than blocks in the cache.
#pragma once

#include <kvsim/eviction/block_bits.h>
#include <kvsim/eviction/block_policy.h>

namespace kvsim {

class FlatFifo : public FlatPolicyBase {
  public:
    void reset(const StrategyContext& context) {
        most_ = free_ = std::min(context.capacity_blocks, context.blocks);
        again_.reset(context.blocks);
        runs_.assign(64, {});
        tail_ = next_ = 0;
        next_run_at_ = kNone;
    }
    uint32_t lead(BlockId begin, uint32_t count) const {
        uint32_t n = 0;
        for (;;) {
            n += is_new(begin + n) ? std::min(count - n, next_ - (begin + n)) : again_.leading(begin + n, count - n);
            if (n == count || !contains(begin + n)) return n;
        }
    }
    template <class L>
    RunHits use(BlockId begin, uint32_t count, const L& leave) {
        RunHits hits;
        while (count > 0) {
            uint32_t n = lead(begin, count);
            hits.last = n == count;
            hits.count += n;
            begin += n;
            count -= n;
            if (count == 0) break;
            // Whoever goes meanwhile is not among the absent, so a stretch of them enters at once.
            n = again_.leading_absent(begin, begin < tail_ ? std::min(count, tail_ - begin) : count);
            enter_again(begin, n, leave);
            begin += n;
            count -= n;
        }
        return hits;
    }
    template <class L>
    void add(BlockId begin, uint32_t count, const L& leave) {
        if (begin != next_) [[unlikely]] return enter_again(begin, count, leave);
        if (count > most_) [[unlikely]] {
            // All go, and then the first newcomers.
            make_room(static_cast<uint32_t>(most_), leave);
            auto passing = static_cast<uint32_t>(count - most_);
            evicted_ += passing;
            tail_ = next_ += passing;
            count -= passing;
        } else {
            make_room(count, leave);
        }
        next_ += count;
    }
    bool contains(BlockId block) const { return is_new(block) || again_.has(block); }
    uint64_t resident() const { return most_ - free_; }
    uint64_t evicted() const { return evicted_; }
    uint64_t state_bytes() const { return again_.bytes() + runs_.size() * sizeof(Run); }

  private:
    struct Run {
        BlockId begin;
        uint32_t count;
        BlockId before;  ///< goes when all newcomers below this one have gone
    };

    // Resident since it entered for the first time.
    bool is_new(BlockId block) const { return block - tail_ < next_ - tail_; }
    template <class L>
    void make_room(uint32_t count, const L& leave) {
        if (count > free_) evict(count - free_, leave);
        free_ -= std::min<uint64_t>(count, free_);
    }
    template <class L>
    void enter_again(BlockId begin, uint32_t count, const L& leave) {
        while (count > 0) {
            auto n = static_cast<uint32_t>(std::min<uint64_t>(count, most_));
            make_room(n, leave);
            again_.set_run(begin, n);
            push({begin, n, next_});
            begin += n;
            count -= n;
        }
    }
    template <class L>
    void evict(uint64_t count, const L& leave) {
        evicted_ += count;
        if (count <= std::min(next_, next_run_at_) - tail_) [[likely]] {
            leave.run(tail_, static_cast<uint32_t>(count));
            tail_ += static_cast<uint32_t>(count);
        } else {
            evict_runs(count, leave);
        }
    }
    template <class L>
    [[gnu::noinline]] void evict_runs(uint64_t count, const L& leave) {
        for (;;) {
            // Newcomers up to the next run of those who entered again.
            auto n = static_cast<uint32_t>(std::min<uint64_t>(count, std::min(next_, next_run_at_) - tail_));
            leave.run(tail_, n);
            tail_ += n;
            count -= n;
            if (count == 0) return;
            Run& s = runs_[first_ & (runs_.size() - 1)];
            n = static_cast<uint32_t>(std::min<uint64_t>(count, s.count));
            again_.clear_run(s.begin, n);
            leave.run(s.begin, n);
            s.begin += n;
            s.count -= n;
            if (s.count == 0) {
                ++first_;
                next_run_at_ = first_ == end_ ? kNone : runs_[first_ & (runs_.size() - 1)].before;
            }
            count -= n;
            if (count == 0) return;
        }
    }
    void push(Run run) {
        if (end_ - first_ == runs_.size()) lengthen();
        if (end_ == first_) next_run_at_ = run.before;
        runs_[end_++ & (runs_.size() - 1)] = run;
    }
    [[gnu::noinline]] void lengthen() {
        std::vector<Run> longer(runs_.size() * 2);
        for (uint64_t i = first_; i != end_; ++i) longer[i & (longer.size() - 1)] = runs_[i & (runs_.size() - 1)];
        runs_.swap(longer);
    }

    uint64_t most_ = 0;  ///< blocks resident at once
    uint64_t free_ = 0;  ///< places that nobody has taken yet
    uint64_t evicted_ = 0;
    BlockId tail_ = 0, next_ = 0;  ///< newcomers that are resident: tail_ to next_ - 1
    BlockId next_run_at_ = kNone;  ///< `before` of the oldest run
    BlockBits again_;              ///< residents who are not newcomers
    std::vector<Run> runs_;        ///< a ring of those, oldest at first_
    uint64_t first_ = 0, end_ = 0;
};

static_assert(FlatPolicy<FlatFifo>);

}  // namespace kvsim
