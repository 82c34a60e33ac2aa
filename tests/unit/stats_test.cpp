// Statistics against a block-by-block count, and against the published traces' known numbers.
#include "support/process.h"

#include <doctest/doctest.h>
#include <kvsim/trace/format.h>
#include <kvsim/trace/generator.h>
#include <kvsim/trace/stats.h>
#include "support/random_check.h"
#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

namespace stats_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

Trace load(const std::string& path) {
    LoadOptions options;
    options.path = path;
    return load_trace(options);
}

std::vector<BlockId> chain(const Trace& t, uint32_t row) {
    std::vector<Segment> segments;
    t.chains.segments(row, t.chains[row].length, segments);
    std::vector<BlockId> ids;
    for (const Segment& s : segments)
        for (uint32_t i = 0; i < s.count; ++i) ids.push_back(s.begin + i);
    return ids;
}

template <class T>
T percentile(std::vector<T> v, size_t p) {
    std::sort(v.begin(), v.end());
    return v[std::min(v.size() - 1, v.size() * p / 100)];
}

/// The same numbers from one entry per block reference.
struct Counted {
    uint64_t hits = 0, tokens = 0, used_once = 0;
    std::vector<double> intervals;
    std::map<uint32_t, std::pair<uint64_t, uint64_t>> by_position;
};

Counted count_blocks(const Trace& t) {
    Counted c;
    std::set<BlockId> kept;
    std::map<BlockId, double> last;
    std::map<BlockId, std::set<uint32_t>> users;
    for (uint32_t r = 0; r < t.requests(); ++r) {
        std::vector<BlockId> ids = chain(t, t.lookup_row(r));
        uint32_t hits = 0;
        while (hits < ids.size() && kept.count(ids[hits]) != 0) ++hits;
        c.hits += hits;
        c.tokens += t.leading_tokens(r, hits);
        for (uint32_t i = 0; i < ids.size(); ++i) {
            ++c.by_position[i + 1].first;
            c.by_position[i + 1].second += i < hits;
            if (last.count(ids[i]) != 0) c.intervals.push_back(t.arrival_s[r] - last[ids[i]]);
        }
        std::vector<BlockId> used = ids;
        if (t.has_named_output() && t.stored_rows[r] != kNone) {
            std::vector<BlockId> more = chain(t, t.stored_rows[r]);
            used.insert(used.end(), more.begin(), more.end());
        }
        for (BlockId id : used) {
            last[id] = t.arrival_s[r];
            users[id].insert(r);
        }
        for (BlockId id : chain(t, t.stored_row(r, true))) kept.insert(id);
    }
    for (const auto& [id, who] : users) c.used_once += who.size() == 1;
    return c;
}

void check_against_count(const Trace& t) {
    TraceStats s = trace_stats(t);
    Counted c = count_blocks(t);
    RC_ASSERT(s.ceiling_blocks == c.hits);
    RC_ASSERT(s.ceiling_tokens == c.tokens);
    RC_ASSERT(s.used_once == c.used_once);
    RC_ASSERT(s.reuse_s.count == c.intervals.size());
    if (!c.intervals.empty()) {
        RC_ASSERT(s.reuse_s.p10 == percentile(c.intervals, 10));
        RC_ASSERT(s.reuse_s.p50 == percentile(c.intervals, 50));
        RC_ASSERT(s.reuse_s.p99 == percentile(c.intervals, 99));
        RC_ASSERT(s.reuse_s.max == percentile(c.intervals, 100));
    }
    uint64_t lookups = 0;
    for (const DepthSharing& d : s.depths) {
        uint64_t sum = 0, hits = 0;
        for (uint32_t p = d.first; p <= d.last; ++p) {
            sum += c.by_position[p].first;
            hits += c.by_position[p].second;
        }
        RC_ASSERT(d.lookups == sum);
        RC_ASSERT(d.hits == hits);
        lookups += sum;
    }
    RC_ASSERT(lookups == s.lookup_blocks);
}

}  // namespace

TEST_CASE("random traces: the same as counting blocks one by one") {
    CHECK(kvsim_test::random_check([](uint64_t seed, bool named) {
        std::string name = named ? ",named_output=on" : "";
        uint64_t block = 1 + seed % 40;
        check_against_count(
            generate_trace("chat:sessions=12,turns=4,systems=2,system_tokens=70,user_tokens=30,"
                           "output_tokens=40,think_s=3,rate=1,block_size=" +
                               std::to_string(block) + name,
                           seed));
        check_against_count(generate_trace("uniform:requests=60,fanout=2,max_blocks=9", seed));
    }));
    check_against_count(load(source_file("traces/beam.jsonl")));
}

TEST_CASE("an event trace and labels") {
    TraceStats s = trace_stats(load(source_file("traces/beam.jsonl")));
    CHECK(s.prompts == 4);
    CHECK(s.forks == 6);
    CHECK(s.decodes == 19);
    CHECK(s.frees == 10);
    CHECK(s.score_rows == 2);
    CHECK(s.categories == 2);
    CHECK(s.duration_s == 2);
    s = trace_stats(load(source_file("traces/cached_tokens.jsonl")));
    CHECK(s.with_cached_tokens == 10);
    CHECK(s.sessions == 4);
    CHECK(s.salts == 1);
    CHECK(stats_table(s).find("observed hits") != std::string::npos);
}

