// kvsim replay on a trace small enough for the numbers to be worked out by hand.
#include "cli.h"

namespace replay_test {

using namespace kvsim_test;

static std::string demo(const TempDir& dir) { return dir.write("t.jsonl", kDemo); }

// Pinned, 4 blocks, decode on; u = unnamed, order least recent first:
// a misses 0 1 2, stores 0 1 2 u                                    u 2 1 0
// b hits 0 1, needs one more: u goes                                2 u 1 0
// c misses 5, needs two: 2 and u go                                 1 0 u 5
// d hits 0 1, misses 2: of u and 5 the least recent, u, goes        5 2 1 0
// 4 hits = 16 tokens, 4 evictions; active (4 + 3 + 2 + 3) / 16; tokens held 13 + 13 + 14 + 14 of 4 * 16.
TEST_CASE("replay: the demo at 4 blocks, every number") {
    TempDir dir;
    Json r = replay_report({demo(dir), "--blocks", "4"});
    CHECK(r["schema_version"] == "1.0");
    CHECK(r["kind"] == "replay");
    Json trace = r["trace"];
    trace.erase("sha256");
    CHECK(trace == Json::parse(R"({"name":"demo","format":"kvsim","requests":4,"counted_requests":4,"prompt_tokens":34,
        "output_tokens":4,"block_size":4,"blocks":9,"unique_blocks":4})"));
    CHECK(r["trace"]["sha256"].get<std::string>().size() == 64);
    CHECK(r["config"].dump() ==
          R"({"trace":"t.jsonl","format":"kvsim","block_size":4,"blocks":4,"layout":"prefix","eviction":"lru",)"
          R"("accounting":"pinned","match":"block","decode":"on","concurrency":1,"bounds":"all"})");
    CHECK(r["capacity"].dump() == R"({"blocks":4,"tokens":16})");
    const Json& results = r["results"];
    CHECK(results["requests"].dump() == R"({"total":4,"completed":4,"rejected":0,"with_hit":2})");
    // Rates 0, 1, 0, 0.8; sorted 0 0 0.8 1: p10 = [0], p50 = [2], p90 = [3].
    CHECK(results["hits"].dump() ==
          R"({"lookup_tokens":32,"hit_tokens":16,"token_hit_rate":0.5,"lookup_blocks":9,"hit_blocks":4,)"
          R"("block_hit_rate":0.4444444444444444,"any_hit_blocks":4,"any_hit_tokens":16,)"
          R"("per_request":{"p10":0.0,"p50":0.8,"p90":1.0,"zero_hit":2}})");
    CHECK(results["evictions"].dump() == R"({"blocks":4,"stranded_blocks":0})");
    CHECK(results["utilization"].dump() ==
          R"({"capacity_blocks":4,"peak_active_blocks":4,"peak_resident_blocks":4,"mean_active_fraction":0.75,)"
          R"("mean_evictable_fraction":0.25,"mean_free_fraction":0.0,"mean_token_fill":0.84375,)"
          R"("internal_fragmentation":0.15625})");
    // Observed 0, 8, 0, 4 against 0, 8, 0, 8.
    CHECK(results["observed"].dump() ==
          R"({"requests":4,"requests_equal":3,"hit_tokens":12,"token_hit_rate":0.375,"mean_abs_error_tokens":1.0,)"
          R"("first_difference":3})");
    CHECK(r["bounds"].dump() == R"({"unlimited":{"hit_blocks":5,"hit_tokens":18},"optimal":{"hit_blocks":5,"hit_tokens":18},)"
                                R"("optimal_admit":{"hit_blocks":4,"hit_tokens":16}})");
    for (const char* key : {"lookup", "hit", "accounting", "decode", "bounds.unlimited", "observed"})
        CHECK(r["definitions"].contains(key));
    Args order;
    for (const auto& [key, value] : r.items()) order.push_back(key);
    CHECK(order == Args{"schema_version", "kind", "tool", "trace", "config", "definitions", "capacity", "results",
                        "bounds", "timing"});
}

TEST_CASE("replay: unlimited, with and without decode") {
    TempDir dir;
    Json r = replay_report({demo(dir)});
    CHECK(r["capacity"].empty());
    CHECK(r["config"]["blocks"] == "unlimited");
    CHECK(r["results"]["hits"]["hit_blocks"] == 5);
    CHECK(r["results"]["evictions"]["blocks"] == 0);
    // 0 1 2 and a's u; b's u; 5 and c's u.
    CHECK(r["results"]["utilization"]["peak_resident_blocks"] == 7);
    CHECK(r["results"]["utilization"]["peak_active_blocks"] == 4);
    Json off = replay_report({demo(dir), "--decode", "off"});
    CHECK(off["results"]["utilization"]["peak_resident_blocks"] == 4);
    CHECK(off["config"]["decode"] == "off");
    CHECK(off["definitions"]["decode"] != r["definitions"]["decode"]);
    CHECK(without_timing(replay_report({demo(dir), "--blocks", "unlimited"})) == without_timing(r));
}

// Two blocks, decode off.
// pinned: a keeps 0 1; b hits both; c evicts 1; d hits 0, evicts 5 for 1: 3 hits, 2 evictions.
// flat: a 0 1, 2 evicts 0; b 0 evicts 1, 1 evicts 2; c 5 evicts 0; d 0 evicts 1, 1 evicts 5, 2 evicts 0: none, 7.
// tree: a 0 1, 2 evicts 1 and loses its parent; b hits 0, takes 1; c evicts 1; d hits 0, 1 evicts 5, 2 evicts 1 and
//       stops: 2 hits, 4 evictions.
// tree:protect=chain: a 0 1; b hits both; c evicts 1; d hits 0, 1 evicts 5: 3 hits, 2 evictions.
TEST_CASE("replay: the accountings differ as defined") {
    TempDir dir;
    struct Row {
        const char* accounting;
        int hits, evictions;
        std::string resolved;
    };
    const Row rows[] = {{"pinned", 3, 2, "pinned"},
                        {"flat", 0, 7, "flat"},
                        {"tree", 2, 4, "tree"},
                        {"tree:protect=hits", 2, 4, "tree"},
                        {"tree:protect=chain", 3, 2, "tree:protect=chain"}};
    for (const Row& row : rows) {
        INFO(row.accounting);
        Json r = replay_report({demo(dir), "--blocks", "2", "--decode", "off", "--accounting", row.accounting, "--verify"});
        CHECK(r["results"]["hits"]["hit_blocks"] == row.hits);
        CHECK(r["results"]["evictions"]["blocks"] == row.evictions);
        CHECK(r["config"]["accounting"] == row.resolved);
    }
}

// Counted are c and d only: 1 + 3 lookups, 14 tokens, d's 2 hits = 8 tokens; the caches are warm from a and b.
TEST_CASE("replay: warm-up is replayed and not counted") {
    TempDir dir;
    for (const char* warmup : {"2", "50%", "74.9%"}) {
        Json r = replay_report({demo(dir), "--blocks", "4", "--warmup", warmup});
        CHECK(r["trace"]["requests"] == 4);
        CHECK(r["trace"]["counted_requests"] == 2);
        CHECK(r["config"]["warmup"] == 2);
        CHECK(r["results"]["requests"]["total"] == 2);
        CHECK(r["results"]["hits"]["lookup_blocks"] == 4);
        CHECK(r["results"]["hits"]["lookup_tokens"] == 14);
        CHECK(r["results"]["hits"]["hit_tokens"] == 8);
        CHECK(r["results"]["evictions"]["blocks"] == 3);
        CHECK(r["bounds"]["unlimited"]["hit_blocks"] == 3);
        CHECK(r["results"]["observed"]["requests"] == 2);
        CHECK(r["results"]["observed"]["first_difference"] == 3);
    }
    CHECK_FALSE(replay_report({demo(dir), "--warmup", "0"})["config"].contains("warmup"));
    fails({"replay", demo(dir), "--warmup", "4"}, {"--warmup 4", "none of 4 requests"});
    fails({"replay", demo(dir), "--warmup", "100%"}, {"--warmup 100%"});
}

TEST_CASE("replay: --limit keeps the first requests") {
    TempDir dir;
    Json r = replay_report({demo(dir), "--limit", "2"});
    CHECK(r["trace"]["requests"] == 2);
    CHECK(r["trace"]["unique_blocks"] == 3);
    CHECK(r["config"]["limit"] == 2);
    CHECK(r["results"]["hits"]["hit_blocks"] == 2);
    CHECK(replay_report({demo(dir), "--limit", "99"})["trace"]["requests"] == 4);
}

// Of 2 tokens: a 5 lookups, b 4, c 2 (4 named tokens), d 5; distinct 5 + 2. b hits 4, d 5.
// Of 8: a 1 full and 1 partial, b 1 full, c none (8 tokens are not named), d 2; b hits 1, d 2.
TEST_CASE("replay: --block-size re-blocks") {
    TempDir dir;
    Json two = replay_report({demo(dir), "--block-size", "2"});
    CHECK(two["trace"]["block_size"] == 2);
    CHECK(two["config"]["block_size"] == 2);
    CHECK(two["trace"]["blocks"] == 16);
    CHECK(two["trace"]["unique_blocks"] == 7);
    CHECK(two["results"]["hits"]["hit_blocks"] == 9);
    CHECK(two["results"]["hits"]["hit_tokens"] == 18);
    Json eight = replay_report({demo(dir), "--block-size", "8"});
    CHECK(eight["trace"]["blocks"] == 5);
    CHECK(eight["trace"]["unique_blocks"] == 2);
    CHECK(eight["results"]["hits"]["hit_blocks"] == 3);
    CHECK(eight["results"]["hits"]["hit_tokens"] == 18);
    CHECK(eight["results"]["hits"]["lookup_tokens"] == 28);
    CHECK(replay_report({demo(dir), "--block-size", "4"})["results"] == replay_report({demo(dir)})["results"]);
}

TEST_CASE("replay: --by each column") {
    TempDir dir;
    Json category = replay_report({demo(dir), "--blocks", "4", "--by", "category"})["results"]["by"];
    CHECK(category.size() == 2);
    // x: a, c, d; y: b.
    CHECK(category[0].dump() == R"({"label":"x","requests":3,"lookup_tokens":24,"hit_tokens":8,)"
                                R"("token_hit_rate":0.3333333333333333,"lookup_blocks":7,"hit_blocks":2,)"
                                R"("block_hit_rate":0.2857142857142857,"any_hit_blocks":2,"any_hit_tokens":8})");
    CHECK(category[1]["hit_tokens"] == 8);
    Json session = replay_report({demo(dir), "--by", "session"})["results"]["by"];
    CHECK(session[0]["label"] == "s1");
    CHECK(session[0]["lookup_blocks"] == 5);
    Json turn = replay_report({demo(dir), "--by", "turn"})["results"]["by"];
    CHECK(turn[0]["label"] == "1");
    CHECK(turn[1]["hit_blocks"] == 5);
    for (const char* column : {"salt", "lora"}) {
        fails({"replay", demo(dir), "--by", column}, {std::string("--by ") + column + ": the trace has no such column"});
        std::string with = dir.write("s.jsonl", "{\"kvsim_trace\":1,\"block_size\":4}\n"
                                                "{\"op\":\"request\",\"seq\":\"a\",\"t\":0,\"length\":4,\"blocks\":[1],\"" +
                                                    std::string(column) +
                                                    "\":\"m\"}\n"
                                                    "{\"op\":\"request\",\"seq\":\"b\",\"t\":0,\"length\":4,\"blocks\":[1]}\n");
        Json by = replay_report({with, "--by", column})["results"];
        REQUIRE(by["by"].size() == 2);
        CHECK(by["by"][0]["label"] == "m");
        CHECK(by["hits"]["hit_blocks"] == 0);  // the same name under another salt or adapter is another block
    }
    fails({"replay", demo(dir), "--by", "turns"}, {"expected one of category, session, turn, salt, lora", "'turn'"});
}

TEST_CASE("replay: --per-request rows, in the order of the contract, add up") {
    TempDir dir;
    ProcessResult r = succeeds({"replay", demo(dir), "--blocks", "4", "--per-request", "-"});
    CHECK(contains(r.err, "token hit rate"));
    std::vector<std::string> rows = lines_of(r.out);
    REQUIRE(rows.size() == 4);
    CHECK(rows[3] == R"({"i":3,"seq":"d","prompt_tokens":10,"hit_tokens":8,"hit_blocks":2,"any_hit_tokens":8,)"
                     R"("any_hit_blocks":2,"rejected":false})");
    for (const char* accounting : {"pinned", "flat", "tree"}) {
        Args args = {demo(dir), "--blocks", "3", "--decode", "off", "--accounting", accounting};
        Json hits = replay_report(args + Args{"--per-request", dir.path("p")})["results"]["hits"];
        uint64_t sums[4] = {};
        const char* keys[4] = {"hit_tokens", "hit_blocks", "any_hit_tokens", "any_hit_blocks"};
        for (const std::string& line : lines_of(read_file(dir.path("p")))) {
            Json row = Json::parse(line);
            CHECK(row.size() == 8);
            for (int k = 0; k < 4; ++k) sums[k] += row[keys[k]].get<uint64_t>();
        }
        for (int k = 0; k < 4; ++k) CHECK(hits[keys[k]] == sums[k]);
    }
}

TEST_CASE("replay: names with any characters stay JSON in rows and reports") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", R"({"kvsim_trace":1,"name":"a \"b\"\n\u0001","block_size":4})"
                                             "\n"
                                             R"({"op":"request","seq":"q\"\\\n\u0007é","t":0,"length":4,"blocks":[1],"category":"c\td"})"
                                             "\n");
    Json r = replay_report({trace, "--by", "category", "--per-request", dir.path("p")});
    CHECK(r["trace"]["name"] == "a \"b\"\n\x01");
    CHECK(r["results"]["by"][0]["label"] == "c\td");
    REQUIRE(lines_of(read_file(dir.path("p"))).size() == 1);
    CHECK(Json::parse(read_file(dir.path("p")))["seq"] == "q\"\\\n\x07é");
}

