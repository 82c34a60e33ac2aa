// Strategies that remember what has gone on the conversation trace, flat, prompts only: misses of 288,500 lookups as
// published for libCacheSim. Where nobody has published any (w_tinylfu, arc:variant=vllm) our own: a change shows.
#include <doctest/doctest.h>
#include <kvsim/layout/prefix.h>
#include <kvsim/sim/replay.h>

#include "golden/shared_trace.h"

namespace strategy_ghost_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

const Trace& conversation() { return shared_trace(kConversation); }

uint64_t misses(const char* eviction, uint64_t blocks) {
    RunOptions options;
    options.capacity_blocks = blocks;
    options.decode = false;
    RunResult run;
    auto cache = make_prefix_cache(eviction, Accounting::parse("flat"), conversation(), options);
    cache->run(conversation(), options, run);
    cache->check_invariants();
    HitCounts hits = measure(conversation(), run, options, GroupBy::none).hits;
    CHECK(hits.lookup_blocks == 288500);
    return hits.lookup_blocks - hits.any_hit_blocks;
}

struct Row {
    const char* eviction;
    uint64_t misses[5];  ///< at 1,000, 10,000, 30,000, 50,000 and 100,000 blocks
};

void check_rows(const std::vector<Row>& rows) {
    if (conversation().requests() == 0) return;
    const uint64_t blocks[] = {1000, 10000, 30000, 50000, 100000};
    for (const Row& row : rows)
        for (int i = 0; i < 5; ++i) {
            CAPTURE(row.eviction);
            CAPTURE(blocks[i]);
            CHECK(misses(row.eviction, blocks[i]) == row.misses[i]);
        }
}

}  // namespace

TEST_CASE("golden: published misses of arc, s3_fifo and lirs on conversation") {
    check_rows({{"arc", {273225, 224295, 198825, 189444, 183745}},
                {"s3_fifo", {272824, 232975, 214959, 205650, 190392}},
                {"s3_fifo:variant=v0", {272459, 232110, 200186, 187506, 183926}},
                {"lirs", {272781, 232344, 217790, 212377, 199791}}});
}

TEST_CASE("golden: misses of w_tinylfu and vLLM's arc on conversation have not changed") {
    check_rows({{"arc:variant=vllm", {274504, 231409, 200009, 189311, 183745}},
                {"w_tinylfu", {269719, 243617, 228158, 220278, 202486}},
                {"w_tinylfu:counts=exact", {269291, 238969, 222339, 212415, 199842}}});
}

}  // namespace strategy_ghost_test
