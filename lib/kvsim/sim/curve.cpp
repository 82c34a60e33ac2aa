// The idea. With LRU a smaller cache holds the top of what a larger one holds, so a block is a hit at every capacity
// from its rank in the recency order on, and one pass gives all capacities.
//
// Under pinned a request looks all its blocks up before any is touched, then touches them from last to first: the
// ranks that count are those before the request. (The usual loop, which touches one reference after the other, is wrong
// here: it counts blocks of the request itself that moved ahead.) The recency order is requests by age, newest first;
// what is left of a request is an interval of its chain, first block first. So a run of blocks last used by the same
// request has consecutive ranks: behind all that newer requests still hold, found by one query of a prefix sum over
// requests, and the run then leaves that sum.
//
// Under flat the last block is touched last, and each block is touched as soon as it was looked up. What is newer than
// a block of a run: all that newer requests hold, the blocks before it in the run (they have just moved), and the
// blocks behind it of its last user. Together that is the same for all blocks of the run: what this and all newer
// requests hold.
//
// Block by block (ids of content under flat; named tails that are looked up, not stored, under pinned): every touch
// is a slot in time, a bit says whether it is its block's latest, and a rank is a count of bits.
//
// Source: the stack algorithms of Mattson, Gecsei, Slutz and Traiger (1970), with sums in a Fenwick tree. Different
// here: a request is looked up as a whole, ranks come in runs, the result is pieces of straight lines (curve_marks.h).
// Cost: about 20 ns per run, whatever the block size.
#include <kvsim/core/error.h>
#include <kvsim/core/prefix_sums.h>
#include <kvsim/sim/curve.h>
#include <kvsim/sim/curve_marks.h>
#include <kvsim/trace/prefix_walk.h>

#include <algorithm>
#include <cmath>
#include <bit>
#include <numeric>

namespace kvsim {

CurvePoint Curve::at(uint64_t capacity) const {
    auto next = std::upper_bound(knots.begin(), knots.end(), capacity,
                                 [](uint64_t blocks, const Knot& k) { return blocks < k.at.blocks; });
    CurvePoint p;
    if (next != knots.begin()) {
        const Knot& k = *(next - 1);
        p.hit_blocks = k.at.hit_blocks + k.more_blocks * (capacity - k.at.blocks);
        p.hit_tokens = k.at.hit_tokens + k.more_tokens * (capacity - k.at.blocks);
    }
    p.blocks = capacity;
    return p;
}

Curve::Columns Curve::columns() const {
    Columns c;
    size_t rows = 0;
    for (size_t i = 0; i < knots.size(); ++i)
        rows += knots[i].more_blocks == 0 ? 1 : knots[i + 1].at.blocks - knots[i].at.blocks;
    for (auto* column : {&c.blocks, &c.hit_blocks, &c.hit_tokens}) column->reserve(rows);
    for_each_change([&](const CurvePoint& p) {
        c.blocks.push_back(p.blocks);
        c.hit_blocks.push_back(p.hit_blocks);
        c.hit_tokens.push_back(p.hit_tokens);
    });
    return c;
}

namespace {

/// What one pass collects, for all counted requests and for each group.
template <class Rank>
class Collector {
  public:
    Collector(const Trace& trace, const RunOptions& options, GroupBy by, bool any)
        : trace_(trace), options_(options), groups_(group_requests(trace, by, options.warmup_requests)) {
        marks_.resize(1 + groups_.labels.size() + (any ? 1 : 0), Marks(trace.block_size));
    }
    void expect(size_t runs, bool flat) {
        if (flat) {
            marks_[0].expect_steps(runs);
        } else {
            marks_[0].expect_stretches(runs);
        }
    }
    void expect_ranks(uint64_t most, bool any) {
        marks_[0].expect_ranks(most);
        if (any) marks_.back().expect_ranks(most);
    }
    /// Looked-up blocks of request r that can be counted as hits.
    uint32_t limit(uint32_t r) const {
        if (r < options_.warmup_requests) return 0;
        uint32_t blocks = trace_.lookup_blocks(r);
        return options_.compute_last_token ? std::min(blocks, std::max(trace_.prompt_tokens[r], 1u) - 1) : blocks;
    }
    /// Blocks (low, high] of request r at ranks first + 1, first + 2, ...
    void stretch(uint32_t r, uint32_t low, uint32_t high, uint64_t first) {
        uint64_t each = trace_.content ? trace_.chunk_tokens(r) : trace_.block_size;
        uint64_t blocks = high - low;
        // Only a last block can hold less.
        uint64_t less = high < trace_.lookup_blocks(r) ? 0 : blocks * each - tokens(r, low, high);
        for_marks(r, [&](Marks& marks) {
            marks.add_stretch(first, blocks, each);
            if (less != 0) marks.add_step(first + blocks, 0, -static_cast<int64_t>(less));
        });
    }
    /// Blocks (low, high] of request r, all at one rank.
    void step(uint32_t r, uint32_t low, uint32_t high, uint64_t rank) {
        uint64_t sum = tokens(r, low, high);
        for_marks(r, [&](Marks& marks) { marks.add_step(rank, high - low, static_cast<int64_t>(sum)); });
    }
    /// One block with so many tokens, as a leading hit; as a hit wherever it stands.
    void leading_chunk(uint32_t r, uint32_t held, uint64_t rank) {
        for_marks(r, [&](Marks& marks) { marks.add_step(rank, 1, held); });
    }
    void any_chunk(uint32_t held, uint64_t rank) { marks_.back().add_step(rank, 1, held); }
    LruCurve finish(bool any) {
        LruCurve out;
        out.all.knots = marks_[0].knots();
        if (any) {
            out.any.emplace();
            out.any->knots = marks_.back().knots();
        }
        for (size_t g = 0; g < groups_.labels.size(); ++g) {
            out.groups.push_back({groups_.labels[g], {}});
            out.groups.back().curve.knots = marks_[1 + g].knots();
        }
        for (uint64_t i = options_.warmup_requests; i < trace_.requests(); ++i) count(out, static_cast<uint32_t>(i));
        return out;
    }

