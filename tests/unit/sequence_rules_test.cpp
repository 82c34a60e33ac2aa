// Rules of the layouts of whole sequences, each on a trace small enough to be counted by hand.
#include <doctest/doctest.h>

#include "unit/sequence_script.h"

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
