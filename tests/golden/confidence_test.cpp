// Differences to LRU on the public conversation trace, in blocks, against a bootstrap that shares no code and no random
// numbers with this one: points to four decimals. An end of an interval is the 25th of 1,000 draws and scatters by
// 2.2 % of the width (standard error of a normal's quantile) in either program, so by 3.1 % between them: about three
// times that is allowed, and at least 0.0006.
#include <doctest/doctest.h>
#include <kvsim/sim/confidence.h>
#include <kvsim/sim/replay.h>
#include <kvsim/trace/format.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "support/process.h"

using namespace kvsim;
using kvsim_test::shared_file;

namespace {

struct Row {
    const char* eviction;
    uint64_t blocks;
    double difference, low, high;
    Verdict verdict;
};

HitColumns run(const Trace& trace, const std::string& eviction, uint64_t blocks) {
    ReplayOptions options;
    options.cache.eviction = eviction;
    options.run.capacity_blocks = blocks;
    options.run.decode = false;
    return hit_columns(trace, replay(trace, options).run, 0, HitUnit::blocks);
}

bool registered(const std::string& eviction) {
    if (block_strategies().find(eviction.substr(0, eviction.find(':')))) return true;
    MESSAGE("skipped: there is no block strategy " << eviction);
    return false;
}

}  // namespace

TEST_CASE("golden: differences to LRU on conversation, with intervals") {
    std::string path = shared_file("traces/mooncake/conversation_trace.jsonl.zst");
    if (path.empty()) return;
    LoadOptions load;
    load.path = path;
    Trace trace = load_trace(load);
    const Row rows[] = {
        {"s3_fifo", 1000, 0.0111, 0.0080, 0.0143, Verdict::better},
        {"s3_fifo", 5000, 0.0264, 0.0169, 0.0362, Verdict::better},
        {"s3_fifo", 20000, -0.0350, -0.0465, -0.0236, Verdict::worse},
        {"clock", 20000, 0.0042, 0.0016, 0.0070, Verdict::better},
        {"arc", 5000, -0.0025, -0.0070, 0.0028, Verdict::no_difference},
        {"gdsf:cost=flops", 20000, -0.0011, -0.0060, 0.0047, Verdict::no_difference},
    };
    for (const Row& row : rows) {
        if (!registered(row.eviction)) continue;
        CAPTURE(row.eviction);
        CAPTURE(row.blocks);
        HitColumns lru = run(trace, "lru", row.blocks), other = run(trace, row.eviction, row.blocks);
        ConfidenceTable table = bootstrap({{lru.lookups, lru.hits, 0}, {lru.lookups, other.hits, 0}}, {});
        CHECK(table.requests == 12031);
        CHECK(table.block_requests == 200);
        const Comparison& c = table.cells[1];
        CHECK(std::abs(c.difference - row.difference) < 0.00006);
        double tolerance = std::max(0.0006, (row.high - row.low) / 10);
        CHECK(std::abs(c.low - row.low) <= tolerance);
        CHECK(std::abs(c.high - row.high) <= tolerance);
        CHECK(c.verdict == row.verdict);
    }
}

TEST_CASE("golden: LRU against itself with less room on conversation") {
    std::string path = shared_file("traces/mooncake/conversation_trace.jsonl.zst");
    if (path.empty()) return;
    LoadOptions load;
    load.path = path;
    Trace trace = load_trace(load);
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
