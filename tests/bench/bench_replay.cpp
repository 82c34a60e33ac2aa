// Replay of prefix LRU: by runs and block by block. items = block references (lookups and output blocks).
//
// bench_replay           google-benchmark: hot, many iterations
// bench_replay --first   each run once in this fresh process, as a command-line tool does it: milliseconds
#include "bench_trace.h"

#include <benchmark/benchmark.h>
#include <kvsim/layout/prefix.h>

#include <chrono>
#include <cstdio>
#include <cstring>

using namespace kvsim;

struct Case {
    const char* name;
    const char* accounting;
    RunPath path;
    uint32_t block_size;
    uint64_t capacity;
    bool decode;
    uint64_t concurrency = 1;
};
static constexpr Case kCases[] = {
    {"pinned/runs/512", "pinned", RunPath::fastest, 512, 8000, true},
    {"pinned/runs/16", "pinned", RunPath::fastest, 16, 256000, true},
    {"pinned/blocks/512", "pinned", RunPath::blocks, 512, 8000, true},
    {"pinned/blocks/16", "pinned", RunPath::blocks, 16, 256000, true},
    {"flat/runs/512", "flat", RunPath::fastest, 512, 8000, true},
    {"flat/blocks/512", "flat", RunPath::blocks, 512, 8000, true},
    {"tree/blocks/512", "tree", RunPath::blocks, 512, 8000, true},
    {"pinned/runs/512/n8", "pinned", RunPath::fastest, 512, 8000, true, 8},
    {"pinned/blocks/512/n8", "pinned", RunPath::blocks, 512, 8000, true, 8},
    {"pinned/blocks/16/n8", "pinned", RunPath::blocks, 16, 256000, true, 8},
    {"tree/blocks/512/n8", "tree", RunPath::blocks, 512, 8000, true, 8},
    {"pinned/blocks/512/trace", "pinned", RunPath::blocks, 512, 8000, true, kByTrace},
    {"tree/blocks/512/trace", "tree", RunPath::blocks, 512, 8000, true, kByTrace},
};

static uint64_t references(const Trace& trace, bool decode) {
    uint64_t n = 0;
    for (uint32_t r = 0; r < trace.requests(); ++r) n += trace.stored_blocks(r, decode);
    return n;
}

// Traces without recorded ends get one: 30 ms per output token.
static Trace load(uint32_t block_size) {
    Trace trace = kvsim_bench::load_bench_trace(block_size);
    for (uint32_t r = 0; r < trace.requests(); ++r)
        if (!trace.end_s.has(r)) trace.end_s.set(r, trace.arrival_s[r] + 0.03 * trace.output_tokens[r]);
    return trace;
}

static uint64_t replay_once(const Case& c, const Trace& trace) {
    RunOptions options;
    options.capacity_blocks = c.capacity;
    options.decode = c.decode;
    options.concurrency = c.concurrency;
    RunResult result;
    make_prefix_cache("lru", Accounting::parse(c.accounting), trace, options, c.path)->run(trace, options, result);
    return result.total.evicted_blocks;
}

int main(int argc, char** argv) {
    if (argc >= 2 && std::strcmp(argv[1], "--first") == 0) {
        for (const Case& c : kCases) {
            if (argc > 2 && std::strcmp(argv[2], c.name) != 0) continue;
            Trace trace = load(c.block_size);
            auto start = std::chrono::steady_clock::now();
            uint64_t evicted = replay_once(c, trace);
            double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
            std::printf("%-24s %8.3f ms  %10.0f M references/s  %llu evicted\n", c.name, ms,
                        static_cast<double>(references(trace, c.decode)) / ms / 1e3,
                        static_cast<unsigned long long>(evicted));
        }
        return 0;
    }
    std::vector<Trace> traces;
    for (const Case& c : kCases) traces.push_back(load(c.block_size));
    for (size_t i = 0; i < std::size(kCases); ++i) {
        const Case& c = kCases[i];
        const Trace& trace = traces[i];
        benchmark::RegisterBenchmark(c.name, [&c, &trace](benchmark::State& state) {
            for (auto _ : state) benchmark::DoNotOptimize(replay_once(c, trace));
            state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * references(trace, c.decode)));
        });
    }
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
