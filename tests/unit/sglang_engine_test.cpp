// SGLang's managers (engine/sglang, sglang_tree, sglang_leaves, sglang_paths): worked examples.
#include <doctest/doctest.h>
#include <kvsim/core/error.h>

#include <string>
#include <vector>

#include "support/sglang_run.h"
#include "unit/load_text.h"

namespace sglang_engine_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

using Cached = std::vector<uint64_t>;
using Evicted = std::vector<SglangEvicted>;
using Nodes = std::vector<SglangTreeNode>;

struct Line {
    std::vector<uint32_t> tokens;
    std::vector<uint32_t> output = {1000};
    std::string more = {};  ///< further keys
};

std::string list(const std::vector<uint32_t>& numbers) {
    std::string text;
    for (uint32_t n : numbers) text += (text.empty() ? "" : ",") + std::to_string(n);
    return "[" + text + "]";
}

Trace trace_of(const std::vector<Line>& lines) {
    std::string text = "{\"kvsim_trace\":1}\n";
    for (size_t i = 0; i < lines.size(); ++i)
        text += "{\"op\":\"request\",\"seq\":\"r" + std::to_string(i) + "\",\"t\":" + std::to_string(i) + ",\"tokens\":" +
                list(lines[i].tokens) + ",\"output_tokens\":" + list(lines[i].output) + lines[i].more + "}\n";
    return load_text(text, "auto", 1);
}

SglangRun run(const std::vector<Line>& lines, const std::string& spec, uint64_t capacity = kUnlimited, bool decode = true) {
    return run_sglang(trace_of(lines), spec, capacity, decode);
}

std::string refusal(const std::string& spec, const Trace& trace) {
    try {
        run_sglang(trace, spec, kUnlimited);
    } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::input);
        return e.what();
    }
    return "runs";
}

}  // namespace

// The last token is always computed: a repetition of four tokens hits three, in pages of two the first page, in one page
// of four nothing. At page 1 the lookup cuts the node 1 2 3 4 into 1 2 3 and 4.
TEST_CASE("sglang: an exact repetition misses its last token, or page") {
    std::vector<Line> twice = {{{1, 2, 3, 4}}, {{1, 2, 3, 4}}};
    SglangRun r = run(twice, "sglang");
    CHECK(r.cached == Cached{0, 3});
    CHECK(r.tree == Nodes{{0, {1, 2, 3}, 2}, {3, {4}, 2}});
    CHECK(r.number("duplicate_tokens") == 1);  // 4 was computed again and freed
    CHECK(r.number("evictable_size") == 4);
    CHECK(run(twice, "sglang:page=2").cached == Cached{0, 2});
    CHECK(run(twice, "sglang:page=4").cached == Cached{0, 0});
    CHECK(run(twice, "sglang:page=16").tree.empty());  // no full page, nothing stays
}

// Ten tokens, 2 + 2 + 2 + 2 of them used. Three are needed and two free: one token is missing, but three are asked
// for, which takes two nodes.
TEST_CASE("sglang: room is made for the whole need, in whole nodes") {
    SglangRun r = run({{{1, 2}}, {{3, 4}}, {{5, 6}}, {{7, 8}}, {{9, 10, 11}}}, "sglang", 10);
    CHECK(r.evicted == Evicted{{4, 0, {1, 2}}, {4, 0, {3, 4}}});
    CHECK(r.number("evicted_tokens") == 4);
    CHECK(r.number("evicted_nodes") == 2);
    CHECK(r.number("available_size") == 3);
    CHECK(r.result.total.evicted_blocks == 4);
}

