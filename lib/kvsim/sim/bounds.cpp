// The idea. Belady's rule (keep what is used next) is optimal for chains of blocks too if, of the blocks that are used
// next by the same request, the deeper ones go first: then nothing is kept behind a missing block. So the cache is
// ordered by the request that uses a block next, and the blocks that wait for one request are always one interval of
// its chain: users before it hand the interval over from the deep end upward, eviction takes from the deep end. Its
// length is all there is to know: the state is one number per future request, which is also that request's hits
// when its turn comes, and a set of the requests with a length. Nothing is looked up.
//
// optimal: after each request everything it used is a candidate; what is too much goes, the farthest first.
// optimal_admit: first the others make room for the request's whole chain, then the chain comes in, however far its
// blocks' next uses are.
//
// Uses that cannot be counted (of requests in the warm-up, of a token that is computed anyway, of rows where output
// is stored) are no reason to keep a block: it will be there again after them, stored anew. So their runs are left out
// of the next uses, and a block without a counted next use is as good as gone.
//
// Source: Belady (1966). Different here: requests are looked up as a whole, and nothing is done block by block.
// Cost: a few steps per run of next use (trace/next_use.h), 1.0 to 1.4 runs per request. It is the mirror image of LRU
// by runs (layout/prefix_runs.cpp). Flat Belady, in flat_min.h, goes block by block.
#include <kvsim/core/time_set.h>
#include <kvsim/sim/bounds.h>
#include <kvsim/sim/flat_min.h>

#include <algorithm>

namespace kvsim {

OfflineBounds::Rows OfflineBounds::rows_of(const Trace& trace, bool decode) {
    Rows rows;
    if (!trace.has_named_output()) return rows;
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        uint32_t lookup = trace.lookup_row(r);
        uint32_t stored = trace.stored_row(r, decode);
        rows.order.push_back(lookup);
        rows.request.push_back(r);
        if (stored == lookup) continue;
        rows.order.push_back(stored);
        rows.request.push_back(r);
        rows.two = true;
        rows.tails |= trace.chains.common_prefix(lookup, stored) < trace.chains[lookup].length;
    }
    return rows;
}

NextUse OfflineBounds::uses_of(const Trace& trace, const Rows& rows) {
    return NextUse(rows.order.empty() ? trace.chains : trace.chains.reordered(rows.order));
}

OfflineBounds::OfflineBounds(const Trace& trace, const RunOptions& options)
    : trace_(&trace),
      options_(options),
      rows_(rows_of(trace, options.decode)),
      use_(uses_of(trace, rows_)),
      next_(use_.next_uses(limits())),
      stored_(trace.all_stored_blocks(options.decode)),
      exact_(!rows_.tails) {
    if (!rows_.two) return;
    std::vector<uint32_t> by_row;
    for (size_t row = 0; row < rows_.request.size(); ++row) {
        uint32_t r = rows_.request[row];
        bool stores = row + 1 == rows_.request.size() || rows_.request[row + 1] != r;
        by_row.push_back(stores ? stored_[r] : kNone);
    }
    stored_.swap(by_row);
}

// Of each row's chain, the leading blocks whose hits count. Empty: all of them everywhere.
std::vector<uint32_t> OfflineBounds::limits() const {
    std::vector<uint32_t> limit;
    if (options_.warmup_requests == 0 && !options_.compute_last_token && !rows_.two) return limit;
    uint32_t before = kNone;
    for (uint32_t row = 0; row < use_.rows(); ++row) {
        uint32_t r = rows_.request.empty() ? row : rows_.request[row];
        bool counts = r != before && r >= options_.warmup_requests;
        before = r;
        uint32_t most = options_.compute_last_token ? std::max(trace_->prompt_tokens[r], 1u) - 1 : kNone;
        limit.push_back(counts ? most : 0);
    }
    return limit;
}

