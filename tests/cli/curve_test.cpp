// kvsim curve: the same hits as a replay at every capacity.
#include "cli.h"
#include "small_trace.h"

#include <cmath>

namespace curve_test {

using namespace kvsim_test;

namespace {

Json curve_of(const Args& args) {
    return Json::parse(succeeds(Args{"curve"} + args + Args{"--report", "-", "--quiet"}).out);
}

struct Hits {
    uint64_t blocks = 0, tokens = 0;
    bool operator==(const Hits&) const = default;
};

Hits replayed(const Args& args, uint64_t capacity) {
    Json r = replay_report(args + Args{"--blocks", std::to_string(capacity), "--bounds", "none"});
    return {r["results"]["hits"]["hit_blocks"].get<uint64_t>(), r["results"]["hits"]["hit_tokens"].get<uint64_t>()};
}

/// What the columns say: a value holds from its capacity to the next.
Hits at(const Json& columns, uint64_t capacity) {
    Hits h;
    for (size_t i = 0; i < columns["blocks"].size() && columns["blocks"][i] <= capacity; ++i)
        h = {columns["hit_blocks"][i].get<uint64_t>(), columns["hit_tokens"][i].get<uint64_t>()};
    return h;
}

/// Replays at 1, 2, ... until nothing is evicted.
std::vector<Hits> every_capacity(const Args& args, uint64_t unit) {
    Json r = replay_report(args + Args{"--blocks", "unlimited"});
    uint64_t most = r["results"]["utilization"]["peak_resident_blocks"].get<uint64_t>() / unit + 1;
    std::vector<Hits> out(1);
    for (uint64_t capacity = 1; capacity <= most; ++capacity) out.push_back(replayed(args, capacity));
    return out;
}

void check_every_capacity(const Args& args, uint64_t unit = 1) {
    INFO(shown(args));
    Json r = curve_of(args);
    std::vector<Hits> naive = every_capacity(args, unit);
    uint64_t exact_from = r["exact_from_blocks"].get<uint64_t>();
    for (uint64_t capacity = 1; capacity < naive.size(); ++capacity) {
        if (capacity * unit < exact_from) continue;
        INFO("capacity " << capacity);
        CHECK(at(r["curve"], capacity * unit) == naive[capacity]);
    }
    // Knees: the first replay that has the share.
    if (unit > 1 || exact_from > 1) return;
    REQUIRE(r["knees"].size() == 3);
    for (const Json& knee : r["knees"]) {
        uint64_t percent = static_cast<uint64_t>(std::lround(100 * knee["share"].get<double>())), first = 1;
        while (naive[first].tokens * 100 < percent * naive.back().tokens) ++first;
        CHECK(knee["blocks"] == first);
        CHECK(knee["tokens"] == first * r["trace"]["block_size"].get<uint64_t>());
    }
}

}  // namespace

TEST_CASE("plain: curve: every capacity is what replay says of it") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(21, 20));
    check_every_capacity({trace});
    check_every_capacity({trace, "--decode", "off", "--accounting", "flat"});
    check_every_capacity({trace, "--accounting", "tree"});
    check_every_capacity({trace, "--warmup", "6"});
    check_every_capacity({trace, "--block-size", "8", "--limit", "15", "--concurrency", "3"});
    check_every_capacity({dir.write("u.jsonl", small_trace(22, 8)), "--match", "token"}, 4);
}

TEST_CASE("curve: the points of the table, also where one pass knows nothing") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(23, 40));
    const Args runs[] = {
        {trace, "--accounting", "tree"}, {trace, "--eviction", "fifo"}, {trace, "--concurrency", "trace"}};
    for (const Args& args : runs) {
        INFO(shown(args));
        Json r = curve_of(args + Args{"--at", "2,5,10%,unlimited,5000"});
        REQUIRE(r["points"].size() == 5);
        for (const Json& p : r["points"])
            CHECK(Hits{p["hit_blocks"].get<uint64_t>(), p["hit_tokens"].get<uint64_t>()} ==
                  replayed(args, p["blocks"].get<uint64_t>()));
        CHECK(r["points"][0]["blocks"] == 2);
        CHECK(r["points"][4]["blocks"] == 5000);
        CHECK(r["points"][3]["hit_blocks"] == r["bounds"]["unlimited"]["hit_blocks"]);
        // Bounds are those of a replay.
        Json one = replay_report(args + Args{"--blocks", "5"});
        CHECK(r["points"][1]["bounds"]["optimal"].dump() == one["bounds"]["optimal"].dump());
        CHECK(r["points"][1]["bounds"]["optimal_admit"].dump() == one["bounds"]["optimal_admit"].dump());
    }
    CHECK_FALSE(curve_of({trace, "--bounds", "none"})["points"][0].contains("bounds"));
}

