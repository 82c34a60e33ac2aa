#include <kvsim/core/units.h>
#include <kvsim/core/version.h>
#include <kvsim/report/curve_report.h>
#include <kvsim/report/results_json.h>

#include <fmt/format.h>

namespace kvsim {

static std::string goal_words(const SizeReport& r) {
    std::string number = fmt::format("{:g}", r.value);
    return r.goal == "ceiling" ? "hit tokens of at least " + number + " of the most any cache could have"
                               : "a " + r.goal + " of at least " + number;
}

std::string size_json(const SizeReport& r) {
    Json j;
    j["schema_version"] = kSchemaVersion;
    j["kind"] = "size";
    j["tool"] = {{"version", version()}, {"git", git_commit()}};
    j["trace"] = trace_json(r.base);
    Json config = Json::object();
    for (const auto& [key, value] : r.base.config) std::visit([&, &k = key](const auto& v) { config[k] = v; }, value);
    j["config"] = std::move(config);
    Json defined;
    for (auto& [key, text] : definitions(r.base)) defined[key] = text;
    defined["goal"] = "smallest capacity with " + goal_words(r) +
                      (r.searched ? "; found by bisection: with this strategy a larger cache may hit less, so a smaller one may do too"
                                  : "; read off the exact curve") +
                      ", and never less than peak_active_blocks; results are those of a full replay there";
    j["definitions"] = std::move(defined);
    j["goal"] = {{"metric", r.goal}, {"value", r.value}, {"blocks_for_goal", r.needed_blocks}, {"peak_active_blocks", r.peak_active_blocks}};
    j["capacity"] = capacity_json(r.base);
    for (const SizeReport::Bytes& b : r.bytes) {
        Json one = {{"model", b.model}};
        if (!b.kv_dtype.empty()) one["kv_dtype"] = b.kv_dtype;
        one["bytes"] = b.bytes_per_block * r.base.options->run.capacity_blocks;
        j["bytes"].push_back(std::move(one));
    }
    j["results"] = results_json(r.base);
    j["bounds"] = bounds_json(r.base);
    j["timing"] = {{"load_ms", r.base.load_ms}, {"curve_ms", r.curve_ms}, {"simulate_ms", r.base.outcome->simulate_ms}};
    return j.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string size_table(const SizeReport& r, bool color) {
    uint64_t blocks = r.base.options->run.capacity_blocks;
    std::string out = fmt::format("{} block{} = {} tokens: the smallest {} with {}\n", format_count(blocks), blocks == 1 ? "" : "s",
                                  format_count(blocks * r.base.trace->block_size), r.base.layout().title(r.base.cache()), goal_words(r));
    if (r.needed_blocks < r.peak_active_blocks)
        out += fmt::format("  the goal alone needs {} block{}; running requests hold up to {}\n",
                           format_count(r.needed_blocks), r.needed_blocks == 1 ? "" : "s",
                           format_count(r.peak_active_blocks));
    if (r.searched) out += "  found by bisection: with this strategy a larger cache may hit less, so a smaller one may do too\n";
    for (const SizeReport::Bytes& b : r.bytes)
        out += fmt::format("  {:>12}  {}{}\n", format_bytes(b.bytes_per_block * blocks), b.model, b.kv_dtype.empty() ? "" : " in " + b.kv_dtype);
    return out + "\nreplayed there:\n\n" + replay_table(r.base, color);
}

}  // namespace kvsim