TEST_CASE("replay: control characters of a trace do not reach the terminal") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", R"({"kvsim_trace":1,"name":"a\u001b[31mb\nc","block_size":4})"
                                             "\n"
                                             R"({"op":"request","seq":"q","t":0,"length":4,"blocks":[1],"category":"x\ny"})"
                                             "\n");
    std::string table = succeeds({"replay", trace, "--by", "category"}).out;
    CHECK_FALSE(contains(table, "\x1b"));
    CHECK(lines_of(table)[0].rfind("a", 0) == 0);
    CHECK(contains(lines_of(table)[0], "prefix layout"));
}

TEST_CASE("replay: stdin, gz, zst and a directory of shards give the same results") {
    TempDir dir;
    std::string plain = demo(dir);
    Json expected = replay_report({plain, "--blocks", "4"});
    CHECK(replay_report({"-", "--blocks", "4"}, kDemo)["results"] == expected["results"]);
    CHECK(replay_report({"-", "--blocks", "4"}, kDemo)["trace"] == expected["trace"]);
    for (const auto& [tool, suffix] : {std::pair{"gzip", ".gz"}, std::pair{"zstd", ".zst"}}) {
        ProcessResult packed = run_program(tool, {"-c", plain});
        if (packed.exit_code != 0) {
            std::printf("skipped: %s is not there\n", tool);
            continue;
        }
        std::string path = dir.write(std::string("p") + suffix, packed.out);
        Json r = replay_report({path, "--blocks", "4"});
        CHECK(r["results"] == expected["results"]);
        CHECK(r["trace"] == expected["trace"]);  // the digest is of the decompressed bytes
        CHECK(replay_report({"-", "--blocks", "4"}, packed.out)["trace"] == expected["trace"]);
    }
    // Two shards, the later requests in the first: they are merged by time.
    std::vector<std::string> l = lines_of(kDemo);
    REQUIRE(run_program("mkdir", {dir.path("shards")}).exit_code == 0);
    dir.write("shards/1.jsonl", l[0] + "\n" + l[2] + "\n" + l[4] + "\n");
    dir.write("shards/2.jsonl", l[0] + "\n" + l[1] + "\n" + l[3] + "\n");
    Json shards = replay_report({dir.path("shards"), "--blocks", "4"});
    CHECK(shards["results"] == expected["results"]);
    CHECK(replay_report({dir.path("shards/"), "--blocks", "4"})["trace"] == shards["trace"]);
    REQUIRE(run_program("mkdir", {dir.path("none")}).exit_code == 0);
    fails({"replay", dir.path("none")}, {"the directory has no files"});
}

