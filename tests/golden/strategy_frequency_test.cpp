// Strategies that count uses, and gdsf, on the public traces: miss counts published for a simulator of plain caches,
// and leading hits computed by programs that share nothing with this one.
#include "golden/timed_strategies.h"

namespace strategy_frequency_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

const uint64_t kBlocks[] = {1000, 10000, 30000, 50000, 100000};

/// Every block that is resident counts.
void check_misses(const char* eviction, const std::vector<uint64_t>& misses) {
    const Trace& trace = shared_trace(kConversation);
    if (trace.requests() == 0) return;
    for (size_t i = 0; i < misses.size(); ++i) {
        CAPTURE(eviction);
        CAPTURE(kBlocks[i]);
        HitCounts h = hits(trace, eviction, "flat", kBlocks[i]);
        CHECK(h.lookup_blocks - h.any_hit_blocks == misses[i]);
    }
}

/// Up to the first miss of each request.
void check_leading(const char* name, const char* eviction, const char* accounting,
                   const std::vector<uint64_t>& expected) {
    const Trace& trace = shared_trace(name);
    if (trace.requests() == 0) return;
    for (size_t i = 0; i < expected.size(); ++i) {
        CAPTURE(name);
        CAPTURE(eviction);
        CAPTURE(accounting);
        CAPTURE(kBlocks[i]);
        CHECK(hits(trace, eviction, accounting, kBlocks[i]).hit_blocks == expected[i]);
    }
}

}  // namespace

TEST_CASE("golden: published misses of lfu and gdsf") {
    check_misses("lfu", {274629, 250487, 208905, 189311, 183745});
    check_misses("gdsf", {275616, 225873, 193755, 186146, 183745});
}

TEST_CASE("golden: leading hits on conversation") {
    check_leading(kConversation, "lfu", "flat", {13871, 38013, 79595, 99189, 104755});
    check_leading(kConversation, "lfu_history", "flat", {23368, 54212, 80674, 98957, 104755});
    check_leading(kConversation, "length_aware", "flat", {14535, 32392, 58519, 75080, 96490});
    check_leading(kConversation, "length_aware:prefer=early", "flat", {12030, 15112, 33394, 42869, 71707});
    // One count of the block engine that fills levels deepest first; the accounting is that of the tree.
    const Trace& trace = shared_trace(kConversation);
    if (trace.requests() != 0) CHECK(hits(trace, "lfu", "tree", 10000).hit_blocks == 38004);
}

TEST_CASE("golden: leading hits on synthetic") {
    check_leading(kSynthetic, "lfu", "flat", {4885, 43602, 76290});
    check_leading(kSynthetic, "lfu", "pinned", {6104, 44139, 76290});
    check_leading(kSynthetic, "length_aware", "flat", {2323, 22735, 61762});
}

TEST_CASE("golden: lfu on 40 agent sessions") {
    const Trace& trace = shared_trace(kMerged);
    if (trace.requests() == 0) return;
    CHECK(hits(trace, "lfu", "flat", 10000).hit_blocks == 183794);
    CHECK(hits(trace, "lfu", "flat", 30000).hit_blocks == 861368);
    CHECK(hits(trace, "lfu", "flat", 100000).hit_blocks == 2460503);
    CHECK(hits(trace, "lfu", "flat", 200000).hit_blocks == 4815037);
}

}  // namespace strategy_frequency_test
