// Belady against published optima; priority and workload_aware where they must be LRU.
#include "golden/timed_strategies.h"

namespace strategy_other_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

struct Cell {
    const char* eviction;
    const char* accounting;
    uint64_t blocks;
    uint64_t hits;
};

void check(const char* trace_name, const std::vector<Cell>& cells) {
    const Trace& trace = shared_trace(trace_name);
    if (trace.requests() == 0) return;
    for (const Cell& c : cells) {
        CAPTURE(c.eviction);
        CAPTURE(c.accounting);
        CAPTURE(c.blocks);
        HitCounts h = hits(trace, c.eviction, c.accounting, c.blocks);
        CHECK(h.any_hit_blocks == c.hits);
        CHECK(h.hit_blocks == c.hits);  // it keeps nothing behind a missing block
    }
}

}  // namespace

// Misses of MIN with forced insertion: 233,506 of 288,500 at 1,000 blocks, 182,790 (each block once) from 8,139 on.
TEST_CASE("golden: belady on conversation") {
    check(kConversation, {{"belady", "flat", 1000, 288500 - 233506},
                          {"belady", "flat", 8139, 288500 - 182790},
                          {"belady", "flat", 10000, 288500 - 182790},
                          {"belady:bypass=on", "flat", 1000, 55019},
                          {"belady:bypass=on", "flat", 5000, 98448},
                          {"belady", "tree", 1000, 55019},
                          {"belady", "tree", 5000, 98448},
                          {"belady", "tree", 10000, 105710},
                          {"belady", "pinned", 1000, 51705},
                          {"belady", "pinned", 5000, 97995},
                          {"belady", "pinned", 10000, 105710}});
    const Trace& trace = shared_trace(kConversation);
    if (trace.requests() == 0) return;
    CHECK(hits(trace, "belady", "flat", 8137).any_hit_blocks < 105710);
}

TEST_CASE("golden: belady on synthetic") {
    check(kSynthetic, {{"belady", "tree", 1000, 33728},
                       {"belady", "tree", 10000, 75316},
                       {"belady:bypass=on", "flat", 1000, 33728},
                       {"belady:bypass=on", "flat", 10000, 75316},
                       {"belady", "tree", 30000, 77953},
                       {"belady", "pinned", 30000, 77953}});
}

TEST_CASE("golden: one priority, or one class, is lru") {
    check(kConversation, {{"priority", "pinned", 1000, 12847},
                          {"priority", "pinned", 10000, 61046},
                          {"priority", "tree", 10000, 61046},
                          {"priority", "flat", 10000, 60921},
                          {"workload_aware:classes=none", "pinned", 1000, 12847},
                          {"workload_aware:classes=none", "pinned", 10000, 61046},
                          {"workload_aware:classes=none", "pinned", 30000, 93978},
                          {"workload_aware:classes=none", "tree", 10000, 61046}});
}

TEST_CASE("long: golden: belady on 40 agent sessions") {
    check(kMerged, {{"belady", "tree", 10000, 4808033},
                                                 {"belady", "tree", 30000, 5302052},
                                                 {"belady:bypass=on", "flat", 10000, 4808033},
                                                 {"belady", "tree", 100000, 5361858}});
}

}  // namespace strategy_other_test
