// Data mode against the bookkeeping: the same counts, and keys and values that are what was written, on every layout.
#include <kvsim/core/error.h>
#include <kvsim/sim/replay.h>
#include <kvsim/trace/format.h>

#include <doctest/doctest.h>

#include "support/process.h"

namespace data_replay_test {

using namespace kvsim;

namespace {

Trace sample(const char* name, uint64_t limit) {
    LoadOptions o;
    o.path = kvsim_test::source_file(std::string("traces/") + name);
    o.limit = limit;
    return load_trace(o);
}

ReplayOptions small(const std::string& layout, uint64_t blocks) {
    ReplayOptions o;
    o.cache.layout = layout;
    o.run.capacity_blocks = blocks;
    o.bounds = false;
    o.data.emplace();
    o.data->backend = "cpu:threads=1";
    o.data->layers = 1;
    o.data->kv_heads = 2;
    o.data->query_heads = 2;
    o.data->head_dim = 8;
    o.data->k_dtype = "f32";
    o.data->v_dtype = "bf16";
    o.data->verify = true;
    return o;
}

}  // namespace

TEST_CASE("data mode: prefix, every accounting, whoever is evicted and however many run") {
    Trace t = sample("chat.jsonl", 30);
    for (const char* accounting : {"pinned", "flat", "tree"})
        for (const char* eviction : {"lru", "sieve", "gdsf"})
            for (uint64_t concurrency : {1, 3}) {
                if (concurrency > 1 && std::string(accounting) == "flat") continue;
                ReplayOptions o = small("prefix", 40);
                o.cache.accounting = accounting;
                o.cache.eviction = eviction;
                o.run.concurrency = concurrency;
                o.data->attend = concurrency == 3 && std::string(eviction) == "lru";
                INFO(std::string(accounting) << " " << std::string(eviction) << " " << concurrency);
                ReplayOutcome out = replay(t, o);
                REQUIRE(out.data);
                CHECK(out.run.total.evicted_blocks > 0);
                CHECK(out.data->pool_blocks <= 40);
                CHECK(out.data->read_sequences >= 30);  // each request, and each block at the end
                uint64_t hits = 0;
                for (uint32_t h : out.run.hit_blocks) hits += h > 0;
                for (const KernelSummary& k : out.data->kernels)
                    if (k.name == "gather") CHECK(k.calls == hits);
            }
}

TEST_CASE("data mode: sequences that are evicted, preempted, trimmed, moved and put off") {
    Trace t = sample("beam_search.jsonl", 16);
    struct How {
        const char *layout, *on_full, *eviction, *reserve;
    };
    for (const How& h : {How{"paged", "evict", "lru", ""}, How{"paged", "preempt", "", ""}, How{"paged", "wait", "", ""},
                         How{"paged", "evict", "streaming_llm:sink=4,window=24", ""}, How{"contiguous", "evict", "lru", "grow"},
                         How{"contiguous", "fail", "", "max"}}) {
        ReplayOptions unlimited = small(h.layout, kUnlimited);
        unlimited.data.reset();
        unlimited.cache.reserve = h.reserve;
        uint64_t blocks = replay(t, unlimited).run.peak_active_blocks * 2 / 3;
        for (bool attend : {false, true}) {
            ReplayOptions o = small(h.layout, blocks);
            o.cache.on_full = h.on_full;
            o.cache.eviction = h.eviction;
            o.cache.reserve = h.reserve;
            o.data->attend = attend;
            INFO(std::string(h.layout) << " " << std::string(h.on_full) << " " << std::string(h.eviction) << " " << std::string(h.reserve));
            ReplayOutcome out = replay(t, o);
            CHECK(out.data->read_tokens > 0);
            CHECK(out.data->pool_blocks <= blocks);
        }
    }
}

TEST_CASE("data mode: bytes that kernels moved, by hand") {
    // One request: 1 layer x 2 heads x 8 values, keys f32, values bf16.
    Trace t = sample("uniform.jsonl", 1);
    ReplayOptions o = small("paged", kUnlimited);
    o.data->verify = false;
    ReplayOutcome out = replay(t, o);
    REQUIRE(out.data->kernels.size() == 1);
    CHECK(out.data->kernels[0].name == "append");
    uint64_t tokens = uint64_t{t.prompt_tokens[0]} + t.output_tokens[0];
    // In: 2 x 16 f32; out: 16 f32 and 16 bf16; a slot of 8 bytes.
    CHECK(out.data->kernels[0].bytes == tokens * (2 * 16 * 4 + 16 * 4 + 16 * 2 + 8));
    CHECK(out.data->digest.empty());
}

}  // namespace data_replay_test
