// The prefix cache of whole snapshots, feature by feature; the numbers are those of docs/FEATURES.md section 2.
#include <doctest/doctest.h>
#include <kvsim/core/error.h>
#include <kvsim/layout/prefix_snapshots.h>
#include <kvsim/layout/snapshot_cache.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>

#include "unit/load_text.h"

namespace snapshot_cache_test {

using namespace kvsim;
using Tokens = std::vector<uint32_t>;

namespace {

std::string error_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::input);
        return e.what();
    }
    return "no error";
}

Tokens count_to(uint32_t n) {
    Tokens tokens(n);
    std::iota(tokens.begin(), tokens.end(), 0u);
    return tokens;
}

/// Every float is its own: `seed` plus its place.
KvSnapshot state(uint32_t tokens, float seed = 0, KvShape shape = {1, 4}) {
    std::vector<std::vector<float>> keys(shape.layers), values(shape.layers);
    for (uint32_t layer = 0; layer < shape.layers; ++layer) {
        for (uint32_t i = 0; i < tokens * shape.kv_dim; ++i) {
            keys[layer].push_back(seed + static_cast<float>(layer * 1000 + i));
            values[layer].push_back(-seed - static_cast<float>(layer * 1000 + i));
        }
    }
    return {std::move(keys), std::move(values), tokens, shape.kv_dim};
}

SnapshotCache cache_of(uint64_t entries, uint64_t bytes = uint64_t{512} << 20, uint64_t min_len = 4) {
    SnapshotConfig config;
    config.max_entries = entries;
    config.max_memory_bytes = bytes;
    config.min_prefix_len = min_len;
    return SnapshotCache(config);
}

bool same_bits(std::span<const float> a, std::span<const float> b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

}  // namespace

TEST_CASE("2.1 new: defaults, and other limits") {
    SnapshotCache cache;
    CHECK(cache.config().max_entries == 256);
    CHECK(cache.config().max_memory_bytes == 536870912);  // 512 MiB
    CHECK(cache.config().min_prefix_len == 4);
    CHECK(cache.config().text() ==
          "max_entries=256,max_memory_bytes=536870912,min_prefix_len=4,match=token");
    CHECK(cache_of(2, 100, 1).config().text() ==
          "max_entries=2,max_memory_bytes=100,min_prefix_len=1,match=token");
    CHECK(error_of([] { cache_of(0); }) == "snapshots: max_entries must be at least 1");
    CHECK(error_of([] { cache_of(1, 0); }) == "snapshots: max_memory_bytes must be at least 1");
    CHECK(error_of([] { cache_of(1, 1, 0); }) == "snapshots: min_prefix_len must be at least 1");
}

TEST_CASE("2.2 lookup: exact, longer, diverging, empty, too short") {
    SnapshotCache cache;
    cache.store_snapshot(count_to(6), state(6));
    for (SnapshotMatch match : {SnapshotMatch::token, SnapshotMatch::exact}) {
        bool token = match == SnapshotMatch::token;
        CHECK(cache.lookup(count_to(6), match).matched == 6);
        CHECK(cache.lookup(count_to(9), match).matched == 6);
        // [0 1 2 3 4 9]: five in common, between two boundaries. [0 1 2 3 4]: a beginning of what is stored.
        CHECK(cache.lookup(Tokens{0, 1, 2, 3, 4, 9}, match).matched == (token ? 5 : 0));
        CHECK(cache.lookup(count_to(5), match).matched == (token ? 5 : 0));
        CHECK_FALSE(cache.lookup(Tokens{}, match).hit);
        CHECK_FALSE(cache.lookup(count_to(3), match).hit);            // below min_prefix_len
        CHECK_FALSE(cache.lookup(Tokens{0, 1, 2, 9, 9}, match).hit);  // three in common: below it too
        CHECK_FALSE(cache.lookup(Tokens{9, 1, 2, 3, 4}, match).hit);
    }
    // The deepest boundary wins, and a slice goes beyond it.
    cache.store_snapshot(count_to(4), state(4));
    CHECK(cache.lookup(count_to(5), SnapshotMatch::exact).matched == 4);
    CHECK(cache.lookup(count_to(5), SnapshotMatch::token).matched == 5);
    CHECK(cache.lookup(count_to(8), SnapshotMatch::exact).matched == 6);
}

