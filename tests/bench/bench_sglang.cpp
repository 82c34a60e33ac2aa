// SGLang's managers: whole replays (items = prompt tokens, decoded ones not counted), and what one eviction costs by the
// number of leaves.
//
// replay/POLICY/PAGE/prefill|decode   pages of as many tokens, room for 4,096,000 tokens
// insert_and_evict/POLICY/LEAVES      a tree of so many leaves in which each new one makes the next victim go
#include "bench_trace.h"

#include <benchmark/benchmark.h>
#include <kvsim/engine/sglang.h>

#include <map>
#include <random>

using namespace kvsim;

static const Trace& trace(uint32_t page) {
    static std::map<uint32_t, Trace> traces;
    auto [at, fresh] = traces.try_emplace(page);
    if (fresh) at->second = kvsim_bench::load_bench_trace(page);
    return at->second;
}

static void replay(benchmark::State& state, const std::string& spec, bool decode) {
    SglangConfig config = SglangConfig::parse(spec);
    const Trace& t = trace(config.page);
    RunOptions options;
    options.capacity_blocks = 4096000 / config.page;
    options.decode = decode;
    uint64_t tokens = 0, cached = 0;
    for (uint32_t prompt : t.prompt_tokens) tokens += prompt;
    for (auto _ : state) {
        RunResult result;
        SglangCache(config).run(t, options, result);
        cached = 0;
        for (uint32_t hit : result.hit_blocks) cached += uint64_t{hit} * config.page;
    }
    state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * tokens));
    state.counters["cached_tokens"] = static_cast<double>(cached);
}

// Requests of 64 tokens, one in four of which repeats an earlier one: keys change while their nodes wait.
static Trace unrelated(uint32_t requests) {
    Trace t;
    t.block_size = 1;
    std::mt19937_64 random(7);
    for (uint32_t r = 0; r < requests; ++r) {
        if (r > 8 && random() % 4 == 0) {
            uint32_t back = t.chains.rows() - 1 - static_cast<uint32_t>(random() % 8);
            while (t.chains[back].shared != 0) --back;
            t.chains.append(back, 64, 64);
        } else {
            t.chains.append(kNone, 0, 64);
        }
        t.prompt_tokens.push_back(64);
        t.output_tokens.push_back(1);
        t.priority.set(r, static_cast<double>(random() % 10));
    }
    return t;
}

static void evict(benchmark::State& state, SglangPolicy policy) {
    auto leaves = static_cast<uint32_t>(state.range(0));
    uint32_t more = 100000;
    Trace t = unrelated(2 * leaves + 2 * more);
    SglangPaths paths;
    paths.reset(t, false);
    SglangPaths::Walk path;
    uint64_t evictions = 0;
    for (auto _ : state) {
        state.PauseTiming();
        SglangTree tree(policy, false);
        tree.reset(paths);
        uint32_t r = 0;
        auto add = [&] {
            path.open(paths, r);
            tree.insert(path, 64, t.priority[r], false);
            ++r;
        };
        while (tree.nodes() < leaves) add();
        uint32_t last = r + more;
        state.ResumeTiming();
        while (r < last) {
            add();
            while (tree.nodes() > leaves) {
                benchmark::DoNotOptimize(tree.evict());
                ++evictions;
            }
        }
    }
    state.SetItemsProcessed(static_cast<int64_t>(evictions));
}

int main(int argc, char** argv) {
    for (const char* spec : {"sglang:page=1,policy=lru", "sglang:page=1,policy=lfu", "sglang:page=1,policy=mru",
                             "sglang:page=1,policy=lru,chunk=8192", "sglang_unified:page=1,policy=fifo", "sglang:page=16",
                             "sglang:page=64"})
        for (bool decode : {false, true})
            benchmark::RegisterBenchmark((std::string("replay/") + spec + (decode ? "/decode" : "/prefill")).c_str(),
                                         [=](benchmark::State& s) { replay(s, spec, decode); })
                ->Unit(benchmark::kMillisecond);
    for (SglangPolicy policy : {SglangPolicy::lru, SglangPolicy::lfu, SglangPolicy::mru, SglangPolicy::priority})
        benchmark::RegisterBenchmark(("insert_and_evict/" + sglang_policies()[static_cast<size_t>(policy)]).c_str(),
                                     [=](benchmark::State& s) { evict(s, policy); })
            ->Arg(1000)->Arg(10000)->Arg(100000)->Unit(benchmark::kMillisecond);
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
}
