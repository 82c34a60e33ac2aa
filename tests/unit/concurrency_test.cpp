// Several running requests, linked outputs and token match on traces small enough to work out by hand.
#include <doctest/doctest.h>
#include <kvsim/layout/prefix.h>
#include <kvsim/layout/prefix_running.h>
#include <kvsim/sim/replay.h>
#include <kvsim/trace/link_outputs.h>

#include <functional>

#include "unit/load_text.h"

namespace concurrency_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

const std::string kHead = "{\"kvsim_trace\":1,\"block_size\":4}\n";

/// A request of full blocks without output; `more` is other keys.
std::string request(const std::string& seq, double t, const std::string& blocks, int count, const std::string& more = "") {
    return "{\"op\":\"request\",\"seq\":\"" + seq + "\",\"t\":" + std::to_string(t) + ",\"length\":" +
           std::to_string(4 * count) + ",\"blocks\":[" + blocks + "]" + more + "}\n";
}

RunResult run(const Trace& trace, const char* accounting, uint64_t capacity, uint64_t concurrency, RunPath path) {
    RunOptions options;
    options.capacity_blocks = capacity;
    options.concurrency = concurrency;
    RunResult result;
    auto cache = make_prefix_cache("lru", Accounting::parse(accounting), trace, options, path);
    cache->run(trace, options, result);
    cache->check_invariants();
    return result;
}

std::string complaint_of(const std::function<void()>& f) {
    try {
        f();
    } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::input);
        return e.what();
    }
    return "";
}

}  // namespace

// 5 blocks, two at once. Running after each admission, distinct blocks held, order of the evictable (oldest first):
// a 0 1 2      a        3
// b 0 1 3      a b      0 1 2 3 = 4
// c 5          b c      a ends: 0 1 are b's, 2 is evictable; 0 1 3 5 = 4, resident 5
// d 0 6 7      c d      b ends: 3 1 0 are evictable behind 2; with 5 0 6 7 = 4; hit 0; 2 and 3 go; resident 5 1 0 6 7
// e 8 9 10 11  e        c ends: 5 behind 1; d's 0 6 7 and 4 more are 7 > 5: d ends too, e waited; evictable, oldest
//                       first: 1 5 7 6 0; four go, 0 stays; 4 held
TEST_CASE("concurrency 2: who is released, held and evicted") {
    Trace t = load_text(kHead + request("a", 0, "0,1,2", 3) + request("b", 1, "0,1,3", 3) + request("c", 2, "5", 1) +
                        request("d", 3, "0,6,7", 3) + request("e", 4, "8,9,10,11", 4));
    for (const char* accounting : {"pinned", "tree", "tree:protect=chain"}) {
        for (RunPath path : {RunPath::fastest, RunPath::blocks}) {
            CAPTURE(accounting);
            RunResult r = run(t, accounting, 5, 2, path);
            CHECK(r.hit_blocks == std::vector<uint32_t>{0, 2, 0, 1, 0});
            CHECK(r.total.evicted_blocks == 2 + 4);
            CHECK(r.total.active_blocks == 3 + 4 + 4 + 4 + 4);
            CHECK(r.total.resident_blocks == 3 + 4 + 5 + 5 + 5);
            CHECK(r.total.waited == 1);
            CHECK(r.peak_active_blocks == 4);
            // One at a time the same is hit and evicted, and each holds its own blocks only.
            RunResult one = run(t, accounting, 5, 1, path);
            CHECK(one.hit_blocks == r.hit_blocks);
            CHECK(one.total.evicted_blocks == r.total.evicted_blocks);
            CHECK(one.total.active_blocks == 3 + 3 + 1 + 3 + 4);
            CHECK(one.total.waited == 0);
        }
    }
}