TEST_CASE("2.3 hit rates: at least one prompt token is always run") {
    SnapshotCache cache;
    cache.store_snapshot(count_to(6), state(6));
    SnapshotHit whole = cache.lookup(count_to(6));
    CHECK(whole.matched == 6);
    CHECK(whole.reusable == 5);
    CHECK(cache.lookup(count_to(8)).reusable == 6);
    CHECK(cache.lookup(count_to(5)).reusable == 4);
    CHECK(cache.lookup(Tokens{7, 7, 7, 7}).reusable == 0);
    CHECK(cache.hits() == 3);
    CHECK(cache.misses() == 1);
    CHECK(cache.prompt_tokens() == 23);  // 6 + 8 + 5 + 4
    CHECK(cache.reused_tokens() == 15);  // 5 + 6 + 4
}

TEST_CASE("2.4 store: too short, other length than the state, the same key") {
    SnapshotCache cache;
    KvBuffer buffer({1, 4}, 8);
    buffer.load(state(6), 6);
    CHECK(cache.store(count_to(6), buffer) == StoreOutcome::stored);
    CHECK(error_of([&] { cache.store(count_to(5), buffer); }) == "snapshots: 5 tokens with keys and values of 6");
    CHECK(error_of([&] { cache.store(count_to(7), buffer); }) == "snapshots: 7 tokens with keys and values of 6");
    // A prompt with a state that has gone on: the caller cuts it.
    CHECK(cache.store_snapshot(count_to(5), buffer.snapshot(5)) == StoreOutcome::stored);
    CHECK(cache.len() == 2);
    buffer.truncate(3);
    CHECK(cache.store(count_to(3), buffer) == StoreOutcome::skipped);
    CHECK(cache.skipped() == 1);
    CHECK(cache.len() == 2);
    buffer.load(state(6, 100), 6);
    CHECK(cache.store(count_to(6), buffer) == StoreOutcome::replaced);
    CHECK(cache.len() == 2);
    CHECK(cache.snapshot(cache.lookup(count_to(6)).handle).keys(0)[0] == 100);
    CHECK(error_of([&] { cache.store_snapshot(count_to(4), state(4, 0, {2, 4})); }) ==
          "snapshots: 2 layers of 4 values, expected 1 of 4 as stored before");
    cache.check_invariants();
}

TEST_CASE("2.5 store_snapshot: a split keeps both") {
    SnapshotCache cache;
    CHECK(cache.store_snapshot(Tokens{1, 2, 3, 4}, state(4, 10)) == StoreOutcome::stored);
    CHECK(cache.store_snapshot(Tokens{1, 2, 5, 6}, state(4, 20)) == StoreOutcome::stored);
    for (SnapshotMatch match : {SnapshotMatch::token, SnapshotMatch::exact}) {
        SnapshotHit a = cache.lookup(Tokens{1, 2, 3, 4}, match);
        SnapshotHit b = cache.lookup(Tokens{1, 2, 5, 6}, match);
        CHECK(a.matched == 4);
        CHECK(b.matched == 4);
        CHECK(cache.snapshot(a.handle).keys(0)[0] == 10);
        CHECK(cache.snapshot(b.handle).keys(0)[0] == 20);
    }
    CHECK(cache.store_snapshot(Tokens{1, 2, 3}, state(3)) == StoreOutcome::skipped);
    CHECK(error_of([&] { cache.store_snapshot(Tokens{1, 2, 3, 4}, state(5)); }) ==
          "snapshots: 4 tokens with keys and values of 5");
    CHECK(cache.store_snapshot(Tokens{1, 2, 3, 4}, state(4, 30)) == StoreOutcome::replaced);
    CHECK(cache.len() == 2);
    cache.check_invariants();
}

