// Handles of a prefix cache with data: a clone keeps what it names when the cache evicts it.
#include <kvsim/backend/prefix_kv.h>
#include <kvsim/core/error.h>
#include <kvsim/engine/engines.h>
#include <kvsim/trace/format.h>

#include <doctest/doctest.h>

#include "support/process.h"

namespace prefix_kv_test {

using namespace kvsim;

TEST_CASE("prefix data: a clone's blocks stay when the cache evicts them") {
    LoadOptions load;
    load.path = kvsim_test::source_file("traces/chat.jsonl");
    load.limit = 30;
    Trace trace = load_trace(load);
    Spec cpu = Spec::parse("cpu:threads=1");
    auto backend = backends().get("cpu").make(cpu);
    KernelLog log;
    const uint32_t capacity = 40, room = 200;  // of the pool: some for what clones hold
    KvMemory memory(*backend, {1, 2, 8, 2, "f32", "f32", kv::Order::hnd, room, trace.block_size}, log);
    auto values = synthetic_values(2, 2, 8);

    struct Kept {
        CacheHandle handle;
        std::vector<float> keys;
    };
    std::vector<Kept> clones;
    std::vector<CacheHandle> originals;
    PrefixKv data(trace, true, memory, *values, false, [&](const CacheHandle& handle, const KvMemory::Source&) {
        if (originals.size() < 3) {
            originals.push_back(handle);
            clones.push_back({handle.clone(), handle.key_cache(0)});
            CHECK(clones.back().handle.block_table() == handle.block_table());  // shared, not copied
            CHECK(clones.back().handle.cache_id() != handle.cache_id());
            CHECK(clones.back().handle.num_tokens() == handle.num_tokens());
        }
    });
    CacheConfig config;
    resolve_cache(config);
    RunOptions run;
    run.capacity_blocks = capacity;
    run.observer = &data;
    RunResult result;
    cache_row(config).make(config, trace, run, RunPath::blocks)->run(trace, run, result);
    REQUIRE(result.total.evicted_blocks > 100);  // nothing of the first requests is left
    for (const CacheHandle& h : originals) CHECK_FALSE(h.is_valid());
    for (const Kept& k : clones) {
        REQUIRE(k.handle.is_valid());
        CHECK(k.keys.size() > 0);
        CHECK(k.handle.key_cache(0) == k.keys);
    }
    CacheHandle again = clones[0].handle.clone();
    SequenceId freed = clones[0].handle.sequence();
    data.free(freed);
    CHECK_FALSE(clones[0].handle.is_valid());
    CHECK(again.key_cache(0) == clones[0].keys);
    CHECK_THROWS_AS(data.free(freed), Error);
}

TEST_CASE("prefix data: a pool that clones have used up is said so") {
    LoadOptions load;
    load.path = kvsim_test::source_file("traces/chat.jsonl");
    load.limit = 30;
    Trace trace = load_trace(load);
    Spec cpu = Spec::parse("cpu:threads=1");
    auto backend = backends().get("cpu").make(cpu);
    KernelLog log;
    KvMemory memory(*backend, {1, 2, 8, 2, "f32", "f32", kv::Order::hnd, 40, trace.block_size}, log);
    auto values = synthetic_values(2, 2, 8);
    PrefixKv data(trace, true, memory, *values, false, [](const CacheHandle& handle, const KvMemory::Source&) { handle.clone(); });
    CacheConfig config;
    resolve_cache(config);
    RunOptions run;
    run.capacity_blocks = 40;
    run.observer = &data;
    RunResult result;
    auto cache = cache_row(config).make(config, trace, run, RunPath::blocks);
    CHECK_THROWS_WITH_AS(cache->run(trace, run, result),
                         "prefix data: clones hold blocks that were evicted, and the pool has no other; free them", Error);
}

}  // namespace prefix_kv_test