// 3 blocks. a (0 .. 9) and b (1 .. 2) hold 0 and 1. c at 2: b ends at its arrival; 0 2 3 fit; 1 goes. d at 3 wants 1: with
// a and c 4 > 3, so a, the oldest, ends early although c would end sooner (3.5): 0 is evictable; 1 2 3 fit; 0 goes.
// e at 4 hits 2: c has ended at 3.5, d is still running. Evicting in order of admission alone, c's 2 3 would have gone.
TEST_CASE("concurrency trace: released at the recorded ends, the oldest early if there is no room") {
    Trace t = load_text(kHead + request("a", 0, "0", 1, ",\"t_end\":9") + request("b", 1, "1", 1, ",\"t_end\":2") +
                        request("c", 2, "2,3", 2, ",\"t_end\":3.5") + request("d", 3, "1", 1, ",\"t_end\":30") +
                        request("e", 4, "2", 1, ",\"t_end\":30"));
    // a: 0 | b: 0 1 | c: 0 2 3 | d: 2 3 1 | e: 1 2
    for (const char* accounting : {"pinned", "tree"}) {
        RunResult r = run(t, accounting, 3, kByTrace, RunPath::fastest);
        CHECK(r.hit_blocks == std::vector<uint32_t>{0, 0, 0, 0, 1});
        CHECK(r.total.active_blocks == 1 + 2 + 3 + 3 + 2);
        CHECK(r.total.evicted_blocks == 2);
        CHECK(r.total.waited == 1);
    }
}

// Equal ends are released in the order of admission: a before b, so 0 is older than 1 and goes first; then c's hit
// of 1 in d tells them apart.
TEST_CASE("concurrency trace: ties in order of admission; a later end is more recent") {
    for (const char* end_of_a : {"5", "6"}) {
        Trace t = load_text(kHead + request("a", 0, "0", 1, std::string(",\"t_end\":") + end_of_a) +
                            request("b", 1, "1", 1, ",\"t_end\":5") + request("c", 7, "2", 1, ",\"t_end\":8") +
                            request("d", 9, "1", 1, ",\"t_end\":9") + request("e", 10, "0", 1, ",\"t_end\":11"));
        RunResult r = run(t, "pinned", 2, kByTrace, RunPath::fastest);
        bool tie = std::string(end_of_a) == "5";
        CHECK(r.hit_blocks[3] == (tie ? 1 : 0));
    }
}

// Events: a's free stands before c, b is never freed. The times of the lines mean nothing here.
TEST_CASE("concurrency trace: in traces of events a request runs until its free") {
    Trace t = load_text(kHead +
                        "{\"op\":\"prompt\",\"seq\":\"a\",\"t\":5,\"length\":8,\"blocks\":[0,1]}\n"
                        "{\"op\":\"prompt\",\"seq\":\"b\",\"t\":5,\"length\":4,\"blocks\":[2]}\n"
                        "{\"op\":\"fork\",\"seq\":\"a\",\"child\":\"a2\"}\n"
                        "{\"op\":\"decode\",\"seq\":\"b\",\"n\":4}\n"
                        "{\"op\":\"free\",\"seq\":\"a\"}\n"
                        "{\"op\":\"free\",\"seq\":\"a2\"}\n"
                        "{\"op\":\"prompt\",\"seq\":\"c\",\"t\":5,\"length\":4,\"blocks\":[3]}\n");
    Lifetimes life = recorded_lifetimes(t);
    CHECK(life.start == std::vector<double>{0, 1, 2, 6});
    CHECK(life.end[0] == 4);
    CHECK(life.end[1] > 1e300);
    CHECK(life.end[2] == 5);
    // a 2; b with its output 2 more; a2 holds a's; c beside b.
    RunResult r = run(t, "pinned", kUnlimited, kByTrace, RunPath::fastest);
    CHECK(r.hit_blocks == std::vector<uint32_t>{0, 0, 2, 0});
    CHECK(r.total.active_blocks == 2 + 4 + 4 + 3);
    // Samples have no events of their own and live as long as their request.
    Trace n = load_text(kHead +
                        "{\"op\":\"prompt\",\"seq\":\"a\",\"t\":0,\"length\":8,\"blocks\":[0,1],\"n\":3}\n"
                        "{\"op\":\"free\",\"seq\":\"a\"}\n"
                        "{\"op\":\"prompt\",\"seq\":\"b\",\"t\":5,\"length\":4,\"blocks\":[2]}\n");
    REQUIRE(n.expand_samples());
    CHECK(recorded_lifetimes(n).end[2] == 1);
    CHECK(run(n, "pinned", kUnlimited, kByTrace, RunPath::fastest).total.active_blocks == 2 + 2 + 2 + 1);
}

