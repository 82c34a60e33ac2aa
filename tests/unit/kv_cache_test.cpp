// Caches of real keys and values, and handles on them: rows 3.1 to 3.9 and 4.1 to 4.5 of docs/FEATURES.md.
#include <kvsim/backend/cpu.h>
#include <kvsim/backend/kv_cache.h>
#include <kvsim/backend/row_format.h>

#include <cmath>
#include <doctest/doctest.h>

namespace kv_cache_test {

using namespace kvsim;

namespace {

constexpr uint32_t kLayers = 2, kHeads = 2, kDim = 16, kBlock = 4;

KvLayout layout_of(uint64_t blocks, kv::Order order = kv::Order::hnd, const std::string& dtype = "f32") {
    return {kLayers, kHeads, kDim, 4, dtype, dtype, order, blocks, kBlock};
}

/// A cache of so many blocks, and all it needs.
template <class Store>
struct World {
    std::unique_ptr<Backend> backend = make_cpu_backend(1);
    KernelLog log;
    KvMemory memory;
    std::unique_ptr<TokenValues> values = synthetic_values(kHeads, 4, kDim);
    KvCacheData data;
    KvCache<Store> cache;

    explicit World(uint64_t blocks, kv::Order order = kv::Order::hnd, typename Store::Config config = {})
        : memory(*backend, layout_of(blocks, order), log), data{&memory, values.get(), false, 0, {}, {}},
          cache(with_room(config, blocks)) {}