// waiting[row]: cached blocks whose next use is that row; once its turn has come, its hits.
template <bool kAdmit>
std::vector<uint32_t> OfflineBounds::hits_by_row(uint64_t capacity) const {
    uint32_t rows = use_.rows();
    std::vector<uint32_t> waiting(rows);
    TimeSet users(rows);
    uint64_t cached = 0;
    auto shrink_to = [&](uint64_t blocks) {
        while (cached > blocks) {
            uint64_t farthest = users.latest();
            uint64_t n = std::min<uint64_t>(waiting[farthest], cached - blocks);
            waiting[farthest] -= static_cast<uint32_t>(n);
            cached -= n;
            if (waiting[farthest] == 0) users.erase(farthest);
        }
    };
    for (uint32_t row = 0; row < rows; ++row) {
        if (waiting[row] != 0) {
            cached -= waiting[row];
            users.erase(row);
        }
        uint32_t keep = kNone;
        if (kAdmit && stored_[row] != kNone) {
            keep = static_cast<uint32_t>(std::min<uint64_t>(stored_[row], capacity));
            shrink_to(capacity - keep);
        }
        for (const UseRun& run : next_[row]) {
            if (run.low >= keep) break;
            uint32_t blocks = std::min(run.high, keep) - run.low;
            if (waiting[run.row] == 0) users.insert(run.row);
            waiting[run.row] += blocks;
            cached += blocks;
        }
        if (!kAdmit) shrink_to(capacity);
    }
    return waiting;
}

Bound OfflineBounds::finish(std::vector<uint32_t> by_row) const {
    Bound bound;
    if (rows_.two) {
        uint32_t before = kNone;
        for (size_t row = 0; row < by_row.size(); ++row) {
            if (rows_.request[row] != before) bound.hit_blocks.push_back(by_row[row]);
            before = rows_.request[row];
        }
    } else {
        bound.hit_blocks = std::move(by_row);
    }
    for (uint64_t i = options_.warmup_requests; i < trace_->requests(); ++i) {
        auto r = static_cast<uint32_t>(i);
        bound.counted_hit_blocks += bound.hit_blocks[r];
        bound.counted_hit_tokens += trace_->leading_tokens(r, bound.hit_blocks[r]);
    }
    return bound;
}

Bound OfflineBounds::optimal(uint64_t capacity) const { return finish(hits_by_row<false>(capacity)); }
Bound OfflineBounds::optimal_admit(uint64_t capacity) const { return finish(hits_by_row<true>(capacity)); }

void OfflineBounds::add_up(FlatBound& bound) const {
    for (uint64_t i = options_.warmup_requests; i < trace_->requests(); ++i) {
        auto r = static_cast<uint32_t>(i);
        bound.counted_hit_blocks += bound.hit_blocks[r];
        bound.counted_hit_tokens += trace_->leading_tokens(r, bound.hit_blocks[r]);
        bound.counted_any_hit_blocks += bound.any_hit_blocks[r];
    }
}

FlatBound OfflineBounds::flat_optimal(uint64_t capacity) const {
    FlatBound bound;
    if (!trace_->content) {
        static_cast<Bound&>(bound) = optimal(capacity);
        bound.any_hit_blocks = bound.hit_blocks;
        bound.counted_any_hit_blocks = bound.counted_hit_blocks;
        bound.counted_any_hit_tokens = bound.counted_hit_tokens;
        return bound;
    }
    FlatMin<true> cache(capacity, trace_->content_ids.ids.size());
    bound.counted_any_hit_tokens =
        run_content(cache, *trace_, options_, options_.warmup_requests, bound.hit_blocks, bound.any_hit_blocks);
    add_up(bound);
    return bound;
}

template <bool kBypass>
static uint64_t belady(const Trace& trace, const RunOptions& options, const NextUse& use, uint64_t capacity,
                       FlatBound& bound) {
    if (trace.content) {
        FlatMin<kBypass> cache(capacity, trace.content_ids.ids.size());
        return run_content(cache, trace, options, 0, bound.hit_blocks, bound.any_hit_blocks);
    }
    return run_prefixes<kBypass>(capacity, trace, options, use, bound.hit_blocks, bound.any_hit_blocks);
}

std::optional<FlatBound> OfflineBounds::flat_belady(uint64_t capacity, bool bypass) const {
    if (rows_.two) return std::nullopt;
    FlatBound bound;
    bound.counted_any_hit_tokens = bypass ? belady<true>(*trace_, options_, use_, capacity, bound)
                                          : belady<false>(*trace_, options_, use_, capacity, bound);
    add_up(bound);
    return bound;
}

}  // namespace kvsim
