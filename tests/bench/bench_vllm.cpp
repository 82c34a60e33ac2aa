// The vLLM engine on one core. items = blocks that requests hold, prompt (and output with decode) / block_size rounded
// up.
//
// bench_vllm                          google-benchmark; --benchmark_filter=512 chooses
// bench_vllm --once NAME              one replay and nothing else, for instruction counters and profiles
// Give the conversation trace as KVSIM_BENCH_TRACE.
#include "bench_trace.h"

#include <benchmark/benchmark.h>
#include <kvsim/engine/vllm.h>

#include <cstdio>
#include <cstring>
#include <map>

using namespace kvsim;

namespace {

struct Case {
    const char* name;
    uint32_t block_size;
    uint64_t blocks;
    bool decode;
    Arrivals arrivals;
    const char* engine;
};

constexpr Case kCases[] = {
    {"512/decode", 512, 8000, true, Arrivals::sequential, "vllm"},
    {"512/prefill", 512, 8000, false, Arrivals::sequential, "vllm"},
    {"512/classic", 512, 8000, true, Arrivals::sequential, "vllm_classic"},
    {"512/scheduler", 512, 8000, true, Arrivals::time, "vllm:max_num_batched_tokens=8192"},
    {"16/decode", 16, 256000, true, Arrivals::sequential, "vllm"},
    {"16/prefill", 16, 256000, false, Arrivals::sequential, "vllm"},
    {"16/window", 16, 256000, true, Arrivals::sequential, "vllm:groups=full+window:4096"},
};

const Trace& trace_in(uint32_t block_size) {
    static std::map<uint32_t, Trace> traces;
    auto [at, fresh] = traces.try_emplace(block_size);
    if (fresh) at->second = kvsim_bench::load_bench_trace(block_size);
    return at->second;
}

uint64_t blocks_of(const Trace& trace, bool decode) {
    uint64_t n = 0;
    for (uint32_t stored : trace.all_stored_blocks(decode)) n += stored;
    return n;
}

uint64_t replay(const Case& c) {
    const Trace& trace = trace_in(c.block_size);
    RunOptions options;
    options.capacity_blocks = c.blocks;
    options.decode = c.decode;
    options.arrivals = c.arrivals;
    RunResult result;
    VllmCache(c.engine, trace, options).run(trace, options, result);
    uint64_t hits = 0;
    for (uint32_t n : result.hit_blocks) hits += n;
    return hits;
}

}  // namespace

int main(int argc, char** argv) {
    for (const Case& c : kCases) {
        if (argc == 3 && std::strcmp(argv[1], "--once") == 0) {
            if (std::strcmp(argv[2], c.name) == 0)
                std::printf("%llu hits\n", static_cast<unsigned long long>(replay(c)));
            continue;
        }
        benchmark::RegisterBenchmark(c.name, [&c](benchmark::State& state) {
            uint64_t blocks = blocks_of(trace_in(c.block_size), c.decode);
            for (auto _ : state) benchmark::DoNotOptimize(replay(c));
            state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * blocks));
        })->Unit(benchmark::kMillisecond);
    }
    if (argc == 3 && std::strcmp(argv[1], "--once") == 0) return 0;
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
