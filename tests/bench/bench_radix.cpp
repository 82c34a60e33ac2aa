// The radix tree on the prompts of a trace: each is matched (longest_prefix), then stored (insert). items = prompt
// tokens, so a rate is prompt tokens a second, matching and storing together. Beside it, in the same run, what the
// machine's own memcmp and memcpy do with as many bytes.
//
// tokens/expanded_before   all prompts lie in memory as u32 ids; only the tree is timed
// tokens/expanded_inside   each prompt is written out from its runs into one buffer first, inside the timed part
// expand                   that writing alone
// runs                     keys are runs of ids, nothing is written out
#include "bench_trace.h"

#include <benchmark/benchmark.h>
#include <kvsim/cache/radix_tree.h>
#include <kvsim/layout/prefix_snapshots.h>

#include <cstring>
#include <numeric>

using namespace kvsim;
using Tokens = HugeVector<uint32_t>;

static const Trace& trace() {
    static const Trace t = kvsim_bench::load_bench_trace(1);
    return t;
}

static void expand(uint32_t r, std::vector<Segment>& runs, Tokens& out) {
    const Trace& t = trace();
    t.chains.segments(t.lookup_row(r), t.lookup_blocks(r), runs);
    out.resize(t.lookup_blocks(r));
    uint32_t* to = out.data();
    for (const Segment& s : runs) {
        std::iota(to, to + s.count, s.begin);
        to += s.count;
    }
}

static uint64_t prompt_tokens() {
    uint64_t n = 0;
    for (uint32_t r = 0; r < trace().requests(); ++r) n += trace().lookup_blocks(r);
    return n;
}

static void set_rates(benchmark::State& state, uint64_t tokens_in_tree) {
    state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * prompt_tokens()));
    state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * prompt_tokens() * 4));
    state.counters["stored_tokens"] = static_cast<double>(tokens_in_tree);
}

static void BM_tokens_expanded_before(benchmark::State& state) {
    Tokens all;
    std::vector<std::span<const uint32_t>> prompts;
    all.resize(prompt_tokens());
    Tokens one;
    std::vector<Segment> runs;
    uint32_t* to = all.data();
    for (uint32_t r = 0; r < trace().requests(); ++r) {
        expand(r, runs, one);
        std::copy(one.begin(), one.end(), to);
        prompts.emplace_back(to, one.size());
        to += one.size();
    }
    uint64_t stored = 0;
    for (auto _ : state) {
        RadixTree<TokenLabels, uint32_t> tree;
        uint64_t matched = 0;
        for (uint32_t r = 0; r < prompts.size(); ++r) {
            matched += tree.longest_prefix(prompts[r]).matched;
            tree.insert(prompts[r], r);
        }
        benchmark::DoNotOptimize(matched);
        stored = tree.tokens();
    }
    set_rates(state, stored);
}

static void BM_tokens_expanded_inside(benchmark::State& state) {
    Tokens prompt;
    std::vector<Segment> runs;
    uint64_t stored = 0;
    for (auto _ : state) {
        RadixTree<TokenLabels, uint32_t> tree;
        uint64_t matched = 0;
        for (uint32_t r = 0; r < trace().requests(); ++r) {
            expand(r, runs, prompt);
            matched += tree.longest_prefix(prompt).matched;
            tree.insert(prompt, r);
        }
        benchmark::DoNotOptimize(matched);
        stored = tree.tokens();
    }
    set_rates(state, stored);
}

static void BM_expand(benchmark::State& state) {
    Tokens prompt;
    std::vector<Segment> runs;
    for (auto _ : state)
        for (uint32_t r = 0; r < trace().requests(); ++r) {
            expand(r, runs, prompt);
            benchmark::DoNotOptimize(prompt.data());
            benchmark::ClobberMemory();
        }
    set_rates(state, 0);
}

static void BM_runs(benchmark::State& state) {
    std::vector<Segment> runs;
    uint64_t stored = 0;
    const Trace& t = trace();
    for (auto _ : state) {
        RadixTree<RunLabels, uint32_t> tree;
        uint64_t matched = 0;
        for (uint32_t r = 0; r < t.requests(); ++r) {
            t.chains.segments(t.lookup_row(r), t.lookup_blocks(r), runs);
            matched += tree.longest_prefix(runs).matched;
            tree.insert(runs, r);
        }
        benchmark::DoNotOptimize(matched);
        stored = tree.tokens();
    }
    set_rates(state, stored);
}

static void BM_replay_snapshots(benchmark::State& state) {
    uint64_t shared = 0;
    for (auto _ : state) {
        RunOptions options;
        options.capacity_blocks = 4096000;  // 8,000 blocks of 512
        RunResult result;
        auto cache = make_snapshot_cache("snapshot");
        cache->run(trace(), options, result);
        shared = cache->shared_tokens();
    }
    set_rates(state, shared);
}

// As many bytes as the prompts have, between arrays that do not fit into caches.
static void BM_memcmp(benchmark::State& state) {
    Tokens a(prompt_tokens(), 1), b(prompt_tokens(), 1);
    for (auto _ : state) benchmark::DoNotOptimize(std::memcmp(a.data(), b.data(), a.size() * 4));
    set_rates(state, 0);
}
static void BM_memcpy(benchmark::State& state) {
    Tokens a(prompt_tokens(), 1), b(prompt_tokens(), 1);
    for (auto _ : state) {
        std::memcpy(a.data(), b.data(), a.size() * 4);
        benchmark::ClobberMemory();
    }
    set_rates(state, 0);
}
// Into memory that is new each time, as a tree's is.
static void BM_memcpy_fresh(benchmark::State& state) {
    Tokens b(prompt_tokens(), 1);
    for (auto _ : state) {
        Tokens a;
        a.reserve(b.size());
        a.insert(a.end(), b.begin(), b.end());
        benchmark::DoNotOptimize(a.data());
    }
    set_rates(state, 0);
}

BENCHMARK(BM_memcmp)->Name("memcmp")->Unit(benchmark::kMillisecond);
BENCHMARK(BM_memcpy)->Name("memcpy")->Unit(benchmark::kMillisecond);
BENCHMARK(BM_memcpy_fresh)->Name("memcpy/fresh")->Unit(benchmark::kMillisecond);
BENCHMARK(BM_tokens_expanded_before)->Name("tokens/expanded_before")->Unit(benchmark::kMillisecond);
BENCHMARK(BM_tokens_expanded_inside)->Name("tokens/expanded_inside")->Unit(benchmark::kMillisecond);
BENCHMARK(BM_expand)->Name("expand")->Unit(benchmark::kMillisecond);
BENCHMARK(BM_runs)->Name("runs")->Unit(benchmark::kMillisecond);
BENCHMARK(BM_replay_snapshots)->Name("replay/snapshots")->Unit(benchmark::kMillisecond);
BENCHMARK_MAIN();