TEST_CASE("curve: strategies without a curve are replayed at --points capacities") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(24, 40));
    Args args{trace, "--eviction", "s3_fifo"};
    Json r = curve_of(args + Args{"--points", "6", "--at", "7", "--jobs", "1"});
    CHECK_FALSE(r.contains("exact_from_blocks"));
    const Json& blocks = r["curve"]["blocks"];
    CHECK(blocks[0] == 1);
    CHECK(blocks.size() <= 7);
    CHECK(std::find(blocks.begin(), blocks.end(), 7) != blocks.end());
    CHECK(blocks.back() == replay_report({trace})["results"]["utilization"]["peak_resident_blocks"]);
    for (const Json& b : blocks) CHECK(at(r["curve"], b.get<uint64_t>()) == replayed(args, b.get<uint64_t>()));
    CHECK(r["points"].size() == 1);
    Json again = curve_of(args + Args{"--points", "6", "--at", "7", "--jobs", "4"});
    CHECK(without_timing(again) == without_timing(r));
    CHECK(curve_of(args)["curve"]["blocks"].size() > 20);
}

TEST_CASE("curve: --points thins the exact columns, ends stay") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(25, 80));
    Json all = curve_of({trace});
    REQUIRE(all["curve"]["blocks"].size() > 20);
    for (uint64_t n : {2, 3, 10}) {
        Json few = curve_of({trace, "--points", std::to_string(n)});
        CHECK(few["curve"]["blocks"].size() <= n);
        CHECK(few["curve"]["blocks"].front() == all["curve"]["blocks"].front());
        CHECK(few["curve"]["blocks"].back() == all["curve"]["blocks"].back());
        CHECK(few["curve"]["hit_tokens"].back() == all["curve"]["hit_tokens"].back());
        CHECK(few["knees"] == all["knees"]);
        CHECK(few["definitions"]["curve"] != all["definitions"]["curve"]);
    }
    CHECK(curve_of({trace, "--points", "100000"})["curve"] == all["curve"]);
}

TEST_CASE("curve: groups add up, tiers are read off the curve") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(26, 60));
    Json r = curve_of({trace, "--by", "category", "--tiers", "5,12"});
    check_schema(dir, {r});
    REQUIRE(r["by"].size() == 2);
    for (uint64_t capacity : {1, 5, 9, 30, 1000}) {
        Hits sum;
        for (const Json& group : r["by"]) {
            Hits h = at(group["curve"], capacity);
            sum = {sum.blocks + h.blocks, sum.tokens + h.tokens};
        }
        CHECK(sum == at(r["curve"], capacity));
    }
    auto tier = [&](const char* key) { return r["tiers"][key]["hit_tokens"].get<uint64_t>(); };
    CHECK(tier("fast") == replayed({trace}, 5).tokens);
    CHECK(tier("inclusive") == replayed({trace}, 12).tokens);
    CHECK(tier("exclusive") == replayed({trace}, 17).tokens);
}

TEST_CASE("curve: a report matches the schema and is a configuration of itself") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(27, 40));
    const Args runs[] = {{},
                         {"--at", "3,10%", "--points", "5", "--tiers", "2,4", "--by", "session"},
                         {"--eviction", "sieve", "--points", "4", "--accounting", "flat", "--decode", "off"},
                         {"--match", "token", "--block-size", "2", "--warmup", "10%"},
                         {"--accounting", "tree", "--concurrency", "4", "--limit", "30", "--bounds", "none"},
                         {"--model", "llama-3.1-8b", "--kv-dtype", "fp8_e4m3", "--gpu", "h100-sxm", "--at", "4,9"}};
    std::vector<Json> reports;
    for (const Args& args : runs) {
        INFO(shown(args));
        Json r = curve_of(Args{trace} + args);
        reports.push_back(r);
        Json again = curve_of({trace, "--config", dir.write("r.json", r.dump())});
        CHECK(without_timing(again) == without_timing(r));
    }
    check_schema(dir, reports);
    Json valued = curve_of({trace, "--model", "llama-3.1-8b", "--at", "9"});
    CHECK(valued["points"][0]["flop_hit_rate"] ==
          replay_report({trace, "--model", "llama-3.1-8b", "--blocks", "9"})["results"]["hits"]["flop_hit_rate"]);
    CHECK(valued["points"][0]["bytes"] == 9 * 4 * 131072);
}