TEST_CASE("JSON and table") {
    Trace t = load(source_file("traces/chat.jsonl"));
    TraceStats s = trace_stats(t);
    auto j = nlohmann::ordered_json::parse(stats_json(s));
    std::vector<std::string> keys;
    for (const auto& [key, value] : j.items()) keys.push_back(key);
    CHECK(keys == std::vector<std::string>{"schema_version", "kind", "tool", "trace", "lengths", "ceiling",
                                           "reuse", "sharing_by_depth", "definitions"});
    CHECK(j["kind"] == "trace_info");
    CHECK(j["trace"]["unique_blocks"] == 3663);
    CHECK(j["ceiling"]["hit_blocks"] == 17265);
    CHECK(j["lengths"]["prompt_tokens"]["count"] == 613);
    CHECK(j["sharing_by_depth"][2]["first_block"] == 3);
    CHECK(j["sharing_by_depth"][2]["last_block"] == 4);
    CHECK(stats_json(trace_stats(t)) == stats_json(s));
    std::string table = stats_table(s);
    CHECK(table.find("83.73 %") != std::string::npos);
    CHECK(table.find(" \n") == std::string::npos);
}

TEST_CASE("an empty trace has no percentiles") {
    TraceStats s = trace_stats(Trace{});
    CHECK(s.prompt_length.count == 0);
    CHECK(nlohmann::json::parse(stats_json(s))["ceiling"].count("token_hit_rate") == 0);
    CHECK(stats_table(s).find("prompt tokens") != std::string::npos);
}

namespace {

struct Known {
    const char* file;
    std::vector<uint32_t> prompt, output;  ///< p10 p50 p90 p99 max
    uint64_t blocks, hits, hit_tokens, used_once;
    std::vector<uint64_t> reuse_s;  ///< p10 p50 p90 p99, rounded
};

std::vector<uint32_t> five(const Spread<uint32_t>& s) { return {s.p10, s.p50, s.p90, s.p99, s.max}; }
std::vector<uint64_t> four(const Spread<double>& s) {
    std::vector<uint64_t> out;
    for (double v : {s.p10, s.p50, s.p90, s.p99}) out.push_back(static_cast<uint64_t>(v + 0.5));
    return out;
}

}  // namespace

TEST_CASE("published traces have the numbers that others count on them") {
    const Known known[] = {{"traces/mooncake/conversation_trace.jsonl.zst",
                            {964, 6909, 27367, 85401, 126195},
                            {24, 350, 597, 1120, 2000},
                            288500,
                            105710,
                            54098411,
                            138646,
                            {0, 114, 519, 1578}},
                           {"traces/mooncake/synthetic_trace.jsonl.zst",
                            {30, 11587, 38615, 66458, 191378},
                            {4, 69, 389, 769, 893},
                            121877,
                            77953,
                            39852661,
                            25673,
                            {5, 59, 282, 583}}};
    for (const Known& k : known) {
        std::string path = shared_file(k.file);
        if (path.empty()) continue;
        CAPTURE(path);
        TraceStats s = trace_stats(load(path));
        CHECK(five(s.prompt_length) == k.prompt);
        CHECK(five(s.output_length) == k.output);
        CHECK(s.lookup_blocks == k.blocks);
        CHECK(s.ceiling_blocks == k.hits);
        CHECK(s.ceiling_tokens == k.hit_tokens);
        CHECK(s.used_once == k.used_once);
        CHECK(four(s.reuse_s) == k.reuse_s);
    }
}

TEST_CASE("RAGPulse: chunks, sorted by time and as the file has them") {
    std::string path = shared_file("traces/ragpulse/0_trace.jsonl.zst");
    if (path.empty()) return;
    Trace t = load(path);
    TraceStats s = trace_stats(t);
    CHECK(five(s.prompt_length) == std::vector<uint32_t>{1110, 3140, 3959, 5439, 7712});
    CHECK(five(s.output_length) == std::vector<uint32_t>{83, 234, 563, 891, 2183});
    CHECK(s.ceiling_blocks == 12856);
    CHECK(s.any_blocks == 71583 - 21857);  // 15 of them repeat inside their request
    CHECK((s.used_once * 1000 + s.unique_blocks / 2) / s.unique_blocks == 846);
    CHECK(four(s.reuse_s) == std::vector<uint64_t>{21, 750, 58198, 303092});
    // The published percentiles were taken in file order, two runs one after the other.
    std::vector<uint32_t> order(t.requests());
    std::iota(order.begin(), order.end(), 0u);
    std::sort(order.begin(), order.end(),
              [&](uint32_t a, uint32_t b) { return t.source_row[a] < t.source_row[b]; });
    t.select(order);
    CHECK(four(trace_stats(t).reuse_s) == std::vector<uint64_t>{19, 802, 80048, 345600});
}

TEST_CASE("kv-cache-tester: 94 million references in few milliseconds") {
    std::string path = shared_file("traces/kv-cache-tester/sessions710.jsonl.zst");
    if (path.empty()) return;
    TraceStats s = trace_stats(load(path));
    CHECK(s.prompt_length.p10 == 42419);
    CHECK(s.prompt_length.p50 == 103662);
    CHECK(s.prompt_length.p90 == 233633);
    CHECK(s.output_length.p10 == 105);
    CHECK(s.output_length.p50 == 216);
    CHECK(s.output_length.p90 == 898);
    CHECK(s.lookup_blocks == 94310647);
    CHECK(s.unique_blocks == 3450959);
    CHECK(s.sessions == 710);
}

}  // namespace stats_test
