// Seconds on the trace's own clock, for strategies that are defined in seconds: now is the arrival of the request being
// served. It never runs backwards, whatever the order of requests. What happens between two requests (running ones are
// released) happens at the arrival of the second.
#pragma once

#include <kvsim/core/error.h>
#include <kvsim/core/huge_vector.h>
#include <kvsim/trace/trace.h>

#include <algorithm>
#include <limits>
#include <string>

namespace kvsim {

class TraceClock {
  public:
    /// Throws Error(input) where the trace has no times, naming what needs them.
    void reset(const Trace& trace, const std::string& needed_by) {
        trace_ = &trace;
        now_ = std::numeric_limits<double>::lowest();
        const std::vector<double>& at = trace.arrival_s;
        if (at.size() > 1 && std::all_of(at.begin(), at.end(), [](double t) { return t == 0; }))
            throw_input("--eviction " + needed_by + " needs arrival times; all requests of the trace arrive at 0");
    }
    void on_lookup(uint32_t request) { now_ = std::max(now_, trace_->arrival_s[request]); }
    double now() const { return now_; }

  private:
    const Trace* trace_ = nullptr;
    double now_ = 0;
};

/// Blocks whose life lasts equally long for all, in the order in which it began. A block is entered with a stamp; a
/// block that begins anew, or goes, leaves a stale entry behind, whose stamp is no longer the block's. Stale entries
/// are taken out when the ring is full, so that it stays below four times the blocks alive. O(1) amortized per step; 16
/// bytes per place.
class Lives {
  public:
    void reset(double seconds) {
        seconds_ = seconds;
        ring_.assign(64, {});
        first_ = last_ = 0;
    }
    /// `alive(block, stamp)`: whether the entry still counts.
    template <class Alive>
    void begin(BlockId block, uint32_t stamp, double now, const Alive& alive) {
        if (last_ - first_ == ring_.size()) make_room(alive);
        at(last_++) = {block, stamp, now};
    }
    /// The life begins with the next arrival.
    template <class Alive>
    void begin_next(BlockId block, uint32_t stamp, const Alive& alive) {
        begin(block, stamp, kNextArrival, alive);
    }
    void arrive(double now) {
        for (uint64_t i = last_; i > first_ && at(i - 1).since == kNextArrival; --i) at(i - 1).since = now;
    }
    /// Calls ended(block) for whose life has lasted `seconds` at `now`, in order.
    template <class Alive, class F>
    void end(double now, const Alive& alive, F&& ended) {
        for (; first_ != last_; ++first_) {
            Life life = at(first_);
            if (!alive(life.block, life.stamp)) continue;
            if (now - life.since < seconds_) return;
            ended(life.block);
        }
    }
    uint64_t bytes() const { return ring_.size() * sizeof(Life); }

  private:
    struct Life {
        BlockId block;
        uint32_t stamp;
        double since;
    };
    static constexpr double kNextArrival = std::numeric_limits<double>::infinity();

    Life& at(uint64_t place) { return ring_[place & (ring_.size() - 1)]; }

    template <class Alive>
    void make_room(const Alive& alive) {
        HugeVector<Life> kept;
        for (uint64_t i = first_; i != last_; ++i) {
            if (alive(at(i).block, at(i).stamp)) kept.push_back(at(i));
        }
        first_ = 0;
        last_ = kept.size();
        kept.resize(kept.size() * 2 > ring_.size() ? ring_.size() * 2 : ring_.size());
        ring_.swap(kept);
    }

    double seconds_ = 0;
    HugeVector<Life> ring_;  ///< its size is a power of two
    uint64_t first_ = 0, last_ = 0;
};

}  // namespace kvsim