// Nine tokens. Request 2 hits 1 2 of the node 1 2 3 4; all of it is touched before it is split, so 3 4 is younger than
// 5 6 7 although nobody asked for it since. 7 + 1 tokens are used, request 3 needs two: 5 6 7 goes.
TEST_CASE("sglang: the partly matched node is refreshed as a whole") {
    SglangRun r = run({{{1, 2, 3, 4}}, {{5, 6, 7}}, {{1, 2, 9}}, {{8, 8}}}, "sglang", 9);
    CHECK(r.cached == Cached{0, 0, 2, 0});
    CHECK(r.evicted == Evicted{{3, 0, {5, 6, 7}}});
    // mru: the youngest leaf is 9, then 3 4 beside it (2 tokens are needed), not yet 5 6 7.
    CHECK(run({{{1, 2, 3, 4}}, {{5, 6, 7}}, {{1, 2, 9}}, {{8, 8}}}, "sglang:policy=mru", 9).evicted ==
          Evicted{{3, 2, {9}}, {3, 2, {3, 4}}});
}

// Ten tokens, 4 + 3 used. Request 2: 12 tokens, hit 2: 10 + 1 + 1 is not less than 3 free + 7 evictable, rejected; but its
// lookup has split 1 2 off 3 4. Request 3 needs five, three are free. fifo takes 3 4, the first one made; then comes 1 2
// under `sglang_unified`, where it is as old as 3 4, but 5 6 7 under `sglang`, where the split made it.
TEST_CASE("sglang: a rejected request leaves its split; what the trees think of its age") {
    std::vector<Line> lines = {
        {{1, 2, 3, 4}}, {{5, 6, 7}}, {{1, 2, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29}}, {{31, 32, 33, 34, 35}}};
    SglangRun classic = run(lines, "sglang:policy=fifo", 10);
    CHECK(classic.rejected == std::vector<bool>{false, false, true, false});
    CHECK(classic.cached == Cached{0, 0, 0, 0});
    CHECK(classic.number("rejected_requests") == 1);
    CHECK(classic.evicted == Evicted{{3, 2, {3, 4}}, {3, 0, {5, 6, 7}}});
    CHECK(run(lines, "sglang_unified:policy=fifo", 10).evicted ==
          Evicted{{3, 2, {3, 4}}, {3, 0, {1, 2}}, {3, 0, {5, 6, 7}}});
    // lru: the lookup made 3 4 and 1 2 younger than 5 6 7, and the split 1 2 younger still. 3 + 2 tokens suffice.
    CHECK(run(lines, "sglang", 10).evicted == Evicted{{3, 0, {5, 6, 7}}, {3, 2, {3, 4}}});
    // filo: the last one made goes first, which is 1 2 as soon as it is a leaf; before that 5 6 7, then 3 4.
    CHECK(run(lines, "sglang:policy=filo", 10).evicted == Evicted{{3, 0, {5, 6, 7}}, {3, 2, {3, 4}}});
}

// A lookup adds no hit, an insertion does: once for a request of one output token, twice with more (after prefill and at
// the end). So 1 2 3 of one request is protected at once, and 4 5 6, younger but inserted once, goes first.
TEST_CASE("sglang: hits are insertions") {
    std::vector<Line> lines = {{{1, 2, 3}, {50, 51}}, {{4, 5, 6}}, {{7, 8, 9, 10}}};
    SglangRun r = run(lines, "sglang:policy=slru", 10);
    CHECK(r.evicted == Evicted{{2, 3, {50}}, {2, 0, {4, 5, 6}}});
    CHECK(r.tree == Nodes{{0, {1, 2, 3}, 2}, {0, {7, 8, 9, 10}, 1}});
    CHECK(run(lines, "sglang:policy=lfu", 10).evicted == r.evicted);
    CHECK(run(lines, "sglang", 10).evicted == Evicted{{2, 3, {50}}, {2, 0, {1, 2, 3}}});
}

// The smallest priority goes first. What another request with a higher one passes through is raised: 1 2, not 3.
TEST_CASE("sglang: priorities") {
    std::vector<Line> lines = {{{1, 2, 3}, {1000}, ",\"priority\":1"}, {{5, 6}, {1000}, ",\"priority\":2"},
                               {{1, 2, 4}, {1000}, ",\"priority\":7"}, {{8, 9}}, {{11, 12, 13, 14}}};
    SglangRun r = run(lines, "sglang:policy=priority", 9);
    // 3 + 2 + 1 + 2 tokens; four are needed: none (0) before 1 before 2.
    CHECK(r.evicted == Evicted{{4, 0, {8, 9}}, {4, 2, {3}}, {4, 0, {5, 6}}});
    CHECK(r.tree == Nodes{{0, {1, 2}, 2}, {0, {11, 12, 13, 14}, 1}, {2, {4}, 1}});
}

