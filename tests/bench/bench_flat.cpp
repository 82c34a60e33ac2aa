// Block strategies: one replay after the other, flat by the fastest path, the others block by block. items = block
// references.
//
// The trace many times, one copy after the other with ids of its own, 10,000 blocks, no output: 100 copies under flat
// accounting, 10 under the others. Under pinned and tree lru is replayed by runs elsewhere (bench_replay); here not.
// bench_flat                     google-benchmark; --benchmark_filter=^lru$ chooses, or ^pinned/, ^tree/
// bench_flat --once lru 3        one replay of 3 copies and nothing else, for instruction counters: what a reference
//                                costs is the difference between two numbers of copies, less that of strategy "-",
//                                which replays nothing; pinned/lru and tree/lru likewise
#include "bench_trace.h"

#include <benchmark/benchmark.h>
#include <kvsim/layout/prefix.h>

#include <cstdio>
#include <cstring>

using namespace kvsim;

static constexpr const char* kStrategies[] = {"fifo", "lru",  "clock", "sieve", "lfu",   "arc",  "s3_fifo",   "two_q",
                                              "slru", "gdsf", "qdlp",  "lfuda", "lirs",  "w_tinylfu", "lfu_history"};
static constexpr uint64_t kBlocks = 10000;

// Rows of traces without named output only.
static Trace copies(const Trace& one, uint32_t times) {
    Trace many;
    many.name = one.name;
    many.format = one.format;
    many.block_size = one.block_size;
    uint32_t n = one.requests();
    for (uint32_t copy = 0; copy < times; ++copy)
        for (uint32_t r = 0; r < n; ++r) {
            const ChainRecord& c = one.chains[one.lookup_row(r)];
            many.chains.append(c.shared == 0 ? kNone : c.owner + copy * n, c.shared, c.length);
            many.prompt_tokens.push_back(one.prompt_tokens[r]);
            many.output_tokens.push_back(one.output_tokens[r]);
            many.arrival_s.push_back(copy * 1e6 + one.arrival_s[r]);
            many.source_row.push_back(copy * n + r);
        }
    return many;
}

static uint64_t references(const Trace& trace) {
    uint64_t n = 0;
    for (uint32_t r = 0; r < trace.requests(); ++r) n += trace.lookup_blocks(r);
    return n;
}

// `what`: a strategy under flat, or ACCOUNTING/STRATEGY.
static uint64_t replay_once(const std::string& what, const Trace& trace) {
    if (what == "-") return 0;
    size_t slash = what.find('/');
    std::string accounting = slash == std::string::npos ? "flat" : what.substr(0, slash);
    std::string strategy = slash == std::string::npos ? what : what.substr(slash + 1);
    RunOptions options;
    options.capacity_blocks = kBlocks;
    options.decode = false;
    RunResult result;
    RunPath path = accounting == "flat" ? RunPath::fastest : RunPath::blocks;
    make_prefix_cache(strategy, Accounting::parse(accounting), trace, options, path)->run(trace, options, result);
    uint64_t hits = 0;
    for (uint32_t n : result.hit_blocks) hits += n;
    return hits;
}

static void add(const std::string& what, const Trace& trace) {
    benchmark::RegisterBenchmark(what.c_str(), [what, &trace](benchmark::State& state) {
        for (auto _ : state) benchmark::DoNotOptimize(replay_once(what, trace));
        state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * references(trace)));
    })->Unit(benchmark::kMillisecond);
}

int main(int argc, char** argv) {
    Trace one = kvsim_bench::load_bench_trace(512);
    if (argc == 4 && std::strcmp(argv[1], "--once") == 0) {
        Trace trace = copies(one, static_cast<uint32_t>(std::atoi(argv[3])));
        std::printf("%llu references, %llu hits\n", static_cast<unsigned long long>(references(trace)),
                    static_cast<unsigned long long>(replay_once(argv[2], trace)));
        return 0;
    }
    Trace many = copies(one, 100), some = copies(one, 10);
    for (const char* strategy : kStrategies) add(strategy, many);
    for (const char* accounting : {"pinned", "tree"})
        for (const BlockStrategyRow& row : block_strategies().rows())
            if (row.info.accountings.find(accounting) != std::string::npos)
                add(std::string(accounting) + "/" + row.id + (row.id == "workload_aware" ? ":classes=none" : ""), some);
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
