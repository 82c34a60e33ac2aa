// How the numbers come about. `shared` of a row in the prefix index is the hit length with nothing evicted,
// so the ceiling is a sum over rows. A block is used once if no later row shares it: every row notes its
// shared length at the row that introduced the deepest shared block; rows further up were told when that row
// came.
//
// Reuse intervals: every row takes its leading `shared` blocks over from the rows that used them last. What a
// row has left is one interval (cut, length] of its chain, `taker` is the row that took (.., cut]. So the
// blocks of a new row fall into few groups with the same last use, found by walking from its deepest shared
// block upward: the holder at position p has (cut, p], the next position is its cut, the next holder is who
// took that (as layout/prefix_runs does for LRU). One weighted value per group is kept, not one per block.
#include <kvsim/core/error.h>
#include <kvsim/trace/stats.h>

#include <algorithm>
#include <bit>

namespace kvsim {
namespace {

/// A value that occurs `weight` times.
struct Weighted {
    double value;
    uint64_t weight;
};

/// Leading blocks of each request that are there when nothing is ever evicted.
class KeptBlocks {
  public:
    explicit KeptBlocks(const Trace& trace) : trace_(trace) {
        if (trace.has_named_output()) kept_.resize(trace.chains.unique_blocks());
    }

    /// To be called once per request, in order.
    uint32_t hits(uint32_t r) {
        const ChainRecord& record = trace_.chains[trace_.lookup_row(r)];
        if (!trace_.has_named_output()) return record.shared;
        // Named output may replace the block that holds the prompt's tail, so what a request looks up is not
        // always what it leaves. What is kept is closed under "the block before it".
        uint32_t hits = 0;
        trace_.chains.segments(trace_.lookup_row(r), record.shared, segments_);
        for (const Segment& s : segments_)
            for (uint32_t i = 0; i < s.count && kept_[s.begin + i]; ++i) ++hits;
        keep(trace_.stored_row(r, true));
        return hits;
    }

  private:
    void keep(uint32_t row) {
        trace_.chains.segments(row, trace_.chains[row].length, segments_);
        for (auto s = segments_.rbegin(); s != segments_.rend(); ++s) {
            for (uint32_t i = s->count; i > 0; --i) {
                if (kept_[s->begin + i - 1]) return;
                kept_[s->begin + i - 1] = true;
            }
        }
    }

    const Trace& trace_;
    std::vector<bool> kept_;
    std::vector<Segment> segments_;
};

/// Reuse intervals and blocks used once, of the rows of a prefix index.
class ReuseWalk {
  public:
    explicit ReuseWalk(const PrefixIndex& chains)
        : chains_(chains),
          held_(chains.rows()),
          arrival_(chains.rows()),
          reused_(chains.rows(), 0),
          quiet_(chains.rows()) {}

    /// Rows in order. `counted`: the row is a lookup; `own`: a row of the same request that came just before
    /// it.
    void take(uint32_t row, double now, bool counted, uint32_t own, std::vector<Weighted>& intervals) {
        const ChainRecord& record = chains_[row];
        arrival_[row] = now;
        held_[row] = {0, kNone};
        if (record.shared == 0) return;
        if (record.owner == own) {
            quiet_[row] = true;
        } else {
            note_reuse(record.owner, record.shared);
        }
        uint32_t position = record.shared;
        uint32_t holder = record.owner;
        while (position > 0) {
            while (position <= held_[holder].cut) {
                Held& h = held_[holder];
                const Held& next = held_[h.taker];
                if (position <= next.cut && next.cut >= h.cut) h.taker = next.taker;  // path halving
                holder = h.taker;
            }
            Held& h = held_[holder];
            if (counted) add(intervals, now - arrival_[holder], position - h.cut);
            uint32_t before = h.cut;
            uint32_t above = h.taker;
            h = {position, row};
            position = before;
            holder = above;
        }
    }

    uint64_t used_once() const {
        uint64_t once = 0;
        for (uint32_t row = 0; row < chains_.rows(); ++row)
            once += chains_[row].length - std::max(chains_[row].shared, reused_[row]);
        return once;
    }

