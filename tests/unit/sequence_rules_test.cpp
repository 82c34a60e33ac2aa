// Rules of the layouts of whole sequences, each on a trace small enough to be counted by hand.
#include <doctest/doctest.h>

#include "unit/sequence_script.h"

namespace sequence_rules_test {

using namespace kvsim;
using namespace kvsim_test;

// B = 1, 4 blocks. C takes priority 5 over from P, copies nothing (its tail is full) and holds 1 of its own when P goes.
// X needs 4: C goes (2 blocks). X goes by itself. C comes back: 2 + 1 = 3. Y (3) fits: 4. Z needs 1: Y has the smaller
// number (3 < 5) and goes: 1 block. Together 3 blocks, 3 tokens. With 0 in place of 5, C would go for Z: 5 blocks.
TEST_CASE("a fork keeps its parent's priority when it is stored again") {
    Trace t = script(1, {"prompt P 1 5", "fork P C", "decode C 1", "free P", "prompt X 4 9", "free X", "decode C 1",
                         "prompt Y 1 3", "prompt Z 1 9"});
    CHECK(t.priority[1] == 5);
    Scripted r(t, "paged --blocks 4 --eviction priority");
    CHECK(r.sum.evicted_blocks == 3);
    CHECK(r.sum.evicted_tokens == 3);
    CHECK(r.sum.evicted_sequences == 2);
}

// B = 1. Without decode P, C and Q hold their prompts, 4 each; the 16 decoded tokens that C's prompt counts were never
// stored. Room of 4 each, 12 in all. With decode C holds 4 + 16 = 20, as P does.
TEST_CASE("contiguous: the longest sequence is one that is stored") {
    Trace t = script(1, {"prompt P 4", "decode P 16", "fork P C", "prompt Q 4"});
    Scripted off(t, "contiguous --decode off --blocks 20");
    CHECK(off.rejected == 0);
    CHECK(off.sum.forks == 1);
    CHECK(off.run.peak_active_blocks == 12);
    CHECK(off.definition("reserve").find(", 4 tokens") != std::string::npos);
    Scripted on(t, "contiguous --blocks 60");
    CHECK(on.run.peak_active_blocks == 60);
    CHECK(on.definition("reserve").find(", 20 tokens") != std::string::npos);
    // A fork of a fork, decoded in between: 4 without decode.
    Trace chain = script(1, {"prompt P 4", "decode P 3", "fork P C", "decode C 3", "fork C D"});
    CHECK(Scripted(chain, "contiguous --decode off").run.peak_active_blocks == 12);
    CHECK(Scripted(chain, "contiguous").run.peak_active_blocks == 30);
}

// B = 1. A at [0, 2), B behind it. A grows to 4 tokens: it moves to [4, 8) while B and its old run of 2 are there:
// 2 + 2 + 4 = 8, of which 2 go back at once.
TEST_CASE("contiguous: a move needs both runs, and the peak says so") {
    Trace t = script(1, {"prompt A 2", "prompt B 2", "decode A 2", "free A", "free B"});
    uint64_t peak = Scripted(t, "contiguous --reserve grow").run.peak_active_blocks;
    CHECK(peak == 8);
    CHECK(Scripted(t, "contiguous --reserve grow --on-full fail --blocks 8").rejected == 0);
    CHECK(Scripted(t, "contiguous --reserve grow --on-full fail --blocks 7").rejected == 1);
    // A is warm-up and moves then, 8 blocks. What is counted begins with B's last state: 4 + 2, then Q.
    Trace warm = script(1, {"prompt A 2", "prompt B 2", "decode A 2", "prompt Q 1", "free A"});
    CHECK(Scripted(warm, "contiguous --reserve grow --warmup 2").run.peak_active_blocks == 7);
    // Nothing is stored any more: the peak is what stands there.
    Trace stands = script(1, {"prompt A 4", "prompt B 9"});
    CHECK(Scripted(stands, "paged --blocks 8 --warmup 1").run.peak_active_blocks == 4);
}

// B = 16: 10 prompt tokens are one block, shared by all 4 samples until three of them have copied it.
TEST_CASE("shared blocks peak while samples are forked") {
    Scripted request(script(16, {"request A 10 3 4"}), "paged");
    Scripted events(script(16, {"prompt A 10", "fork A B", "fork A C", "fork A D", "decode A 3", "decode B 3", "decode C 3",
                                "decode D 3"}),
                    "paged");
    CHECK(request.run.shared_blocks_peak == 1);
    CHECK(events.run.shared_blocks_peak == 1);
    CHECK(request.sum.cow_copies == 3);
    CHECK(request.run.peak_active_blocks == events.run.peak_active_blocks);
}

// B = 4, 11 blocks: A's 10 are shared with B, which wrote 1 token into a block of its own. X needs a block: only B
// gives one back, and with it that 1 token leaves; the 40 others are still A's.
// Then with sinks: B, 45 tokens, would need a 12th block. Trimmed to 4 + 8 it lets go of blocks 1 to 7, which A still
// holds: nothing leaves. A goes: those 7 blocks and their 28 tokens leave, its 3 others are B's too.
TEST_CASE("evicted tokens are those that left") {
    Scripted r(script(4, {"prompt A 40", "fork A B", "decode B 1", "prompt X 1"}), "paged --blocks 11");
    CHECK(r.sum.evicted_blocks == 1);
    CHECK(r.sum.evicted_tokens == 1);
    Scripted trimmed(script(4, {"prompt A 40", "fork A B", "decode B 1", "decode B 4"}),
                     "paged --blocks 11 --eviction streaming_llm:sink=4,window=8");
    CHECK(trimmed.sum.trim_dropped_tokens == 28);
    CHECK(trimmed.sum.evicted_sequences == 1);
    CHECK(trimmed.sum.evicted_blocks == 7);
    CHECK(trimmed.sum.evicted_tokens == 28);
}

// B = 1, 4 blocks. A and B are warm-up; B decodes, and waits, after the warm-up's end. C, the only one counted, never
// waits; then D waits too.
TEST_CASE("waited counts sequences past the warm-up") {
    Scripted r(script(1, {"prompt A 2", "prompt B 1", "prompt C 1", "decode B 1", "free A"}),
               "paged --blocks 4 --on-full wait --warmup 2");
    CHECK(r.run.total.waited == 1);
    CHECK(r.sum.waited == 0);
    Scripted d(script(1, {"prompt A 2", "prompt B 1", "prompt C 1", "decode B 1", "prompt D 1", "free A"}),
               "paged --blocks 4 --on-full wait --warmup 2");
    CHECK(d.run.total.waited == 2);
    CHECK(d.sum.waited == 1);
}

// B = 1, 2 tokens each, 4 blocks. A and B fill them. C makes the oldest go: A, admitted first, although B ends first.
// D comes when B has ended (10): there is room. C waited, D did not. Releasing B for C would leave A and C for D.
TEST_CASE("concurrency trace: the one admitted first is released early") {
    Trace t = script(1, {"request A 2 0 1 0 100", "request B 2 0 1 1 10", "request C 2 0 1 2 200", "request D 2 0 1 50 200"});
    Scripted r(t, "paged --concurrency trace --blocks 4");
    CHECK(r.sum.waited == 1);
    CHECK(Scripted(t, "prefix --concurrency trace --blocks 4").sum.waited == 1);
}

// (a) B = 2, 3 blocks: A takes 2, B waits, and its fork with it. A goes: B is stored, C forked, and C's 5th token takes
// the last block. (b) B = 1, 4 blocks: B waits and so does its free; A goes, B is stored, and freed.
TEST_CASE("wait puts off the fork and the free of who waits") {
    Scripted a(script(2, {"prompt A 4", "prompt B 4", "fork B C", "free A", "decode C 1"}),
               "paged --blocks 3 --on-full wait");
    CHECK(a.rejected == 0);
    CHECK(a.sum.waited == 1);
    CHECK(a.sum.forks == 1);
    CHECK(a.run.peak_active_blocks == 3);
    Scripted b(script(1, {"prompt A 4", "prompt B 3", "free B", "free A", "prompt X 4"}), "paged --blocks 4 --on-full wait");
    CHECK(b.rejected == 0);
    CHECK(b.sum.waited == 1);
}

// B = 1, 6 blocks. A 4, B waits for 4: fork, decodes of both and B's free are put off, in this order. A goes: B 4,
// C shares them, C 5, B 5: 6 blocks. B is freed: 5 are left, and D, behind it in the line with 1, goes in: 6.
TEST_CASE("what was put off is done in its order, then the line goes on") {
    Scripted r(script(1, {"prompt A 4", "prompt B 4", "fork B C", "decode C 1", "decode B 1", "free B", "prompt D 3",
                          "free A", "decode D 1"}),
               "paged --blocks 6 --on-full wait");
    // D asked for 3 when 1 was left: it waits until C is gone, which is never.
    CHECK(r.run.rejected == std::vector<bool>{false, false, false, true});
    CHECK(r.sum.waited == 2);
    CHECK(r.run.peak_active_blocks == 6);
    Scripted s(script(1, {"prompt A 4", "prompt B 4", "fork B C", "decode C 1", "decode B 1", "free B", "prompt D 3",
                          "free A", "decode D 1", "free C"}),
               "paged --blocks 6 --on-full wait");
    CHECK(s.rejected == 0);
}

// B = 1, 4 blocks, full with A and B. B wants one more and waits, A too: everybody who could make room waits. The last
// in the line, A, is rejected; B grows and goes.
TEST_CASE("wait: where all who hold blocks wait, the last in the line gives up") {
    Scripted r(script(1, {"prompt A 2", "prompt B 2", "decode B 1", "free B", "decode A 1"}),
               "paged --blocks 4 --on-full wait");
    CHECK(r.run.rejected == std::vector<bool>{true, false});
    CHECK(r.sum.waited == 2);
    // Freed before the end of the line is reached: nobody gives up.
    Scripted s(script(1, {"prompt A 1", "prompt B 2", "prompt X 1", "decode B 1", "decode A 1", "free X", "free B"}),
               "paged --blocks 4 --on-full wait");
    CHECK(s.rejected == 0);
}

// Nobody is idle in a trace of requests: who does not fit waits, and no strategy is asked.
TEST_CASE("an eviction strategy that plays no part is refused, and not named") {
    Trace t = script(1, {"request A 3 0", "request B 3 0"});
    Scripted r(t, "paged --blocks 4");
    CHECK(r.title == "paged layout, on full evict");
    CHECK(r.definition("trim") == "not defined");
    for (const char* given : {"paged --eviction longest_first", "paged --eviction none",
                              "paged --eviction streaming_llm", "contiguous --eviction lru"}) {
        std::string said;
        try {
            Scripted wrong(t, std::string(given) + " --blocks 4");
        } catch (const Error& e) {
            CHECK(e.kind() == ErrorKind::input);
            said = e.what();
        }
        CAPTURE(said);
        CHECK(said.find("has no effect on a trace of requests") != std::string::npos);
    }
    Trace events = script(1, {"prompt A 3"});
    CHECK(Scripted(events, "paged --eviction longest_first").title == "paged layout, longest_first");
    CHECK(Scripted(t, "paged --on-full preempt --preempt lfu").title == "paged layout, on full preempt lfu");
}

// The events say who is there at once: --concurrency trace asks for just that, and any other N for something else.
TEST_CASE("concurrency trace is what a trace of events does anyway") {
    Trace t = script(1, {"prompt A 3", "prompt B 2", "free A", "prompt C 2", "decode B 1"});
    Scripted one(t, "paged --blocks 4"), trace(t, "paged --blocks 4 --concurrency trace");
    CHECK(one.sum == trace.sum);
    CHECK(trace.sum.evicted_sequences > 0);
    CHECK(trace.definition("concurrency").find("which is what --concurrency trace asks for") != std::string::npos);
}

// Gigabytes of tables if it were tried: 90,000,000 samples of 3 tokens behind a full block need a block each.
TEST_CASE("more samples than there is room for are rejected without storing them") {
    Trace t = script(16, {"request A 16 3 90000000", "request B 16 3"});
    for (const char* layout : {"paged", "contiguous --reserve grow", "contiguous"}) {
        Scripted r(t, std::string(layout) + " --blocks 1000");
        CHECK(r.run.is_rejected(0));
        CHECK(r.rejected == 1);
        CHECK(r.run.state_bytes < 100000);
    }
}

}  // namespace sequence_rules_test