  private:
    typename KvCache<Store>::Config with_room(typename Store::Config config, uint64_t blocks) {
        config.blocks = blocks;
        config.block_size = kBlock;
        return {config, &data};
    }
};
using Paged = World<PagedStore>;
using Contiguous = World<ContiguousStore>;

/// What token `position` of the k-th sequence that was stored has, [heads, dim].
std::vector<float> original(uint64_t owner, uint32_t layer, uint64_t position, bool keys) {
    std::vector<float> k(kHeads * kDim), v(kHeads * kDim);
    synthetic_values(kHeads, 4, kDim)->rows(owner, layer, position, 1, k.data(), v.data());
    return keys ? k : v;
}
std::vector<float> token(const std::vector<float>& all, size_t t) {
    return {all.begin() + static_cast<ptrdiff_t>(t * kHeads * kDim), all.begin() + static_cast<ptrdiff_t>((t + 1) * kHeads * kDim)};
}

}  // namespace

TEST_CASE("handle: what it says of its sequence") {
    Paged w(10);
    CHECK_FALSE(w.cache.allocate(7, 9));  // 9 tokens in blocks of 4: 3 blocks
    CacheHandle h = w.cache.handle(7);
    CHECK(h.is_valid());
    CHECK(h.device() == "cpu");
    CHECK(h.num_layers() == 2);
    CHECK(h.kv_heads() == 2);
    CHECK(h.head_dim() == 16);
    CHECK(h.num_tokens() == 9);
    CHECK(h.block_table() == std::vector<uint32_t>{0, 1, 2});
    CacheHandleStats s = h.stats();
    CHECK(s.blocks == 3);
    CHECK(s.tokens == 9);
    CHECK(s.utilization == 0.75);  // 9 of 12
    CHECK(s.memory_bytes == 3 * 4 * 2 * 2 * 2 * 16 * 4);  // blocks x tokens x layers x (K, V) x heads x dim x f32
    CHECK(s.last_access == w.cache.facts(7).last_access);
    CHECK_FALSE(w.cache.append(7, 4));
    CHECK(h.num_tokens() == 13);
    CHECK(h.block_table().size() == 4);
    CHECK_THROWS_WITH_AS(h.key_cache(2), "layer 2: this cache has layers 0 to 1", Error);
    CHECK_THROWS_WITH_AS(w.cache.handle(8), "sequence 8: there is none to hold", Error);
}

TEST_CASE("handle: keys and values of every layer, in order of the tokens") {
    for (kv::Order order : {kv::Order::hnd, kv::Order::nhd}) {
        Paged w(10, order);
        w.cache.allocate(0, 5);
        w.cache.allocate(1, 3);
        w.cache.append(0, 6);
        for (uint32_t layer = 0; layer < kLayers; ++layer) {
            std::vector<float> keys = w.cache.handle(0).key_cache(layer), values = w.cache.handle(0).value_cache(layer);
            REQUIRE(keys.size() == 11 * kHeads * kDim);
            for (uint64_t t = 0; t < 11; ++t) {
                CHECK(token(keys, t) == original(0, layer, t, true));
                CHECK(token(values, t) == original(0, layer, t, false));
            }
            CHECK(token(w.cache.handle(1).key_cache(layer), 2) == original(1, layer, 2, true));
        }
    }
}

TEST_CASE("handle: stale after free, also when the number is used again, and when the cache is gone") {
    auto w = std::make_unique<Paged>(10);
    w->cache.allocate(3, 5);
    CacheHandle h = w->cache.handle(3), same = h;
    CHECK(same.cache_id() == h.cache_id());
    w->cache.free(3);
    CHECK_FALSE(h.is_valid());
    std::string stale = "stale handle " + std::to_string(h.cache_id()) + ": sequence 3 was freed or evicted";
    CHECK_THROWS_WITH_AS(h.num_tokens(), stale.c_str(), Error);
    CHECK_THROWS_WITH_AS(h.key_cache(0), stale.c_str(), Error);
    w->cache.allocate(3, 2);
    CHECK_FALSE(h.is_valid());
    CacheHandle later = w->cache.handle(3);
    CHECK(later.is_valid());
    CHECK(later.cache_id() != h.cache_id());
    w.reset();
    CHECK_FALSE(later.is_valid());
    CHECK_THROWS_AS(later.stats(), Error);
}

TEST_CASE("handle: a clone shares the blocks and outlives the original") {
    Paged w(10);
    w.cache.allocate(0, 6);
    CacheHandle h = w.cache.handle(0);
    uint64_t used = w.cache.used_blocks();
    size_t calls = w.log.calls().at("append").us.size();
    CacheHandle c = h.clone();
    CHECK(w.cache.used_blocks() == used);
    CHECK(w.cache.references(h.block_table()[0]) == 2);
    CHECK(w.log.calls().at("append").us.size() == calls);  // no byte moved
    CHECK(w.log.calls().count("copy_blocks") == 0);
    CHECK(c.cache_id() != h.cache_id());
    CHECK(c.block_table() == h.block_table());
    std::vector<float> before = h.key_cache(1);
    w.cache.free(0);
    CHECK(c.is_valid());
    CHECK(c.key_cache(1) == before);
    // Contiguous sequences share nothing: a clone is a copy.
    Contiguous k(20);
    k.cache.allocate(0, 6);
    CacheHandle d = k.cache.handle(0).clone();
    CHECK(d.key_cache(1) == before);
    CHECK(d.block_table() != k.cache.handle(0).block_table());
    Contiguous full(2);
    full.cache.allocate(0, 6);
    CHECK_THROWS_WITH_AS(full.cache.handle(0).clone(), "sequence 0 cannot be cloned: 2 blocks needed, 0 free", Error);
}

TEST_CASE("copy-on-write: the child's token goes to a copy, the parent's keys stay") {
    Paged w(10);
    w.cache.allocate(0, 6);  // 2 blocks, the second with 2 of 4 places filled
    w.cache.fork(0, 1);
    std::vector<float> parent = w.cache.handle(0).key_cache(0);
    CHECK_FALSE(w.cache.append(1, 1));
    CHECK(w.cache.used_blocks() == 3);
    const KernelCalls& copies = w.log.calls().at("copy_blocks");
    CHECK(copies.us.size() == 1);
    // 2 tokens x 2 layers x 2 heads x (K and V) x 64 bytes, read and written, and a pair of 8 bytes
    CHECK(copies.bytes == 2 * (2 * 2 * 2 * 2 * 64) + 8);
    CHECK(w.cache.handle(0).key_cache(0) == parent);
    std::vector<float> child = w.cache.handle(1).key_cache(0);
    CHECK(std::vector<float>(child.begin(), child.begin() + static_cast<ptrdiff_t>(parent.size())) == parent);
    CHECK(token(child, 6) == original(1, 0, 6, true));
    // The last owner writes in place: no further copy.
    w.cache.append(0, 1);
    CHECK(w.log.calls().at("copy_blocks").us.size() == 1);
    CHECK(token(w.cache.handle(0).key_cache(0), 6) == original(0, 0, 6, true));
    w.cache.check_invariants();
}

TEST_CASE("trimmed: sinks and window are read, the hole is not") {
    Paged w(10);
    w.cache.allocate(0, 18);
    w.cache.trim(0, 4, 5);  // blocks [1, floor(13 / 4)) = 1, 2 go: 8 tokens
    CacheHandle h = w.cache.handle(0);
    CHECK(h.num_tokens() == 10);
    CHECK(h.block_table() == std::vector<uint32_t>{0, kNone, kNone, 3, 4});
    std::vector<float> keys = h.key_cache(0);
    CHECK(token(keys, 3) == original(0, 0, 3, true));
    CHECK(token(keys, 4) == original(0, 0, 12, true));
    w.cache.append(0, 3);
    keys = h.key_cache(0);
    REQUIRE(keys.size() == 13 * kHeads * kDim);
    CHECK(token(keys, 9) == original(0, 0, 17, true));
    CHECK(token(keys, 12) == original(0, 0, 20, true));
}

TEST_CASE("contiguous: a run that grows in place, or moves, takes its rows along") {
    for (bool in_place : {true, false}) {
        Contiguous w(20);
        w.cache.allocate(0, 4);
        if (!in_place) w.cache.allocate(1, 4);  // what follows is taken
        w.cache.append(0, 9);                   // 13 tokens: 4 blocks
        Run run = w.cache.run(0);
        CHECK(run.count == 4);
        CHECK((run.begin == 0) == in_place);
        for (uint32_t layer = 0; layer < kLayers; ++layer)
            for (uint64_t t = 0; t < 13; ++t) {
                CHECK(token(w.cache.handle(0).key_cache(layer), t) == original(0, layer, t, true));
                CHECK(token(w.cache.handle(0).value_cache(layer), t) == original(0, layer, t, false));
            }
        if (!in_place) CHECK(token(w.cache.handle(1).key_cache(1), 3) == original(1, 1, 3, true));
    }
}

TEST_CASE("one pool: sequences have blocks of their own, and give them back") {
    Paged w(32);
    std::vector<bool> seen(32);
    for (SequenceId id = 0; id < 16; ++id) {
        w.cache.allocate(id, 5);
        for (uint32_t block : w.cache.handle(id).block_table()) {
            CHECK_FALSE(seen[block]);
            seen[block] = true;
        }
    }
    CHECK(w.cache.free_blocks() == 0);
    OutOfBlocks none = w.cache.allocate(16, 1).value();
    CHECK(none.need == 1);
    CHECK(none.have == 0);
    for (SequenceId id = 0; id < 16; ++id) w.cache.free(id);
    CHECK(w.cache.free_blocks() == 32);
    // All of it is allocated once: 32 blocks x 4 tokens x 2 layers x 2 heads x (K, V) x 16 x f32.
    CHECK(w.memory.bytes() == 32 * 4 * 2 * 2 * 2 * 16 * 4);
}

TEST_CASE("memory: refused before anything is allocated, and what kernels do not take") {
    auto backend = make_cpu_backend(1);
    KernelLog log;
    auto message = [&](const KvLayout& layout) -> std::string {
        try {
            KvMemory memory(*backend, layout, log);
        } catch (const Error& e) {
            return e.what();
        }
        return "";
    };
    std::string huge = message(layout_of(uint64_t{1} << 31));
    CHECK(huge.find("2147483648 blocks of keys and values take") != std::string::npos);
    CHECK(huge.find("are free; use fewer --blocks") != std::string::npos);
    CHECK(message(layout_of(uint64_t{1} << 32)).find("more than 2^32 - 2 blocks") != std::string::npos);
    CHECK(message(layout_of(1, kv::Order::hnd, "int4:axis=channel")).find("groups along tokens") != std::string::npos);
    CHECK(message(layout_of(1, kv::Order::hnd, "int4:hadamard=on")).find("a rotation") != std::string::npos);
    CHECK(message(layout_of(1, kv::Order::hnd, "mxfp4")).find("mxfp4") != std::string::npos);
    CHECK(message(layout_of(1, kv::Order::hnd, "int3")).find("has no kernels") != std::string::npos);
    KvLayout odd = layout_of(1);
    odd.query_heads = 3;
    CHECK(message(odd).find("expected a multiple of the 2 KV heads") != std::string::npos);
    // Groups inside one head: 16 values in two groups of 8, a scale and a low of 2 bytes each.
    kv::RowFormat f = row_format("int4:group=8", 16);
    CHECK(f.data_bytes() == 8);
    CHECK(f.meta_bytes() == 8);
    CHECK(row_format("int8:symmetric=on,scale=f32", 16).bytes() == 16 + 4);
}

}  // namespace kv_cache_test
