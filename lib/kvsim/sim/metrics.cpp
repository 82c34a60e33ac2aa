#include <kvsim/core/error.h>
#include <kvsim/core/suggest.h>
#include <kvsim/sim/metrics.h>

#include <algorithm>
#include <numeric>
#include <unordered_map>

namespace kvsim {

GroupBy parse_group_by(const std::string& word, const Trace& trace) {
    struct Row {
        const char* word;
        GroupBy by;
        bool there;
    };
    const Row rows[] = {{"category", GroupBy::category, !trace.category.empty()},
                        {"session", GroupBy::session, !trace.session.empty()},
                        {"turn", GroupBy::turn, !trace.turn.empty()},
                        {"salt", GroupBy::salt, !trace.salt.empty()},
                        {"lora", GroupBy::lora, !trace.lora.empty()}};
    std::vector<std::string> known;
    for (const Row& row : rows) {
        known.emplace_back(row.word);
        if (word != row.word) continue;
        if (!row.there) throw_input("--by " + word + ": the trace has no such column");
        if (trace.lengths_only)
            throw_input("--by " + word + ": the trace names no blocks, so there are no hits to tell apart");
        return row.by;
    }
    throw_input("--by " + word + ": expected one of " + join(known) + did_you_mean(word, known));
}

static void add(HitCounts& to, const Trace& trace, const RunResult& run, uint32_t r) {
    if (run.hit_blocks.empty()) {  // a layout without lookups
        ++to.requests;
        return;
    }
    uint32_t lookup = trace.lookup_blocks(r);
    uint32_t hit = run.hit_blocks[r];
    uint64_t hit_tokens = trace.leading_tokens(r, hit);
    ++to.requests;
    to.with_hit += hit > 0;
    to.lookup_blocks += lookup;
    to.lookup_tokens += trace.leading_tokens(r, lookup);
    to.hit_blocks += hit;
    to.hit_tokens += hit_tokens;
    to.any_hit_blocks += run.any_hit_blocks.empty() ? hit : run.any_hit_blocks[r];
    to.any_hit_tokens += run.any_hit_tokens.empty() ? hit_tokens : run.any_hit_tokens[r];
}

static std::optional<HitSpread> spread_of(const Trace& trace, const RunResult& run, uint64_t from) {
    std::vector<double> rates;
    HitSpread s;
    for (uint64_t i = from; i < trace.requests(); ++i) {
        auto r = static_cast<uint32_t>(i);
        uint32_t lookup = trace.lookup_blocks(r);
        if (lookup == 0) continue;
        s.zero_hit += run.hit_blocks[r] == 0;
        rates.push_back(static_cast<double>(trace.leading_tokens(r, run.hit_blocks[r])) /
                        static_cast<double>(trace.leading_tokens(r, lookup)));
    }
    if (rates.empty()) return std::nullopt;
    auto sorted_to = rates.begin();  // whoever stands before is no larger than those behind
    auto at = [&](size_t tenths) {
        auto place = rates.begin() + static_cast<ptrdiff_t>(std::min(rates.size() - 1, rates.size() * tenths / 10));
        std::nth_element(sorted_to, place, rates.end());
        sorted_to = place;
        return *place;
    };
    s.p10 = at(1);
    s.p50 = at(5);
    s.p90 = at(9);
    return s;
}

static std::optional<Observed> observe(const Trace& trace, const RunResult& run, uint64_t from) {
    if (trace.cached_tokens.empty() || trace.lengths_only) return std::nullopt;
    Observed o;
    for (uint64_t i = from; i < trace.requests(); ++i) {
        auto r = static_cast<uint32_t>(i);
        if (!trace.cached_tokens.has(r)) continue;
        auto seen = static_cast<uint64_t>(trace.cached_tokens[r]);
        uint64_t ours = hit_tokens_of(trace, run, r);
        ++o.requests;
        o.hit_tokens += seen;
        o.lookup_tokens += trace.leading_tokens(r, trace.lookup_blocks(r));
        o.requests_equal += seen == ours;
        o.abs_error_tokens += seen > ours ? seen - ours : ours - seen;
        if (seen != ours && !o.first_difference) o.first_difference = r;
    }
    if (o.requests == 0) return std::nullopt;
    return o;
}

uint64_t hit_tokens_of(const Trace& trace, const RunResult& run, uint32_t r) {
    return trace.leading_tokens(r, run.hit_blocks[r]);
}

static std::string group_label(const Trace& trace, GroupBy by, uint32_t r) {
    switch (by) {
        case GroupBy::category: return trace.category[r];
        case GroupBy::session: return trace.session[r];
        case GroupBy::salt: return trace.salt[r];
        case GroupBy::lora: return trace.lora[r];
        case GroupBy::turn: return trace.turn.has(r) ? std::to_string(trace.turn[r]) : "";
        case GroupBy::none: break;
    }
    return {};
}

static std::optional<Utilization> utilization_of(const RunResult& run, uint64_t capacity, uint32_t block_size) {
    Tally sum = run.counted();
    if (sum.admissions == 0) return std::nullopt;
    Utilization u;
    if (capacity != kUnlimited) {
        double room = static_cast<double>(sum.admissions) * static_cast<double>(capacity);
        // SGLang's decoding takes pages beyond the capacity where nothing is left to evict.
        double resident = std::min(1.0, static_cast<double>(sum.resident_blocks) / room);
        u.active = std::min(resident, static_cast<double>(sum.active_blocks) / room);
        u.evictable = resident - u.active;
        u.free = 1 - resident;
    }
    if (sum.resident_blocks != 0)
        u.token_fill = static_cast<double>(sum.resident_tokens) / (static_cast<double>(sum.resident_blocks) * block_size);
    return u;
}

// Numbers as text: the shorter is the smaller.
static void order_turns(Grouping& g) {
    std::vector<uint32_t> order(g.labels.size());
    std::iota(order.begin(), order.end(), 0u);
    std::stable_sort(order.begin(), order.end(), [&](uint32_t x, uint32_t y) {
        const std::string& a = g.labels[x];
        const std::string& b = g.labels[y];
        return a.size() != b.size() ? a.size() < b.size() : a < b;
    });
    std::vector<std::string> labels;
    std::vector<uint32_t> place(order.size());
    for (uint32_t group : order) {
        place[group] = static_cast<uint32_t>(labels.size());
        labels.push_back(g.labels[group]);
    }
    g.labels.swap(labels);
    for (uint32_t& group : g.of)
        if (group != kNone) group = place[group];
}

Grouping group_requests(const Trace& trace, GroupBy by, uint64_t warmup_requests) {
    Grouping g;
    if (by == GroupBy::none) return g;
    g.of.assign(trace.requests(), kNone);
    std::unordered_map<std::string, uint32_t> group_of;
    for (uint64_t i = warmup_requests; i < trace.requests(); ++i) {
        auto r = static_cast<uint32_t>(i);
        auto [at, fresh] = group_of.emplace(group_label(trace, by, r), static_cast<uint32_t>(g.labels.size()));
        if (fresh) g.labels.push_back(at->first);
        g.of[r] = at->second;
    }
    if (by == GroupBy::turn) order_turns(g);
    return g;
}

Metrics measure(const Trace& trace, const RunResult& run, const RunOptions& options, GroupBy by) {
    Metrics m;
    uint64_t warmup = options.warmup_requests;
    m.utilization = utilization_of(run, options.capacity_blocks, trace.block_size);
    Grouping grouping = group_requests(trace, by, warmup);
    for (const std::string& label : grouping.labels) m.groups.push_back({label, {}});
    for (uint64_t i = warmup; i < trace.requests(); ++i) {
        auto r = static_cast<uint32_t>(i);
        add(m.hits, trace, run, r);
        if (!grouping.of.empty()) add(m.groups[grouping.of[r]].hits, trace, run, r);
    }
    if (run.hit_blocks.empty()) return m;
    m.spread = spread_of(trace, run, warmup);
    m.observed = observe(trace, run, warmup);
    return m;
}

}  // namespace kvsim
