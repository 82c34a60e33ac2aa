// --timeline: the series of replay and compare, and what they sum to.
#include "cli.h"
#include "small_trace.h"

#include <numeric>

namespace series_test {

using namespace kvsim_test;

namespace series_cli_test {

uint64_t sum_of(const Json& column) {
    uint64_t sum = 0;
    for (const Json& n : column) sum += n.get<uint64_t>();
    return sum;
}

/// Sums, lengths, definitions of a replay's series, or a cell's.
void check_sums(const Json& cell, const Json& definitions) {
    const Json& s = cell["series"];
    const Json& results = cell["results"];
    const Json& t = s["timeline"];
    for (const char* key : {"requests", "active_blocks", "evictable_blocks", "free_blocks", "window_token_hit_rate"})
        if (t.contains(key)) CHECK(t[key].size() == t["points"]);
    CHECK(t.contains("free_blocks") == cell["capacity"].contains("blocks"));
    CHECK(t.contains("window_token_hit_rate") == results.contains("hits"));
    CHECK(s.contains("hit_depth") == results.contains("hits"));
    if (s.contains("hit_depth")) {
        CHECK(sum_of(s["hit_depth"]["lookup_tokens"]) == results["hits"]["lookup_tokens"]);
        CHECK(sum_of(s["hit_depth"]["hit_tokens"]) == results["hits"]["hit_tokens"]);
    }
    std::string age = definitions["eviction_age"];
    if (s.contains("eviction_age")) {
        CHECK(sum_of(s["eviction_age"]["blocks"]) == results["evictions"]["blocks"]);
        CHECK(contains(age, "evictions.blocks by"));
    } else {
        CHECK(contains(age, "absent: "));
    }
    for (const auto& section : s.items())
        for (const auto& key : section.value().items()) {
            INFO(section.key() << "." << key.key());
            CHECK(contains(definitions[section.key()], key.key()));
        }
}

}  // namespace series_cli_test

using namespace series_cli_test;

TEST_CASE("series: replay, every kind of cache") {
    TempDir dir;
    std::string small = dir.write("small.jsonl", small_trace(7, 150));
    std::string beam = source_file("traces/beam.jsonl");
    std::string lengths = dir.write("lengths.jsonl", "{\"kvsim_trace\":1,\"block_size\":4}\n"
                                                     "{\"op\":\"request\",\"seq\":\"a\",\"length\":9,\"output_length\":3}\n"
                                                     "{\"op\":\"request\",\"seq\":\"b\",\"length\":7,\"output_length\":3}\n");
    std::vector<Args> all = {{small, "--blocks", "30"},
                             {small, "--blocks", "30", "--accounting", "flat", "--eviction", "s3_fifo", "--warmup", "40"},
                             {small, "--blocks", "30", "--accounting", "tree", "--eviction", "lfu", "--decode", "off", "--verify"},
                             {small, "--blocks", "30", "--match", "token", "--concurrency", "3"},
                             {small, "--blocks", "30", "--match", "snapshot"},
                             {small},
                             {lengths, "--blocks", "4"},
                             {small, "--blocks", "30", "--engine", "vllm"},
                             {small, "--blocks", "12", "--engine", "vllm", "--arrivals", "time"},
                             {small, "--blocks", "30", "--engine", "sglang:page=4"},
                             {small, "--blocks", "60", "--layout", "paged", "--concurrency", "4"},
                             {beam, "--blocks", "14", "--layout", "paged", "--on-full", "wait"},
                             {beam, "--blocks", "14", "--layout", "contiguous"},
                             {beam, "--blocks", "14", "--layout", "quantized"}};
    std::vector<Json> reports;
    for (const Args& args : all) {
        INFO(shown(args));
        Json r = replay_report(args + Args{"--timeline", "20"});
        CHECK(r["config"]["timeline"] == 20);
        check_sums(r, r["definitions"]);
        // What the series are made of is the run itself.
        Json plain = replay_report(args);
        CHECK_FALSE(plain.contains("series"));
        CHECK_FALSE(plain["definitions"].contains("timeline"));
        CHECK(plain["results"] == r["results"]);
        reports.push_back(r);
    }
    check_schema(dir, reports);
    CHECK(reports[1]["series"]["timeline"]["warmup_requests"] == 40);
    CHECK(reports[1]["series"]["timeline"]["window_requests"] == 8);  // ceil(150 / 20)
    CHECK(reports[0]["series"]["timeline"]["requests"].back() == 149);
    CHECK(reports[6]["series"]["timeline"]["points"] == 2);
}

TEST_CASE("series: a report is its own configuration") {
    TempDir dir;
    std::string small = dir.write("small.jsonl", small_trace(7, 150));
    Json first = replay_report({small, "--blocks", "30", "--timeline", "33"});
    std::string config = dir.write("r.json", first.dump());
    Json again = replay_report({small, "--config", config});
    CHECK(without_timing(first) == without_timing(again));
    CHECK_FALSE(replay_report({small, "--config", config, "--timeline", "none"}).contains("series"));
}

TEST_CASE("series: compare, whatever the number of threads") {
    TempDir dir;
    std::string small = dir.write("small.jsonl", small_trace(3, 120));
    Args args = {"compare", small, "--eviction", "lru,random,s3_fifo", "--accounting", "pinned,flat", "--engine", "vllm",
                 "--blocks", "10,40", "--model", "llama-3.1-8b,qwen3-8b", "--timeline", "12", "--report", "-", "--quiet"};
    Json one = Json::parse(succeeds(args + Args{"--jobs", "1"}).out);
    Json four = Json::parse(succeeds(args + Args{"--jobs", "4"}).out);
    check_schema(dir, {one});
    CHECK(one["config"]["timeline"] == 12);
    CHECK(one["cells"].size() == four["cells"].size());
    for (size_t i = 0; i < one["cells"].size(); ++i) {
        INFO(one["cells"][i]["axes"].dump());
        Json definitions = one["definitions"];
        if (one["cells"][i].contains("engine")) definitions["eviction_age"] = "absent: ";
        check_sums(one["cells"][i], definitions);
        CHECK(one["cells"][i]["series"] == four["cells"][i]["series"]);
    }
    CHECK(contains(one["definitions"]["eviction_age"], "as a leading block"));
    CHECK(contains(one["definitions"]["eviction_age"], "absent: an engine does not"));
}

TEST_CASE("series: what --timeline takes") {
    TempDir dir;
    std::string demo = dir.write("demo.jsonl", kDemo);
    for (const char* bad : {"1", "0", "100001", "-3", "many", "1e3", "2.5"})
        fails({"replay", demo, "--timeline=" + std::string(bad)}, {"--timeline"});
    fails({"compare", demo, "--timeline", "1"}, {"--timeline 1: expected a whole number from 2 to 100000, or none"});
    CHECK(replay_report({demo, "--timeline", "100000"})["series"]["timeline"]["points"] == 4);
    CHECK(contains(succeeds({"replay", demo, "--timeline", "2"}).out, "note: the series of --timeline are in the JSON report"));
    CHECK_FALSE(contains(succeeds({"replay", demo}).out, "--timeline"));
}

TEST_CASE("series: a page implies 200 points") {
    TempDir dir;
    std::string demo = dir.write("demo.jsonl", kDemo);
    Args args = {"replay", demo, "--export-html", dir.path("page.html"), "--report", "-"};
    ProcessResult r = kvsim(args);
    if (r.exit_code != 0) {
        MESSAGE("skipped: no pages yet: " << r.err);
        return;
    }
    CHECK(Json::parse(r.out)["config"]["timeline"] == 200);
    CHECK_FALSE(Json::parse(succeeds(args + Args{"--timeline", "none"}).out).contains("series"));
}

}  // namespace series_test
