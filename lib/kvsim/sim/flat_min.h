// Belady's rule under flat accounting, block by block.
//
// The idea. Number the references of the trace. A resident block is known by the time of its next use: one bit per
// future reference. A reference is a hit if its own bit is set, and the victim is the latest bit. No block is ever
// looked up. Blocks that are not used again are only counted; they go first, in any order, so their misses
// in a row (most of a new chain, and output) cost one step together. Where ids name prefixes, blocks of a run
// are used next in the same order (trace/next_use.h): hits in a row are a stretch of bits that moves, misses in a row a
// stretch that is set as long as there is room.
// Source: Belady (1966). Cost: a bit per reference, a few steps per run and per eviction.
#pragma once

#include <kvsim/cache/cache.h>
#include <kvsim/core/time_set.h>
#include <kvsim/trace/next_use.h>
#include <kvsim/trace/trace.h>

#include <algorithm>
#include <limits>
#include <vector>

namespace kvsim {

inline constexpr uint64_t kNeverUsed = ~uint64_t{0};

/// `kBypass`: a block is only stored if its next use is nearer than the farthest of those resident.
template <bool kBypass>
class FlatMin {
  public:
    FlatMin(uint64_t capacity, uint64_t references) : capacity_(capacity), uses_(references) {}

    /// The references at now, now + 1, ... to `count` blocks that are used next at next, next + 1, ...
    /// Calls on_hits(time, how many) for each stretch of hits, in order.
    template <class F>
    void access_run(uint64_t now, uint64_t next, uint64_t count, F&& on_hits) {
        while (count > 0) {
            uint64_t n = uses_.alike(now, count, true);
            if (n > 0) {
                uses_.erase_range(now, n);
                uses_.insert_range(next, n);
                on_hits(now, n);
            } else {
                n = uses_.alike(now, count, false);
                insert_misses(next, n);
            }
            now += n;
            next += n;
            count -= n;
        }
    }
    /// The reference at `now` to a block that is used next at `next`, or kNeverUsed. True if it is a hit.
    bool access(uint64_t now, uint64_t next) {
        bool hit = uses_.has(now);
        if (hit) {
            uses_.erase(now);
            --waiting_;
        } else if (!kBypass) {
            make_room();
        }
        if (next == kNeverUsed) {
            if (!kBypass) ++unused_;
            return hit;
        }
        if (kBypass && waiting_ == capacity_) {
            uint64_t farthest = uses_.latest();
            if (next > farthest) return hit;
            uses_.erase(farthest);
            --waiting_;
        }
        uses_.insert(next);
        ++waiting_;
        return hit;
    }
    /// The references at [from, to) to blocks that are not used again. Calls on_hit(time) for each hit, in order.
    template <class F>
    void access_last(uint64_t from, uint64_t to, F&& on_hit) {
        if (from == to) return;
        if (!kBypass) {
            if (access(from, kNeverUsed)) on_hit(from);
            ++from;  // from here on there is a block nobody waits for, so misses change nothing but counts
        }
        uint64_t hits = 0;
        uses_.take(from, to, [&](uint64_t time) {
            ++hits;
            on_hit(time);
        });
        waiting_ -= hits;
        if (kBypass) return;
        unused_ += hits;
        add_unused(to - from - hits);
    }
    /// Blocks without a name: stored, never used.
    void store_unnamed(uint64_t blocks) {
        if (kBypass || blocks == 0) return;
        make_room();
        ++unused_;
        add_unused(blocks - 1);
    }

  private:
    void insert_misses(uint64_t next, uint64_t count) {
        uint64_t easy = std::min(count, capacity_ - waiting_);  // free places, then those of blocks nobody waits for
        uses_.insert_range(next, easy);
        waiting_ += easy;
        unused_ = std::min(unused_, capacity_ - waiting_);
        for (uint64_t i = easy; i < count; ++i) {
            uint64_t farthest = uses_.latest();
            if (kBypass && next + i > farthest) return;  // the next ones are farther still
            uses_.erase(farthest);
            uses_.insert(next + i);
        }
    }
    void make_room() {
        if (waiting_ + unused_ < capacity_) return;
        if (unused_ > 0) {
            --unused_;
        } else {
            uses_.erase(uses_.latest());
            --waiting_;
        }
    }
    void add_unused(uint64_t blocks) { unused_ += std::min(blocks, capacity_ - waiting_ - unused_); }

    uint64_t capacity_;
    uint64_t waiting_ = 0;  ///< resident blocks that are used again
    uint64_t unused_ = 0;   ///< resident blocks that are not
    TimeSet uses_;
};

/// What a request hits, block by block.
struct FlatHits {
    uint32_t leading = 0, any = 0;
    bool last = false;  ///< also its last block

