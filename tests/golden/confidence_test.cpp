// Differences to pinned LRU on the public conversation trace, in blocks, against a bootstrap that shares no code and no
// random numbers with this one. An end of an interval is the 25th of 1,000 draws and scatters by 2.2 % of the width
// (standard error of a normal's quantile) in either program, so by 3.1 % between them: about three times that is
// allowed, and at least 0.0006. Points agree to four decimals where both programs count the same hits: S3-FIFO block by
// block, its queue growing while nothing has been evicted (v0). CLOCK, ARC and GDSF leave open what happens to blocks of
// the running request and what a block costs, and hit a little differently there: 0.0004 more are allowed.
#include <doctest/doctest.h>
#include <kvsim/sim/confidence.h>
#include <kvsim/sim/replay.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "golden/shared_trace.h"

namespace confidence_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

struct Row {
    const char* accounting;
    const char* eviction;
    uint64_t blocks;
    double difference, low, high;
    Verdict verdict;
    double other = 0;  ///< how far apart the programs' counts are
};

HitColumns run(const Trace& trace, const std::string& eviction, uint64_t blocks, const char* accounting = "pinned") {
    ReplayOptions options;
    options.cache.eviction = eviction;
    options.cache.accounting = accounting;
    options.run.capacity_blocks = blocks;
    options.run.decode = false;
    return hit_columns(trace, replay(trace, options).run, 0, HitUnit::blocks);
}

}  // namespace

TEST_CASE("golden: differences to LRU on conversation, with intervals") {
    const Trace& trace = shared_trace(kConversation);
    if (trace.requests() == 0) return;
    const Row rows[] = {
        {"flat", "s3_fifo:variant=v0", 1000, 0.0111, 0.0080, 0.0143, Verdict::better},
        {"flat", "s3_fifo:variant=v0", 5000, 0.0264, 0.0169, 0.0362, Verdict::better},
        {"flat", "s3_fifo:variant=v0", 20000, -0.0350, -0.0465, -0.0236, Verdict::worse},
        {"pinned", "clock", 20000, 0.0042, 0.0016, 0.0070, Verdict::better, 0.0004},
        {"pinned", "arc:variant=vllm", 5000, -0.0025, -0.0070, 0.0028, Verdict::no_difference, 0.0004},
        {"tree", "gdsf:cost=flops", 20000, -0.0011, -0.0060, 0.0047, Verdict::no_difference, 0.0004},
    };
    for (const Row& row : rows) {
        CAPTURE(row.eviction);
        CAPTURE(row.blocks);
        HitColumns lru = run(trace, "lru", row.blocks);
        HitColumns other = run(trace, row.eviction, row.blocks, row.accounting);
        ConfidenceTable table = bootstrap({{lru.lookups, lru.hits, 0}, {lru.lookups, other.hits, 0}}, {});
        CHECK(table.requests == 12031);
        CHECK(table.block_requests == 200);
        const Comparison& c = table.cells[1];
        CHECK(std::abs(c.difference - row.difference) < 0.00006 + row.other);
        double tolerance = std::max(0.0006, (row.high - row.low) / 10) + row.other;
        CHECK(std::abs(c.low - row.low) <= tolerance);
        CHECK(std::abs(c.high - row.high) <= tolerance);
        CHECK(c.verdict == row.verdict);
    }
}

TEST_CASE("golden: LRU against itself with less room on conversation") {
    const Trace& trace = shared_trace(kConversation);
    if (trace.requests() == 0) return;
    // 61,046 and 12,847 of 288,500 blocks (shared_traces_test.cpp)
    HitColumns large = run(trace, "lru", 10000), small = run(trace, "lru", 1000);
    ConfidenceTable table = bootstrap({{large.lookups, large.hits, 0}, {small.lookups, small.hits, 0}}, {});
    CHECK(table.cells[0].rate == 61046.0 / 288500);
    CHECK(table.cells[1].rate == 12847.0 / 288500);
    CHECK(table.cells[1].difference == 12847.0 / 288500 - 61046.0 / 288500);
    CHECK(table.cells[1].verdict == Verdict::worse);
    CHECK(table.cells[1].low < table.cells[1].difference);
    CHECK(table.cells[1].high > table.cells[1].difference);
    // The columns are those that the totals are made of.
    ReplayOptions options;
    options.run.capacity_blocks = 10000;
    options.run.decode = false;
    options.run.warmup_requests = 5000;
    ReplayOutcome outcome = replay(trace, options);
    HitColumns tokens = hit_columns(trace, outcome.run, 5000);
    uint64_t lookup = 0, hit = 0;
    for (uint64_t l : tokens.lookups) lookup += l;
    for (uint64_t h : tokens.hits) hit += h;
    CHECK(tokens.lookups.size() == 12031 - 5000);
    CHECK(lookup == outcome.metrics.hits.lookup_tokens);
    CHECK(hit == outcome.metrics.hits.hit_tokens);
}

}  // namespace confidence_test