TEST_CASE("curve: object traces") {
    TempDir dir;
    std::string objects = dir.write("o.csv", "1,5,1\n2,6,1\n3,5,1\n4,7,1\n5,6,1\n6,5,1\n");
    Args args{objects, "--format", "object_csv", "--accounting", "flat"};
    check_every_capacity(args);
    Json r = curve_of(args);
    check_schema(dir, {r});
    CHECK(without_timing(curve_of({objects, "--config", dir.write("r.json", r.dump())})) == without_timing(r));
    fails({"curve", objects, "--format", "object_csv"}, {"--accounting"});
}

TEST_CASE("curve: the table") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(28, 60));
    std::string out =
        succeeds({"curve", trace, "--at", "5,50%", "--model", "llama-3.1-8b", "--tiers", "5,9", "--by", "category"})
            .out;
    for (const char* part : {"small: prefix layout, lru, pinned, decode on", "ceiling", "KV bytes", "of ceiling",
                             "FLOP hits", "90 % of the ceiling from", "tiers of 5 and 9 blocks", "even: "})
        CHECK(contains(out, part));
    // Headings stand over their columns.
    std::vector<std::string> lines = lines_of(out);
    size_t heading = 0;
    while (!contains(lines[heading], "token hits")) ++heading;
    CHECK(lines[heading].size() == lines[heading + 1].size());
    CHECK(lines[heading].size() == lines[heading + 2].size());
    CHECK(contains(succeeds({"curve", trace, "--eviction", "fifo", "--points", "3"}).out, "replayed at each capacity"));
}

TEST_CASE("curve: what cannot be is said in one line") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", small_trace(29, 20));
    struct Row {
        Args args;
        std::vector<std::string> parts;
    };
    const Row rows[] = {
        {{"--at", "0"}, {"--at 0 is less than one block"}},
        {{"--at", "5,x"}, {"--at x"}},
        {{"--at", "5,,6"}, {"--at"}},
        {{"--tiers", "5"}, {"--tiers 5: expected two capacities"}},
        {{"--tiers", "0,5"}, {"--tiers 0"}},
        {{"--tiers", "5,unlimited"}, {"--tiers 5,unlimited: expected limited"}},
        {{"--tiers", "5,6", "--eviction", "fifo"}, {"--tiers needs the exact curve"}},
        {{"--by", "category", "--eviction", "fifo"}, {"--by needs the exact curve"}},
        {{"--by", "colour"}, {"colour"}},
        {{"--points", "1"}, {"--points 1: expected a whole number from 2"}},
        {{"--jobs", "0"}, {"--jobs 0"}},
        {{"--eviction", "s3fifo"}, {"did you mean 's3_fifo'"}},
        {{"--layout", "paged"}, {"--layout paged looks nothing up", "no curve"}},
        {{"--match", "snapshot"}, {"--match snapshot"}},
        {{"--bounds", "x"}, {"--bounds x"}},
        {{"--blocks", "5"}, {"unknown option '--blocks'"}},
        {{"--warmup", "100%"}, {"--warmup 100%"}},
        {{"--concurrency", "trace", "--by", "category"}, {"--concurrency trace", "no curve in one pass"}}};
    for (const Row& row : rows) fails(Args{"curve", trace} + row.args, row.parts);
    std::string lengths = dir.write("l.jsonl",
                                    "{\"kvsim_trace\":1,\"block_size\":4}\n"
                                    "{\"op\":\"request\",\"seq\":\"a\",\"t\":0,\"length\":8,\"output_length\":2}\n");
    fails({"curve", lengths}, {"names no blocks", "no curve"});
    fails({"curve", trace, "--report", dir.path("no/r.json")}, {"cannot write"}, 3);
    CHECK(Json::parse(succeeds({"curve", "-", "--report", "-", "--quiet"}, kDemo).out)["config"]["trace"] == "-");
    // Nothing repeats: no hits, no knees that say anything, no division by nothing.
    std::string once = dir.write("o.jsonl",
                                 "{\"kvsim_trace\":1,\"block_size\":4}\n"
                                 "{\"op\":\"request\",\"seq\":\"a\",\"t\":0,\"length\":8,\"blocks\":[0,1]}\n");
    std::string table = succeeds({"curve", once}).out;
    CHECK_FALSE(contains(table, "nan"));
    check_schema(dir, {curve_of({once})});
}

}  // namespace curve_test
