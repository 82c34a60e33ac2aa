// kvsim size: the smallest capacity, searched for naively.
#include "cli.h"
#include "small_trace.h"

namespace size_test {

using namespace kvsim_test;

namespace {

Json size_of(const Args& args, const std::string& input = {}) {
    return Json::parse(succeeds(Args{"size"} + args + Args{"--report", "-", "--quiet"}, input).out);
}

Json hits_at(const Args& args, const std::string& blocks) {
    return replay_report(args + Args{"--blocks", blocks, "--bounds", "none"})["results"]["hits"];
}

double share(const Json& hits, const Json& unlimited, const std::string& metric) {
    if (metric == "ceiling") return hits["hit_tokens"].get<double>() / unlimited["hit_tokens"].get<double>();
    return hits[metric].get<double>();
}

}  // namespace

TEST_CASE("plain: size: the first capacity whose replay reaches the goal") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(31, 18));
    const Args runs[] = {{trace},
                         {trace, "--accounting", "tree"},
                         {trace, "--warmup", "5", "--decode", "off"},
                         {trace, "--block-size", "8"}};
    for (const Args& args : runs) {
        Json unlimited = hits_at(args, "unlimited");
        std::vector<Json> at{Json()};
        uint64_t most = size_of(args + Args{"--goal", "ceiling=1"})["goal"]["blocks_for_goal"];
        for (uint64_t blocks = 1; blocks <= most; ++blocks) at.push_back(hits_at(args, std::to_string(blocks)));
        for (const char* metric : {"ceiling", "token_hit_rate", "block_hit_rate"})
            for (double part : {0.1, 0.5, 0.9, 1.0}) {
                double value = std::string(metric) == "ceiling" ? part : part * unlimited[metric].get<double>();
                Json text = value;
                Json r = size_of(args + Args{"--goal", std::string(metric) + "=" + text.dump()});
                uint64_t first = 1;
                while (share(at[first], unlimited, metric) < value) ++first;
                INFO(shown(args) << " " << metric << "=" << value);
                CHECK(r["goal"]["blocks_for_goal"] == first);
                uint64_t active = r["goal"]["peak_active_blocks"];
                CHECK(r["capacity"]["blocks"] == std::max(first, active));
                Json one = replay_report(args + Args{"--blocks", std::to_string(std::max(first, active))});
                CHECK(r["results"].dump() == one["results"].dump());
                CHECK(r["bounds"].dump() == one["bounds"].dump());
            }
    }
}

// Nine of these ten lookups of one block each hit: 0.9 of them must do, though 0.9 * 10 is not exactly 9 in binary;
// with 100 requests 0.07 * 100 is more than 7.
TEST_CASE("size: a goal that is met exactly is met") {
    TempDir dir;
    std::string rows = "{\"kvsim_trace\":1,\"block_size\":1}\n";
    for (int i = 0; i < 100; ++i) {
        // 7 hits of the block before; the others are new.
        int block = i > 0 && i <= 7 ? 0 : i;
        rows += "{\"op\":\"request\",\"seq\":\"r\",\"t\":" + std::to_string(i) + ",\"length\":1,\"blocks\":[" +
                std::to_string(block) + "]}\n";
    }
    std::string trace = dir.write("t.jsonl", rows);
    Json r = size_of({trace, "--goal", "token_hit_rate=0.07"});
    CHECK(r["results"]["hits"]["hit_tokens"] == 7);
    CHECK(r["capacity"]["blocks"] == 1);
    fails({"size", trace, "--goal", "token_hit_rate=0.0701"}, {"no capacity reaches it", "7.00"});
}

TEST_CASE("size: strategies without a curve are searched, and running requests fit") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(32, 60));
    for (const char* eviction : {"fifo", "s3_fifo", "mru"}) {
        Json r = size_of({trace, "--eviction", eviction, "--goal", "ceiling=0.6"});
        uint64_t blocks = r["goal"]["blocks_for_goal"];
        Json unlimited = hits_at({trace}, "unlimited");
        CHECK(share(r["results"]["hits"], unlimited, "ceiling") >= 0.6);
        // The one before does not reach it; a smaller one still might.
        CHECK(share(hits_at({trace, "--eviction", eviction}, std::to_string(blocks - 1)), unlimited, "ceiling") < 0.6);
        CHECK(contains(r["definitions"]["goal"].get<std::string>(), "bisection"));
    }
    Json busy = size_of({trace, "--concurrency", "8", "--goal", "ceiling=0.01"});
    CHECK(busy["capacity"]["blocks"] == busy["goal"]["peak_active_blocks"]);
    CHECK(busy["goal"]["blocks_for_goal"] < busy["goal"]["peak_active_blocks"]);
    CHECK(contains(succeeds({"size", trace, "--concurrency", "8", "--goal", "ceiling=0.01"}).out,
                   "running requests hold up to"));
    Json traced = size_of({trace, "--concurrency", "trace", "--goal", "ceiling=0.5"});
    CHECK(contains(traced["definitions"]["goal"].get<std::string>(), "bisection"));
}