TEST_CASE("2.6 restore: bit for bit, whole and sliced") {
    constexpr KvShape shape{3, 4};
    SnapshotCache cache;
    KvSnapshot original = state(6, 0.1f, shape);
    std::vector<std::vector<float>> keys(3, std::vector<float>(24)), values = keys;
    for (uint32_t layer = 0; layer < 3; ++layer) {
        std::copy(original.keys(layer).begin(), original.keys(layer).end(), keys[layer].begin());
        keys[layer][0] = -0.0f;
        keys[layer][1] = std::nanf("7");
        keys[layer][2] = std::numeric_limits<float>::denorm_min();
        keys[layer][3] = std::numeric_limits<float>::infinity();
    }
    KvSnapshot odd(keys, values, 6, 4);
    cache.store_snapshot(count_to(6), odd);
    SnapshotHit hit = cache.lookup(count_to(6));
    KvBuffer target(shape, 8);
    cache.restore(hit.handle, target);
    CHECK(target.seq_len() == 6);
    for (uint32_t layer = 0; layer < 3; ++layer) {
        CHECK(same_bits(target.keys(layer), odd.keys(layer)));
        CHECK(same_bits(target.values(layer), odd.values(layer)));
    }
    SnapshotHit part = cache.lookup(Tokens{0, 1, 2, 3, 9, 9});
    CHECK(part.matched == 4);
    cache.restore(part.handle, part.reusable, target);
    CHECK(target.seq_len() == 4);
    CHECK(same_bits(target.keys(2), odd.keys(2).first(16)));
    KvBuffer small(shape, 5), other({3, 5}, 8), fewer({2, 4}, 8);
    small.load(odd, 2);
    CHECK(error_of([&] { cache.restore(hit.handle, small); }) == "KV buffer: 6 tokens do not fit into 5");
    CHECK(small.seq_len() == 2);
    CHECK(error_of([&] { cache.restore(hit.handle, other); }) ==
          "KV buffer: the snapshot has 3 layers of 4 values, the buffer 3 of 5");
    CHECK(error_of([&] { cache.restore(hit.handle, fewer); }).find("3 layers of 4") != std::string::npos);
    CHECK(error_of([&] { cache.restore(hit.handle, 7, target); }) == "KV buffer: 7 tokens of a snapshot of 6");
    CHECK(error_of([&] { cache.restore({}, target); }).find("stale handle") != std::string::npos);
}

TEST_CASE("2.7 memory_usage: bytes of all copies, and of shared ones; never above the limit") {
    SnapshotCache small = cache_of(10, 1000, 1);
    small.store_snapshot(Tokens{1, 2}, state(2));
    CHECK(small.memory_usage() == 64);  // 2 tokens x 4 values x (key + value) x 1 layer x 4 bytes
    SnapshotCache cache = cache_of(100, 32 * 20);  // 32 bytes a token: 20 tokens
    cache.store_snapshot(count_to(4), state(4));
    cache.store_snapshot(count_to(6), state(6));
    cache.store_snapshot(count_to(8), state(8));
    CHECK(cache.memory_usage() == 32 * 18);
    CHECK(cache.shared_bytes() == 32 * 8);
    for (uint32_t n = 4; n <= 20; ++n) {
        cache.store_snapshot(count_to(n), state(n));
        CHECK(cache.memory_usage() <= 32 * 20);
        cache.check_invariants();
    }
    CHECK(cache.len() == 1);
    CHECK(cache.memory_usage() == 32 * 20);
}

