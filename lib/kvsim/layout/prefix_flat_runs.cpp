// The idea. Under flat accounting a request touches its chain from the first block to the last, so the order of eviction
// is requests by age, and within a request its first block first. Later requests take over prefixes of a chain, eviction
// takes from the same end, so what is left of a request is one interval of its chain, two numbers; who holds what of a
// new request's chain is found by the walk of trace/prefix_walk.h. Under pinned accounting (prefix_runs.cpp) eviction
// comes from the other end, and after the lookup; here it goes on between the request's own accesses.
//
// Nothing is hit behind a miss. Whoever holds a block holds it longer than those who hold the blocks before it, so if one
// of these has been evicted, so has everything behind it but what the same request holds; and of that one block is
// evicted for each one stored, always ahead of the one that is looked up next.
// Cost: per request the steps of the walk, on real traces 1.0 to 1.4, and O(1) amortized; 24 bytes per request, whatever
// the block size.
#include <kvsim/core/error.h>
#include <kvsim/layout/prefix_flat_runs.h>

#include <algorithm>

namespace kvsim {

void FlatRunLru::evict_down_to_capacity() {
    while (resident_ > capacity_) {
        State& s = walk_[oldest_];
        uint32_t from = std::max(s.cut, s.low);
        auto n = static_cast<uint32_t>(std::min<uint64_t>(s.high - from, resident_ - capacity_));
        s.low = from + n;
        resident_ -= n;
        evicted_ += n;
        if (s.low < s.high) return;
        resident_missing_ -= missing_[oldest_];
        missing_[oldest_] = 0;
        ++oldest_;  // never past the one that runs: what is resident then is its own
    }
}

// The running request stores the blocks of its chain up to `end`, which are missing.
void FlatRunLru::store(uint32_t request, uint32_t end) {
    State& own = walk_[request];
    resident_ += end - own.high;
    own.high = end;
    if (resident_ > capacity_) evict_down_to_capacity();
}

// Returns the hits, which lead.
uint32_t FlatRunLru::look_up(const ChainRecord& record, uint32_t request) {
    pieces_.clear();
    walk_.take(record, request, [&](uint32_t holder, const State&, uint32_t low, uint32_t high) {
        pieces_.push_back({holder, low, high});
    });
    State& own = walk_[request];
    own.low = own.high = 0;
    for (size_t i = pieces_.size(); i-- > 0;) {
        const Piece& piece = pieces_[i];
        State& holder = walk_[piece.holder];
        if (holder.low > piece.begin) {
            uint32_t hits = own.high;
            holder.cut = piece.begin;  // what is left of it is evicted, not taken
            store(request, record.length);
            holder.cut = piece.end;
            return hits;
        }
        own.high = piece.end;
        if (piece.end == holder.high) {
            resident_missing_ -= missing_[piece.holder];
            missing_[piece.holder] = 0;
        }
    }
    uint32_t hits = own.high;
    store(request, record.length);
    return hits;
}

void FlatRunLru::run(const Trace& trace, const RunOptions& options, RunResult& result) {
    uint32_t requests = trace.requests();
    capacity_ = options.capacity_blocks;
    walk_.reset(requests);
    missing_.assign(requests, 0);
    result.hit_blocks.resize(requests);
    result.any_hits_from(requests, options.bound_hits != nullptr);
    std::vector<uint32_t> all_stored = trace.all_stored_blocks(options.decode);
    for (uint32_t r = 0; r < requests; ++r) {
        begin_request(r, options, result);
        uint32_t stored = all_stored[r];
        uint32_t hits = look_up(trace.chains[r], r);
        result.hit_blocks[r] = result.any_hit_blocks[r] = hits;
        result.any_hit_tokens[r] = trace.leading_tokens(r, hits);
        store(r, stored);
        uint64_t tokens = uint64_t{trace.prompt_tokens[r]} + (options.decode ? trace.output_tokens[r] : 0);
        uint64_t room = uint64_t{stored} * trace.block_size;
        if (stored > 0 && room > tokens) {
            missing_[r] = static_cast<uint32_t>(room - tokens);
            resident_missing_ += missing_[r];
        }
        result.total.evicted_blocks = evicted_;
        result.admitted(r >= options.warmup_requests, std::min<uint64_t>(stored, capacity_), resident_,
                        resident_ * trace.block_size - resident_missing_);
    }
    end_run(requests, options, result);
    result.stranded_blocks = count_stranded(trace);
    result.state_bytes = walk_.bytes() + missing_.size() * 4 + pieces_.capacity() * sizeof(Piece);
}

// From the youngest on: who took over a chain's first blocks knows how many of them are resident without a gap.
uint64_t FlatRunLru::count_stranded(const Trace& trace) const {
    std::vector<uint32_t> leading(walk_.rows() - oldest_);
    uint64_t stranded = 0;
    for (uint32_t r = walk_.rows(); r-- > oldest_;) {
        const State& s = walk_[r];
        uint32_t taken = s.cut == 0 ? 0 : std::min(leading[s.up - oldest_], s.cut);
        uint32_t n = taken < s.cut || s.low > s.cut ? taken : s.high;
        leading[r - oldest_] = n;
        uint32_t named = std::min(s.high, trace.chains[r].length), from = std::max({s.cut, s.low, n});
        if (named > from) stranded += named - from;
    }
    return stranded;
}

void FlatRunLru::check_invariants() const {
    uint64_t resident = 0, missing = 0;
    for (uint32_t r = 0; r < walk_.rows(); ++r) {
        const State& s = walk_[r];
        uint32_t from = std::max(s.cut, s.low);
        if (s.high > from) resident += s.high - from;
        if (s.high > from) missing += missing_[r];
        if (s.high <= from && missing_[r] != 0) throw_failed("flat runs: a request without blocks has a partial block");
        if (s.high > from && r < oldest_) throw_failed("flat runs: blocks of a request that was passed over");
        if (s.cut > 0 && (s.up == kNone || s.up <= r)) throw_failed("flat runs: blocks taken by no later request");
    }
    if (resident != resident_) throw_failed("flat runs: resident blocks do not add up");
    if (missing != resident_missing_) throw_failed("flat runs: token places do not add up");
    if (resident > capacity_) throw_failed("flat runs: more blocks than the capacity");
}

}  // namespace kvsim
