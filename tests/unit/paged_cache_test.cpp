// The paged cache, feature by feature: docs/FEATURES.md rows 1.1 to 1.18 (1.6 is in model_test.cpp, the printed report
// of 1.18 in tests/cli/paged_test.cpp).
#include <doctest/doctest.h>
#include <kvsim/core/error.h>
#include <kvsim/layout/sequence_cache.h>
#include <kvsim/engine/engines.h>
#include <kvsim/layout/sequence_layouts.h>

#include <map>
#include <string>

namespace paged_cache_test {

using namespace kvsim;

namespace {

PagedConfig of(uint64_t blocks, uint32_t block_size = 16) {
    PagedConfig c;
    c.blocks = blocks;
    c.block_size = block_size;
    return c;
}
PagedCache cache(uint64_t blocks, const std::string& strategy = "lru", uint32_t block_size = 16) {
    return PagedCache(of(blocks, block_size), make_sequence_strategy(strategy));
}

/// Everything that can be seen of a store, as text: two states are the same if these are.
std::string state(const PagedStore& s) {
    std::string text = std::to_string(s.used_blocks()) + " used " + std::to_string(s.held_tokens()) + " held " +
                       std::to_string(s.shared_blocks()) + " shared\n";
    for (SequenceId id : s.ids()) {
        const SequenceFacts& f = s.facts(id);
        text += std::to_string(id) + ": " + std::to_string(f.tokens) + " tokens, " + std::to_string(f.last_access) +
                " last, " + std::to_string(f.accesses) + " accesses, " + std::to_string(f.freeable_blocks) + " own;";
        for (BlockId b : s.block_table(id))
            text += " " + std::to_string(b) + "x" + std::to_string(b == kNone ? 0 : s.references(b));
        text += "\n";
    }
    return text;
}

template <class F>
std::string error_of(F&& f) {
    try {
        f();
    } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::input);
        return e.what();
    }
    return "no error";
}
template <class Cache>
void must(Cache& c, SequenceId id, uint64_t tokens, double priority = 0) {
    REQUIRE_FALSE(c.allocate(id, tokens, priority).has_value());
}

CacheConfig resolved(CacheConfig c) {
    c.layout = "paged";
    resolve_cache(c);
    return c;
}

}  // namespace

TEST_CASE("1.1 new: a fresh cache is empty") {
    PagedCache c = cache(10);
    CHECK(c.store().capacity() == 10);
    CHECK(c.store().free_blocks() == 10);
    CHECK(c.store().used_blocks() == 0);
    CHECK(c.utilization() == 0);
    CHECK(error_of([] { PagedStore store(of(10, 0)); }) == "block size 0: expected at least 1 token");
    CHECK(error_of([] { ContiguousStore store({10, 0, 0}); }) == "block size 0: expected at least 1 token");
    PagedCache none = cache(0);
    CHECK(none.utilization() == 0);
    CHECK(none.allocate(0, 1)->need == 1);
    CHECK_FALSE(none.allocate(0, 0).has_value());
    PagedCache unlimited = cache(kUnlimited);
    CHECK(unlimited.store().free_blocks() == kUnlimited);
    CHECK(unlimited.utilization() == 0);
}

TEST_CASE("1.2 with_eviction_strategy: each is accepted, an unknown one lists them") {
    for (const char* id : {"lru", "lfu", "longest_first", "priority", "streaming_llm", "fifo", "shortest_first",
                           "most_blocks_freed", "latest"}) {
        CacheConfig c;
        c.eviction = std::string("sequence/") + id;
        CHECK(resolved(c).eviction == id);
        CHECK(bool(make_sequence_strategy(id).key));
    }
    CHECK_FALSE(bool(make_sequence_strategy("none").key));
    SequenceStrategy s = make_sequence_strategy("streaming_llm:sink=1,window=7");
    CHECK(s.trims);
    CHECK(s.sink == 1);
    CHECK(s.window == 7);
    std::string unknown = error_of([] { make_sequence_strategy("lfru"); });
    for (const SequenceStrategyRow& row : sequence_strategies().rows())
        CHECK(unknown.find(row.id) != std::string::npos);
    CHECK(unknown.find("did you mean") != std::string::npos);
    CHECK(error_of([] { make_sequence_strategy("lru:k=2"); }) != "no error");
    CHECK(error_of([] { make_sequence_strategy("streaming_llm:window=0"); }) != "no error");
    CHECK(error_of([] { make_sequence_strategy("streaming_llm:sink=-1"); }) != "no error");
}