TEST_CASE("concurrency: what is refused") {
    Trace t = load_text(kHead + request("a", 0, "0", 1, ",\"t_end\":9") + request("b", 1, "1", 1));
    std::string said = complaint_of([&] { run(t, "pinned", 3, kByTrace, RunPath::fastest); });
    CHECK(begins(said, "--concurrency trace: request 1 ('b') has no recorded end; expected one for every request"));
    for (uint64_t n : {uint64_t{2}, kByTrace}) {
        said = complaint_of([&] { run(t, "flat", 3, n, RunPath::fastest); });
        CHECK(begins(said, "--concurrency has no effect under --accounting flat"));
    }
}

// Blocks of 4. p: 6 tokens (block 0 and the tail 1), 9 of output: 15 tokens, 3 blocks complete. r is 17 tokens: 0 7 8 9
// full and a tail; so p's output is 7 8 (positions 1 and 2), what r holds at 3 is beyond p's 15 tokens.
// q is p's session neighbour but begins differently; s has only its full block 0 in common with r: 5 tokens and 20 of
// output would complete 6 blocks, the next turn u has 3 full ones, so two names.
TEST_CASE("linked: the next turn names the output") {
    auto line = [](const char* seq, int t, int length, const char* blocks, int out, const char* more) {
        return "{\"op\":\"request\",\"seq\":\"" + std::string(seq) + "\",\"t\":" + std::to_string(t) +
               ",\"length\":" + std::to_string(length) + ",\"blocks\":[" + blocks +
               "],\"output_length\":" + std::to_string(out) + more + "}\n";
    };
    std::string sessions = kHead + line("p", 0, 6, "0,1", 9, ",\"session\":\"x\"") +
                           line("q", 1, 4, "5", 4, ",\"session\":\"y\"") +
                           line("r", 2, 17, "0,7,8,9,10", 0, ",\"session\":\"x\"") +
                           line("s", 3, 5, "0,11", 20, ",\"session\":\"y\"") +
                           line("u", 4, 12, "0,12,13", 1, ",\"session\":\"y\"");
    Trace t = load_text(sessions);
    LinkedOutputs linked = link_outputs(t);
    CHECK(linked.linked == 2);
    CHECK(linked.named == 0);
    CHECK(begins(linked.note, "decode linked: 2 of 5 requests have an output"));
    REQUIRE(t.has_named_output());
    // Ids by first appearance: p 0 1, its output 2 3, q 4, r 0 2 3 5 6, s 0 7 and its output 8 9, u 0 8 9.
    CHECK(lookup_ids(t, 0) == std::vector<uint32_t>{0, 1});
    CHECK(stored_ids(t, 0) == std::vector<uint32_t>{0, 2, 3});
    CHECK(stored_ids(t, 1) == std::vector<uint32_t>{4});
    CHECK(lookup_ids(t, 2) == std::vector<uint32_t>{0, 2, 3, 5, 6});
    CHECK(stored_ids(t, 3) == std::vector<uint32_t>{0, 8, 9});
    CHECK(lookup_ids(t, 4) == std::vector<uint32_t>{0, 8, 9});
    // r hits 0 7 8 instead of 0; s hits 0; u all three instead of one.
    CHECK(run(t, "pinned", kUnlimited, 1, RunPath::fastest).hit_blocks == std::vector<uint32_t>{0, 0, 3, 1, 3});
    CHECK(run(load_text(sessions), "pinned", kUnlimited, 1, RunPath::fastest).hit_blocks ==
          std::vector<uint32_t>{0, 0, 1, 1, 1});
    // Parents go before sessions: u's parent is p. p's next turn is then r or u, whichever is first: r has no parent.
    std::string parents = sessions;
    parents.insert(parents.rfind("}"), ",\"parent\":\"p\"");
    Trace by_parent = load_text(parents);
    CHECK(link_outputs(by_parent).linked == 1);
    CHECK(stored_ids(by_parent, 0) == lookup_ids(by_parent, 4));
}

