// FIFO as a plain queue under tree against published counts; the others at the ends of their parameters, where they
// must be FIFO or LRU.
#include "golden/timed_strategies.h"

namespace strategy_recency_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

struct Cell {
    uint64_t blocks;
    uint64_t hits;
};

void check(const char* trace_name, const std::string& eviction, const char* accounting,
           const std::vector<Cell>& cells) {
    const Trace& trace = shared_trace(trace_name);
    if (trace.requests() == 0) return;
    for (const Cell& c : cells) {
        CAPTURE(eviction);
        CAPTURE(accounting);
        CAPTURE(c.blocks);
        CHECK(hits(trace, eviction, accounting, c.blocks).hit_blocks == c.hits);
    }
}

const std::vector<Cell> kQueue = {{1000, 12509}, {10000, 52351}, {30000, 84936}, {50000, 96228}, {100000, 102794}};

}  // namespace

TEST_CASE("golden: fifo:leaf=off, the published lab's FIFO") {
    check(kConversation, "fifo:leaf=off", "tree", kQueue);
    check(kConversation, "fifo", "flat", kQueue);
    check(kSynthetic, "fifo:leaf=off", "tree", {{1000, 9593}, {10000, 48622}, {30000, 72411}});
}

TEST_CASE("golden: ttl without life is fifo, without end lru") {
    check(kConversation, "ttl:seconds=0", "flat", kQueue);
    check(kConversation, "ttl:seconds=1e12", "pinned", {{1000, 12847}, {10000, 61046}, {50000, 102290}});
}

TEST_CASE("golden: tlru without a budget is lru") {
    check(kConversation, "tlru:budget=0", "pinned", {{1000, 12847}, {10000, 61046}, {50000, 102290}});
    check(kConversation, "tlru:budget=0", "tree", {{10000, 61046}});
    check(kConversation, "tlru:budget=0", "flat", {{1000, 12831}, {10000, 60921}});
}

TEST_CASE("long: golden: fifo:leaf=off on 40 agent sessions") {
    check(kMerged, "fifo:leaf=off", "tree",
          {{10000, 3879636}, {30000, 5027626}, {100000, 5325544}, {200000, 5350542}});
}

}  // namespace strategy_recency_test
