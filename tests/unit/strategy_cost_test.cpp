// gdsf, hyperbolic and random on sequences small enough to work out by hand.
#include "unit/strategy_key.h"

namespace strategy_cost_test {

using namespace kvsim;
using namespace kvsim_test;

// 2 blocks, cost 1; block:rank, the one to go first.
// 1 1 2     2:1 1:2, L = 0
// 3         its rank 1 is not below 2's, which is older: 2 goes, L = 1; 3 keeps 0 + 1: 3:1 1:2
// 4         1 + 1 = 2: 3 goes, L = 1: 1:2 4:2
// 5         1 + 1 = 2: 1 goes, L = 2: 4:2 5:2
// 4 5       4:4 5:4
// 6         2 + 1 = 3 is the smallest: 6 is not stored, L = 3
// 6         3 + 1 = 4 as well as 4, which is older and goes, L = 4: 5:4 6:4
// 5 6       are there
// Under pinned and tree 6 is stored the first time: 4 goes, and 6 hits at once.
TEST_CASE("gdsf: the incoming block competes under flat") {
    CHECK(hits("112345456656", "gdsf", "flat", 2) == ".h....hh..hh");
    CHECK(hits("112345456656", "gdsf", "pinned", 2) == ".h....hh.hhh");
    CHECK(hits("112345456656", "gdsf", "tree", 2) == ".h....hh.hhh");
}

// 3 blocks of 4 tokens, p_star = 4: a block at position 1 costs 1 + 4 / 4 = 2, at position 0 it costs 1. In quarters:
// 2 | 0 1     2:4 0:4 1:8, L = 0
// 3           2 goes, L = 4, 3 keeps 0 + 4: 0:4 3:4 1:8
// 4           0 goes, L = 4: 3:4 1:8 4:8
// 0           3 goes: 1:8 4:8 0:8
// 1           is there; with cost 1 it went for 0.
TEST_CASE("gdsf: cost by position") {
    Trace t = asks({{"2"}, {"0,1"}, {"3"}, {"4"}, {"0,1"}});
    CHECK(replay(t, "gdsf:cost=flops,p_star=4", "flat", 3).any_hit_blocks[4] == 1);
    CHECK(replay(t, "gdsf", "flat", 3).any_hit_blocks[4] == 0);
}

// 3 blocks; 0 holds 4 tokens, 1 behind it a single one: 1 goes for 3, where with cost 1 it was 0.
TEST_CASE("gdsf: cost by tokens") {
    Trace t = asks({{"0,1", 1}, {"2"}, {"3"}, {"0,1", 1}});
    CHECK(replay(t, "gdsf:cost=tokens", "flat", 3).hit_blocks[3] == 1);
    CHECK(replay(t, "gdsf", "flat", 3).hit_blocks[3] == 0);
}

// 3 blocks; 1 is full at first and then holds one token: its rank falls from 4 to 0 + 2 * 1, below that of 2, and it
// goes for 3.
TEST_CASE("gdsf: a shorter prompt makes a block cheaper") {
    Trace t = asks({{"0,1"}, {"0,1", 1}, {"2"}, {"3"}, {"2"}});
    for (const char* accounting : {"flat", "pinned", "tree"})
        CHECK(replay(t, "gdsf:cost=tokens", accounting, 3).hit_blocks[4] == 1);
}

// 2 blocks; uses / age at each miss, the access itself counted.
// 1 1 2 3   1: 2 / 3, 2: 1 / 1; 1 goes
// 2 4       2: 2 / 3, 3: 1 / 2; 3 goes
// 4 5       2: 2 / 5, 4: 2 / 2; 2 goes
// 4 6 4     4: 3 / 4, 5: 1 / 2; 5 goes
// Equal: 1 1 2 3 4 in 3 blocks, 1: 2 / 4, 2: 1 / 2, 3: 1 / 1; 1 came first and goes.
TEST_CASE("hyperbolic") {
    CHECK_HITS("11232445464", "hyperbolic", 2, ".h..h.h.h.h");
    CHECK_HITS("112342", "hyperbolic", 3, ".h...h");
}

// Seed 0 draws 0.8833, 0.4315, 0.0264, 0.9710 of 2^64: places 2, 1, 0, 2 of 3.
// 1 2 3     table 1 2 3
// 4         3 goes: 1 2 4
// 3         2 goes, 4 takes its place: 1 4 3
// 4 3 1     are there
// 2         1 goes, 3 takes its place: 3 4 2
// 1         2 goes: 3 4 1
TEST_CASE("random: the draws of seed 0") { CHECK_HITS("1234343121341", "random", 3, ".....hhh..hhh"); }

TEST_CASE("random: seeds differ, runs do not") {
    std::string ids;
    for (int i = 0; i < 200; ++i) ids += static_cast<char>('0' + i * i % 7 + i % 3);
    CHECK(hits(ids, "random", "flat", 4) == hits(ids, "random:seed=0", "flat", 4));
    CHECK(hits(ids, "random:seed=1", "flat", 4) != hits(ids, "random:seed=0", "flat", 4));
}

TEST_CASE("parameters of gdsf, hyperbolic and random") {
    for (const char* good : {"gdsf:cost=one", "gdsf:cost=tokens", "gdsf:cost=flops", "gdsf:cost=flops,p_star=1",
                             "random:seed=18446744073709551615", "hyperbolic"})
        CHECK(refusal(good) == "");
    CHECK(begins(refusal("gdsf:cost=two"), "gdsf: parameter cost=two: "));
    CHECK(begins(refusal("gdsf:p_star=5"), "gdsf: parameter p_star has no effect with cost=one"));
    CHECK(begins(refusal("gdsf:cost=flops,p_star=0"), "gdsf: parameter p_star=0: expected a whole number from 1"));
    for (const char* bad : {"gdsf:cost=flops,p_star=nan", "gdsf:cost=flops,p_star=-1", "gdsf:cost=flops,p_star=1e9",
                            "random:seed=-1", "random:seed=18446744073709551616", "random:seed=", "hyperbolic:seed=1"})
        CHECK(refusal(bad) != "");
}

}  // namespace strategy_cost_test