// Pieces of two tokens: nodes of two, and none of the pieces but the last counts as a hit.
TEST_CASE("sglang: chunked prefill makes smaller nodes") {
    CHECK(run({{{1, 2, 3, 4, 5}}}, "sglang:chunk=2").tree == Nodes{{0, {1, 2}, 1}, {2, {3, 4}, 1}, {4, {5}, 1}});
    CHECK(run({{{1, 2, 3, 4, 5}}}, "sglang:chunk=5").tree == Nodes{{0, {1, 2, 3, 4, 5}, 1}});
    // In pages of two, chunks of three: the first one ends at a page, 0 .. 2; the second, 2 .. 5, does not, and its
    // last token is inserted with the third.
    CHECK(run({{{1, 2, 3, 4, 5, 6}}}, "sglang:page=2,chunk=3").tree ==
          Nodes{{0, {1, 2}, 1}, {2, {3, 4}, 1}, {4, {5, 6}, 1}});
}

// Three pages of four. Two are used when request 2 comes with two tokens: there is a free page for them, but prefill asks
// for its tokens and a page more, 6, so both others go.
TEST_CASE("sglang: prefill in pages asks for one page too many") {
    SglangRun r = run({{{1, 2, 3, 4}}, {{5, 6, 7, 8}}, {{9, 10}}}, "sglang:page=4", 12);
    CHECK(r.evicted == Evicted{{2, 0, {1, 2, 3, 4}}, {2, 0, {5, 6, 7, 8}}});
    // Half a page is not kept.
    CHECK(r.tree.empty());
    CHECK(r.number("available_size") == 12);
}

// Three pages of four, one used by 1 2 3 4. Request 1 has three tokens and takes the second; its second output token
// fills it, the third takes the last page. With three outputs (of which the last is not computed) nothing goes;
// the fourth needs no page, but asks for one, and 1 2 3 4 goes.
TEST_CASE("sglang: every decoded token asks for a page") {
    CHECK(run({{{1, 2, 3, 4}}, {{9, 10, 11}, {20, 21, 22}}}, "sglang:page=4", 12).evicted.empty());
    SglangRun r = run({{{1, 2, 3, 4}}, {{9, 10, 11}, {20, 21, 22, 23}}}, "sglang:page=4", 12);
    CHECK(r.evicted == Evicted{{1, 0, {1, 2, 3, 4}}});
    CHECK(r.tree == Nodes{{0, {9, 10, 11, 20}, 1}});
}

// Prompt and output but the last token are inserted: of 1 2 3 | 4 5 6 the next turn finds five.
TEST_CASE("sglang: the next turn hits all but the last output token") {
    std::vector<Line> turns = {{{1, 2, 3}, {4, 5, 6}}, {{1, 2, 3, 4, 5, 6, 7}}};
    CHECK(run(turns, "sglang").cached == Cached{0, 5});
    CHECK(run(turns, "sglang:page=2").cached == Cached{0, 4});
    CHECK(run(turns, "sglang", kUnlimited, false).cached == Cached{0, 3});  // nothing decoded
}

// Request 2's output 2 9 9 9 is one node when request 3 comes with 2 3 4 7 7: its path is that of request 0 up to 4, which has
// gone, and then its own. Comparing the node's end looks at the second 7; the new leaf begins with 3 again.
TEST_CASE("sglang: a node is left in the middle of what another request had first") {
    SglangRun r = run({{{1}, {2, 3, 4, 5}},
                       {{30, 31, 32, 33, 34, 35}},
                       {{1}, {2, 9, 9, 9, 9}},
                       {{1}, {2, 3, 4, 7, 7, 8}},
                       {{1, 2, 3, 4, 7, 7, 8}}},
                      "sglang", 10);
    CHECK(r.evicted == Evicted{{2, 1, {2, 3, 4}}, {2, 0, {30, 31, 32, 33, 34, 35}}});
    CHECK(r.cached == Cached{0, 0, 0, 0, 6});
}

