// Bootstrap intervals of a table: 20 strategies and a baseline on as many requests as the conversation trace has.
// items = draws x compared cells.
#include <benchmark/benchmark.h>
#include <kvsim/core/random.h>
#include <kvsim/sim/confidence.h>

using namespace kvsim;

namespace {

void intervals(benchmark::State& state) {
    auto requests = static_cast<uint64_t>(state.range(0));
    auto cells = static_cast<uint64_t>(state.range(1)) + 1;
    Random random(1);
    std::vector<std::vector<uint64_t>> columns(cells + 1);
    for (auto& column : columns)
        for (uint64_t r = 0; r < requests; ++r) column.push_back(random.below(20000));
    std::vector<BootstrapCell> table;
    for (uint64_t c = 0; c < cells; ++c) table.push_back({columns[cells], columns[c], 0});
    BootstrapOptions options;
    for (auto _ : state) benchmark::DoNotOptimize(bootstrap(table, options));
    state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * (cells - 1) * options.draws));
}

}  // namespace

BENCHMARK(intervals)->Unit(benchmark::kMillisecond)->Args({12031, 1})->Args({12031, 20})->Args({1000000, 20});
BENCHMARK_MAIN();