TEST_CASE("linked: what is refused, and what is left alone") {
    Trace t = load_text(kHead + request("a", 0, "0", 1));
    CHECK(begins(complaint_of([&] { link_outputs(t); }),
                 "--decode linked: the trace names neither sessions nor parents of its requests"));
    Trace content;
    content.content = true;
    content.format = "ragpulse";
    CHECK(begins(complaint_of([&] { link_outputs(content); }), "--decode linked: ids of format ragpulse name content"));
    // Samples: nothing says which of them went on. An empty session is none.
    Trace n = load_text(kHead + request("a", 0, "0", 1, ",\"output_length\":4,\"session\":\"x\",\"n\":2") +
                        request("b", 1, "0,1", 2, ",\"session\":\"x\"") +
                        request("c", 2, "3", 1, ",\"output_length\":4,\"session\":\"\"") +
                        request("d", 3, "3,4", 2, ",\"session\":\"\""));
    CHECK(link_outputs(n).linked == 0);
    CHECK_FALSE(n.has_named_output());
    // Named output keeps its name: b's is 9, although c goes on with 2.
    Trace named = load_text(kHead + request("a", 0, "0", 1, ",\"output_length\":4,\"session\":\"x\"") +
                            request("b", 1, "0,1", 2, ",\"output_length\":4,\"output_blocks\":[9],\"session\":\"x\"") +
                            request("c", 2, "0,1,2", 3, ",\"session\":\"x\""));
    LinkedOutputs out = link_outputs(named);
    CHECK(out.linked == 1);
    CHECK(out.named == 1);
    CHECK(out.note.find("1 named theirs already") != std::string::npos);
    CHECK(stored_ids(named, 0) == std::vector<uint32_t>{0, 1});
    CHECK(stored_ids(named, 1) == std::vector<uint32_t>{0, 1, 2});
    CHECK(lookup_ids(named, 2) == std::vector<uint32_t>{0, 1, 3});
}

// Tokens 1 .. 6; then the same; then 1 2 3 9; then the first again, longer. 16 tokens of room, no output.
// Token match: 5 of 6 (the last one is computed), 3 of 4, 6 of 8. Blocks of 4: 4, 0, 4.
TEST_CASE("token match: leading tokens, all but the last of a prompt") {
    auto line = [](const char* seq, const char* tokens) {
        return "{\"op\":\"request\",\"seq\":\"" + std::string(seq) + "\",\"tokens\":[" + tokens + "]}\n";
    };
    std::string text = "{\"kvsim_trace\":1}\n" + line("a", "1,2,3,4,5,6") + line("b", "1,2,3,4,5,6") +
                       line("c", "1,2,3,9") + line("d", "1,2,3,4,5,6,7,8");
    Trace t = load_text(text, "auto", 4);
    ReplayOptions options;
    options.run.capacity_blocks = 4;
    CHECK(replay(t, options).metrics.hits.hit_tokens == 6 + 0 + 4);  // b hits its own partial block too
    options.cache.match = "token";
    CHECK(begins(complaint_of([&] { replay(t, options); }), "--match token: expected a trace that was re-blocked"));
    t = load_text(text, "auto", 1);  // not by way of 4: there a's partly filled block is another than d's full one
    options.run.capacity_blocks = 16;
    for (const char* accounting : {"pinned", "flat", "tree"}) {
        options.cache.accounting = accounting;
        ReplayOutcome out = replay(t, options);
        CHECK(out.run.hit_blocks == std::vector<uint32_t>{0, 5, 3, 6});
        CHECK(out.metrics.hits.hit_tokens == 14);
        CHECK(out.metrics.hits.any_hit_tokens == 14);
        CHECK(out.metrics.hits.lookup_tokens == 6 + 6 + 4 + 8);
        CHECK(out.unlimited->hit_tokens == 14);
        CHECK(out.unlimited->any_hit_blocks == 14);
    }
}

}  // namespace concurrency_test
