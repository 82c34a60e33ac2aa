// Replay of snapshots on a public trace against counts from a program that shares nothing with this one: there a
// stored prompt is (name of its last block, tokens), since names name prefixes, and the cache an ordered dictionary.
#include <doctest/doctest.h>
#include <kvsim/layout/prefix_snapshots.h>
#include <kvsim/sim/metrics.h>

#include "golden/shared_trace.h"

namespace snapshot_trace_test {

using namespace kvsim;
using namespace kvsim_test;

TEST_CASE("conversation trace: snapshots of prompts") {
    const Trace& trace = shared_trace(kConversation, 1);
    if (trace.requests() == 0) return;
    struct Row {
        uint64_t tokens;
        const char* match;
        uint64_t hit_tokens, with_hit, evictions, evicted_tokens, rejected, skipped, replaced, entries, resident;
    };
    const Row rows[] = {
        {4096000, "snapshot", 439606, 61, 11716, 141751477, 0, 0, 59, 256, 2664121},
        {512000, "snapshot", 25433, 10, 11979, 144257677, 0, 0, 10, 42, 510703},
        {4096000, "snapshot:max_entries=1000000", 536120, 72, 11588, 140235763, 0, 0, 70, 373, 4083310},
        {kUnlimited, "snapshot", 439606, 61, 11716, 141751477, 0, 0, 59, 256, 2664121},
        {kUnlimited, "snapshot:max_entries=1000000", 1118581, 130, 0, 0, 0, 0, 118, 11913, 143836404},
        {64000, "snapshot:max_entries=16,min_prefix_len=8000", 0, 0, 5219, 100258207, 261, 6546, 0, 5, 60353},
    };
    for (const Row& row : rows) {
        CAPTURE(row.match);
        CAPTURE(row.tokens);
        RunOptions options;
        options.capacity_blocks = row.tokens;
        RunResult run;
        auto cache = make_snapshot_cache(row.match);
        cache->run(trace, options, run);
        cache->check_invariants();
        HitCounts hits = measure(trace, run, options, GroupBy::none).hits;
        CHECK(hits.lookup_tokens == 144793823);
        CHECK(hits.hit_tokens == row.hit_tokens);
        CHECK(hits.with_hit == row.with_hit);
        CHECK(run.total.evicted_blocks == row.evicted_tokens);
        CHECK(cache->counts().evictions == row.evictions);
        CHECK(cache->counts().rejected == row.rejected);
        CHECK(cache->counts().skipped == row.skipped);
        CHECK(cache->counts().replaced == row.replaced);
        CHECK(cache->entries() == row.entries);
        CHECK(cache->resident_tokens() == row.resident);
    }
}

}  // namespace snapshot_trace_test
