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
