#include <kvsim/core/error.h>
#include <kvsim/core/units.h>
#include <kvsim/core/version.h>
#include <kvsim/report/replay_report.h>
#include <kvsim/report/results_json.h>
#include <kvsim/trace/writer_text.h>

#include <fmt/format.h>
#include <algorithm>

namespace kvsim {

static void define_bounds(Definitions& d, const ReplayReport& report) {
    const BoundsAt& b = *report.outcome->bounds;
    std::string limit = b.exact ? "" : "; output has names here and some prompts' tails are looked up but not stored: this is "
                                       "an upper bound that may be out of reach";
    if (b.any_hits_only) {
        d.emplace_back("bounds.optimal", "the most hits of any kind over the ids themselves, knowing the future and declining "
                                         "to store what is not worth it (MIN with bypass): any_hit_blocks" + limit);
        return;
    }
    d.emplace_back("bounds.optimal", "the most hit_blocks a cache of this capacity could have, knowing the future and "
                                     "declining to store what is not worth it; an upper bound for every accounting; "
                                     "hit_tokens: of those blocks" + limit);
    d.emplace_back("bounds.optimal_admit", "the same where every request's whole chain must be stored, as under pinned: "
                                           "the block whose next use is farthest goes, ties to the deeper one" + limit);
    if (report.outcome->misses)
        d.emplace_back("misses", "looked-up blocks that are no leading hits, by the first cause that fits: compulsory: never "
                                 "seen before (or the always computed last token); stranded: resident behind a missing "
                                 "block; capacity: the bound misses it too; regret: the bound hits it (" +
                                     std::string(report.options->cache.accounting == "pinned" ? "optimal_admit" : "optimal") +
                                     " here)");
}

// Why the ages of evicted blocks are not told.
static std::string no_ages(const ReplayReport& report) {
    const CacheConfig& cache = report.options->cache;
    if (!cache.engine.empty()) return "an engine does not tell every use of each of its blocks";
    if (!report.layout().prefix_hits) return "blocks are their sequences' own and leave with them";
    return report.limited() ? "snapshots are evicted as wholes" : "nothing is evicted";
}

static void define_series(Definitions& d, const ReplayReport& report) {
    bool steps = report.options->run.arrivals != Arrivals::sequential;
    std::string timeline =
        "points: as asked, at most one per request; point k is the state after the " + std::string(steps ? "first " : "") +
        "admission of requests[k] = floor((k + 1) * requests / points) - 1 in replay order, warm-up included (requests before "
        "warmup_requests), a sample and no mean; where that one found no room, after the last before it that did; "
        "active_blocks, evictable_blocks, free_blocks: as in utilization";
    if (report.has_hits())
        timeline += "; window_token_hit_rate: hit_tokens / lookup_tokens of the last window_requests = ceil(requests / "
                    "min(points, 50)) requests up to this one, null where they looked nothing up";
    d.emplace_back("timeline", timeline);
    if (report.has_hits())
        d.emplace_back("hit_depth", "lookup_tokens of counted requests by position in the prompt, and of these the "
                                    "hit_tokens; a bin goes from its from_tokens (0, then block_size times powers of two) to the "
                                    "next one's; the sums are those of hits");
    d.emplace_back("eviction_age",
                   report.outcome->series->age
                       ? "evictions.blocks by the number of requests since the evicted block was last used, which is hit" +
                             std::string(report.options->cache.accounting == "flat" ? "" : " as a leading block") +
                             ", or stored; 0: by the request that it was evicted for; a bin goes from its from_requests (0, then "
                             "powers of two) to the next one's"
                       : "absent: " + no_ages(report));
}

std::vector<std::pair<std::string, std::string>> definitions(const ReplayReport& report) {
    const CacheConfig& cache = report.options->cache;
    Definitions d = report.layout().definitions(cache, *report.trace, report.options->run);
    if (!report.trace->approximation.empty()) d.emplace(d.begin(), "approximate", report.trace->approximation);
    if (report.outcome->bounds) define_bounds(d, report);
    if (report.outcome->value)
        d.emplace_back("flop_hit_rate", "prefill FLOPs of the hit prefixes / those of all looked-up tokens: a token at position "
                                        "p costs 2 x active parameters + attention over p tokens; an estimate");
    if (report.outcome->value && report.cost)
        d.emplace_back("value", "prefill_flops_saved: of the hit prefixes; prefill_seconds_saved: at the GPU's bf16 peak x its "
                                "prefill MFU x ranks; break_even_bytes_per_s: KV bytes of a token / its prefill seconds: "
                                "loading it from somewhere slower costs more than computing it. Modelled, not measured");
    if (report.memory)
        d.emplace_back("memory", "bytes_per_token: keys and values of the layers of the model that grow with every token, "
                                 "summed over the replica's ranks (--tp), metadata included; bytes_per_block: that times block_size; capacity_bytes "
                                 "and peak_bytes: capacity_blocks and peak_resident_blocks of these");
    define_compression(d, report);
    define_data(d, report);
    define_engine(d, report);
    if (report.outcome->metrics.observed)
        d.emplace_back("observed", "cached_tokens as the trace reports them, beside this run's hit tokens of the same "
                                   "requests; its token_hit_rate divides by their lookup_tokens; requests_equal: both agree; "
                                   "mean_abs_error_tokens: by how much they differ; first_difference: rank of the first "
                                   "request where they do");
    if (!report.outcome->metrics.groups.empty())
        d.emplace_back("by", "the counts and rates of hits of counted requests with each label; \"\": those without one");
    if (report.outcome->series) define_series(d, report);
    return d;
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
    j["capacity"] = capacity_json(report);
    if (report.outcome->run.engine) j["engine"] = engine_json(report);
    j["results"] = results_json(report);
    if (report.has_hits()) j["bounds"] = bounds_json(report);
    if (report.outcome->series) j["series"] = series_json(report);
    if (report.explanation) j["explain"] = explanation_json(report);
    if (report.outcome->data) j["kernels"] = kernels_json(report);
    double ms = report.outcome->simulate_ms;
    uint64_t lookups = j["trace"].value("blocks", uint64_t{0});
    j["timing"] = {{"load_ms", report.load_ms}, {"simulate_ms", ms}, {"bounds_ms", report.outcome->bounds_ms}};
    if (ms > 0 && report.has_hits()) j["timing"]["blocks_per_s"] = static_cast<double>(lookups) / ms * 1e3;
    if (report.outcome->compression) j["timing"]["compression_ms"] = report.outcome->compression_ms;
    if (report.outcome->data) j["timing"]["copy_gb_per_s"] = report.outcome->data->copy_gb_per_s;
    j["timing"]["state_bytes"] = report.outcome->run.state_bytes;
    // Names come from files and may hold any bytes; the report is UTF-8 whatever they are.
    return j.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

uint64_t ReplayReport::peak_bytes() const {
    uint64_t blocks = outcome->run.peak_resident_blocks;
    if (blocks > ~uint64_t{0} / memory->bytes_per_block)
        throw_input("--model " + memory->model + ": the peak of " + format_count(blocks) + " blocks of " +
                    format_count(memory->bytes_per_block) + " bytes is more than 2^64 bytes; expected a capacity (--blocks, "
                    "--tokens or --memory), or no --model");
    return blocks * memory->bytes_per_block;
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
        line += run.is_rejected(r) ? ",\"rejected\":true" : ",\"rejected\":false";
        if (run.engine) {
            const EngineRun& e = *run.engine;
            auto put_if = [&](const char* key, const auto& column) {
                if (column.empty()) return;
                if (uint64_t{column[r]} == EngineRun::kNever) line += std::string(key) + "null";
                else put(key, column[r]);
            };
            put_if(",\"readmission_hit_tokens\":", e.readmission_hit_tokens);
            put_if(",\"preemptions\":", e.preemptions);
            put_if(",\"admit_step\":", e.admit_step);
            put_if(",\"finish_step\":", e.finish_step);
        }
        line += "}\n";
        out.write(line);
    }
}

}  // namespace kvsim