TEST_CASE("2.8 LRU eviction: what served last stays; pinned and oversized") {
    Tokens a{1, 1, 1, 1}, b{2, 2, 2, 2}, c{3, 3, 3, 3};
    SnapshotCache cache = cache_of(2);
    cache.store_snapshot(a, state(4));
    cache.store_snapshot(b, state(4));
    CHECK(cache.lookup(a).hit);
    cache.store_snapshot(c, state(4));
    CHECK(cache.evictions() == 1);
    CHECK(cache.lookup(a).hit);
    CHECK_FALSE(cache.lookup(b).hit);
    CHECK(cache.lookup(c).hit);

    // parent [0..4), child [0..6), other; a hit on the child does not refresh the parent.
    SnapshotCache tree = cache_of(3);
    tree.store_snapshot(count_to(4), state(4));
    tree.store_snapshot(count_to(6), state(6));
    tree.store_snapshot(b, state(4));
    CHECK(tree.lookup(count_to(6), SnapshotMatch::exact).matched == 6);
    tree.store_snapshot(c, state(4));
    CHECK_FALSE(tree.lookup(count_to(4), SnapshotMatch::exact).hit);
    CHECK(tree.lookup(count_to(6), SnapshotMatch::exact).hit);
    CHECK(tree.lookup(b, SnapshotMatch::exact).hit);

    // 32 bytes a token: room for 10. Eleven tokens are refused before anything goes.
    SnapshotCache tight = cache_of(10, 320);
    tight.store_snapshot(a, state(4));
    tight.store_snapshot(b, state(4));
    CHECK(tight.store_snapshot(count_to(11), state(11)) == StoreOutcome::rejected);
    CHECK(tight.rejected() == 1);
    CHECK(tight.evictions() == 0);
    CHECK(tight.len() == 2);
    // a pinned (4 of 10 tokens): seven more cannot fit beside it, six can once b has gone.
    SnapshotHandle pinned = tight.lookup(a).handle;
    tight.pin(pinned);
    CHECK(tight.store_snapshot(count_to(7), state(7)) == StoreOutcome::rejected);
    CHECK(tight.len() == 2);
    CHECK(tight.store_snapshot(count_to(6), state(6)) == StoreOutcome::stored);
    CHECK(tight.store_snapshot(c, state(4)) == StoreOutcome::stored);
    CHECK(tight.is_valid(pinned));
    CHECK(tight.store_snapshot(a, state(4)) == StoreOutcome::rejected);  // in use: not replaced either
    tight.unpin(pinned);
    CHECK(error_of([&] { tight.unpin(pinned); }) == "snapshots: unpin of an entry that is not pinned");
    CHECK(tight.store_snapshot(count_to(10), state(10)) == StoreOutcome::stored);
    CHECK(tight.len() == 1);
    CHECK_FALSE(tight.is_valid(pinned));
    CHECK(error_of([&] { tight.pin(pinned); }).find("stale handle") != std::string::npos);
    tight.check_invariants();
}

TEST_CASE("2.9 len, is_empty, clear, hits, misses") {
    SnapshotCache cache = cache_of(2);
    CHECK(cache.is_empty());
    for (uint32_t n = 3; n <= 6; ++n) cache.store_snapshot(count_to(n), state(n));
    cache.lookup(count_to(6));
    cache.lookup(Tokens{9});
    SnapshotHandle handle = cache.lookup(count_to(6)).handle;
    cache.pin(handle);
    CHECK(cache.len() == 2);
    CHECK(cache.hits() == 2);
    CHECK(cache.misses() == 1);
    CHECK(cache.skipped() == 1);
    CHECK(cache.evictions() == 1);
    CHECK(cache.pinned() == 1);
    cache.clear();
    CHECK(cache.is_empty());
    CHECK(cache.hits() + cache.misses() + cache.skipped() + cache.evictions() + cache.rejected() == 0);
    CHECK(cache.prompt_tokens() + cache.reused_tokens() + cache.memory_usage() + cache.pinned() == 0);
    CHECK(cache.shared_bytes() == 0);
    CHECK_FALSE(cache.is_valid(handle));
    CHECK(cache.store_snapshot(count_to(4), state(4, 0, {2, 3})) == StoreOutcome::stored);  // another shape
    CHECK_FALSE(cache.is_valid(handle));  // also when the slot is used again
    cache.check_invariants();
}

