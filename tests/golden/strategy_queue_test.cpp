// SIEVE, SLRU, 2Q and QDLP on the public traces against counts of programs that share nothing with this one.
#include "golden/timed_strategies.h"

namespace strategy_queue_test {

using namespace kvsim;
using namespace kvsim_test;

// Misses of libCacheSim under flat accounting: 288,500 references, 182,790 distinct blocks.
TEST_CASE("golden: queues on conversation, flat") {
    const Trace& trace = shared_trace(kConversation);
    if (trace.requests() == 0) return;
    const uint64_t blocks[] = {1000, 10000, 30000, 50000, 100000};
    struct Row {
        const char* eviction;
        uint64_t misses[5];
    };
    const Row rows[] = {{"sieve", {274629, 250487, 208905, 189311, 183745}},
                        {"slru", {274921, 255682, 209825, 196548, 185360}},
                        {"two_q", {272886, 235162, 200175, 189738, 184849}},
                        {"qdlp", {272455, 231014, 206080, 189403, 183745}}};
    for (const Row& row : rows)
        for (int i = 0; i < 5; ++i) {
            CAPTURE(row.eviction);
            CAPTURE(blocks[i]);
            HitCounts h = hits(trace, row.eviction, "flat", blocks[i]);
            CHECK(h.lookup_blocks == 288500);
            CHECK(h.lookup_blocks - h.any_hit_blocks == row.misses[i]);
        }
}

// Published shares of 288,500 and 121,877 lookups: .0445 .1028 .2773 .3576 and .0825 .2552 .5726.
TEST_CASE("golden: SLRU with SGLang's key, pinned") {
    const Trace& conversation = shared_trace(kConversation);
    const Trace& synthetic = shared_trace(kSynthetic);
    if (conversation.requests() == 0 || synthetic.requests() == 0) return;
    struct Cell {
        const Trace& trace;
        uint64_t blocks, hits;
    };
    const Cell cells[] = {{conversation, 1000, 12847}, {conversation, 5000, 29654}, {conversation, 20000, 80004},
                          {conversation, 60000, 103166}, {synthetic, 1000, 10060}, {synthetic, 5000, 31098},
                          {synthetic, 20000, 69783}};
    for (const Cell& c : cells) {
        CAPTURE(c.blocks);
        CHECK(hits(c.trace, "slru:variant=sglang", "pinned", c.blocks).hit_blocks == c.hits);
    }
}

}  // namespace strategy_queue_test
