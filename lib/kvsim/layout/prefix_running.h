// Requests that run at the same time under the prefix layout (--concurrency): who is released next, what they hold.
//
// Who. At most N run and the oldest goes first; or each runs until the end that the trace records. Whoever needs room
// makes the oldest finish early.
//
// What. A request holds a prefix of a path, so the held blocks are trees without gaps: a request holds its deepest
// block, and a held block holds the one before it. A block held by a single child or request needs one bit; only where
// several meet there is a count of the others. Holding a chain marks the part nobody held (found by bisection, since
// the held part is a prefix), releasing one clears from its deep end up to the first meeting point. Each block is
// marked and cleared once for all its holders together, and whole runs at a time. The number of marks is the number of
// distinct blocks held. Cost: two bits per block, 4 bytes per block that is never touched unless chains meet there.
// Idea: a reference count per block as vLLM's block pool has it, kept only where counts differ from the neighbour's.
#pragma once

#include <kvsim/cache/cache.h>
#include <kvsim/eviction/block_bits.h>

#include <algorithm>
#include <bit>
#include <functional>
#include <memory>
#include <queue>
#include <utility>
#include <vector>

namespace kvsim {

/// When each request starts and ends, on the trace's own clock: seconds, or event numbers in traces of events.
struct Lifetimes {
    std::vector<double> start, end;
};
/// Throws Error(input) naming the first request without a recorded end.
Lifetimes recorded_lifetimes(const Trace& trace);

/// The order in which running requests are released.
class RunningOrder {
  public:
    void reset(const Trace& trace, uint64_t concurrency);
    bool any() const { return running_ > 0; }
    /// A request that must be released before `request` is admitted; kNone if there is none (left).
    uint32_t due(uint32_t request);
    /// The one admitted first. There must be one.
    uint32_t oldest();
    void start(uint32_t request);
    void stop(uint32_t request);

  private:
    uint64_t concurrency_ = 1;
    uint64_t running_ = 0;
    uint32_t first_ = 0;  ///< nobody before it is running
    std::vector<bool> runs_;
    Lifetimes lifetimes_;
    using Ending = std::pair<double, uint32_t>;
    std::priority_queue<Ending, std::vector<Ending>, std::greater<>> ends_;  ///< may hold some that were stopped early
};

/// Which named blocks running requests hold. Chains are given as their runs, first to last.
class HeldBlocks {
  public:
    void reset(uint64_t blocks);
    /// Distinct blocks held.
    uint64_t size() const { return size_; }
    /// Leading blocks of the chain that are held.
    uint32_t leading(const std::vector<Segment>& chain) const;
    /// Calls f(begin, count) for the runs that were not held before.
    template <class F>
    void hold(const std::vector<Segment>& chain, F&& f) {
        uint32_t left = leading(chain);
        for (const Segment& s : chain) {
            uint32_t skip = std::min(left, s.count);
            left -= skip;
            if (skip > 0 && left == 0) meet(s.begin + skip - 1);
            if (skip == s.count) continue;
            held_.set_run(s.begin + skip, s.count - skip);
            size_ += s.count - skip;
            f(s.begin + skip, s.count - skip);
        }
    }
    /// Calls f(begin, count) for the runs that nobody holds any more, deepest first.
    template <class F>
    void release(const std::vector<Segment>& chain, F&& f) {
        for (size_t k = chain.size(); k-- > 0;) {
            const Segment& s = chain[k];
            BlockId meeting = met_.last_in(s.begin, s.count);
            uint32_t keep = meeting == kNone ? 0 : meeting - s.begin + 1;
            if (keep < s.count) {
                held_.clear_run(s.begin + keep, s.count - keep);
                size_ -= s.count - keep;
                f(s.begin + keep, s.count - keep);
            }
            if (meeting == kNone) continue;
            part(meeting);
            return;
        }
    }
    /// Nothing is held. For check_invariants().
    bool clean() const { return size_ == 0 && held_.count() == 0 && met_.count() == 0; }
    uint64_t bytes() const { return held_.bytes() + met_.bytes() + blocks_ * 4; }

  private:
    void meet(BlockId block);
    void part(BlockId block);

    BlockBits held_;
    BlockBits met_;  ///< held by more than one child or request
    std::unique_ptr<uint32_t[]> others_;  ///< how many more, where met_ says so; elsewhere not even initialized
    uint64_t blocks_ = 0;
    uint64_t size_ = 0;
};

/// What a running request holds.
struct RunningRequest {
    std::vector<Segment> named;    ///< its chain, first to last
    std::vector<BlockId> unnamed;  ///< blocks behind it, last to first
};

/// The chains of all running requests, in places that are used again.
class RunningRequests {
  public:
    void reset(uint32_t requests) { place_.assign(requests, kNone); }
    RunningRequest& add(uint32_t request);
    RunningRequest& operator[](uint32_t request) { return places_[place_[request]]; }
    void remove(uint32_t request);
    uint64_t bytes() const { return place_.size() * 4; }

  private:
    std::vector<RunningRequest> places_;
    std::vector<uint32_t> free_;
    std::vector<uint32_t> place_;  ///< per request
};

}  // namespace kvsim
