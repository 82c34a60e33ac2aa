// Offline bounds on the public traces against known counts, integer by integer, computed by programs that share
// nothing with this one.
#include <doctest/doctest.h>
#include <kvsim/layout/prefix.h>
#include <kvsim/sim/bounds.h>

#include <numeric>

#include "golden/shared_trace.h"

namespace bounds_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

RunOptions without_decode() {
    RunOptions options;
    options.decode = false;
    return options;
}

uint64_t sum(const std::vector<uint32_t>& column) { return std::accumulate(column.begin(), column.end(), uint64_t{0}); }

}  // namespace

TEST_CASE("golden: bounds on conversation") {
    const Trace& trace = shared_trace(kConversation);
    if (trace.requests() == 0) return;
    OfflineBounds bounds(trace, without_decode());
    CHECK(bounds.exact());
    const uint64_t blocks[] = {1000, 5000, 10000, 30000, 50000, 100000};
    const uint64_t optimal[] = {55019, 98448, 105710, 105710, 105710, 105710};
    const uint64_t admit[] = {51705, 97995, 105710, 105710, 105710, 105710};
    for (int i = 0; i < 6; ++i) {
        CAPTURE(blocks[i]);
        Bound most = bounds.optimal(blocks[i]);
        CHECK(most.counted_hit_blocks == optimal[i]);
        CHECK(sum(most.hit_blocks) == optimal[i]);
        CHECK(bounds.optimal_admit(blocks[i]).counted_hit_blocks == admit[i]);
        CHECK(bounds.flat_belady(blocks[i], true)->counted_any_hit_blocks == optimal[i]);
    }
    CHECK(bounds.optimal(10000).counted_hit_tokens == 54098411);
    FlatBound forced = *bounds.flat_belady(1000, false);
    CHECK(forced.counted_any_hit_blocks == 54994);
    CHECK(288500 - forced.counted_any_hit_blocks == 233506);
    // With output blocks the optimum stays, and what must be stored takes more room.
    OfflineBounds with_output(trace, RunOptions{});
    CHECK(with_output.optimal(1000).counted_hit_blocks == 55019);
    CHECK(with_output.optimal_admit(1000).counted_hit_blocks < 51705);
}

TEST_CASE("golden: the strategy belady reaches the bounds on conversation") {
    const Trace& trace = shared_trace(kConversation);
    if (trace.requests() == 0) return;
    for (bool decode : {false, true}) {
        RunOptions options;
        options.decode = decode;
        OfflineBounds bounds(trace, options);
        for (uint64_t blocks : {1000, 5000, 30000}) {
            CAPTURE(decode);
            CAPTURE(blocks);
            options.capacity_blocks = blocks;
            auto hits = [&](const char* eviction, const char* accounting) {
                RunResult run;
                make_prefix_cache(eviction, Accounting::parse(accounting), trace, options)->run(trace, options, run);
                return std::pair(sum(run.hit_blocks), sum(run.any_hit_blocks));
            };
            CHECK(hits("belady", "pinned").first == sum(bounds.optimal_admit(blocks).hit_blocks));
            CHECK(hits("belady", "tree").first == sum(bounds.optimal(blocks).hit_blocks));
            CHECK(hits("belady:bypass=on", "flat").second == bounds.flat_belady(blocks, true)->counted_any_hit_blocks);
        }
    }
}

TEST_CASE("golden: optimum on synthetic") {
    const Trace& trace = shared_trace(kSynthetic);
    if (trace.requests() == 0) return;
    OfflineBounds bounds(trace, without_decode());
    CHECK(bounds.optimal(1000).counted_hit_blocks == 33728);
    CHECK(bounds.optimal(10000).counted_hit_blocks == 75316);
    CHECK(bounds.optimal(30000).counted_hit_blocks == 77953);
    CHECK(bounds.flat_belady(1000, true)->counted_any_hit_blocks == 33728);
}

TEST_CASE("golden: optimum on 40 agent sessions") {
    const Trace& trace = shared_trace(kMerged);
    if (trace.requests() == 0) return;
    OfflineBounds bounds(trace, without_decode());
    CHECK(bounds.optimal(10000).counted_hit_blocks == 4808033);
    CHECK(bounds.optimal(30000).counted_hit_blocks == 5302052);
    CHECK(bounds.optimal(100000).counted_hit_blocks == 5361858);
    CHECK(bounds.optimal(200000).counted_hit_blocks == 5361858);
    CHECK(bounds.flat_belady(10000, true)->counted_any_hit_blocks == 4808033);
}

TEST_CASE("golden: bounds of chunks by content and by path") {
    const Trace& trace = shared_trace(kRag);
    if (trace.requests() == 0) return;
    OfflineBounds bounds(trace, without_decode());
    // All there is to hit: 71,583 references to 21,857 chunks; 12,856 blocks by path.
    CHECK(bounds.flat_optimal(kUnlimited).counted_any_hit_blocks == 71583 - 21857);
    CHECK(bounds.flat_belady(kUnlimited, false)->counted_any_hit_blocks == 71583 - 21857);
    CHECK(bounds.optimal(kUnlimited).counted_hit_blocks == 12856);
    for (uint64_t blocks : {100, 1000, 5000}) {
        uint64_t most = bounds.flat_optimal(blocks).counted_any_hit_blocks;
        CHECK(bounds.flat_belady(blocks, true)->counted_any_hit_blocks == most);
        CHECK(bounds.flat_belady(blocks, false)->counted_any_hit_blocks <= most);
    }
}

}  // namespace bounds_test
