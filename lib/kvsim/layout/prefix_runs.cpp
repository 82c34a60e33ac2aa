// The idea. A request touches its chain from the last block to the first, so the first ends most recent: the order of
// eviction is requests by age, and within a request its deepest block first. Later requests take over prefixes of a
// chain, eviction takes from its deep end, so what is left of a request is always one interval of its chain: two
// numbers. Who holds what of a new request's chain is found by the walk of trace/prefix_walk.h.
//
// Several running requests (--concurrency N) change no hit: they end in the order in which they were admitted, so the
// latest touch of a block is that of its latest holder whatever N is, and running requests are the youngest. What they
// hold is the sum of their intervals; eviction never gets to them since they make way by ending, oldest first.
//
// The order is that of LRU over leaves and of vLLM's free queue, since two leaves are never last touched by the same
// request. A request longer than the capacity keeps its first blocks. Blocks without a name (output) lengthen the interval at
// its deep end. Cost: 20 bytes per request, whatever the block size.
#include <kvsim/core/error.h>
#include <kvsim/layout/prefix_runs.h>

#include <algorithm>
#include <bit>

namespace kvsim {

// Moves the leading `shared` blocks of the request's chain from whoever holds them to the request. Returns how many
// of them are resident: they are the leading ones, since a block is never older than the blocks before it.
template <bool kConcurrent>
uint32_t PrefixRunLru::take_over(const Trace& trace, uint32_t request) {
    uint32_t hits = 0;
    walk_.take(trace.chains[request], request, [&](uint32_t holder, const State& h, uint32_t low, uint32_t high) {
        if (h.high <= low) return;
        uint32_t end = std::min(high, h.high);
        if (hits == 0) hits = end;
        if (kConcurrent && holder >= running_) active_ -= end - low;
        if (end == h.high && missing_[holder] != 0) {
            resident_missing_ -= missing_[holder];
            missing_[holder] = 0;
        }
    });
    return hits;
}

void PrefixRunLru::evict_down_to(uint64_t blocks) {
    while (resident_ > blocks) {
        State& s = walk_[oldest_];
        if (s.high <= s.cut) {
            ++oldest_;
            continue;
        }
        auto n = static_cast<uint32_t>(std::min<uint64_t>(s.high - s.cut, resident_ - blocks));
        resident_missing_ -= missing_[oldest_];
        missing_[oldest_] = 0;
        s.high -= n;
        resident_ -= n;
        evicted_ += n;
    }
}

void PrefixRunLru::release_oldest() {
    const State& s = walk_[running_++];
    if (s.high > s.cut) active_ -= s.high - s.cut;
}

void PrefixRunLru::run(const Trace& trace, const RunOptions& options, RunResult& result) {
    if (options.concurrency == 1) return run_all<false>(trace, options, result);
    run_all<true>(trace, options, result);
}

template <bool kConcurrent>
void PrefixRunLru::run_all(const Trace& trace, const RunOptions& options, RunResult& result) {
    uint32_t requests = trace.requests();
    uint32_t block_size = trace.block_size;
    capacity_ = options.capacity_blocks;
    walk_.reset(requests);
    missing_.assign(requests, 0);
    result.hit_blocks.resize(requests);
    // Block sizes are mostly powers of two; a division per request would be a tenth of its cost.
    int shift = std::has_single_bit(block_size) && !trace.content ? std::countr_zero(block_size) : -1;
    for (uint32_t r = 0; r < requests; ++r) {
        begin_request(r, options, result);
        uint32_t stored;
        if (shift >= 0 && options.decode) {
            uint64_t tokens = uint64_t{trace.prompt_tokens[r]} + trace.output_tokens[r];
            stored = std::max(static_cast<uint32_t>((tokens + block_size - 1) >> shift), trace.chains[r].length);
        } else {
            stored = trace.stored_blocks(r, options.decode);
        }
        auto keep = static_cast<uint32_t>(std::min<uint64_t>(stored, capacity_));
        if (kConcurrent && r - running_ >= options.concurrency) release_oldest();
        uint32_t hits = take_over<kConcurrent>(trace, r);
        walk_[r].high = keep;
        resident_ += keep - hits;
        if (keep == stored && !trace.content) {
            uint64_t tokens = uint64_t{trace.prompt_tokens[r]} + (options.decode ? trace.output_tokens[r] : 0);
            uint64_t room = uint64_t{stored} * block_size;
            missing_[r] = static_cast<uint32_t>(room > tokens ? room - tokens : 0);
            resident_missing_ += missing_[r];
        }
        if (kConcurrent) {
            active_ += keep;
            result.total.waited += active_ > capacity_;
            while (active_ > capacity_) release_oldest();
        }
        evict_down_to(capacity_);
        result.hit_blocks[r] = hits;
        result.total.evicted_blocks = evicted_;
        result.admitted(r >= options.warmup_requests, kConcurrent ? active_ : keep, resident_,
                        resident_ * block_size - resident_missing_);
    }
    end_run(requests, options, result);
    result.state_bytes = walk_.bytes() + missing_.size() * 4;
}

void PrefixRunLru::check_invariants() const {
    uint64_t resident = 0;
    uint64_t missing = 0;
    for (uint32_t r = 0; r < walk_.rows(); ++r) {
        const State& s = walk_[r];
        if (s.high > s.cut) resident += s.high - s.cut;
        if (s.high > s.cut) missing += missing_[r];
        if (s.high <= s.cut && missing_[r] != 0) throw_failed("prefix runs: a request without blocks has a partial block");
        if (s.cut > 0 && (s.up == kNone || s.up <= r)) throw_failed("prefix runs: blocks taken by no later request");
    }
    if (resident != resident_) throw_failed("prefix runs: resident blocks do not add up");
    if (missing != resident_missing_) throw_failed("prefix runs: token places do not add up");
    if (resident > capacity_) throw_failed("prefix runs: more blocks than the capacity");
}

}  // namespace kvsim