TEST_CASE("replay: parallel samples are requests of their own") {
    TempDir dir;
    std::string trace = dir.write("n.jsonl", "{\"kvsim_trace\":1,\"block_size\":4}\n"
                                             "{\"op\":\"request\",\"seq\":\"a\",\"t\":0,\"length\":8,\"blocks\":[1,2],\"n\":3}\n");
    ProcessResult r = succeeds({"replay", trace, "--report", "-"});
    CHECK(contains(r.err, "note: parallel samples (n)"));
    Json j = Json::parse(r.out);
    CHECK(j["trace"]["requests"] == 3);
    CHECK(j["results"]["hits"]["hit_blocks"] == 4);  // the second and third hit what the first left
}

TEST_CASE("replay: the report matches its schema") {
    if (std::string(KVSIM_PYTHON3).empty() || run_program(KVSIM_PYTHON3, {"-c", "import jsonschema"}).exit_code != 0) {
        std::printf("skipped: no python3 with jsonschema\n");
        return;
    }
    TempDir dir;
    const Args variants[] = {{},
                             {"--blocks", "4", "--by", "turn", "--model", "gpt-oss-20b"},
                             {"--blocks", "2", "--accounting", "flat", "--warmup", "1"},
                             {"--memory", "1GiB", "--model", "llama-3.1-8b", "--accounting", "tree:protect=chain"},
                             {"--tokens", "9", "--decode", "off", "--bounds", "none", "--limit", "3"},
                             {"--blocks", "4", "--concurrency", "2", "--decode", "linked"},
                             {"--blocks", "2", "--match", "token"}};
    Args files;
    std::string trace = demo(dir);
    for (const Args& v : variants) {
        files.push_back(dir.path("r" + std::to_string(files.size()) + ".json"));
        succeeds(Args{"replay", trace, "--report", files.back()} + v);
    }
    ProcessResult checked = run_program(
        KVSIM_PYTHON3, Args{source_file("tests/support/validate.py"), source_file("lib/kvsim/report/report.schema.json")} + files);
    INFO(checked.out << checked.err);
    CHECK(checked.exit_code == 0);
}