// Blocks of four, pages of one token. Request 0 has a and half of b, and its output completes that block as c: the tail of
// its prompt is the front of c then. The next turn finds both blocks (8 of 9 tokens are computed). A request that ends
// in b finds a alone.
TEST_CASE("sglang: pages smaller than the trace's blocks, output that completes the block of the prompt's tail") {
    auto request = [](const char* rest) { return std::string("{\"op\":\"request\",") + rest + "}\n"; };
    std::string text = "{\"kvsim_trace\":1,\"block_size\":4}\n" +
                       request("\"seq\":\"0\",\"length\":6,\"blocks\":[\"a\",\"b\"],\"output_length\":3,\"output_blocks\":[\"c\"]") +
                       request("\"seq\":\"1\",\"length\":10,\"blocks\":[\"a\",\"c\",\"d\"],\"output_length\":1") +
                       request("\"seq\":\"2\",\"length\":6,\"blocks\":[\"a\",\"b\"],\"output_length\":1");
    for (uint32_t page : {1u, 2u, 4u}) {
        Trace t = load_text(text, "auto", page);
        RunResult result;
        SglangCache cache(SglangConfig::parse("sglang:page=" + std::to_string(page)));
        cache.run(t, {}, result);
        cache.check_invariants();
        CHECK(result.hit_blocks == std::vector<uint32_t>{0, 8 / page, 4 / page});
    }
}

// 2 + 2 thousand million tokens in 2.5: nothing is done token by token, not even where there is no room. The page that
// the last token computed stands in is not full.
TEST_CASE("sglang: the longest requests") {
    std::string text = "{\"kvsim_trace\":1,\"block_size\":16}\n"
                       "{\"op\":\"request\",\"seq\":\"a\",\"length\":2000000000,\"output_length\":2000000000}\n";
    Trace t = load_text(text, "auto", 16);
    RunOptions options;
    options.capacity_blocks = 2500000000 / 16;
    RunResult result;
    SglangCache cache(SglangConfig::parse("sglang:page=16"));
    cache.run(t, options, result);
    cache.check_invariants();
    CHECK(cache.used_tokens() == 4000000000 - 16);
    t.output_tokens[0] = ~0u;
    t.block_size = 1;
    CHECK_THROWS_AS(SglangCache(SglangConfig::parse("sglang")).run(t, options, result), Error);
}

TEST_CASE("sglang: other salt, other tree; samples are requests of their own") {
    std::vector<Line> lines = {{{1, 2, 3}, {1000}, ",\"salt\":\"a\""}, {{1, 2, 3}, {1000}, ",\"salt\":\"b\""},
                               {{1, 2, 3}, {1000}, ",\"salt\":\"a\""}};
    CHECK(run(lines, "sglang").cached == Cached{0, 0, 2});
}

// 14 tokens of a prompt and the budget of one output token and one page (1): 16 must be less than the capacity.
TEST_CASE("sglang: the budget") {
    std::vector<uint32_t> prompt;
    for (uint32_t i = 0; i < 14; ++i) prompt.push_back(i);
    CHECK(run({{prompt}}, "sglang", 16).rejected == std::vector<bool>{true});
    CHECK(run({{prompt}}, "sglang", 17).rejected == std::vector<bool>{false});
    // A repetition hits 13 and budgets 1 + 1 + 1 = 3, less than 3 free + 14 evictable, and than the 3 + 1 that are left
    // once the 13 are locked. In the last example the lock makes the difference.
    CHECK(run({{prompt}, {prompt}}, "sglang", 17).cached == Cached{0, 13});
    std::vector<Line> longer = {{{1, 2, 3, 4, 5, 6}}, {{1, 2, 3, 4, 5, 6, 7}}};
    CHECK(run(longer, "sglang", 9).rejected == std::vector<bool>{false, true});  // 1 + 1 + 1 < 3 + 6, not < 3 + 0
    CHECK(run(longer, "sglang", 10).rejected == std::vector<bool>{false, false});
}