// 7 / 10 < 0.8 <= 8 / 10.
TEST_CASE("1.3 needs_eviction: at the threshold or above it") {
    PagedCache c = cache(10);
    for (SequenceId id = 0; id < 7; ++id) must(c, id, 16);
    CHECK_FALSE(c.needs_eviction(0.8));
    must(c, 7, 16);
    CHECK(c.needs_eviction(0.8));
    CHECK(c.needs_eviction(0));
    for (const char* bad : {"-0.1", "1.01", "nan", "inf", "", "0.8x", "1e-400x"}) {
        CacheConfig config;
        config.evict_threshold = bad;
        if (*bad) CHECK(error_of([&] { resolved(config); }).find("expected a number from 0 to 1") != std::string::npos);
    }
}

TEST_CASE("1.4 block_size, total, free, used: free and used are the total after every step") {
    const uint64_t tokens[] = {48, 17, 0, 16, 1};
    const uint64_t blocks[] = {3, 2, 0, 1, 1};
    for (int i = 0; i < 5; ++i) {
        PagedCache c = cache(10);
        must(c, 1, tokens[i]);
        CHECK(c.store().block_size() == 16);
        CHECK(c.store().used_blocks() == blocks[i]);
        CHECK(c.store().free_blocks() == 10 - blocks[i]);
        CHECK(c.store().block_table(1).size() == blocks[i]);
        c.free(1);
        CHECK(c.store().free_blocks() == 10);
    }
}

// 20 tokens in 2 of 10 blocks of 16: 0.2 of the blocks, 20 / 32 of the places in them.
TEST_CASE("1.5 utilization: of blocks, and of places in them") {
    PagedCache c = cache(10);
    must(c, 1, 20);
    CHECK(c.utilization() == 0.2);
    auto fill = static_cast<double>(c.store().held_tokens()) / static_cast<double>(c.store().used_blocks() * 16);
    CHECK(fill == 0.625);
    CHECK_FALSE(c.fork(1, 2).has_value());
    CHECK(c.store().held_tokens() == 20);  // shared places once
}

// ceil(200 / 16) = 13.
TEST_CASE("1.7 allocate: a known id is an error; what does not fit changes nothing") {
    PagedCache c = cache(10);
    must(c, 3, 10);
    std::string before = state(c.store());
    CHECK(error_of([&] { c.allocate(3, 1); }).find("sequence 3: is there already") == 0);
    auto failure = c.allocate(4, 200);
    REQUIRE(failure.has_value());
    CHECK(failure->need == 13);
    CHECK(failure->have == 9);
    CHECK(state(c.store()) == before);
    CHECK(c.store().stats().failed_allocations == 1);
    c.free(3);
    CHECK(c.allocate(4, 200)->have == 10);
    CHECK_FALSE(c.allocate(4, 160).has_value());
    CHECK(c.store().free_blocks() == 0);
    // More blocks than there are ids: an error before anything is changed.
    PagedStore huge(of(kUnlimited, 1));
    CHECK(error_of([&] { huge.allocate(0, uint64_t{1} << 33); }).find("use a larger --block-size") !=
          std::string::npos);
    CHECK_FALSE(huge.contains(0));
    huge.allocate(0, 3);
    CHECK(error_of([&] { huge.append(0, ~uint64_t{0} - 5); }).find("use a larger --block-size") != std::string::npos);
    CHECK(huge.facts(0).tokens == 3);
    huge.check_invariants();
}