  private:
    using Marks = CurveMarks<Rank>;

    uint64_t tokens(uint32_t r, uint32_t low, uint32_t high) const {
        return trace_.leading_tokens(r, high) - trace_.leading_tokens(r, low);
    }
    template <class F>
    void for_marks(uint32_t r, F&& f) {
        f(marks_[0]);
        if (!groups_.of.empty()) f(marks_[1 + groups_.of[r]]);
    }
    void count(LruCurve& out, uint32_t r) const {
        uint32_t blocks = trace_.lookup_blocks(r);
        uint64_t sum = trace_.leading_tokens(r, blocks);
        auto add = [&](Curve& c) {
            ++c.requests;
            c.lookup_blocks += blocks;
            c.lookup_tokens += sum;
        };
        add(out.all);
        if (out.any) add(*out.any);
        if (!groups_.of.empty()) add(out.groups[groups_.of[r]].curve);
    }

    const Trace& trace_;
    const RunOptions& options_;
    Grouping groups_;
    std::vector<Marks> marks_;  ///< all, then groups, then any
};

/// Ranks by runs. for_runs(r, f) calls f(user, low, high) for each run of what request r stores.
template <class Sum, class F>
void by_runs(F&& for_runs, const std::vector<uint32_t>& stored, bool flat, Collector<Sum>& out) {
    PrefixSums<Sum> held;  // per request before the newest
    held.reserve(stored.size());
    Sum newest = 0;  // held by the request before r. Most runs come from it, so it enters the sums only after r
    Sum all = 0;     // held by all of them
    for (uint32_t r = 0; r < stored.size(); ++r) {
        uint32_t limit = out.limit(r);
        // From the oldest user to the newest, so that no run moves another's rank.
        for_runs(r, [&](uint32_t user, uint32_t low, uint32_t high) {
            bool from_newest = user + 1 == r;
            uint32_t counted = std::min(high, limit);
            if (counted > low) {
                if (flat) {
                    out.step(r, low, counted, from_newest ? newest : all - held.first(user));
                } else {
                    out.stretch(r, low, counted, from_newest ? 0 : all - held.first(user + size_t{1}));
                }
            }
            all -= high - low;
            if (from_newest) {
                newest -= high - low;
            } else {
                held.subtract(user, high - low);
            }
        });
        if (r > 0) held.push_back(newest);
        newest = stored[r];
        all += newest;
    }
}

template <class Sum>
void by_runs(const Trace& trace, const RunOptions& options, const NextUse* uses, const std::vector<uint32_t>& stored,
             bool flat, Collector<Sum>& out) {
    out.expect(trace.requests() + trace.requests() / 2, flat);
    if (uses != nullptr && !trace.has_named_output()) {
        by_runs(
            [&](uint32_t r, auto&& f) {
                for (const UseRun& run : uses->last_uses()[r]) f(run.row, run.low, run.high);
            },
            stored, flat, out);
        return;
    }
    PrefixIndex of_stored;
    if (trace.has_named_output()) {
        std::vector<uint32_t> rows;
        for (uint32_t r = 0; r < trace.requests(); ++r) rows.push_back(trace.stored_row(r, options.decode));
        of_stored = trace.chains.reordered(rows);
    }
    const PrefixIndex& chains = trace.has_named_output() ? of_stored : trace.chains;
    PrefixWalk<WalkState> walk;
    walk.reset(chains.rows());
    by_runs(
        [&](uint32_t r, auto&& f) {
            walk.take(chains[r], r,
                      [&](uint32_t user, const WalkState&, uint32_t low, uint32_t high) { f(user, low, high); });
        },
        stored, flat, out);
}

/// Touches in order of time, and how many blocks were touched after a given one.
class Slots {
  public:
    explicit Slots(uint64_t touches) : live_(touches / 64 + 1), full_words_(touches / 64 + 1) {}