    void hit(uint64_t position, uint32_t blocks, uint64_t count = 1) {
        auto n = static_cast<uint32_t>(count);
        if (leading == position) leading += n;
        any += n;
        last |= position + n == blocks;
    }
    uint64_t tokens(const Trace& trace, uint32_t r) const {
        uint64_t sum = trace.leading_tokens(r, leading);
        if (any == leading) return sum;
        if (trace.content) return uint64_t{any} * trace.chunk_tokens(r);
        sum += uint64_t{any - leading} * trace.block_size;
        if (last) sum -= trace.block_size - trace.block_tokens(r, trace.lookup_blocks(r) - 1);
        return sum;
    }
    /// Fills in request r, as the options count it, and returns the tokens of its hits, 0 in the warm-up.
    uint64_t note(const Trace& trace, const RunOptions& options, uint32_t r, uint32_t& leading_hits,
                  uint32_t& any_hits) const {
        uint64_t most = kUnlimited;
        if (options.compute_last_token) most = std::max(trace.prompt_tokens[r], 1u) - 1;
        leading_hits = static_cast<uint32_t>(std::min<uint64_t>(leading, most));
        any_hits = static_cast<uint32_t>(std::min<uint64_t>(any, most));
        return r < options.warmup_requests ? 0 : std::min(tokens(trace, r), most);
    }
};

/// Ids that name content. References before request `from` are no reason to keep a block. Returns the tokens of
/// counted hits.
template <class Time, bool kBypass>
uint64_t run_content_as(FlatMin<kBypass>& cache, const Trace& trace, const RunOptions& options, uint64_t from,
                        std::vector<uint32_t>& leading, std::vector<uint32_t>& any) {
    constexpr Time kNever = std::numeric_limits<Time>::max();
    const ContentColumn& content = trace.content_ids;
    uint32_t requests = trace.requests();
    uint64_t counted = from < requests ? content.begin[from] : content.ids.size();
    std::vector<Time> next(content.ids.size());
    std::vector<Time> use(content.unique, kNever);
    for (uint64_t i = next.size(); i-- > 0;) {
        Time& later = use[content.ids[i]];
        next[i] = later >= counted ? later : kNever;
        later = static_cast<Time>(i);
    }
    leading.resize(requests);
    any.resize(requests);
    uint64_t tokens = 0;
    for (uint32_t r = 0; r < requests; ++r) {
        uint32_t blocks = trace.lookup_blocks(r);
        uint64_t base = content.begin[r];
        FlatHits hits;
        for (uint32_t i = 0; i < blocks; ++i)
            if (cache.access(base + i, next[base + i] == kNever ? kNeverUsed : next[base + i])) hits.hit(i, blocks);
        cache.store_unnamed(trace.stored_blocks(r, options.decode) - blocks);
        tokens += hits.note(trace, options, r, leading[r], any[r]);
    }
    return tokens;
}

template <bool kBypass>
uint64_t run_content(FlatMin<kBypass>& cache, const Trace& trace, const RunOptions& options, uint64_t from,
                     std::vector<uint32_t>& leading, std::vector<uint32_t>& any) {
    if (trace.content_ids.ids.size() < kNone)
        return run_content_as<uint32_t>(cache, trace, options, from, leading, any);
    return run_content_as<uint64_t>(cache, trace, options, from, leading, any);
}

/// Ids that name prefixes, row = request: the next use of a run is a run of times.
template <bool kBypass>
uint64_t run_prefixes(uint64_t capacity, const Trace& trace, const RunOptions& options, const NextUse& use,
                      std::vector<uint32_t>& leading, std::vector<uint32_t>& any) {
    uint32_t requests = trace.requests();
    std::vector<uint64_t> base(requests);
    uint64_t references = 0;
    for (uint32_t r = 0; r < requests; ++r) {
        base[r] = references;
        references += trace.lookup_blocks(r);
    }
    FlatMin<kBypass> cache(capacity, references);
    UseRuns next = use.next_uses();
    std::vector<uint32_t> stored = trace.all_stored_blocks(options.decode);
    leading.resize(requests);
    any.resize(requests);
    uint64_t tokens = 0;
    for (uint32_t r = 0; r < requests; ++r) {
        uint32_t blocks = trace.lookup_blocks(r);
        FlatHits hits;
        uint32_t used = 0;
        for (const UseRun& run : next[r]) {
            cache.access_run(base[r] + run.low, base[run.row] + run.low, run.high - run.low,
                             [&](uint64_t time, uint64_t count) { hits.hit(time - base[r], blocks, count); });
            used = run.high;
        }
        cache.access_last(base[r] + used, base[r] + blocks, [&](uint64_t time) { hits.hit(time - base[r], blocks); });
        cache.store_unnamed(stored[r] - blocks);
        tokens += hits.note(trace, options, r, leading[r], any[r]);
    }
    return tokens;
}

}  // namespace kvsim