  private:
    struct Held {
        uint32_t cut;    ///< the row's blocks up to here were used by later rows
        uint32_t taker;  ///< a row that used (.., cut] later
    };

    void note_reuse(uint32_t row, uint32_t position) {
        reused_[row] = std::max(reused_[row], position);
        if (!quiet_[row]) return;
        quiet_[row] = false;
        note_reuse(chains_[row].owner, chains_[row].shared);
    }

    static void add(std::vector<Weighted>& to, double value, uint64_t weight) {
        if (!to.empty() && to.back().value == value) {
            to.back().weight += weight;
        } else {
            to.push_back({value, weight});
        }
    }

    const PrefixIndex& chains_;
    std::vector<Held> held_;
    std::vector<double> arrival_;
    std::vector<uint32_t> reused_;  ///< deepest position that a later request shares
    std::vector<bool> quiet_;       ///< shares only with its own request so far, and has not told that row
};

Spread<double> spread_of(std::vector<Weighted>& values) {
    Spread<double> s;
    std::sort(values.begin(), values.end(),
              [](const Weighted& a, const Weighted& b) { return a.value < b.value; });
    double sum = 0;
    for (const Weighted& v : values) {
        s.count += v.weight;
        sum += v.value * static_cast<double>(v.weight);
    }
    if (s.count == 0) return s;
    s.mean = sum / static_cast<double>(s.count);
    s.max = values.back().value;
    const std::pair<double*, unsigned> wanted[] = {{&s.p10, 10}, {&s.p50, 50}, {&s.p90, 90}, {&s.p99, 99}};
    size_t at = 0;
    uint64_t before = 0;  // values before values[at]
    for (auto [to, percent] : wanted) {
        auto rank = static_cast<uint64_t>(static_cast<unsigned __int128>(s.count) * percent / 100);
        while (before + values[at].weight <= rank) before += values[at++].weight;
        *to = values[at].value;
    }
    return s;
}

Spread<uint32_t> spread_of(std::vector<uint32_t> values) {
    Spread<uint32_t> s;
    s.count = values.size();
    if (values.empty()) return s;
    std::sort(values.begin(), values.end());
    auto at = [&](size_t percent) {
        return values[std::min(values.size() - 1, values.size() * percent / 100)];
    };
    s.p10 = at(10);
    s.p50 = at(50);
    s.p90 = at(90);
    s.p99 = at(99);
    s.max = values.back();
    uint64_t sum = 0;
    for (uint32_t v : values) sum += v;
    s.mean = static_cast<double>(sum) / static_cast<double>(values.size());
    return s;
}

uint64_t distinct(const Labels& labels, uint32_t requests) {
    std::vector<bool> seen(labels.names().size());
    uint64_t n = 0;
    for (uint32_t r = 0; r < requests; ++r) {
        uint32_t id = labels.id(r);
        if (id == kNone || seen[id]) continue;
        seen[id] = true;
        ++n;
    }
    return n;
}

/// Bucket 0 is position 1, bucket b > 0 positions 2^(b-1) + 1 .. 2^b.
DepthSharing bucket(uint32_t b) {
    DepthSharing d;
    d.first = b == 0 ? 1 : (1u << (b - 1)) + 1;
    d.last = 1u << b;
    return d;
}

void add_depths(std::vector<DepthSharing>& depths, uint32_t blocks, uint64_t DepthSharing::*to) {
    for (uint32_t b = 0; blocks > 0; ++b) {
        if (b == depths.size()) depths.push_back(bucket(b));
        if (depths[b].first > blocks) return;
        depths[b].*to += std::min(depths[b].last, blocks) - depths[b].first + 1;
        if (depths[b].last >= blocks) return;
    }
}

void walk_prefixes(const Trace& trace, TraceStats& s) {
    KeptBlocks kept(trace);
    ReuseWalk reuse(trace.chains);
    std::vector<Weighted> intervals;
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        uint32_t row = trace.lookup_row(r);
        uint32_t blocks = trace.lookup_blocks(r);
        uint32_t hits = kept.hits(r);
        s.ceiling_blocks += hits;
        s.ceiling_tokens += trace.leading_tokens(r, hits);
        s.ceiling_requests += hits > 0;
        s.lookup_tokens += trace.leading_tokens(r, blocks);
        s.lookup_blocks += blocks;
        s.longest_chain = std::max<uint64_t>(s.longest_chain, blocks);
        add_depths(s.depths, blocks, &DepthSharing::lookups);
        add_depths(s.depths, hits, &DepthSharing::hits);
        reuse.take(row, trace.arrival_s[r], true, kNone, intervals);
        if (trace.has_named_output() && trace.stored_rows[r] != kNone)
            reuse.take(trace.stored_rows[r], trace.arrival_s[r], false, row, intervals);
    }
    s.any_blocks = s.ceiling_blocks;
    s.any_tokens = s.ceiling_tokens;
    s.used_once = reuse.used_once();
    s.reuse_s = spread_of(intervals);
}

// Chunks are what is counted, wherever they stand; the ceiling of leading hits stays that of their paths.
void walk_content(const Trace& trace, TraceStats& s) {
    constexpr double kNever = -1;
    std::vector<double> last(trace.content_ids.unique, kNever);
    std::vector<bool> again(trace.content_ids.unique);
    std::vector<Weighted> intervals;
    s.any_blocks = s.any_tokens = 0;
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        uint64_t begin = trace.content_ids.begin[r];
        uint64_t any = 0;
        for (uint64_t i = begin; i < trace.content_ids.begin[r + 1]; ++i) {
            uint32_t id = trace.content_ids.ids[i];
            if (last[id] != kNever) {
                ++any;
                again[id] = true;
                intervals.push_back({trace.arrival_s[r] - last[id], 1});
            }
            last[id] = trace.arrival_s[r];
        }
        s.any_blocks += any;
        s.any_tokens += any * trace.chunk_tokens(r);
    }
    s.used_once = static_cast<uint64_t>(std::count(again.begin(), again.end(), false));
    s.reuse_s = spread_of(intervals);
}

}  // namespace

