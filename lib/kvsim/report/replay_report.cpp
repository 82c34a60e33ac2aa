#include <kvsim/core/error.h>
#include <kvsim/core/units.h>
#include <kvsim/core/version.h>
#include <kvsim/report/replay_report.h>
#include <kvsim/trace/writer_text.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>

namespace kvsim {

using Json = nlohmann::ordered_json;

static double ratio(uint64_t part, uint64_t whole) { return static_cast<double>(part) / static_cast<double>(whole); }

std::vector<std::pair<std::string, std::string>> definitions(const ReplayReport& report) {
    const CacheConfig& cache = report.options->cache;
    Definitions d = report.layout().definitions(cache, *report.trace, report.options->run);
    if (!report.trace->approximation.empty()) d.emplace(d.begin(), "approximate", report.trace->approximation);
    if (report.memory)
        d.emplace_back("memory", "bytes_per_token: keys and values of the layers of the model that grow with every token, on "
                                 "one rank (--tp), metadata included; bytes_per_block: that times block_size; capacity_bytes "
                                 "and peak_bytes: capacity_blocks and peak_resident_blocks of these");
    if (report.outcome->metrics.observed)
        d.emplace_back("observed", "cached_tokens as the trace reports them, beside this run's hit tokens of the same "
                                   "requests; its token_hit_rate divides by their lookup_tokens; requests_equal: both agree; "
                                   "mean_abs_error_tokens: by how much they differ; first_difference: rank of the first "
                                   "request where they do");
    if (!report.outcome->metrics.groups.empty())
        d.emplace_back("by", "the counts and rates of hits of counted requests with each label; \"\": those without one");
    return d;
}

uint64_t ReplayReport::peak_bytes() const {
    uint64_t blocks = outcome->run.peak_resident_blocks;
    if (blocks > ~uint64_t{0} / memory->bytes_per_block)
        throw_input("--model " + memory->model + ": the peak of " + format_count(blocks) + " blocks of " +
                    format_count(memory->bytes_per_block) + " bytes is more than 2^64 bytes; expected a capacity (--blocks, "
                    "--tokens or --memory), or no --model");
    return blocks * memory->bytes_per_block;
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

static Json requests_json(const ReplayReport& report) {
    const HitCounts& h = report.outcome->metrics.hits;
    const RunResult& run = report.outcome->run;
    Tally sum = run.counted();
    uint64_t rejected = run.rejected_from(report.options->run.warmup_requests);
    Json j = {{"total", h.requests}, {"completed", h.requests - rejected}, {"rejected", rejected}};
    if (!report.layout().prefix_hits || report.options->run.concurrency != 1) j["waited"] = sum.waited;
    if (!report.layout().prefix_hits) {
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

static Json results_json(const ReplayReport& report) {
    const Metrics& m = report.outcome->metrics;
    Json j;
    j["requests"] = requests_json(report);
    if (report.has_hits()) {
        Json hits = hits_json(m.hits);
        if (m.spread)
            hits["per_request"] = {{"p10", m.spread->p10}, {"p50", m.spread->p50}, {"p90", m.spread->p90},
                                   {"zero_hit", m.spread->zero_hit}};
        j["hits"] = std::move(hits);
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
    const UnlimitedHits& u = *report.outcome->unlimited;
    Json j;
    j["hit_blocks"] = u.hit_blocks;
    j["hit_tokens"] = u.hit_tokens;
    if (u.any_hit_blocks != u.hit_blocks) j["any_hit_blocks"] = u.any_hit_blocks;
    return Json{{"unlimited", std::move(j)}};
}

// A report is a configuration: an option that plays no part with this trace would be named, or refused, in vain.
static Json config_json(const ReplayReport& report) {
    Json j = Json::object();
    for (const auto& [key, value] : report.config) std::visit([&, &k = key](const auto& v) { j[k] = v; }, value);
    CacheConfig cache = report.cache();
    for (const CacheOption& option : cache_options()) {
        if (!(cache.*option.value).empty()) continue;
        std::string key = option.name + 2;
        std::replace(key.begin(), key.end(), '-', '_');
        j.erase(key);
    }
    return j;
}

std::string replay_json(const ReplayReport& report) {
    Json j;
    j["schema_version"] = kSchemaVersion;
    j["kind"] = "replay";
    j["tool"] = {{"version", version()}, {"git", git_commit()}};
    j["trace"] = trace_json(report);
    j["config"] = config_json(report);
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
    if (report.has_hits()) j["bounds"] = bounds_json(report);
    double ms = report.outcome->simulate_ms;
    uint64_t lookups = j["trace"].value("blocks", uint64_t{0});
    j["timing"] = {{"load_ms", report.load_ms}, {"simulate_ms", ms}, {"bounds_ms", report.outcome->bounds_ms}};
    if (ms > 0 && report.has_hits()) j["timing"]["blocks_per_s"] = static_cast<double>(lookups) / ms * 1e3;
    j["timing"]["state_bytes"] = report.outcome->run.state_bytes;
    // Names come from files and may hold any bytes; the report is UTF-8 whatever they are.
    return j.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

void write_per_request(const Trace& trace, const RunResult& run, OutputFile& out) {
    std::string line;
    for (uint32_t r = 0; r < trace.requests(); ++r) {
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
        if (!run.hit_blocks.empty() && !trace.lengths_only) {
            uint64_t hit_tokens = hit_tokens_of(trace, run, r);
            bool leading = run.any_hit_blocks.empty();
            put(",\"hit_tokens\":", hit_tokens);
            put(",\"hit_blocks\":", run.hit_blocks[r]);
            put(",\"any_hit_tokens\":", leading ? hit_tokens : run.any_hit_tokens[r]);
            put(",\"any_hit_blocks\":", leading ? run.hit_blocks[r] : run.any_hit_blocks[r]);
        }
        line += run.is_rejected(r) ? ",\"rejected\":true}\n" : ",\"rejected\":false}\n";
        out.write(line);
    }
}

}  // namespace kvsim