    uint64_t touch() {
        uint64_t slot = next_++;
        live_[slot / 64] |= uint64_t{1} << (slot % 64);
        ++count_;
        // The word that is being filled stays out of the sums.
        if (next_ % 64 == 0) full_words_.add(slot / 64, static_cast<uint64_t>(std::popcount(live_[slot / 64])));
        return slot;
    }
    void drop(uint64_t slot) {
        live_[slot / 64] &= ~(uint64_t{1} << (slot % 64));
        --count_;
        if (slot / 64 < next_ / 64) full_words_.subtract(slot / 64, 1);
    }
    uint64_t newer(uint64_t slot) const {
        uint64_t here = live_[slot / 64] & (~uint64_t{0} >> (63 - slot % 64));
        return count_ - full_words_.first(slot / 64) - static_cast<uint64_t>(std::popcount(here));
    }

  private:
    std::vector<uint64_t> live_;
    PrefixSums<uint64_t> full_words_;
    uint64_t count_ = 0;
    uint64_t next_ = 0;
};

constexpr uint64_t kUntouched = ~uint64_t{0};

void touch(Slots& slots, uint64_t& slot) {
    if (slot != kUntouched) slots.drop(slot);
    slot = slots.touch();
}

/// Each is in the order of use once.
uint64_t unnamed_blocks(const Trace& trace, const std::vector<uint32_t>& stored, bool decode) {
    uint64_t sum = 0;
    for (uint32_t r = 0; r < stored.size(); ++r) {
        uint32_t named = trace.content ? trace.lookup_blocks(r) : trace.chains[trace.stored_row(r, decode)].length;
        sum += stored[r] - named;
    }
    return sum;
}

/// Ids that name content, under flat: looked up and touched one by one, output after them.
template <class Rank>
void by_content(const Trace& trace, const std::vector<uint32_t>& stored, Collector<Rank>& out) {
    Slots slots(std::accumulate(stored.begin(), stored.end(), uint64_t{0}));
    std::vector<uint64_t> latest(trace.content_ids.unique, kUntouched);
    out.expect_ranks(latest.size() + unnamed_blocks(trace, stored, false), true);
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        uint32_t blocks = trace.lookup_blocks(r);
        uint32_t limit = out.limit(r);
        uint32_t each = trace.chunk_tokens(r);
        uint64_t worst = 0;  // a hit leads if those before it are hits too
        for (uint32_t i = 0; i < blocks; ++i) {
            uint64_t& slot = latest[trace.content_ids.ids[trace.content_ids.begin[r] + i]];
            uint64_t rank = slot == kUntouched ? kUntouched : slots.newer(slot) + 1;
            worst = std::max(worst, rank);
            if (i < limit && rank != kUntouched) out.any_chunk(each, rank);
            if (i < limit && worst != kUntouched) out.leading_chunk(r, each, worst);
            touch(slots, slot);
        }
        for (uint32_t i = blocks; i < stored[r]; ++i) slots.touch();
    }
}

/// Named output under pinned, where a looked-up tail need not be stored.
template <class Rank>
void by_stored_rows(const Trace& trace, const std::vector<uint32_t>& stored, bool decode, Collector<Rank>& out) {
    Slots slots(std::accumulate(stored.begin(), stored.end(), uint64_t{0}));
    std::vector<uint64_t> latest(trace.chains.unique_blocks(), kUntouched);
    out.expect_ranks(latest.size() + unnamed_blocks(trace, stored, decode), false);
    std::vector<Segment> segments;
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        uint32_t limit = out.limit(r);
        trace.chains.segments(trace.lookup_row(r), limit, segments);
        uint32_t position = 0;
        for (const Segment& s : segments)
            for (uint32_t i = 0; i < s.count; ++i, ++position)
                if (latest[s.begin + i] != kUntouched)
                    out.step(r, position, position + 1, slots.newer(latest[s.begin + i]) + 1);
        uint32_t row = trace.stored_row(r, decode);
        uint32_t named = trace.chains[row].length;
        trace.chains.segments(row, named, segments);
        for (uint32_t i = stored[r]; i > named; --i) slots.touch();
        for (size_t k = segments.size(); k-- > 0;)
            for (uint32_t i = segments[k].count; i-- > 0;) touch(slots, latest[segments[k].begin + i]);
    }
}

