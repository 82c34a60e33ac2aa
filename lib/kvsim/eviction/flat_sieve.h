// SIEVE under flat accounting, as two queues of runs. The rule is block_sieve.h's.
//
// Blocks stand by age. The hand takes them from the queue of those ahead of it, oldest first; who is spared goes to the
// queue of those behind it, and newcomers to the end of those ahead. When the hand has passed the newest block, those
// behind it are ahead again.
// Cost: O(runs and stretches of hits); a quarter of a byte per block of the trace, 8 to 16 per run in the queues, of which
// there are no more than blocks in the cache.
#pragma once

#include <kvsim/eviction/flat_hits.h>

#include <utility>

namespace kvsim {

class FlatSieve : public FlatHits<FlatSieve> {
  public:
    void reset(const StrategyContext& context) {
        FlatHits::reset(context);
        ahead_.reset();
        behind_.reset();
    }

  private:
    friend FlatHits<FlatSieve>;

    void push(Segment run) { ahead_.push(run); }
    uint64_t queue_bytes() const { return ahead_.bytes() + behind_.bytes(); }
    template <class L>
    void replace(BlockId begin, uint32_t count, const L& leave) {
        while (count > 0) {
            const Segment oldest = ahead_.oldest();
            uint32_t n = dismiss(oldest, count, leave);
            if (n > 0) {
                ahead_.pop(n);
                // Of several who go the first newcomer is in its place before the last goes, and then ahead of the hand.
                if (n == 1 && ahead_.empty()) std::swap(ahead_, behind_);
                push({begin, n});
                begin += n;
                count -= n;
            } else {
                n = spare(oldest);
                ahead_.pop(n);
                behind_.push({oldest.begin, n});
                if (ahead_.empty()) std::swap(ahead_, behind_);
            }
        }
    }

    RunQueue ahead_, behind_;
};

static_assert(FlatPolicy<FlatSieve>);

}  // namespace kvsim
