// The first sentence of pages and Markdown, against arithmetic done by hand.
#include <kvsim/report/headline.h>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <string>
#include <vector>

namespace headline_test {

using Json = nlohmann::ordered_json;
using kvsim::headline;

/// A cell of a trace with 1,000 looked-up tokens in blocks of 10, under pinned.
Json cell(const char* eviction, uint64_t blocks, uint64_t hit_tokens, uint64_t bound, const char* verdict = "") {
    Json j = {{"table", 0},
              {"axes", {{"trace", "t"}, {"block_size", 10}, {"layout", "prefix"}, {"accounting", "pinned"}, {"eviction", eviction},
                        {"capacity", std::to_string(blocks)}}},
              {"status", "ok"},
              {"capacity", {{"blocks", blocks}, {"tokens", blocks * 10}, {"bytes", blocks * (uint64_t{4} << 20)}}},
              {"results", {{"hits", {{"lookup_tokens", 1000}, {"hit_tokens", hit_tokens}, {"hit_blocks", hit_tokens / 10},
                                     {"token_hit_rate", static_cast<double>(hit_tokens) / 1000}}}}},
              {"bounds", {{"unlimited", {{"hit_blocks", 60}, {"hit_tokens", 600}}},
                          {"optimal", {{"hit_blocks", 60}, {"hit_tokens", 600}}},
                          {"optimal_admit", {{"hit_blocks", bound / 10}, {"hit_tokens", bound}}}}}};
    if (*verdict) j["difference"] = {{"versus", "lru"}, {"low", 0.012}, {"high", 0.034}, {"verdict", verdict}};
    return j;
}

std::string compare(const std::vector<Json>& cells) {
    Json j = {{"schema_version", "1.0"}, {"kind", "compare"}, {"cells", cells}, {"confidence", {{"level", 0.95}}}};
    return headline(j);
}

TEST_CASE("one capacity: the best, its room, the gap to the bound of its accounting, what the interval says") {
    // 256 blocks x 4 MiB = 1 GiB; 241 of 1,000 tokens; 273 - 241 = 32 of 1,000 = 3.2 points.
    CHECK(compare({cell("lru", 256, 220, 273), cell("s3_fifo", 256, 241, 273, "better"), cell("fifo", 256, 210, 273, "worse")}) ==
          "At 256 blocks (1.0 GiB), s3_fifo hits 24.1 % of the prompt tokens, the most of 3 strategies and 3.2 points below the "
          "best possible (27.3 %). That is 1.2 to 3.4 points more than lru (95 % interval).");
    CHECK(compare({cell("lru", 256, 220, 273), cell("s3_fifo", 256, 241, 273, "no_difference")}) ==
          "At 256 blocks (1.0 GiB), s3_fifo hits 24.1 % of the prompt tokens, the most of 2 strategies and 3.2 points below the "
          "best possible (27.3 %). This trace does not show that it is better than lru.");
    // The baseline is the best: of the two others one is worse.
    CHECK(compare({cell("lru", 256, 241, 241), cell("sieve", 256, 240, 241, "no_difference"), cell("fifo", 256, 99, 241, "worse")}) ==
          "At 256 blocks (1.0 GiB), lru hits 24.1 % of the prompt tokens, the most of 3 strategies and the best possible for a cache that stores "
          "every request. "
          "This trace does not show that it is better than 1 of the other 2.");
}

TEST_CASE("ties are named, and a strategy that knows the future is never the best") {
    Json future = cell("belady", 256, 273, 273);
    future["knows_future"] = true;
    CHECK(compare({cell("lru", 256, 241, 273), cell("lfu", 256, 241, 273), future, cell("fifo", 256, 240, 273)}) ==
          "At 256 blocks (1.0 GiB), lru and lfu hit 24.1 % of the prompt tokens each, the most of 3 strategies and 3.2 points below "
          "the best possible (27.3 %).");
    std::vector<Json> four;
    for (const char* id : {"a", "b", "c", "d"}) four.push_back(cell(id, 256, 241, 273));
    CHECK(compare(four) == "At 256 blocks (1.0 GiB), all 4 strategies hit 24.1 % of the prompt tokens each and 3.2 points below the best "
                           "possible (27.3 %).");
    four.push_back(cell("e", 256, 0, 273));
    CHECK(compare(four) == "At 256 blocks (1.0 GiB), a, b and 2 others hit 24.1 % of the prompt tokens each, the most of 5 strategies and "
                           "3.2 points below the best possible (27.3 %).");
}

TEST_CASE("tree and flat are held against optimal, engines against unlimited room") {
    Json tree = cell("lru", 256, 241, 273);
    tree["axes"]["accounting"] = "tree:protect=chain";
    // 600 - 241 = 359 of 1,000.
    CHECK(compare({tree}) == "At 256 blocks (1.0 GiB), lru hits 24.1 % of the prompt tokens, 35.9 points below the best possible (60.0 %).");
    Json engine = cell("", 256, 300, 0);
    engine["axes"] = {{"trace", "t"}, {"block_size", 1}, {"engine", "sglang"}, {"capacity", "256"}};
    engine["capacity"] = {{"blocks", 2560}, {"tokens", 2560}, {"bytes", uint64_t{1} << 30}};
    engine["bounds"] = {{"unlimited", {{"hit_blocks", 580}, {"hit_tokens", 580}}}};
    engine["results"]["requests"] = {{"total", 1200}, {"rejected", 7}};
    // The room in blocks of the table, 580 - 300 = 280 of 1,000.
    CHECK(compare({cell("lru", 256, 241, 273), engine}) ==
          "At 256 blocks (1.0 GiB), sglang hits 30.0 % of the prompt tokens, the most of 2 strategies and engines and 28.0 points below "
          "unlimited room. It rejected 7 of 1,200 requests.");
}

TEST_CASE("several capacities, in order of size") {
    CHECK(compare({cell("lru", 512, 300, 310), cell("sieve", 512, 290, 310, "worse"), cell("lru", 256, 220, 273),
                   cell("sieve", 256, 241, 273, "better")}) ==
          "Of 2 strategies, these hit the most prompt tokens: sieve at 256 blocks (1.0 GiB) with 24.1 %, 3.2 points below the best "
          "possible; lru at 512 blocks (2.0 GiB) with 30.0 %, 1.0 point below the best possible.");
    CHECK(compare({cell("lru", 512, 300, 310), cell("sieve", 512, 301, 310, "no_difference"), cell("lru", 256, 220, 273),
                   cell("sieve", 256, 241, 273, "better")}) ==
          "sieve hits the most prompt tokens of 2 strategies at 256 blocks (1.0 GiB) and 512 blocks (2.0 GiB): from 24.1 %, 3.2 points "
          "below the best possible, to 30.1 %, 0.9 points below the best possible. At 512 blocks this trace does not show that the best is "
          "better than lru.");
    std::vector<Json> many;
    for (uint64_t blocks : {256, 512, 768, 1024}) {
        many.push_back(cell("lru", blocks, 220, 273));
        many.push_back(cell("sieve", blocks, blocks < 800 ? 241 : 100, 273, blocks == 512 ? "no_difference" : "better"));
    }
    CHECK(compare(many) ==
          "Of 2 strategies, these hit the most prompt tokens: sieve from 256 blocks (1.0 GiB) to 768; lru at 1,024 (4.0 GiB). Hit rates go "
          "from 24.1 %, 3.2 points below the best possible, to 22.0 %, 5.3 points below the best possible. At 512 blocks this trace does "
          "not show that the best is better than lru.");
}

TEST_CASE("several tables, skipped cells, several accountings") {
    Json other = cell("lru", 100, 500, 600), skipped = cell("x", 256, 900, 900), flat = cell("lru", 256, 242, 273);
    other["table"] = 1;
    other["axes"]["trace"] = "u\x1b[31m";
    skipped["status"] = "skipped";
    flat["axes"]["accounting"] = "flat";
    CHECK(compare({cell("lru", 256, 241, 273), skipped, flat, other}) ==
          "t, blocks of 10: At 256 blocks (1.0 GiB), flat lru hits 24.2 % of the prompt tokens, the most of 2 strategies and 35.8 points "
          "below the best possible (60.0 %). u?[31m, blocks of 10: At 100 blocks (400.0 MiB), lru hits 50.0 % of the prompt tokens, 10.0 "
          "points below the best possible (60.0 %).");
    CHECK(compare({skipped}).empty());
    CHECK(compare({}).empty());
}

TEST_CASE("nothing rounds to none or to all, and a bound counts blocks") {
    Json few = cell("lru", 1, 0, 0);
    few["results"]["hits"] = {{"lookup_tokens", 1000000}, {"hit_tokens", 10}, {"hit_blocks", 1}, {"token_hit_rate", 1e-5}};
    few["bounds"]["optimal_admit"] = {{"hit_blocks", 2}, {"hit_tokens", 20}};
    CHECK(compare({few}) == "At 1 block (4.0 MiB), lru hits below 0.1 % of the prompt tokens, less than 0.1 points below the best possible (below 0.1 %).");
    // More tokens in fewer blocks: the last block of a prompt may hold one token.
    few["bounds"]["optimal_admit"] = {{"hit_blocks", 2}, {"hit_tokens", 9}};
    CHECK(compare({few}) == "At 1 block (4.0 MiB), lru hits below 0.1 % of the prompt tokens, as many as the cache that hits the most blocks.");
}

TEST_CASE("replay, curve, size, bench, check") {
    Json replay = cell("lru", 256, 241, 273);
    replay["kind"] = "replay";
    replay["config"] = {{"layout", "prefix"}, {"eviction", "lru"}, {"accounting", "pinned"}};
    replay["results"]["misses"] = {{"compulsory", 57}, {"stranded", 3}, {"capacity", 6}, {"regret", 10}};
    // 57 / 76 = 75.0 %, 10 / 76 = 13.2 %
    CHECK(headline(replay) == "At 256 blocks (1.0 GiB), lru hits 24.1 % of the prompt tokens, 3.2 points below the best possible (27.3 %). Of the "
                              "blocks it missed, 75.0 % had never been seen and 13.2 % an optimal choice would have kept.");
    Json size = replay;
    size["kind"] = "size";
    size["goal"] = {{"metric", "token_hit_rate"}, {"value", 0.24}, {"blocks_for_goal", 200}, {"peak_active_blocks", 256}};
    CHECK(headline(size) == "lru needs 256 blocks (1.0 GiB) to hit 24 % of the prompt tokens; it hits 24.1 %, 3.2 points below the best possible "
                            "(27.3 %). For the goal alone 200 would do, but 256 are in use at once.");
    Json curve = {{"kind", "curve"}, {"config", {{"layout", "prefix"}, {"eviction", "lru"}}}, {"lookup_tokens", 1000}};
    curve["curve"] = {{"blocks", {1, 2}}, {"hit_tokens", {0, 0}}};
    curve["knees"] = Json::array();
    CHECK(headline(curve) == "lru hits no prompt token at any capacity.");
    curve["curve"]["hit_tokens"] = {100, 400};
    curve["knees"] = {{{"share", 0.9}, {"blocks", 2}, {"bytes", 2048}}};
    CHECK(headline(curve) == "lru needs 2 blocks (2.0 KiB) for 90 % of the most it can hit, 40.0 % of the prompt tokens.");
    Json paged = {{"kind", "replay"}, {"config", {{"layout", "paged"}, {"eviction", "lru"}}}, {"capacity", {{"blocks", 30}}}};
    paged["results"] = {{"requests", {{"total", 10}, {"completed", 9}, {"rejected", 1}, {"recomputed_tokens", 5}}},
                        {"utilization", {{"peak_resident_blocks", 14}}}};
    CHECK(headline(paged) == "At 30 blocks, the paged layout with lru serves 9 of 10 requests and holds at most 14 blocks. 1 of 10 requests were "
                             "rejected: they found no room. 5 tokens were computed again.");
    Json bench = {{"kind", "bench"}, {"kernels", {{{"name", "append"}, {"backend", "cpu"}, {"device", "d"}, {"status", "ok"}},
                                                  {{"name", "append"}, {"backend", "cuda"}, {"status", "not measured"}}}}};
    CHECK(headline(bench) == "1 of 2 timings of 1 kernel were measured on cpu (d).");
    CHECK(headline({{"kind", "check"}, {"passed", false}, {"report", "a"}, {"baseline", "b"}}) == "FAILED: a against b.");
    CHECK(headline({{"kind", "list"}}).empty());
}

TEST_CASE("values of any type where others are expected say nothing, and break nothing") {
    Json odd = cell("lru", 256, 241, 273);
    for (const char* key : {"table", "axes", "capacity", "results", "bounds", "status"}) {
        for (Json value : {Json(), Json(-1), Json("x"), Json::array({1}), Json(1e300)}) {
            Json bad = odd;
            bad[key] = value;
            CHECK_NOTHROW(compare({bad, odd, Json(3)}));
            bad["kind"] = "replay";
            CHECK_NOTHROW(headline(bad));
        }
    }
    for (const char* kind : {"compare", "replay", "curve", "size", "bench", "check"}) CHECK(headline({{"kind", kind}}).empty());
}

}  // namespace headline_test
