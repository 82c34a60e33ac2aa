// Traces that name nothing: a twin in plain numbers, and the same lengths with names that never meet.
#include <doctest/doctest.h>
#include <kvsim/sim/replay.h>
#include "support/random_check.h"

#include <deque>
#include <random>

namespace lengths_only_test {

using namespace kvsim;

namespace {

Trace random_lengths(uint64_t seed, bool empty_ones) {
    std::mt19937_64 random(seed);
    Trace t;
    t.lengths_only = true;
    t.block_size = 1 + static_cast<uint32_t>(random() % 8);
    for (uint64_t n = 1 + random() % 30; n > 0; --n) {
        t.prompt_tokens.push_back(static_cast<uint32_t>(random() % 40 + !empty_ones));
        t.output_tokens.push_back(static_cast<uint32_t>(random() % 3 == 0 ? 0 : random() % 25));
        t.arrival_s.push_back(0);
        t.source_row.push_back(t.chains.append(kNone, 0, 0));
    }
    return t;
}

/// The same with a name for every block of every prompt, no two alike.
Trace with_names(const Trace& lengths) {
    Trace t = lengths;
    t.lengths_only = false;
    t.chains = PrefixIndex();
    for (uint32_t tokens : t.prompt_tokens) t.chains.append(kNone, 0, (tokens + t.block_size - 1) / t.block_size);
    return t;
}

/// All that a run counts and does not depend on names.
std::vector<uint64_t> counts(const RunResult& r) {
    return {r.total.evicted_blocks, r.total.active_blocks, r.total.resident_blocks,
            static_cast<uint64_t>(r.total.resident_tokens), r.peak_active_blocks, r.peak_resident_blocks};
}

RunResult run(const Trace& t, const std::string& accounting, uint64_t capacity, bool decode) {
    ReplayOptions options;
    options.cache.accounting = accounting;
    options.run.capacity_blocks = capacity;
    options.run.decode = decode;
    options.verify = true;
    ReplayOutcome out = replay(t, options);
    RC_ASSERT(out.unlimited->hit_blocks == 0u);
    if (t.lengths_only) RC_ASSERT(out.metrics.hits.lookup_blocks == 0u);
    return out.run;
}

/// LRU when nothing is ever used again: the oldest goes. pinned takes at most `capacity` blocks, deepest first; flat
/// takes them all, first to last.
std::vector<uint64_t> twin(const Trace& t, bool flat, uint64_t capacity, bool decode) {
    std::deque<uint64_t> cache;  // tokens of each block
    uint64_t evicted = 0, active = 0, resident = 0, tokens = 0, peak_active = 0, peak_resident = 0;
    for (uint32_t r = 0; r < t.requests(); ++r) {
        uint64_t held = t.prompt_tokens[r] + (decode ? t.output_tokens[r] : 0);
        std::vector<uint64_t> blocks(held / t.block_size, t.block_size);
        if (held % t.block_size != 0) blocks.push_back(held % t.block_size);
        uint64_t keep = std::min<uint64_t>(blocks.size(), capacity);
        if (!flat) blocks.resize(keep);
        if (!flat) std::reverse(blocks.begin(), blocks.end());
        for (uint64_t b : blocks) cache.push_back(b);
        for (; cache.size() > capacity; ++evicted) cache.pop_front();
        active += keep;
        resident += cache.size();
        for (uint64_t b : cache) tokens += b;
        peak_active = std::max(peak_active, keep);
        peak_resident = std::max<uint64_t>(peak_resident, cache.size());
    }
    return {evicted, active, resident, tokens, peak_active, peak_resident};
}

}  // namespace

TEST_CASE("lengths only: evictions and use are those of a queue of blocks") {
    CHECK(kvsim_test::random_check([](uint64_t seed, bool decode) {
        Trace t = random_lengths(seed, true);
        for (uint64_t capacity : {uint64_t{1}, uint64_t{3}, 1 + seed % 50, kUnlimited}) {
            RC_ASSERT(counts(run(t, "pinned", capacity, decode)) == twin(t, false, capacity, decode));
            RC_ASSERT(counts(run(t, "flat", capacity, decode)) == twin(t, true, capacity, decode));
        }
    }));
}

TEST_CASE("lengths only: the same as names that never meet") {
    CHECK(kvsim_test::random_check([](uint64_t seed, bool decode) {
        Trace t = random_lengths(seed, false);
        Trace named = with_names(t);
        for (const char* accounting : {"pinned", "flat", "tree", "tree:protect=chain"})
            for (uint64_t capacity : {uint64_t{1}, 1 + seed % 7, 1 + seed % 50, kUnlimited})
                RC_ASSERT(counts(run(t, accounting, capacity, decode)) == counts(run(named, accounting, capacity, decode)));
    }));
}

TEST_CASE("lengths only: re-blocked is read with that block size") {
    Trace t = random_lengths(7, true);
    Trace again = t;
    again.reblock_to(5);
    t.block_size = 5;
    CHECK(counts(run(again, "pinned", 9, true)) == counts(run(t, "pinned", 9, true)));
}

}  // namespace lengths_only_test