TEST_CASE("size: a report matches the schema and is a configuration of itself") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(33, 40));
    const Args runs[] = {
        {"--goal", "ceiling=0.9"},
        {"--goal", "block_hit_rate=0.1", "--eviction", "sieve", "--accounting", "flat"},
        {"--goal", "token_hit_rate=0.2", "--match", "token", "--warmup", "5"},
        {"--goal", "ceiling=0.5", "--model", "llama-3.1-8b", "--kv-dtype", "fp8_e4m3", "--gpu", "h100-sxm"},
        {"--goal", "ceiling=0.5", "--bounds", "none", "--concurrency", "trace", "--limit", "30"}};
    std::vector<Json> reports;
    for (const Args& args : runs) {
        INFO(shown(args));
        Json r = size_of(Args{trace} + args);
        reports.push_back(r);
        Json again = size_of({trace, "--config", dir.write("r.json", r.dump())});
        CHECK(without_timing(again) == without_timing(r));
    }
    check_schema(dir, reports);
    Json r = size_of({trace, "--goal", "ceiling=0.5", "--model", "llama-3.1-8b"});
    CHECK(r["bytes"][0]["bytes"] == r["capacity"]["blocks"].get<uint64_t>() * 4 * 131072);
    CHECK(r["capacity"]["bytes"] == r["bytes"][0]["bytes"]);
}

TEST_CASE("size: what cannot be is said in one line") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(34, 20));
    struct Row {
        Args args;
        std::vector<std::string> parts;
    };
    const Row rows[] = {{{}, {"expected --goal"}},
                        {{"--goal", "ceiling"}, {"--goal ceiling: expected a number"}},
                        {{"--goal", "ceiling="}, {"expected a number above 0"}},
                        {{"--goal", "ceiling=0"}, {"expected a number above 0"}},
                        {{"--goal", "ceiling=1.01"}, {"at most 1"}},
                        {{"--goal", "ceiling=nan"}, {"expected a number"}},
                        {{"--goal", "ceiling=90%"}, {"expected a number"}},
                        {{"--goal", "hit_rate=0.5"}, {"expected one of"}},
                        {{"--goal", "cieling=0.5"}, {"did you mean 'ceiling'"}},
                        {{"--goal", "token_hit_rate=0.999"}, {"no capacity reaches it"}},
                        {{"--goal", "ceiling=0.5", "--layout", "contiguous"}, {"looks nothing up"}},
                        {{"--goal", "ceiling=0.5", "--match", "snapshot"}, {"--match snapshot"}},
                        {{"--goal", "ceiling=0.5", "--blocks", "5"}, {"unknown option '--blocks'"}}};
    for (const Row& row : rows) fails(Args{"size", trace} + row.args, row.parts);
    std::string once = dir.write("o.jsonl",
                                 "{\"kvsim_trace\":1,\"block_size\":4}\n"
                                 "{\"op\":\"request\",\"seq\":\"a\",\"t\":0,\"length\":8,\"blocks\":[0,1]}\n");
    fails({"size", once, "--goal", "ceiling=0.5"}, {"nothing in the trace repeats"});
    std::string lengths = dir.write("l.jsonl",
                                    "{\"kvsim_trace\":1,\"block_size\":4}\n"
                                    "{\"op\":\"request\",\"seq\":\"a\",\"t\":0,\"length\":8,\"output_length\":2}\n");
    fails({"size", lengths, "--goal", "ceiling=0.5"}, {"names no blocks", "no size to look for"});
    std::string objects = dir.write("o.csv", "1,5,1\n2,6,1\n3,5,1\n4,7,1\n5,6,1\n6,5,1\n");
    Json flat = size_of({objects, "--format", "object_csv", "--accounting", "flat", "--goal", "ceiling=1"});
    CHECK(flat["capacity"]["blocks"] == 3);  // 5 6 5 7 6 5: at 2, 6 is gone when it is asked for
    CHECK(size_of({"-", "--goal", "ceiling=1"}, kDemo)["config"]["trace"] == "-");
    fails({"size", trace, "--goal", "ceiling=0.5", "--report", dir.path("no/r.json")}, {"cannot write"}, 3);
    std::string table = succeeds({"size", trace, "--goal", "ceiling=0.5", "--model", "llama-3.1-8b"}).out;
    CHECK(contains(table, "the smallest prefix layout, lru, pinned with hit tokens of at least 0.5"));
    CHECK(contains(table, "  Llama 3.1 8B\n"));
}

}  // namespace size_test
