#include <kvsim/core/units.h>
#include <kvsim/core/version.h>
#include <kvsim/report/replay_report.h>
#include <kvsim/trace/writer_text.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace kvsim {

using Json = nlohmann::ordered_json;

static double ratio(uint64_t part, uint64_t whole) { return static_cast<double>(part) / static_cast<double>(whole); }

static std::string accounting_definition(const Accounting& a) {
    switch (a.kind) {
        case AccountingKind::pinned:
            return "pinned: look the whole request up; its first min(n, capacity) blocks are pinned; room is made "
                   "among the others; then they are touched or inserted from last to first";
        case AccountingKind::flat:
            return "flat: blocks one by one from first to last; a hit is touched at once, a miss evicts any resident "
                   "block if full and is inserted";
        default:
            return a.protect_chain
                       ? "tree: only leaves are evicted, never a block of the running request's chain; missing blocks "
                         "enter front to back and stop when no leaf is left"
                       : "tree: only leaves are evicted, never a block the running request found resident; missing "
                         "blocks enter front to back and stop when no leaf is left or the parent has gone";
    }
}

// What holds whether or not anything can be hit.
template <class Add>
static void add_usage(const Add& add, const ReplayReport& report) {
    add("accounting", accounting_definition(report.options->accounting));
    add("decode", report.options->run.decode
                      ? "on: a request holds ceil((prompt + output) / block_size) blocks; those the trace does not "
                        "name are stored but never looked up and never hit"
                      : "off: only prompt blocks are stored");
    add("concurrency", "1: each request completes before the next is looked up");
    add("evictions", "blocks removed to make room while counted requests were admitted, unnamed ones included; "
                     "stranded_blocks: named blocks resident at the end behind a missing ancestor");
    add("utilization", "sampled after each counted admission: active = held by the running request, evictable = "
                       "resident but not held; mean_token_fill = tokens held / room of resident blocks, summed over "
                       "samples");
}

std::vector<std::pair<std::string, std::string>> definitions(const ReplayReport& report) {
    const Trace& t = *report.trace;
    std::vector<std::pair<std::string, std::string>> d;
    auto add = [&](const char* key, std::string text) { d.emplace_back(key, std::move(text)); };
    if (!t.approximation.empty()) add("approximate", t.approximation);
    if (t.lengths_only) {
        add("hit", kNoNames);
        add_usage(add, report);
        return d;
    }
    add("lookup", t.content ? "every content chunk of a request's prompt, each weighing floor(prompt tokens / chunks + "
                              "0.5) tokens, at least 1 and at most block_size"
                            : "every entry of a request's chain of prompt blocks, a partial last block included where "
                              "the trace names it; block i holds max(1, min(block_size, prompt - i * block_size)) "
                              "tokens");
    add("hit", "a looked-up block that is resident; hit_blocks counts the leading run of them, any_hit_blocks all");
    add_usage(add, report);
    add("token_hit_rate", "hit_tokens / lookup_tokens over counted requests");
    add("per_request", "token hit rates of counted requests with a lookup: sorted[min(n - 1, floor(p * n))]");
    add("bounds.unlimited", "the same lookups with nothing ever evicted: what is missed then was never seen before");
    if (report.outcome->metrics.observed)
        add("observed", "cached_tokens as the trace reports them, beside this run's hit tokens of the same requests; its token_hit_rate divides by their lookup_tokens");
    return d;
}