TEST_CASE("replay: two runs give the same bytes outside timing") {
    TempDir dir;
    std::string trace = demo(dir);
    for (int i = 0; i < 2; ++i)
        succeeds({"replay", trace, "--blocks", "3", "--report", dir.path(std::to_string(i)), "--per-request",
                  dir.path("p" + std::to_string(i))});
    std::string a = read_file(dir.path("0")), b = read_file(dir.path("1"));
    CHECK(a.substr(0, a.find("\"timing\"")) == b.substr(0, b.find("\"timing\"")));
    CHECK(a.rfind("\"timing\"") == a.find("\"timing\""));
    CHECK(read_file(dir.path("p0")) == read_file(dir.path("p1")));
}

TEST_CASE("replay: where the table goes, --quiet, --verbose, colour") {
    TempDir dir;
    std::string trace = demo(dir);
    ProcessResult table = succeeds({"replay", trace});
    CHECK(contains(table.out, "token hit rate"));
    CHECK(contains(table.out, "decode on"));
    CHECK(table.err.empty());
    ProcessResult both = succeeds({"replay", trace, "--report", "-"});
    CHECK(Json::parse(both.out).is_object());
    CHECK(contains(both.err, "token hit rate"));
    CHECK(succeeds({"replay", trace, "--report", "-", "--quiet"}).err.empty());
    CHECK(succeeds({"replay", trace, "--quiet"}).out == table.out);
    CHECK_FALSE(contains(table.out, "\x1b"));
    CHECK(contains(succeeds({"replay", trace, "--verbose"}).err, "format kvsim"));
    std::string colored = succeeds({"replay", trace, "--color", "always"}).out;
    CHECK(contains(colored, "\x1b["));
    CHECK_FALSE(contains(succeeds({"replay", trace, "--color", "never"}).out, "\x1b"));
    ProcessResult no_color = run_program("env", {"NO_COLOR=1", kvsim_binary(), "replay", trace, "--color", "always"});
    CHECK(no_color.out == colored);  // the flag beats the variable
}

}  // namespace replay_test