TEST_CASE("snapshots and buffers refuse what does not fit") {
    using Floats = std::vector<std::vector<float>>;
    CHECK(error_of([] { KvSnapshot(Floats{}, Floats{}, 1, 1); }) ==
          "snapshot: expected at least one layer and a kv_dim of at least 1");
    CHECK(error_of([] { KvSnapshot(Floats{{1}}, Floats{{1}, {1}}, 1, 1); }) ==
          "snapshot: 1 layers of keys, 2 of values");
    CHECK(error_of([] { KvSnapshot(Floats{{1}, {1}}, Floats{{1}, {1, 2}}, 1, 1); }) ==
          "snapshot: layer 1 has 2 floats of values, expected seq_len * kv_dim = 1");
    CHECK(error_of([] { KvSnapshot(Floats{{1}}, Floats{{1}}, 4294967295u, 4294967295u); })
              .find("18446744065119617025") != std::string::npos);
    CHECK(error_of([] { KvBuffer({0, 1}, 1); }) == "KV buffer: layers, kv_dim and max_seq_len must be at least 1");
    CHECK(error_of([] { KvBuffer({4294967295u, 4294967295u}, 4294967295u); }).find("2^40") != std::string::npos);
    KvBuffer buffer({2, 3}, 2);
    std::vector<float> row(3, 1), wide(4);
    CHECK(error_of([&] { buffer.store(2, row, row); }) == "KV buffer: layer 2 of 2 layers");
    CHECK(error_of([&] { buffer.store(0, row, wide); }) ==
          "KV buffer: a token has 3 values of keys and 4 of values, expected 3 each");
    CHECK(buffer.keys(0).empty());
    buffer.store(0, row, row);
    CHECK(buffer.keys(0).size() == 3);  // readable while the token is being written
    CHECK(buffer.keys(1).empty());
    CHECK(error_of([&] { buffer.advance(); }) == "KV buffer: token 0 has no keys and values in layer 1");
    buffer.store(1, row, row);
    buffer.advance();
    CHECK(error_of([&] { buffer.truncate(2); }) == "KV buffer: cannot truncate 1 tokens to 2");
    CHECK(error_of([&] { buffer.snapshot(2); }) == "KV buffer: snapshot of 2 tokens, there are 1");
    for (uint32_t layer : {0u, 1u}) buffer.store(layer, row, row);
    buffer.advance();
    CHECK(error_of([&] { buffer.store(0, row, row); }) == "KV buffer: full at 2 tokens");
    CHECK(buffer.snapshot().bytes() == 96);  // 2 tokens x 3 values x 2 layers x 2 x 4 bytes
    buffer.clear();
    CHECK(buffer.seq_len() == 0);
    CHECK(buffer.bytes() == 96);
}