TEST_CASE("1.8 append: new blocks as they are needed; a copy on write is part of the need") {
    PagedCache c = cache(2);
    must(c, 1, 8);
    CHECK(c.store().used_blocks() == 1);
    CHECK_FALSE(c.append(1, 4).has_value());  // 12 tokens
    CHECK(c.store().used_blocks() == 1);
    CHECK_FALSE(c.append(1, 8).has_value());  // 20 tokens
    CHECK(c.store().used_blocks() == 2);
    CHECK(error_of([&] { c.append(9, 1); }).find("sequence 9: unknown") == 0);
    CHECK_FALSE(c.fork(1, 2).has_value());
    std::string before = state(c.store());
    // One token fits the last block's places, but others hold that block.
    auto failure = c.append(2, 1);
    REQUIRE(failure.has_value());
    CHECK(failure->need == 1);
    CHECK(failure->have == 0);
    // 13 tokens: the copy and one more block (20 + 13 = 33 > 32).
    CHECK(c.append(1, 13)->need == 2);
    CHECK(state(c.store()) == before);
    CHECK_FALSE(c.append(1, 0).has_value());  // nothing to write, nothing to copy
    CHECK(c.store().stats().cow_copies == 0);
}

TEST_CASE("1.9 free: all blocks come back, in ten rounds; a second free is an error") {
    PagedCache c = cache(10);
    for (int round = 0; round < 10; ++round) {
        for (SequenceId id = 0; id < 5; ++id) must(c, id, 32);
        CHECK(c.store().free_blocks() == 0);
        for (SequenceId id = 0; id < 5; ++id) CHECK(c.free(id) == 2);
        CHECK(c.store().free_blocks() == 10);
        c.store().check_invariants();
    }
    CHECK(error_of([&] { c.free(0); }).find("sequence 0: unknown, or freed") == 0);
}

TEST_CASE("1.10 fork: shares every block") {
    PagedCache c = cache(10);
    must(c, 0, 64, 7);
    for (SequenceId child = 1; child <= 4; ++child) CHECK_FALSE(c.fork(0, child).has_value());
    CHECK(c.store().used_blocks() == 4);
    CHECK(c.store().size() == 5);
    CHECK(c.store().shared_blocks() == 4);
    for (BlockId b : c.store().block_table(3)) CHECK(c.store().references(b) == 5);
    CHECK(c.store().facts(4).priority == 7);
    CHECK(c.store().facts(4).accesses == 1);
    CHECK(c.store().facts(0).accesses == 5);
    CHECK(error_of([&] { c.fork(0, 1); }).find("sequence 1: is there already") == 0);
    CHECK(error_of([&] { c.fork(9, 10); }).find("sequence 9: unknown") == 0);
    CHECK_FALSE(c.store().contains(10));
}

TEST_CASE(
    "1.11 copy-on-write: a partly filled shared block is copied, a full one is not, the last holder writes in place") {
    PagedStore s(of(10));
    s.allocate(0, 20);
    std::vector<BlockId> table = s.block_table(0);
    s.fork(0, 1);
    CopyOnWrite copied;
    CHECK_FALSE(s.append(1, 1, &copied).has_value());
    CHECK(s.used_blocks() == 3);
    CHECK(s.stats().cow_copies == 1);
    CHECK(copied.from == table[1]);
    CHECK(copied.to == s.block_table(1)[1]);
    CHECK(copied.tokens == 4);  // 20 - 16
    CHECK(s.block_table(0) == table);
    CHECK(s.references(table[0]) == 2);
    CHECK(s.references(table[1]) == 1);
    CHECK_FALSE(s.append(0, 1).has_value());  // alone again
    CHECK(s.stats().cow_copies == 1);
    CHECK(s.held_tokens() == 16 + 5 + 5);

    PagedStore full(of(10));  // 32 tokens: a new block, no copy
    full.allocate(0, 32);
    full.fork(0, 1);
    CHECK_FALSE(full.append(1, 1).has_value());
    CHECK(full.used_blocks() == 3);
    CHECK(full.stats().cow_copies == 0);

    PagedStore alone(of(10));  // the parent is gone: in place
    alone.allocate(0, 20);
    alone.fork(0, 1);
    CHECK(alone.free(0) == 0);
    CHECK_FALSE(alone.append(1, 1).has_value());
    CHECK(alone.used_blocks() == 2);
    CHECK(alone.stats().cow_copies == 0);
}

