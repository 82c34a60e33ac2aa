// Sequences: tokens appended per second by decode events, and the cost of a victim. items = appended tokens, or
// victims.
//
// "records" are plain loops that touch the same records of sequences in the same order, 64 bytes each, and do nothing
// else: what the machine allows.
#include <benchmark/benchmark.h>
#include <kvsim/core/random.h>
#include <kvsim/engine/engines.h>
#include <kvsim/layout/sequence_cache.h>

#include <string>
#include <vector>

using namespace kvsim;

namespace {

constexpr uint32_t kPrompt = 64;
constexpr uint32_t kDecodes = 2'000'000;

struct alignas(64) Record {
    uint64_t tokens = 0, last = 0, accesses = 0;
};

/// `idle` prompts that are never served again, then `running` ones that decode one token each in turn.
Trace decode_trace(uint32_t running, uint32_t idle) {
    Trace t;
    t.block_size = 16;
    for (uint32_t r = 0; r < running + idle; ++r) {
        t.prompt_tokens.push_back(kPrompt);
        t.output_tokens.push_back(r < idle ? 0 : kDecodes / running);
        t.arrival_s.push_back(r);
        t.source_row.push_back(r);
        t.events.push_back({EventKind::prompt, r, kNone, kPrompt});
    }
    for (uint32_t i = 0; i < kDecodes; ++i) t.events.push_back({EventKind::decode, idle + i % running, kNone, 1});
    return t;
}

void decode(benchmark::State& state, const std::string& eviction, bool evicts) {
    auto running = static_cast<uint32_t>(state.range(0));
    Trace trace = decode_trace(running, evicts ? running : 0);
    CacheConfig config;
    config.layout = "paged";
    config.eviction = eviction;
    resolve_cache(config);
    RunOptions options;
    // Room for all that is written but the idle ones: each of these is evicted once.
    if (evicts) options.capacity_blocks = uint64_t{running} * ((kPrompt + kDecodes / running + 15) / 16);
    uint64_t evicted = 0;
    for (auto _ : state) {
        RunResult run;
        layouts().get("paged").make(config, trace, options, RunPath::fastest)->run(trace, options, run);
        evicted = run.total.evicted_sequences;
    }
    state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kDecodes));
    state.counters["evicted"] = static_cast<double>(evicted);
}

void decode_records(benchmark::State& state) {
    Trace trace = decode_trace(static_cast<uint32_t>(state.range(0)), 0);
    for (auto _ : state) {
        std::vector<Record> records(trace.requests());
        uint64_t clock = 0;
        for (const Event& e : trace.events) {
            Record& r = records[e.sequence];
            r.tokens += e.tokens;
            r.last = ++clock;
            ++r.accesses;
        }
        benchmark::DoNotOptimize(records.data());
        benchmark::ClobberMemory();
    }
    state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kDecodes));
}

// A victim goes, a new sequence comes in its place, and a random one gets a token: three records each time.
void victims(benchmark::State& state, const std::string& eviction) {
    auto n = static_cast<uint32_t>(state.range(0));
    Random random(1);
    PagedConfig config;
    PagedCache cache(config, make_sequence_strategy(eviction));
    for (SequenceId id = 0; id < n; ++id) (void)cache.allocate(id, 1 + random.below(200));
    for (auto _ : state) {
        SequenceId gone = cache.evict()->id;
        (void)cache.allocate(gone, 1 + random.below(200));
        (void)cache.append(static_cast<SequenceId>(random.below(n)), 1);
    }
    state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}

void victim_records(benchmark::State& state) {
    auto n = static_cast<uint32_t>(state.range(0));
    Random random(1);
    std::vector<Record> records(n);
    uint64_t clock = 0;
    for (auto _ : state) {
        for (int i = 0; i < 3; ++i) {
            Record& r = records[random.below(n)];
            ++r.tokens;
            r.last = ++clock;
        }
        benchmark::DoNotOptimize(records.data());
    }
    state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}

}  // namespace

BENCHMARK(decode_records)->Arg(1000)->Arg(100000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(decode, unlimited, "lru", false)->Arg(1000)->Arg(100000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(decode, evicting, "lru", true)->Arg(1000)->Arg(100000)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(decode, longest_first, "longest_first", false)->Arg(1000)->Arg(100000)->Unit(benchmark::kMillisecond);
BENCHMARK(victim_records)->Arg(1000)->Arg(10000)->Arg(100000);
BENCHMARK_CAPTURE(victims, lru, "lru")->Arg(1000)->Arg(10000)->Arg(100000);
BENCHMARK_CAPTURE(victims, lfu, "lfu")->Arg(1000)->Arg(10000)->Arg(100000);
BENCHMARK_CAPTURE(victims, longest_first, "longest_first")->Arg(1000)->Arg(10000)->Arg(100000);
BENCHMARK_MAIN();
