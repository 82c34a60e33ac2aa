// CLOCK under flat accounting, as a queue of runs. The rule is block_clock.h's: whoever was hit gets a second chance, at the
// queue's new end, before the block enters that needed the room.
// Cost: O(runs and stretches of hits); a quarter of a byte per block of the trace, 8 to 16 per run in the queue, of which
// there are no more than blocks in the cache.
#pragma once

#include <kvsim/eviction/flat_hits.h>

namespace kvsim {

class FlatClock : public FlatHits<FlatClock> {
  public:
    void reset(const StrategyContext& context) {
        FlatHits::reset(context);
        queue_.reset();
    }

  private:
    friend FlatHits<FlatClock>;

    void push(Segment run) { queue_.push(run); }
    uint64_t queue_bytes() const { return queue_.bytes(); }
    template <class L>
    void replace(BlockId begin, uint32_t count, const L& leave) {
        while (count > 0) {
            const Segment oldest = queue_.oldest();
            if (uint32_t n = dismiss(oldest, count, leave); n > 0) {
                queue_.pop(n);
                push({begin, n});
                begin += n;
                count -= n;
            } else {
                n = spare(oldest);
                queue_.pop(n);
                queue_.push({oldest.begin, n});
            }
        }
    }

    RunQueue queue_;
};

static_assert(FlatPolicy<FlatClock>);

}  // namespace kvsim