// Ticks: 1 allocates 2, 2 allocates 0, 3 appends to 2, 4 and 5 fork 0 to 1.
TEST_CASE("1.12 get_sequence, num_sequences, sequence_ids: what is known of each, ids ascending") {
    PagedStore s(of(10));
    s.allocate(2, 10, 1.5);
    s.allocate(0, 20);
    s.append(2, 1);
    s.fork(0, 1);
    CHECK(s.ids() == std::vector<SequenceId>{0, 1, 2});
    CHECK(s.size() == 3);
    CHECK(s.facts(2).tokens == 11);
    CHECK(s.facts(2).started == 1);
    CHECK(s.facts(2).last_access == 3);
    CHECK(s.facts(2).accesses == 2);
    CHECK(s.facts(2).priority == 1.5);
    CHECK(s.facts(2).freeable_blocks == 1);
    CHECK(s.facts(0).last_access == 4);
    CHECK(s.facts(1).last_access == 5);
    CHECK(s.facts(1).freeable_blocks == 0);
    CHECK(s.block_table(1) == s.block_table(0));
    CHECK(s.references(s.block_table(0)[0]) == 2);
    std::string before = state(s);  // looking is no access
    CHECK(state(s) == before);
    CHECK(error_of([&] { s.facts(5); }).find("sequence 5: unknown") == 0);
}

// Sequences 0 to 3: tokens 40 16 48 16, priorities 2 1 3 1; accesses 1 3 1 2; last access: 0 at 1, 2 at 3, 1 at 6, 3
// at 7.
TEST_CASE("1.13 select_eviction_target: one script, a victim per strategy, ties to the smallest id") {
    const std::map<std::string, SequenceId> victims = {
        {"lru", 0},
        {"fifo", 0},
        {"lfu", 0},                // 0 and 2 were accessed once: the smaller id
        {"longest_first", 2},      // 48
        {"shortest_first", 1},     // 1 and 3 have 16
        {"priority", 1},           // 1 and 3 have priority 1; 1 was accessed earlier
        {"latest", 3},             // of these 3 started last
        {"most_blocks_freed", 0},  // 0 and 2 have 3 blocks
        {"streaming_llm", 0}};
    for (const auto& row : victims) {
        const std::string& id = row.first;
        SequenceId victim = row.second;
        CAPTURE(id);
        PagedCache c = cache(20, id);
        must(c, 0, 40, 2);
        must(c, 1, 15, 1);
        must(c, 2, 48, 3);
        must(c, 3, 16, 1);
        CHECK_FALSE(c.append(1, 1).has_value());
        CHECK_FALSE(c.append(1, 0).has_value());
        CHECK_FALSE(c.append(3, 0).has_value());
        CHECK(c.select_victim() == victim);
        CHECK(c.select_victim() == victim);  // naming changes nothing
        c.pin(victim);
        CHECK(c.select_victim() != victim);
        CHECK(c.select_victim().has_value());
        c.unpin(victim);
        CHECK(c.select_victim() == victim);
    }
    PagedCache none = cache(20, "none");
    must(none, 0, 1);
    CHECK_FALSE(none.select_victim().has_value());
}

