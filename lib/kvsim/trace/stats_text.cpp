// The two texts of TraceStats: a table for people and JSON for programs.
#include <kvsim/core/units.h>
#include <kvsim/core/version.h>
#include <kvsim/trace/stats.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace kvsim {
namespace {

using Json = nlohmann::ordered_json;
using Definitions = std::vector<std::pair<std::string, std::string>>;

constexpr const char* kPercentile = "sorted[min(n - 1, floor(p * n))]";

double ratio(uint64_t part, uint64_t whole) { return static_cast<double>(part) / static_cast<double>(whole); }
std::string share(uint64_t part, uint64_t whole) {
    return whole == 0 ? "-" : format_percent(ratio(part, whole));
}

const char* named_by(const TraceStats& s) {
    return s.lengths_only            ? "nothing"
           : s.content               ? "content"
           : s.objects               ? "single objects"
           : !s.approximation.empty() ? "text"
           : s.token_ids             ? "tokens"
                                     : "prefixes";
}

Definitions definitions(const TraceStats& s) {
    Definitions d;
    if (!s.approximation.empty()) d.emplace_back("approximate", s.approximation);
    if (s.lengths_only) {
        d.emplace_back("hit", kNoNames);
        d.emplace_back("percentile", kPercentile);
        return d;
    }
    const char* unit = s.content ? "chunk" : "block";
    d.emplace_back("lookup",
                   "one entry of a request's chain, a partly filled last block included where it has a name");
    d.emplace_back("ceiling", "leading hits of each request when nothing is ever evicted" +
                                  std::string(s.named_output ? ", named output kept" : ""));
    if (s.content)
        d.emplace_back("any_hit",
                       "a chunk that an earlier chunk named, wherever it stood; ceiling counts paths from "
                       "the root");
    d.emplace_back("used_once", fmt::format("unique {}s that are referenced once in the whole trace", unit));
    d.emplace_back("reuse_interval",
                   fmt::format("per re-reference of a {}: arrival time since the reference before it", unit));
    d.emplace_back("sharing_by_depth",
                   "lookups at these positions of a prompt (from 1), and how many the ceiling hits");
    d.emplace_back("percentile", kPercentile);
    return d;
}

template <class T>
Json spread_json(const Spread<T>& s) {
    Json j = {{"count", s.count}};
    if (s.count == 0) return j;
    j["p10"] = s.p10;
    j["p50"] = s.p50;
    j["p90"] = s.p90;
    j["p99"] = s.p99;
    j["max"] = s.max;
    j["mean"] = s.mean;
    return j;
}

Json trace_json(const TraceStats& s) {
    Json j;
    j["name"] = s.name;
    j["format"] = s.format;
    if (!s.sha256.empty()) j["sha256"] = s.sha256;
    j["requests"] = s.requests;
    j["prompt_tokens"] = s.prompt_tokens;
    j["output_tokens"] = s.output_tokens;
    j["block_size"] = s.block_size;
    if (!s.lengths_only) {
        j["blocks"] = s.lookup_blocks;
        j["unique_blocks"] = s.unique_blocks;
    }
    j["ids"] = named_by(s);
    j["first_arrival_s"] = s.first_s;
    j["duration_s"] = s.duration_s;
    const std::pair<const char*, uint64_t> optional[] = {
        {"sessions", s.sessions},
        {"categories", s.categories},
        {"salts", s.salts},
        {"loras", s.loras},
        {"requests_with_cached_tokens", s.with_cached_tokens}};
    for (auto [key, value] : optional)
        if (value != 0) j[key] = value;
    if (s.prompts != 0)
        j["events"] = {{"prompt", s.prompts}, {"decode", s.decodes}, {"fork", s.forks}, {"free", s.frees}};
    if (s.score_rows != 0) j["score_rows"] = s.score_rows;
    if (!s.notes.empty()) j["notes"] = s.notes;
    return j;
}

Json ceiling_json(const TraceStats& s) {
    Json j;
    j["lookup_tokens"] = s.lookup_tokens;
    j["hit_tokens"] = s.ceiling_tokens;
    if (s.lookup_tokens != 0) j["token_hit_rate"] = ratio(s.ceiling_tokens, s.lookup_tokens);
    j["lookup_blocks"] = s.lookup_blocks;
    j["hit_blocks"] = s.ceiling_blocks;
    if (s.lookup_blocks != 0) j["block_hit_rate"] = ratio(s.ceiling_blocks, s.lookup_blocks);
    j["requests_with_hit"] = s.ceiling_requests;
    if (s.content) {
        j["any_hit_blocks"] = s.any_blocks;
        j["any_hit_tokens"] = s.any_tokens;
    }
    return j;
}

/// What only a trace that names something can tell.
void add_sharing(Json& j, const TraceStats& s) {
    j["lengths"]["longest_chain_blocks"] = s.longest_chain;
    j["ceiling"] = ceiling_json(s);
    Json reuse = {{"used_once_blocks", s.used_once}};
    if (s.unique_blocks != 0) reuse["used_once_fraction"] = ratio(s.used_once, s.unique_blocks);
    reuse["interval_s"] = spread_json(s.reuse_s);
    j["reuse"] = std::move(reuse);
    Json depths = Json::array();
    for (const DepthSharing& d : s.depths)
        depths.push_back(
            {{"first_block", d.first}, {"last_block", d.last}, {"lookups", d.lookups}, {"hits", d.hits}});
    j["sharing_by_depth"] = std::move(depths);
}

/// Lines of cells: the first column to the left, the others to the right, the last one free text.
class Columns {
  public:
    void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    std::string str() const {
        std::vector<size_t> widths;
        for (const auto& row : rows_) {
            widths.resize(std::max(widths.size(), row.size()));
            for (size_t i = 0; i + 1 < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
        }
        std::string out;
        for (const auto& row : rows_) {
            std::string line = " ";
            for (size_t i = 0; i < row.size(); ++i) {
                bool last = i + 1 == row.size();
                line += i == 0 ? fmt::format(" {:<{}}", row[i], widths[i])
                        : last ? "  " + row[i]
                               : fmt::format("  {:>{}}", row[i], widths[i]);
            }
            line.erase(line.find_last_not_of(' ') + 1);
            out += line + "\n";
        }
        return out;
    }

  private:
    std::vector<std::vector<std::string>> rows_;
};

std::string seconds(double s) {
    if (s >= 100 || s == 0) return format_count(static_cast<uint64_t>(std::llround(s)));
    return fmt::format("{:.3g}", s);
}

template <class T, class Text>
std::vector<std::string> spread_row(const std::string& label, const Spread<T>& s, Text text,
                                    const std::string& remark) {
    if (s.count == 0) return {label, "-", "-", "-", "-", "-", "-", remark};
    T mean = static_cast<T>(s.mean);
    if constexpr (std::is_integral_v<T>) mean = static_cast<T>(std::llround(s.mean));
    return {
        label, text(s.p10), text(s.p50), text(s.p90), text(s.p99), text(s.max), text(mean),
        remark};
}

std::string count_table(const TraceStats& s, const std::string& unit) {
    Columns c;
    c.add({"requests", format_count(s.requests),
           fmt::format("over {} s{}", seconds(s.duration_s),
                       s.duration_s > 0
                           ? ", " + seconds(static_cast<double>(s.requests) / s.duration_s) + " a second"
                           : "")});
    c.add({"prompt tokens", format_count(s.prompt_tokens), ""});
    c.add({"output tokens", format_count(s.output_tokens),
           s.named_output ? "some of it named, so it can be hit" : ""});
    if (!s.lengths_only) {
        c.add({unit + "s looked up", format_count(s.lookup_blocks),
               "longest request " + format_count(s.longest_chain)});
        c.add({"unique " + unit + "s", format_count(s.unique_blocks),
               share(s.used_once, s.unique_blocks) + " of them used once"});
    }
    const std::pair<const char*, uint64_t> optional[] = {{"sessions", s.sessions},
                                                         {"categories", s.categories},
                                                         {"salts", s.salts},
                                                         {"adapters (lora)", s.loras}};
    for (auto [label, n] : optional)
        if (n != 0) c.add({label, format_count(n), ""});
    if (s.prompts != 0)
        c.add({"events", format_count(s.prompts + s.decodes + s.forks + s.frees),
               fmt::format("{} prompt, {} decode, {} fork, {} free", format_count(s.prompts),
                           format_count(s.decodes), format_count(s.forks), format_count(s.frees))});
    if (s.score_rows != 0) c.add({"attention score rows", format_count(s.score_rows), ""});
    if (s.with_cached_tokens != 0)
        c.add({"observed hits", format_count(s.with_cached_tokens),
               "requests with cached_tokens of a real engine"});
    return c.str();
}

std::string ceiling_table(const TraceStats& s) {
    Columns c;
    auto row = [&](const char* label, uint64_t part, uint64_t whole, const char* what) {
        c.add({label, share(part, whole),
               fmt::format("{} of {} {}", format_count(part), format_count(whole), what)});
    };
    row("token hit rate", s.ceiling_tokens, s.lookup_tokens, "tokens looked up");
    row("block hit rate", s.ceiling_blocks, s.lookup_blocks, "lookups, leading hits");
    if (s.content)
        row("any-chunk hit rate", s.any_blocks, s.lookup_blocks, "lookups, wherever the chunk stood before");
    row("requests with a hit", s.ceiling_requests, s.requests, "requests");
    return c.str();
}

}  // namespace

std::string stats_json(const TraceStats& s) {
    Json j;
    j["schema_version"] = "1.0";
    j["kind"] = "trace_info";
    j["tool"] = {{"version", version()}, {"git", git_commit()}};
    j["trace"] = trace_json(s);
    j["lengths"] = {{"prompt_tokens", spread_json(s.prompt_length)},
                    {"output_tokens", spread_json(s.output_length)}};
    if (!s.lengths_only) add_sharing(j, s);
    Json words;
    for (const auto& [word, meaning] : definitions(s)) words[word] = meaning;
    j["definitions"] = std::move(words);
    return j.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string stats_table(const TraceStats& s) {
    std::string unit = s.content ? "chunk" : "block";
    std::string out = fmt::format("{}: {}, {} of {} tokens, ids name {}\n", s.name, s.format,
                                  s.content ? "chunks" : "blocks", s.block_size, named_by(s));
    if (s.objects) out = fmt::format("{}: {}, {}, a block each\n", s.name, s.format, named_by(s));
    if (s.lengths_only) out = fmt::format("{}: {}, lengths only\n  {}\n", s.name, s.format, kNoNames);
    if (!s.approximation.empty()) out += "  approximate: " + s.approximation + "\n";
    out += "\n" + count_table(s, unit);
    if (!s.lengths_only) out += "\nceiling: hits if nothing were ever evicted\n" + ceiling_table(s);
    Columns spreads;
    auto count = [](uint64_t v) { return format_count(v); };
    spreads.add({"", "p10", "p50", "p90", "p99", "max", "mean", ""});
    spreads.add(spread_row("prompt tokens", s.prompt_length, count, ""));
    spreads.add(spread_row("output tokens", s.output_length, count, ""));
    if (!s.lengths_only)
        spreads.add(spread_row("reuse interval, s", s.reuse_s, seconds,
                               "since the " + unit + "'s reference before, per re-reference"));
    out += "\n" + spreads.str();
    Columns depths;
    depths.add({unit + " of the prompt", "lookups", "hits", "share", ""});
    for (const DepthSharing& d : s.depths)
        depths.add(
            {d.first == d.last ? format_count(d.first) : format_count(d.first) + " - " + format_count(d.last),
             format_count(d.lookups), format_count(d.hits), share(d.hits, d.lookups), ""});
    if (!s.depths.empty()) out += "\nsharing by depth, nothing evicted\n" + depths.str();
    if (!s.notes.empty()) out += "\n";
    for (const std::string& note : s.notes) out += "note: " + note + "\n";
    return out;
}

}  // namespace kvsim