// Of 5,000 output tokens 4,096 are budgeted for: in 4,200 tokens the request is let in, and its output grows beyond.
TEST_CASE("sglang: output beyond the budget takes room that is not there, and says so") {
    std::string text = "{\"kvsim_trace\":1}\n{\"op\":\"request\",\"seq\":\"a\",\"tokens\":[1,2],\"output_length\":5000}\n"
                       "{\"op\":\"request\",\"seq\":\"b\",\"tokens\":[3,4],\"output_length\":1}\n";
    SglangRun r = run_sglang(load_text(text, "auto", 1), "sglang", 4200);
    CHECK(r.rejected == std::vector<bool>{false, false});
    CHECK(r.number("decode_out_of_room") == 5001 - 4200);
    CHECK(r.evicted == Evicted{{1, 2, std::vector<uint32_t>(4999, 0)}});  // more than the two tokens that b needs
}

TEST_CASE("sglang: what cannot be") {
    Trace trace = trace_of({{{1, 2}}});
    CHECK(refusal("sglang:page=0", trace).find("page") != std::string::npos);
    CHECK(refusal("sglang:page=1.5", trace).find("page") != std::string::npos);
    CHECK(refusal("sglang:policy=arc", trace).find("lru, lfu, fifo, mru, filo, priority") != std::string::npos);
    CHECK(refusal("sglang:chunk=-1", trace).find("chunk") != std::string::npos);
    CHECK(refusal("sglang:page=16,chunk=8", trace).find("at least a page (16 tokens)") != std::string::npos);
    CHECK(refusal("sglang:pages=16", trace).find("pages") != std::string::npos);
    CHECK(refusal("sglang:page=1,page=2", trace).find("page") != std::string::npos);
    CHECK(refusal("sglan", trace).find("did you mean") != std::string::npos);
    Trace content = trace;
    content.content = true;
    CHECK(refusal("sglang", content).find("content") != std::string::npos);
    Trace objects = trace;
    objects.objects = true;
    CHECK(refusal("sglang", objects).find("expected a trace of prompts") != std::string::npos);
    CHECK_THROWS_AS(SglangCache(SglangConfig::parse("sglang:page=4")).run(trace, {}, *std::make_unique<RunResult>()), Error);
}

TEST_CASE("sglang: the resolved configuration") {
    CHECK(SglangConfig::parse("sglang").text() == "sglang:page=1,policy=lru,chunk=0");
    CHECK(SglangConfig::parse("sglang_unified:policy=slru,page=64,chunk=8192").text() ==
          "sglang_unified:page=64,policy=slru,chunk=8192");
    for (const std::string& policy : sglang_policies()) {
        std::string text = "sglang:page=16,policy=" + policy + ",chunk=0";
        CHECK(SglangConfig::parse(text).text() == text);
    }
}

// Nothing has a name: nothing hits, but room is taken as ever. A prompt of 0 tokens has nothing to look up.
TEST_CASE("sglang: a trace of lengths") {
    Trace t = load_text("{\"kvsim_trace\":1}\n"
                        "{\"op\":\"request\",\"seq\":\"a\",\"length\":6,\"output_length\":3}\n"
                        "{\"op\":\"request\",\"seq\":\"b\",\"length\":0,\"output_length\":0}\n"
                        "{\"op\":\"request\",\"seq\":\"c\",\"length\":6,\"output_length\":3}\n",
                        "auto", 2);
    CacheConfig config;
    config.engine = "sglang:page=2";
    resolve_cache(config);
    RunOptions options;
    options.capacity_blocks = 7;
    RunResult result;
    auto cache = cache_row(config).make(config, t, options, RunPath::fastest);
    cache->run(t, options, result);
    cache->check_invariants();
    CHECK(result.hit_blocks == std::vector<uint32_t>{0, 0, 0});
    CHECK(result.total.evicted_blocks == 4);  // 6 + 2 tokens of a stay; c needs 6 + 2 and 6 are free
}

}  // namespace sglang_engine_test