TEST_CASE("1.14 evict: the victim and the blocks really freed; nobody to evict is said so") {
    PagedCache c = cache(10);
    CHECK_FALSE(c.evict().has_value());
    must(c, 0, 40);
    must(c, 1, 32);
    CHECK_FALSE(c.fork(1, 2).has_value());
    CHECK_FALSE(c.append(1, 16).has_value());  // 1 holds 2 blocks with 2, and 1 of its own
    auto gone = c.evict();
    REQUIRE(gone.has_value());
    CHECK(gone->id == 0);
    CHECK(gone->freed_blocks == 3);
    CHECK(gone->tokens == 40);
    gone = c.evict();
    REQUIRE(gone.has_value());
    CHECK(gone->id == 1);  // 2 is older, but gives nothing back
    CHECK(gone->freed_blocks == 1);
    CHECK(gone->tokens == 16);  // the other 32 are 2's too
    CHECK(c.evict()->freed_blocks == 2);  // 2 is alone now
    CHECK_FALSE(c.evict().has_value());
    CHECK(c.store().used_blocks() == 0);
}

TEST_CASE("1.15 evict_to_threshold: down to the target; shared blocks stop it") {
    PagedCache c = cache(10);
    for (SequenceId id = 0; id < 8; ++id) must(c, id, 16);
    EvictedTo down = c.evict_to(0.5);
    CHECK(down.reached);
    REQUIRE(down.victims.size() == 3);
    for (SequenceId id = 0; id < 3; ++id) CHECK(down.victims[id].id == id);
    CHECK(c.utilization() == 0.5);
    CHECK(c.evict_to(0.5).victims.empty());

    PagedCache shared = cache(4);
    must(shared, 0, 48);
    CHECK_FALSE(shared.fork(0, 1).has_value());
    must(shared, 2, 16);
    EvictedTo stuck = shared.evict_to(0.25);
    CHECK_FALSE(stuck.reached);
    REQUIRE(stuck.victims.size() == 1);  // 2; 0 and 1 share all they have
    CHECK(stuck.victims[0].id == 2);
    CHECK(shared.utilization() == 0.75);
}

// Whole blocks in [sink, n - window): first ceil(sink / B), end floor((n - window) / B).
TEST_CASE("1.16 apply_streaming_llm: no sink or window token is lost, for any n, B, sink, window") {
    int cases = 0;
    for (uint32_t size : {1u, 2u, 3u, 4u, 7u, 16u})
        for (uint64_t n = 0; n <= 70; n += 1 + n / 9)
            for (uint64_t sink = 0; sink <= 36; sink += 1 + sink / 5)
                for (uint64_t window = 0; window <= 70; window += 1 + window / 4) {
                    PagedStore s(of(kUnlimited, size));
                    s.allocate(0, n);
                    std::vector<BlockId> before = s.block_table(0);
                    Trimmed t = s.trim(0, sink, window);
                    uint64_t first = (sink + size - 1) / size, end = n > window ? (n - window) / size : 0;
                    uint64_t freed = end > first ? end - first : 0;
                    bool ok = t.freed_blocks == freed && t.dropped_tokens == freed * size &&
                              t.requested_tokens == (n > sink + window ? n - sink - window : 0) &&
                              s.held_tokens() == n - freed * size && s.facts(0).tokens == n;
                    for (uint64_t p = 0; p < n; ++p) {
                        BlockId now = s.block_table(0)[p / size];
                        bool kept = p < sink || p + window >= n;
                        ok = ok && (now == before[p / size] || (now == kNone && !kept));
                    }
                    // What is appended next goes behind all that is there.
                    s.append(0, 1);
                    ok = ok && s.held_tokens() == n - freed * size + 1 && s.block_table(0).size() == n / size + 1;
                    s.check_invariants();
                    ++cases;
                    if (!ok) FAIL("n " << n << " B " << size << " sink " << sink << " window " << window);
                }
    CHECK(cases > 30000);
}

