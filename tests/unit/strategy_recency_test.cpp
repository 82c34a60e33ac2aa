// MRU, FILO, TTL, T-LRU and fifo:leaf=off on traces small enough to work out by hand.
#include <doctest/doctest.h>

#include "unit/timed_strategies.h"

namespace strategy_recency_test {

using namespace kvsim;
using namespace kvsim_test;

using Hits = std::vector<uint32_t>;

// 2 blocks, single-block requests. Resident, oldest use first:
//   mru    0; 0 1; 2 pushes 1 out: 0 2; 0 is hit: 2 0; 1 pushes 0 out: 2 1; 2 is hit
//   filo   0; 0 1; 2 pushes 1 out: 0 2; 0 is hit, still 0 2; 1 pushes 2 out: 0 1; 2 pushes 1 out
TEST_CASE("mru and filo by hand") {
    Trace t = load_text(kHead + one("a", 0, 0) + one("b", 1, 1) + one("c", 2, 2) + one("d", 3, 0) + one("e", 4, 1) +
                        one("f", 5, 2));
    for (const char* accounting : {"pinned", "flat", "tree"}) {
        CAPTURE(accounting);
        CHECK(run(t, "mru", accounting, 2).hit_blocks == Hits{0, 0, 0, 1, 0, 1});
        CHECK(run(t, "filo", accounting, 2).hit_blocks == Hits{0, 0, 0, 1, 0, 0});
    }
}

// Under pinned the front of a chain is touched last, so MRU takes it first and strands what is behind it: 0 1 2 stored
// as 2 1 0; 5 needs one place of three: 0 goes, 1 and 2 stay without it. Under tree only the leaf 2 may go.
TEST_CASE("mru strands under pinned, not under tree") {
    Trace t = load_text(kHead + chain("a", 0, "0,1,2", 3) + one("b", 1, 5) + chain("c", 2, "0,1,2", 3));
    RunResult pinned = run(t, "mru", "pinned", 3);
    CHECK(pinned.hit_blocks == Hits{0, 0, 0});
    CHECK(pinned.any_hit_blocks == Hits{0, 0, 2});
    CHECK(run(t, "mru", "tree", 3).hit_blocks == Hits{0, 0, 2});
}

// 2 blocks, lives of 10 s.
//   from=insert  0 at 0, 1 at 5, 0 hit at 9. 2 at 12: 0 is 12 s old and goes (1, used at 5, is only 7). 1 hit at 13.
//                0 at 14: 1 is 9 s old, so the least recently used, 2. 1 hit at 15. 2 at 16: 1 is 11 s old. 0 is
//                hit at 17.
//   from=use     2 at 12: nobody has been idle for 10 s: 1 goes. 1 at 13: 0 goes. 0 at 14: 2 goes. 1 hit at 15.
//                2 at 16: 0 goes. 0 at 17: miss.
TEST_CASE("ttl by hand") {
    Trace t = load_text(kHead + one("a", 0, 0) + one("b", 5, 1) + one("c", 9, 0) + one("d", 12, 2) + one("e", 13, 1) +
                        one("f", 14, 0) + one("g", 15, 1) + one("h", 16, 2) + one("i", 17, 0));
    for (const char* accounting : {"pinned", "flat", "tree"}) {
        CAPTURE(accounting);
        CHECK(run(t, "ttl:seconds=10", accounting, 2).hit_blocks == Hits{0, 0, 1, 0, 1, 0, 1, 0, 1});
        CHECK(run(t, "ttl:seconds=10,from=use", accounting, 2).hit_blocks == Hits{0, 0, 1, 0, 0, 0, 1, 0, 0});
    }
}

// A block is over its time when it is exactly that old, and of several the one inserted longest ago goes first although
// it was used last: 0 at 0, 1 at 1, 0 hit at 5; at 20 both are over, 0 goes.
TEST_CASE("ttl: of several over their time the one inserted first goes") {
    Trace t = load_text(kHead + one("a", 0, 0) + one("b", 1, 1) + one("c", 5, 0) + one("d", 20, 2) + one("e", 20, 1));
    CHECK(run(t, "ttl:seconds=15,from=use", "pinned", 2).hit_blocks == Hits{0, 0, 1, 0, 1});
    CHECK(run(t, "ttl:seconds=15.5,from=use", "pinned", 2).hit_blocks == Hits{0, 0, 1, 0, 0});
}

// Blocks of 4 tokens, 4 of them, budget 4, next 0: of a chain of 8 tokens the first 4 are needed, so its second block
// can be spared. a: 5 6; b: 0 1; c: 7 8 needs two places: the spare 6, then the spare 1, used later than the needed 5.
// d hits 5; for 6 the spare 8 goes. e hits 0; for 1 the spare 6 goes. LRU has 6 and 5, 1 and 0 pushed out and hits
// nothing.
TEST_CASE("tlru by hand") {
    Trace t = load_text(kHead + chain("a", 0, "5,6", 2) + chain("b", 1, "0,1", 2) + chain("c", 2, "7,8", 2) +
                        chain("d", 3, "5,6", 2) + chain("e", 4, "0,1", 2));
    CHECK(run(t, "tlru:budget=4,next=0", "pinned", 4).hit_blocks == Hits{0, 0, 0, 1, 1});
    CHECK(run(t, "lru", "pinned", 4).hit_blocks == Hits{0, 0, 0, 0, 0});
    // One token more is expected: 8 + 1 - 4 = 5 tokens reach into the second block, and everything is needed.
    CHECK(run(t, "tlru:budget=4,next=1", "pinned", 4).hit_blocks == Hits{0, 0, 0, 0, 0});
}

// 3 blocks. a stores 0 1 2. b, 5 6, pushes out 0 and 1, whatever stands behind them: 2 5 6. c looks 0 1 2 up first:
// nothing leads, but 2 is there. Then 0 pushes 2 out, 1 pushes 5, and 2, which has just gone, pushes 6. With leaves 2
// and 1 go.
TEST_CASE("fifo:leaf=off by hand") {
    Trace t = load_text(kHead + chain("a", 0, "0,1,2", 3) + chain("b", 1, "5,6", 2) + chain("c", 2, "0,1,2", 3) +
                        chain("d", 3, "0,1,2", 3));
    RunResult off = run(t, "fifo:leaf=off", "tree", 3);
    CHECK(off.hit_blocks == Hits{0, 0, 0, 3});
    CHECK(off.any_hit_blocks == Hits{0, 0, 1, 3});
    CHECK(off.total.evicted_blocks == 5);
    CHECK(run(t, "fifo:leaf=on", "tree", 3).hit_blocks == Hits{0, 0, 1, 3});
    CHECK(run(t, "fifo", "tree", 3).hit_blocks == Hits{0, 0, 1, 3});
}

TEST_CASE("recency strategies: what makes no sense is refused") {
    Trace t = load_text(kHead + one("a", 0, 0) + one("b", 0, 1));
    for (const char* accounting : {"pinned", "flat"})
        for (const char* leaf : {"on", "off"})
            CHECK(refused(t, std::string("fifo:leaf=") + leaf, accounting, "leaf has no effect"));
    CHECK(refused(t, "fifo:leaf=off", "tree:protect=chain", "protects no block"));
    CHECK(complaint(t, "fifo:leaf=off", "tree", 2).find("--concurrency has no effect") != std::string::npos);
    CHECK(refused(t, "fifo:leaf=maybe", "tree", "expected one of on, off"));
    CHECK(refused(t, "mru:x=1", "flat", "takes no parameters"));
    CHECK(refused(t, "ttl", "pinned", "needs arrival times"));
    for (const char* bad : {"-1", "nan", "inf", "", "1e13", "x"})
        CHECK(refused(t, std::string("ttl:seconds=") + bad, "pinned", "expected a number from 0"));
    CHECK(refused(t, "ttl:from=birth", "pinned", "expected one of insert, use"));
    CHECK(refused(t, "tlru:budget=-1", "pinned", "expected a whole number"));
    CHECK(refused(t, "tlru:next=1.5", "pinned", "expected a whole number"));
}

}  // namespace strategy_recency_test