bool looks_up_more_than_it_stores(const Trace& trace, bool decode) {
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        uint32_t lookup = trace.lookup_row(r), row = trace.stored_row(r, decode);
        if (row != lookup && trace.chains.common_prefix(lookup, row) < trace.chains[lookup].length) return true;
    }
    return false;
}

void check(const Trace& trace, const RunOptions& options, bool tails, AccountingKind accounting) {
    if (trace.lengths_only) throw_input(kNoNames);
    if (options.concurrency == kByTrace)
        throw_input(
            "--concurrency trace: who has to wait depends on the capacity, so there is no curve in one pass; "
            "expected a number");
    if (tails && accounting != AccountingKind::pinned)
        throw_input("named output that completes a prompt's last block: under --accounting " +
                    std::string(accounting == AccountingKind::flat ? "flat" : "tree") +
                    " there is no curve in one pass; expected --accounting pinned or --decode off");
}

template <class Rank>
LruCurve collect(const Trace& trace, const RunOptions& options, const CurveOptions& curve,
                 const std::vector<uint32_t>& stored, bool tails) {
    bool flat = curve.accounting.kind == AccountingKind::flat;
    bool any = flat && trace.content;
    Collector<Rank> out(trace, options, curve.by, any);
    if (any) {
        by_content(trace, stored, out);
    } else if (tails) {
        by_stored_rows(trace, stored, options.decode, out);
    } else {
        by_runs(trace, options, curve.uses, stored, flat, out);
    }
    return out.finish(any);
}

}  // namespace

LruCurve lru_curve(const Trace& trace, const RunOptions& options, const CurveOptions& curve) {
    bool tails = trace.has_named_output() && looks_up_more_than_it_stores(trace, options.decode);
    check(trace, options, tails, curve.accounting.kind);
    std::vector<uint32_t> stored = trace.all_stored_blocks(options.decode);
    uint64_t most = 2;  // ranks, and where a stretch of them ends
    for (uint32_t blocks : stored) most += blocks;
    LruCurve result = most < kNone ? collect<uint32_t>(trace, options, curve, stored, tails)
                                   : collect<uint64_t>(trace, options, curve, stored, tails);
    if (curve.accounting.kind == AccountingKind::tree)
        for (uint32_t blocks : stored) result.exact_from_blocks = std::max<uint64_t>(result.exact_from_blocks, blocks);
    return result;
}

std::vector<Knee> knees(const Curve& curve) {
    std::vector<Knee> out;
    if (curve.knots.empty()) return out;
    uint64_t ceiling = curve.knots.back().at.hit_tokens;
    if (ceiling == 0) return out;
    for (uint64_t percent : {90, 95, 99}) {
        auto goal = static_cast<uint64_t>((static_cast<unsigned __int128>(ceiling) * percent + 99) / 100);
        for (size_t i = 0; i < curve.knots.size(); ++i) {
            const Curve::Knot& k = curve.knots[i];
            bool last = i + 1 == curve.knots.size();
            if (k.at.hit_tokens < goal && !last && curve.knots[i + 1].at.hit_tokens < goal) continue;
            uint64_t blocks = k.at.blocks;
            if (k.at.hit_tokens < goal) {
                uint64_t steps =
                    k.more_tokens == 0 ? ~uint64_t{0} : (goal - k.at.hit_tokens + k.more_tokens - 1) / k.more_tokens;
                blocks = last ? blocks
                              : std::min(curve.knots[i + 1].at.blocks,
                                         steps > curve.knots[i + 1].at.blocks ? steps : blocks + steps);
            }
            out.push_back({static_cast<double>(percent) / 100, blocks});
            break;
        }
    }
    return out;
}

}  // namespace kvsim