// n 160, B 16, sink 4, window 16: blocks ceil(4 / 16) = 1 to floor(144 / 16) = 9, 8 of them, 128 tokens; 32 stay.
// Outside sinks and window: 160 - 4 - 16 = 140.
TEST_CASE("1.16 apply_streaming_llm: the worked example, again, and with other sinks") {
    PagedStore s(of(10));
    s.allocate(0, 160);
    Trimmed t = s.trim(0, 4, 16);
    CHECK(t.freed_blocks == 8);
    CHECK(t.dropped_tokens == 128);
    CHECK(t.requested_tokens == 140);
    CHECK(s.held_tokens() == 32);
    Trimmed again = s.trim(0, 4, 16);  // 140 - 128 are still held, in blocks that hold others too
    CHECK(again.requested_tokens == 12);
    CHECK(again.dropped_tokens == 0);
    CHECK_FALSE(s.append(0, 16).has_value());
    CHECK(s.trim(0, 4, 16).freed_blocks == 1);  // block 9: 176 - 16 = 160
    Trimmed wide = s.trim(0, 40, 16);           // of 40 .. 160 all is gone but 160 - 160
    CHECK(wide.requested_tokens == 0);
    s.check_invariants();
    PagedStore two(of(10));
    two.allocate(0, 160);
    CHECK(two.trim(0, 0, 128).freed_blocks == 2);                  // blocks 0 and 1
    std::string refused = error_of([&] { two.trim(0, 64, 16); });  // blocks 4 to 8: a second hole
    CHECK(refused.find("sequence 0: a second hole") == 0);
    CHECK(two.used_blocks() == 8);
    CHECK(two.trim(0, 20, 16).freed_blocks == 7);  // blocks 2 to 8
    two.check_invariants();
}

TEST_CASE("1.17 stats: allocated less freed is used; peak, forks, copies, failures") {
    PagedCache c = cache(4);
    must(c, 0, 16);
    must(c, 1, 32);
    CHECK_FALSE(c.fork(0, 2).has_value());
    c.free(1);
    const SequenceStats& s = c.store().stats();
    CHECK(s.allocated_blocks == 3);
    CHECK(s.freed_blocks == 2);
    CHECK(s.allocated_blocks - s.freed_blocks == c.store().used_blocks());
    CHECK(s.forks == 1);
    CHECK(s.peak_used_blocks == 3);
    CHECK(s.peak_shared_blocks == 1);
    CHECK(c.allocate(5, 100).has_value());
    CHECK(s.failed_allocations == 1);
    CHECK_FALSE(c.append(2, 1).has_value());  // the shared block is full: a new one
    CHECK(s.cow_copies == 0);
    CHECK_FALSE(c.fork(2, 3).has_value());
    CHECK_FALSE(c.append(3, 1).has_value());
    CHECK(s.cow_copies == 1);
    c.free(0);
    c.free(2);
    c.free(3);
    CHECK(s.allocated_blocks == s.freed_blocks);
    // Three blocks allocated, one freed, one fork: 1 + 1 + 1, and the first goes.
    PagedCache script = cache(10);
    for (SequenceId id = 0; id < 3; ++id) must(script, id, 16);
    script.free(0);
    CHECK_FALSE(script.fork(1, 3).has_value());
    CHECK(script.store().stats().allocated_blocks == 3);
    CHECK(script.store().stats().freed_blocks == 1);
    CHECK(script.store().stats().forks == 1);
}

TEST_CASE("1.18 describe: a line with every count") {
    PagedCache c = cache(4);
    must(c, 0, 20);
    CHECK_FALSE(c.fork(0, 1).has_value());
    CHECK_FALSE(c.append(1, 1).has_value());
    CHECK(c.allocate(2, 1000).has_value());
    CHECK(c.describe() ==
          "3 of 4 blocks of 16 tokens used (75.00 %), 1 shared; 2 sequences, 25 tokens; 3 blocks allocated, 0 freed, 1 "
          "forks, 1 copies on write, 1 failed allocations, peak 3");
    CHECK(cache(kUnlimited).describe().rfind("0 blocks of 16 tokens used, 0 shared; 0 sequences", 0) == 0);
}

}  // namespace paged_cache_test
