#include <kvsim/report/results_json.h>

namespace kvsim {

static double ratio(uint64_t part, uint64_t whole) { return static_cast<double>(part) / static_cast<double>(whole); }

Json trace_json(const ReplayReport& report) {
    const Trace& t = *report.trace;
    uint64_t prompt = 0, output = 0, blocks = 0;
    for (uint32_t r = 0; r < t.requests(); ++r) {
        prompt += t.prompt_tokens[r];
        output += t.output_tokens[r];
        blocks += t.lookup_blocks(r);
    }
    Json j;
    j["name"] = t.name;
    j["format"] = t.format;
    if (!t.sha256.empty()) j["sha256"] = t.sha256;
    j["requests"] = t.requests();
    j["counted_requests"] = report.outcome->metrics.hits.requests;
    j["prompt_tokens"] = prompt;
    j["output_tokens"] = output;
    j["block_size"] = t.block_size;
    if (t.lengths_only) return j;
    j["blocks"] = blocks;
    j["unique_blocks"] = t.unique_blocks();
    return j;
}

Json capacity_json(const ReplayReport& report) {
    Json j = Json::object();
    if (!report.limited()) return j;
    uint64_t blocks = report.options->run.capacity_blocks;
    j["blocks"] = blocks;
    j["tokens"] = blocks * report.trace->block_size;
    if (report.memory) j["bytes"] = blocks * report.memory->bytes_per_block;
    return j;
}

static Json hits_json(const HitCounts& h) {
    Json j;
    j["lookup_tokens"] = h.lookup_tokens;
    j["hit_tokens"] = h.hit_tokens;
    if (h.lookup_tokens != 0) j["token_hit_rate"] = ratio(h.hit_tokens, h.lookup_tokens);
    j["lookup_blocks"] = h.lookup_blocks;
    j["hit_blocks"] = h.hit_blocks;
    if (h.lookup_blocks != 0) j["block_hit_rate"] = ratio(h.hit_blocks, h.lookup_blocks);
    j["any_hit_blocks"] = h.any_hit_blocks;
    j["any_hit_tokens"] = h.any_hit_tokens;
    return j;
}

static Json utilization_json(const ReplayReport& report) {
    const RunResult& run = report.outcome->run;
    const std::optional<Utilization>& u = report.outcome->metrics.utilization;
    Json j;
    uint64_t capacity = report.options->run.capacity_blocks;
    if (report.limited()) j["capacity_blocks"] = capacity;
    j["peak_active_blocks"] = run.peak_active_blocks;
    j["peak_resident_blocks"] = run.peak_resident_blocks;
    if (report.limited() && u) {
        j["mean_active_fraction"] = u->active;
        j["mean_evictable_fraction"] = u->evictable;
        j["mean_free_fraction"] = u->free;
    }
    if (!report.trace->content && u && u->token_fill > 0) {
        j["mean_token_fill"] = u->token_fill;
        j["internal_fragmentation"] = 1 - u->token_fill;
    }
    return j;
}

static Json observed_json(const Observed& o) {
    Json j;
    j["requests"] = o.requests;
    j["requests_equal"] = o.requests_equal;
    j["hit_tokens"] = o.hit_tokens;
    if (o.lookup_tokens != 0) j["token_hit_rate"] = ratio(o.hit_tokens, o.lookup_tokens);
    if (o.requests != 0) j["mean_abs_error_tokens"] = ratio(o.abs_error_tokens, o.requests);
    if (o.first_difference) j["first_difference"] = *o.first_difference;
    return j;
}

static Json requests_json(const ReplayReport& report) {
    const HitCounts& h = report.outcome->metrics.hits;
    const RunResult& run = report.outcome->run;
    Tally sum = run.counted();
    uint64_t rejected = run.rejected_from(report.options->run.warmup_requests);
    Json j = {{"total", h.requests}, {"completed", h.requests - rejected}, {"rejected", rejected}};
    bool scheduled = report.options->run.arrivals != Arrivals::sequential;
    if (!report.layout().prefix_hits || report.options->run.concurrency != 1 || scheduled) j["waited"] = sum.waited;
    if (!report.layout().prefix_hits || scheduled) {
        j["preempted"] = sum.preempted;
        j["recomputed_tokens"] = sum.recomputed_tokens;
    }
    if (report.has_hits()) j["with_hit"] = h.with_hit;
    return j;
}

static Json evictions_json(const ReplayReport& report) {
    const RunResult& run = report.outcome->run;
    Tally sum = run.counted();
    Json j = {{"blocks", sum.evicted_blocks}};
    if (report.layout().prefix_hits) {
        if (report.outcome->run.engine && sum.evicted_tokens != 0) j["tokens"] = sum.evicted_tokens;
        if (sum.evicted_sequences != 0) j["sequences"] = sum.evicted_sequences;  // snapshots
        j["stranded_blocks"] = run.stranded_blocks;
        return j;
    }
    j["sequences"] = sum.evicted_sequences;
    j["tokens"] = sum.evicted_tokens;
    if (sum.trim_requested_tokens != 0) {
        j["trim_requested_tokens"] = sum.trim_requested_tokens;
        j["trim_dropped_tokens"] = sum.trim_dropped_tokens;
    }
    return j;
}

static Json forks_json(const ReplayReport& report) {
    const RunResult& run = report.outcome->run;
    Tally sum = run.counted();
    Json j = {{"forks", sum.forks}, {"shared_blocks_peak", run.shared_blocks_peak}, {"cow_copies", sum.cow_copies}};
    if (sum.copied_tokens != 0) j["copied_tokens"] = sum.copied_tokens;
    return j;
}

static Json value_json(const ReplayReport& report) {
    double flops = report.outcome->value->flops_saved;
    Json j = {{"prefill_flops_saved", flops}};
    if (report.cost->gpu.empty()) return j;
    j["gpu"] = report.cost->gpu;
    j["prefill_seconds_saved"] = flops / report.cost->flops_per_s;
    j["break_even_bytes_per_s"] = report.cost->break_even_bytes_per_s;
    return j;
}

Json results_json(const ReplayReport& report) {
    const Metrics& m = report.outcome->metrics;
    Json j;
    j["requests"] = requests_json(report);
    if (report.has_hits()) {
        Json hits = hits_json(m.hits);
        if (report.outcome->value) hits["flop_hit_rate"] = report.outcome->value->hit_rate;
        if (m.spread)
            hits["per_request"] = {{"p10", m.spread->p10}, {"p50", m.spread->p50}, {"p90", m.spread->p90},
                                   {"zero_hit", m.spread->zero_hit}};
        j["hits"] = std::move(hits);
    }
    if (report.outcome->misses) {
        const MissCounts& c = report.outcome->misses->counted;
        j["misses"] = {{"compulsory", c.compulsory}, {"stranded", c.stranded}, {"capacity", c.capacity},
                       {"regret", c.regret}};
    }
    j["evictions"] = evictions_json(report);
    j["utilization"] = utilization_json(report);
    if (!report.layout().prefix_hits) j["forks"] = forks_json(report);
    if (report.memory) {
        Json memory;
        memory["bytes_per_token"] = report.memory->bytes_per_token;
        memory["bytes_per_block"] = report.memory->bytes_per_block;
        if (report.limited())
            memory["capacity_bytes"] = report.memory->bytes_per_block * report.options->run.capacity_blocks;
        memory["peak_bytes"] = report.peak_bytes();
        j["memory"] = std::move(memory);
    }
    if (report.outcome->value && report.cost) j["value"] = value_json(report);
    if (Json compression = compression_json(report); !compression.is_null()) j["compression"] = std::move(compression);
    if (report.outcome->data) j["data"] = data_json(report);
    if (m.observed) j["observed"] = observed_json(*m.observed);
    for (const GroupHits& g : m.groups) {
        Json group;
        group["label"] = g.label;
        group["requests"] = g.hits.requests;
        group.update(hits_json(g.hits));
        j["by"].push_back(std::move(group));
    }
    return j;
}

static Json bound_json(const Bound& b) {
    return {{"hit_blocks", b.counted_hit_blocks}, {"hit_tokens", b.counted_hit_tokens}};
}

Json bounds_json(const ReplayReport& report) {
    const UnlimitedHits& u = *report.outcome->unlimited;
    Json unlimited = {{"hit_blocks", u.hit_blocks}, {"hit_tokens", u.hit_tokens}};
    if (u.any_hit_blocks != u.hit_blocks) unlimited["any_hit_blocks"] = u.any_hit_blocks;
    Json j = {{"unlimited", std::move(unlimited)}};
    if (!report.outcome->bounds) return j;
    const BoundsAt& b = *report.outcome->bounds;
    j["optimal"] = b.any_hits_only ? Json{{"any_hit_blocks", b.optimal.counted_any_hit_blocks}} : bound_json(b.optimal);
    if (b.admit) j["optimal_admit"] = bound_json(*b.admit);
    return j;
}

static Json timeline_json(const ReplayReport& report) {
    const Timeline& t = report.outcome->series->timeline;
    Json j = {{"points", t.requests.size()}};
    if (t.window_requests != 0) j["window_requests"] = t.window_requests;
    if (report.options->run.warmup_requests != 0) j["warmup_requests"] = report.options->run.warmup_requests;
    j["requests"] = t.requests;
    j["active_blocks"] = t.active_blocks;
    j["evictable_blocks"] = t.evictable_blocks;
    if (report.limited()) j["free_blocks"] = t.free_blocks;
    if (t.window_requests == 0) return j;
    Json& rates = j["window_token_hit_rate"] = Json::array();
    for (double rate : t.window_hit_rate) rates.push_back(rate < 0 ? Json(nullptr) : Json(rate));
    return j;
}

Json series_json(const ReplayReport& report) {
    const Series& s = *report.outcome->series;
    Json j = {{"timeline", timeline_json(report)}};
    if (s.depth)
        j["hit_depth"] = {{"from_tokens", s.depth->from_tokens},
                          {"lookup_tokens", s.depth->lookup_tokens},
                          {"hit_tokens", s.depth->hit_tokens}};
    if (s.age) j["eviction_age"] = {{"from_requests", s.age->from_requests}, {"blocks", s.age->blocks}};
    return j;
}

}  // namespace kvsim