TEST_CASE("replay of snapshots: boundaries, cost, order") {
    // 0: 8 tokens. 1: 12 tokens, the first 8 of them request 0's. 2: the same prompt as 1. 3: 10 tokens, 8 as 0.
    const char* text =
        "{\"kvsim_trace\":1,\"block_size\":4}\n"
        "{\"op\":\"request\",\"seq\":\"a\",\"t\":0,\"length\":8,\"blocks\":[1,2],\"output_length\":9}\n"
        "{\"op\":\"request\",\"seq\":\"b\",\"t\":1,\"length\":12,\"blocks\":[1,2,3],\"output_length\":9}\n"
        "{\"op\":\"request\",\"seq\":\"c\",\"t\":2,\"length\":12,\"blocks\":[1,2,3],\"output_length\":9}\n"
        "{\"op\":\"request\",\"seq\":\"d\",\"t\":3,\"length\":10,\"blocks\":[1,2,4],\"output_length\":9}\n";
    Trace trace = kvsim_test::load_text(text);
    CHECK(error_of([&] {
              RunResult result;
              make_snapshot_cache("snapshot")->run(trace, {}, result);
          }) == "--match snapshot: the trace must name prefixes in blocks of 1 token, it has 4 tokens per block");
    trace.reblock_to(1);
    auto cache = make_snapshot_cache("snapshot");
    RunResult result;
    cache->run(trace, {}, result);
    CHECK(result.hit_blocks == std::vector<uint32_t>{0, 8, 11, 8});
    CHECK(cache->entries() == 3);
    CHECK(cache->counts().replaced == 1);
    CHECK(cache->resident_tokens() == 30);  // 8 + 12 + 10
    CHECK(cache->shared_tokens() == 14);    // 8, 4 more, 2 more
    CHECK(result.total.evicted_blocks == 0);
    // Room for 21 tokens: 8 and 12 fit; c serves itself (b's entry) and is stored again; d hits a's, then needs 10:
    // b's, used longest ago, goes.
    RunOptions options;
    options.capacity_blocks = 21;
    cache = make_snapshot_cache("snapshot:max_entries=9,min_prefix_len=8");
    RunResult tight;
    cache->run(trace, options, tight);
    CHECK(tight.hit_blocks == std::vector<uint32_t>{0, 8, 11, 8});
    CHECK(tight.total.evicted_blocks == 12);
    CHECK(cache->counts().evictions == 1);
    CHECK(tight.total.resident_blocks == 8 + 20 + 20 + 18);
    CHECK(tight.total.active_blocks == 8 + 12 + 12 + 10);
    CHECK(tight.peak_resident_blocks == 20);
    cache->check_invariants();
    // Nine tokens at least: a is never stored, so only c finds anything. One entry: each store evicts.
    cache = make_snapshot_cache("snapshot:max_entries=1,min_prefix_len=9");
    RunResult one;
    cache->run(trace, options, one);
    CHECK(one.hit_blocks == std::vector<uint32_t>{0, 0, 11, 0});
    CHECK(cache->counts().skipped == 1);
    CHECK(cache->entries() == 1);
    // Room for 9: 12 and 10 tokens are rejected, what is there stays and serves.
    options.capacity_blocks = 9;
    cache = make_snapshot_cache("snapshot");
    RunResult small;
    cache->run(trace, options, small);
    CHECK(small.hit_blocks == std::vector<uint32_t>{0, 8, 8, 8});
    CHECK(cache->counts().rejected == 3);
    CHECK(small.total.active_blocks == 8);
}

TEST_CASE("replay of snapshots: a tail without a name ends the key") {
    // 10 tokens of which 8 are named: the key is 8 tokens, so the next 10 tokens with the same blocks hit 8.
    Trace trace = kvsim_test::load_text(
        "{\"kvsim_trace\":1,\"block_size\":4}\n"
        "{\"op\":\"request\",\"seq\":\"a\",\"t\":0,\"length\":10,\"blocks\":[1,2]}\n"
        "{\"op\":\"request\",\"seq\":\"b\",\"t\":1,\"length\":10,\"blocks\":[1,2]}\n"
        "{\"op\":\"request\",\"seq\":\"c\",\"t\":2,\"length\":8,\"blocks\":[1,2]}\n");
    trace.reblock_to(1);
    auto cache = make_snapshot_cache("snapshot");
    RunResult result;
    cache->run(trace, {}, result);
    CHECK(result.hit_blocks == std::vector<uint32_t>{0, 8, 7});
    CHECK(cache->entries() == 1);
    CHECK(cache->resident_tokens() == 8);
}

TEST_CASE("replay of snapshots: words") {
    CHECK(SnapshotMatchOptions::parse("snapshot").text() == "snapshot:max_entries=256,min_prefix_len=4");
    CHECK(SnapshotMatchOptions::parse("snapshot:max_entries=9").text() == "snapshot:max_entries=9,min_prefix_len=4");
    for (const char* bad : {"", "block", "snapshot:", "snapshot:max_entries=0", "snapshot:min_prefix_len=0",
                            "snapshot:max_entries=-1", "snapshot:max_entries=nan", "snapshot:max_entry=3",
                            "snapshot:max_entries=99999999999999999999", "snapshot:max_entries=1,max_entries=2"})
        CHECK(error_of([&] { make_snapshot_cache(bad); }) != "no error");
    CHECK(error_of([] { make_snapshot_cache("snapshot:max_entry=3"); }).find("did you mean 'max_entries'?") !=
          std::string::npos);
}

}  // namespace snapshot_cache_test
