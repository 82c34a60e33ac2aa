// Belady, priority and workload_aware on traces small enough to work out by hand.
#include <doctest/doctest.h>
#include <kvsim/eviction/workload_classes.h>

#include <set>

#include "unit/timed_strategies.h"

namespace strategy_other_test {

using namespace kvsim;
using namespace kvsim_test;

using Hits = std::vector<uint32_t>;

// 1 block. 1 is never used again: where it need not be stored, 0 stays and is hit.
TEST_CASE("belady: who may decline") {
    Trace t = load_text(kHead + one("a", 0, 0) + one("b", 1, 1) + one("c", 2, 0));
    CHECK(run(t, "belady", "pinned", 1).hit_blocks == Hits{0, 0, 0});
    CHECK(run(t, "belady", "flat", 1).hit_blocks == Hits{0, 0, 0});
    CHECK(run(t, "belady:bypass=off", "tree", 1).hit_blocks == Hits{0, 0, 0});
    CHECK(run(t, "belady:bypass=on", "flat", 1).hit_blocks == Hits{0, 0, 1});
    CHECK(run(t, "belady", "tree", 1).hit_blocks == Hits{0, 0, 1});
}

// 3 blocks. All of 0 1 2 are used next by c; for 5 the deepest goes. For 2 then 5, never used again, goes although it
// was used last, and c hits 2 blocks, d 3.
TEST_CASE("belady: of equally far blocks the deepest") {
    Trace t = load_text(kHead + chain("a", 0, "0,1,2", 3) + one("b", 1, 5) + chain("c", 2, "0,1,2", 3) +
                        chain("d", 3, "0,1,2", 3));
    CHECK(run(t, "belady", "pinned", 3).hit_blocks == Hits{0, 0, 2, 3});
    CHECK(run(t, "belady", "flat", 3).hit_blocks == Hits{0, 0, 2, 3});
    CHECK(run(t, "belady", "tree", 3).hit_blocks == Hits{0, 0, 3, 3});
}

// 2 blocks, flat: lowest priority first. a 50, b the default 35, c 10: b goes. d, default: c goes. a is hit. f 80: d
// goes. g, default: 50 is the lowest now, 0 goes.
TEST_CASE("priority by hand") {
    Trace t = load_text(kHead + one("a", 0, 0, ",\"priority\":50") + one("b", 1, 1) +
                        one("c", 2, 2, ",\"priority\":10") +
                        one("d", 3, 3) + one("e", 4, 0) + one("f", 5, 4, ",\"priority\":80") + one("g", 6, 5) +
                        one("h", 7, 4) + one("i", 8, 0));
    for (const char* accounting : {"pinned", "flat", "tree"})
        CHECK(run(t, "priority", accounting, 2).hit_blocks == Hits{0, 0, 0, 0, 1, 0, 0, 1, 0});
    // Where the default is 5, b is the lowest as before, but then 3 is, not 2.
    CHECK(run(t, "priority:default=5", "flat", 2).hit_blocks == Hits{0, 0, 0, 0, 1, 0, 0, 1, 0});
}

// 2 blocks, 10 s. 0 has priority 50 from 0 on; 1 goes for 2 at 5. At 12 the time of 0 is over: it drops to the default
// as if it had just been used, so 2, used at 5, goes for 3 and not 0, used at 0. At 13 it is hit.
TEST_CASE("priority: a priority that is over enters at the most recently used end") {
    Trace t = load_text(kHead + one("a", 0, 0, ",\"priority\":50") + one("b", 1, 1) + one("c", 5, 2) + one("d", 12, 3) +
                        one("e", 13, 0) + one("f", 14, 4) + one("g", 15, 0));
    CHECK(run(t, "priority:duration=10", "flat", 2).hit_blocks == Hits{0, 0, 0, 0, 1, 0, 1});
    CHECK(run(t, "priority", "flat", 2).hit_blocks == Hits{0, 0, 0, 0, 1, 0, 1});
    // At 10 exactly it is over. A low one rises: 10 would have gone first, as 35 it outlives the other.
    Trace low = load_text(kHead + one("a", 0, 0, ",\"priority\":10") + one("b", 1, 1) + one("c", 10, 2) +
                          one("d", 11, 0));
    CHECK(run(low, "priority:duration=10", "flat", 2).hit_blocks == Hits{0, 0, 0, 1});
    CHECK(run(low, "priority:duration=10.5", "flat", 2).hit_blocks == Hits{0, 0, 0, 0});
}

// Two at once, 10 s. a holds 0 until c is admitted at 20; its priority lasts from then on and holds at 21.
TEST_CASE("priority: time begins at release") {
    Trace t = load_text(kHead + one("a", 0, 0, ",\"priority\":50") + one("b", 1, 1) + one("c", 20, 2) +
                        one("d", 21, 3) + one("e", 22, 0));
    CHECK(run(t, "priority:duration=10", "pinned", 3, 2).hit_blocks == Hits{0, 0, 0, 0, 1});
}

// 2 blocks, life 10. Text is used again after 1 s: lambda 1. File after 10 s: lambda 0.1.
//   at 19, for 3: text 1, idle 18 s: exp(-18) (1 - exp(-10)); file 2, idle 7 s: exp(-0.7) (1 - exp(-1)) = 0.31: 1 goes
//   at 23, for 4: text 3, idle 4 s: exp(-4) = 0.018; file 2, idle 11 s: exp(-1.1) (1 - exp(-1)) = 0.21: 3 goes,
//   used later than 2
//   at 24: 2 is hit. LRU would have taken it at 23.
TEST_CASE("workload_aware by hand") {
    const std::string text = ",\"category\":\"text\"", file = ",\"category\":\"file\"";
    Trace t = load_text(kHead + one("a", 0, 1, text) + one("b", 1, 1, text) + one("c", 2, 2, file) +
                        one("d", 12, 2, file) +
                        one("e", 19, 3, text) + one("f", 23, 4, file) + one("g", 24, 2, file));
    for (const char* accounting : {"pinned", "flat", "tree"}) {
        CAPTURE(accounting);
        CHECK(run(t, "workload_aware:classes=category,life=10", accounting, 2).hit_blocks == Hits{0, 1, 0, 1, 0, 0, 1});
        CHECK(run(t, "workload_aware:classes=none,life=10", accounting, 2).hit_blocks == Hits{0, 1, 0, 1, 0, 0, 0});
        CHECK(run(t, "lru", accounting, 2).hit_blocks == Hits{0, 1, 0, 1, 0, 0, 0});
    }
}

TEST_CASE("workload_aware: classes of requests") {
    Trace t = load_text(kHead + one("a", 0, 0, ",\"category\":\"x\",\"session\":\"s\"") +
                        one("b", 1, 1, ",\"session\":\"s\"") + one("c", 2, 2, ",\"category\":\"x\",\"session\":\"r\"") +
                        one("d", 3, 3, ",\"category\":\"x\",\"session\":\"s\"") + one("e", 4, 4));
    // Turns are counted in sessions: 1 2 1 3, none.
    WorkloadClasses both = workload_classes(t, true, true, 8);
    CHECK(both.count == 4);
    CHECK(both.of[0] == both.of[2]);
    CHECK(std::set<uint8_t>{both.of[0], both.of[1], both.of[3], both.of[4]}.size() == 4);
    WorkloadClasses turns = workload_classes(t, false, true, 2);
    CHECK(turns.count == 3);
    CHECK(turns.of[1] == turns.of[3]);
    CHECK(workload_classes(t, false, false, 8).count == 1);
    Trace column = load_text(kHead + one("a", 0, 0, ",\"turn\":7") + one("b", 1, 1, ",\"turn\":0") +
                             one("c", 2, 2, ",\"turn\":9") + one("d", 3, 3));
    WorkloadClasses given = workload_classes(column, false, true, 7);
    CHECK(given.count == 3);
    CHECK(given.of[0] == given.of[2]);
}

TEST_CASE("workload_aware: the fit uses recent observations") {
    ReuseFit fit;
    fit.reset(2);
    CHECK(fit.empty());
    fit.observe(4);
    CHECK(fit.lambda() == 0.25);
    for (double seconds : {4.0, 1.0, 1.0, 1.0}) fit.observe(seconds);  // 4 4 | 1 1 | 1
    CHECK(fit.lambda() == 1);
}

TEST_CASE("other strategies: what makes no sense is refused") {
    Trace t = load_text(kHead + one("a", 0, 0) + one("b", 1, 1));
    CHECK(refused(t, "belady:bypass=on", "pinned", "bypass has no effect"));
    CHECK(refused(t, "belady:bypass=off", "pinned", "bypass has no effect"));
    CHECK(refused(t, "belady:bypas=on", "flat", "did you mean 'bypass'"));
    CHECK(refused(t, "priority:default=nan", "flat", "expected a number"));
    CHECK(refused(t, "priority:duration=-1", "flat", "expected a number from 0"));
    CHECK(refused(t, "priority:duration=never", "flat", "expected a number from 0"));
    CHECK(complaint(t, "priority:duration=none", "flat").empty());
    CHECK(refused(t, "workload_aware", "pinned", "has no categories"));
    CHECK(refused(t, "workload_aware:classes=category", "pinned", "has no categories"));
    CHECK(refused(t, "workload_aware:classes=turn", "pinned", "neither turns nor sessions"));
    CHECK(refused(t, "workload_aware:classes=none,turns=3", "pinned", "turns has no effect"));
    CHECK(refused(t, "workload_aware:classes=none,life=0", "pinned", "expected a number"));
    CHECK(refused(t, "workload_aware:classes=none,history=0", "pinned", "whole number"));
    CHECK(complaint(t, "workload_aware:classes=none", "pinned").empty());
    Trace timeless = load_text(kHead + one("a", 0, 0) + one("b", 0, 1));
    CHECK(refused(timeless, "workload_aware:classes=none", "pinned", "needs arrival times"));
    CHECK(refused(timeless, "priority:duration=3", "pinned", "needs arrival times"));
    CHECK(complaint(timeless, "priority", "pinned").empty());
    std::string many = kHead;
    for (int i = 0; i < 70; ++i)
        many += one("r" + std::to_string(i), i, i, ",\"category\":\"c" + std::to_string(i) + "\"");
    CHECK(refused(load_text(many), "workload_aware:classes=category", "pinned", "70 classes"));
}

}  // namespace strategy_other_test