TraceStats trace_stats(const Trace& trace) {
    TraceStats s;
    uint32_t requests = trace.requests();
    s.name = trace.name;
    s.format = trace.format;
    s.sha256 = trace.sha256;
    s.block_size = trace.block_size;
    s.content = trace.content;
    s.objects = trace.objects;
    s.token_ids = !trace.tokens_begin.empty();
    s.named_output = trace.has_named_output();
    s.lengths_only = trace.lengths_only;
    s.approximation = trace.approximation;
    s.notes = trace.notes;
    s.requests = requests;
    for (uint32_t tokens : trace.prompt_tokens) s.prompt_tokens += tokens;
    for (uint32_t tokens : trace.output_tokens) s.output_tokens += tokens;
    s.prompt_length = spread_of(trace.prompt_tokens);
    s.output_length = spread_of(trace.output_tokens);
    s.unique_blocks = trace.unique_blocks();
    if (!trace.lengths_only) walk_prefixes(trace, s);
    if (trace.content) walk_content(trace, s);
    s.sessions = distinct(trace.session, requests);
    s.categories = distinct(trace.category, requests);
    s.salts = distinct(trace.salt, requests);
    s.loras = distinct(trace.lora, requests);
    for (uint32_t r = 0; r < requests; ++r) s.with_cached_tokens += trace.cached_tokens.has(r);
    if (requests != 0) {
        auto [first, last] = std::minmax_element(trace.arrival_s.begin(), trace.arrival_s.end());
        s.first_s = *first;
        s.duration_s = *last - *first;
    }
    for (const Event& e : trace.events)
        ++(e.kind == EventKind::prompt   ? s.prompts
           : e.kind == EventKind::fork   ? s.forks
           : e.kind == EventKind::decode ? s.decodes
                                         : s.frees);
    s.score_rows = trace.scores.size();
    return s;
}

}  // namespace kvsim