static Json trace_json(const ReplayReport& report) {
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

static Json results_json(const ReplayReport& report) {
    const Metrics& m = report.outcome->metrics;
    const RunResult& run = report.outcome->run;
    Json j;
    j["requests"] = {{"total", m.hits.requests}, {"completed", m.hits.requests}, {"rejected", 0}};
    if (!report.trace->lengths_only) {
        j["requests"]["with_hit"] = m.hits.with_hit;
        Json hits = hits_json(m.hits);
        if (m.spread)
            hits["per_request"] = {{"p10", m.spread->p10}, {"p50", m.spread->p50}, {"p90", m.spread->p90},
                                   {"zero_hit", m.spread->zero_hit}};
        j["hits"] = std::move(hits);
    }
    j["evictions"] = {{"blocks", run.counted().evicted_blocks}, {"stranded_blocks", run.stranded_blocks}};
    j["utilization"] = utilization_json(report);
    if (report.memory) {
        Json memory;
        memory["bytes_per_token"] = report.memory->bytes_per_token;
        memory["bytes_per_block"] = report.memory->bytes_per_block;
        if (report.limited())
            memory["capacity_bytes"] = report.memory->bytes_per_block * report.options->run.capacity_blocks;
        memory["peak_bytes"] = report.memory->bytes_per_block * run.peak_resident_blocks;
        j["memory"] = std::move(memory);
    }
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

static Json bounds_json(const ReplayReport& report) {
    const UnlimitedHits& u = report.outcome->unlimited;
    Json j;
    j["hit_blocks"] = u.hit_blocks;
    j["hit_tokens"] = u.hit_tokens;
    if (u.any_hit_blocks != u.hit_blocks) j["any_hit_blocks"] = u.any_hit_blocks;
    return Json{{"unlimited", std::move(j)}};
}

std::string replay_json(const ReplayReport& report) {
    Json j;
    j["schema_version"] = kSchemaVersion;
    j["kind"] = "replay";
    j["tool"] = {{"version", version()}, {"git", git_commit()}};
    j["trace"] = trace_json(report);
    Json config = Json::object();
    for (const auto& [key, value] : report.config) std::visit([&, &k = key](const auto& v) { config[k] = v; }, value);
    j["config"] = std::move(config);
    Json defined;
    for (auto& [key, text] : definitions(report)) defined[key] = text;
    j["definitions"] = std::move(defined);
    Json capacity = Json::object();
    if (report.limited()) {
        uint64_t blocks = report.options->run.capacity_blocks;
        capacity["blocks"] = blocks;
        capacity["tokens"] = blocks * report.trace->block_size;
        if (report.memory) capacity["bytes"] = blocks * report.memory->bytes_per_block;
    }
    j["capacity"] = std::move(capacity);
    j["results"] = results_json(report);
    if (!report.trace->lengths_only) j["bounds"] = bounds_json(report);
    double ms = report.outcome->simulate_ms;
    uint64_t lookups = j["trace"].value("blocks", uint64_t{0});
    j["timing"] = {{"load_ms", report.load_ms}, {"simulate_ms", ms}, {"bounds_ms", report.outcome->bounds_ms}};
    if (ms > 0 && !report.trace->lengths_only) j["timing"]["blocks_per_s"] = static_cast<double>(lookups) / ms * 1e3;
    j["timing"]["state_bytes"] = report.outcome->run.state_bytes;
    // Names come from files and may hold any bytes; the report is UTF-8 whatever they are.
    return j.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void write_per_request(const Trace& trace, const RunResult& run, OutputFile& out) {
    std::string line;
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        uint64_t hit_tokens = hit_tokens_of(trace, run, r);
        bool leading = run.any_hit_blocks.empty();
        line = "{\"i\":";
        fmt::format_int i(r);
        line.append(i.data(), i.size());
        line += ",\"seq\":\"";
        append_json_escaped(line, trace.sequence_name(r));
        line += '"';
        auto put = [&](const char* key, uint64_t value) {
            line += key;
            fmt::format_int digits(value);
            line.append(digits.data(), digits.size());
        };
        put(",\"prompt_tokens\":", trace.prompt_tokens[r]);
        if (!trace.lengths_only) {
            put(",\"hit_tokens\":", hit_tokens);
            put(",\"hit_blocks\":", run.hit_blocks[r]);
            put(",\"any_hit_tokens\":", leading ? hit_tokens : run.any_hit_tokens[r]);
            put(",\"any_hit_blocks\":", leading ? run.hit_blocks[r] : run.any_hit_blocks[r]);
        }
        line += ",\"rejected\":false}\n";
        out.write(line);
    }
}

}  // namespace kvsim
