// Cells of compare that ask for the same run share it: each is simulated once, and says what it would have said alone.
#include <kvsim/eviction/block_fifo.h>
#include <kvsim/layout/block_row.h>
#include <kvsim/sim/compare.h>

#include <atomic>

#include "unit/timed_strategies.h"

namespace compare_cells_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

std::atomic<int> runs{0};

/// FIFO that counts how often it begins.
template <bool kLeaves>
class CountingFifo : public BlockFifo<kLeaves> {
  public:
    using BlockFifo<kLeaves>::BlockFifo;
    static StrategyInfo info() {
        StrategyInfo info = BlockFifo<kLeaves>::info();
        info.id = "counting_fifo";
        return info;
    }
    void reset(const StrategyContext& context) {
        ++runs;
        BlockFifo<kLeaves>::reset(context);
    }
};

Trace turns() {
    std::string text = kHead;
    for (int i = 0; i < 40; ++i) {
        std::string head = std::to_string(i % 5 * 10) + "," + std::to_string(i % 5 * 10 + 1);
        text += chain("r" + std::to_string(i), i, head + "," + std::to_string(100 + i), 3, ",\"output_length\":5");
    }
    return load_text(text);
}

CellSpec cell(const Trace& trace, const std::string& eviction, uint64_t blocks, const PrefillFlops* flops) {
    CellSpec c;
    c.trace = &trace;
    c.options.cache.eviction = eviction;
    c.options.run.capacity_blocks = blocks;
    c.options.run.warmup_requests = 4;
    c.options.flops = flops;
    return c;
}

std::vector<CellResult> run(const std::vector<CellSpec>& cells) {
    CompareOptions options;
    options.jobs = 2;
    options.columns = true;
    options.blame = 3;
    std::atomic<uint64_t> done{0};
    options.done = &done;
    std::vector<CellResult> results = run_cells(cells, options);
    CHECK(done == cells.size());
    return results;
}

bool same(const CellResult& a, const CellResult& b) {
    bool values = a.outcome.value.has_value() == b.outcome.value.has_value();
    if (values && a.outcome.value)
        values = a.outcome.value->hit_rate == b.outcome.value->hit_rate &&
                 a.outcome.value->flops_saved == b.outcome.value->flops_saved;
    return values && a.status == b.status && a.reason == b.reason && a.outcome.run.total == b.outcome.run.total &&
           a.outcome.metrics.hits.hit_blocks == b.outcome.metrics.hits.hit_blocks &&
           a.outcome.metrics.hits.any_hit_tokens == b.outcome.metrics.hits.any_hit_tokens &&
           a.columns.hits == b.columns.hits && a.columns.lookups == b.columns.lookups && a.by_seed == b.by_seed;
}

}  // namespace

TEST_CASE("compare: cells that the model alone tells apart are simulated once") {
    if (!block_strategies().find("counting_fifo")) block_strategies().add(block_row<CountingFifo>());
    Trace t = turns();
    PrefillFlops small(models().get("llama-3.1-8b").shape), large(models().get("llama-3.1-405b").shape);
    std::vector<CellSpec> cells = {cell(t, "counting_fifo", 60, &small), cell(t, "counting_fifo", 60, &large),
                                   cell(t, "counting_fifo", 60, nullptr), cell(t, "counting_fifo", 10, &small)};
    cells.push_back(cells[0]);
    cells.back().options.run.decode = false;
    cells.push_back(cells[1]);
    cells.back().options.cache.accounting = "flat";
    runs = 0;
    std::vector<CellResult> together = run(cells);
    CHECK(runs == 4);  // 60 blocks, 10 blocks, decode off, flat
    for (size_t i = 0; i < cells.size(); ++i) {
        CAPTURE(i);
        CHECK(together[i].status == CellStatus::ok);
        CHECK(together[i].outcome.value.has_value() == (i != 2));
        CHECK(same(together[i], run({cells[i]})[0]));
    }
    CHECK(together[0].outcome.value->flops_saved < together[1].outcome.value->flops_saved);
}

TEST_CASE("compare: a shared run keeps its seeds, a shared reason all its cells") {
    Trace t = turns();
    PrefillFlops small(models().get("llama-3.1-8b").shape), large(models().get("llama-3.1-405b").shape);
    std::vector<CellSpec> cells = {cell(t, "random", 12, &small), cell(t, "random", 12, &large),
                                   cell(t, "nothing", 12, &small), cell(t, "nothing", 12, &large),
                                   cell(t, "lru", 12, &small)};
    cells[0].by_seed = cells[1].by_seed = {"random:seed=1", "random:seed=2", "random:seed=3"};
    cells[4].skip = "not today";
    std::vector<CellResult> together = run(cells);
    for (size_t i = 0; i < cells.size(); ++i) CHECK(same(together[i], run({cells[i]})[0]));
    CHECK(together[1].by_seed.size() == 3);
    CHECK(together[3].status == CellStatus::skipped);
    CHECK(together[3].reason.find("nothing") != std::string::npos);
    CHECK(together[4].reason == "not today");
}

TEST_CASE("compare: on recorded keys and values types tell runs apart") {
    KvData data = load_kv_data("synthetic:tokens=48,sequences=2,layers=1,head_dim=16");
    Trace t = trace_of(data);
    std::vector<CellSpec> cells(3);
    for (size_t i = 0; i < cells.size(); ++i) {
        cells[i].trace = &t;
        cells[i].options.cache.layout = "quantized";
        cells[i].options.kv_data = &data;
        cells[i].options.k_dtype = cells[i].options.v_dtype = i == 1 ? "bf16" : "f32";
    }
    std::vector<CellResult> together = run(cells);
    auto bytes = [&](size_t i) { return together[i].outcome.compression->bytes().data; };
    CHECK(together[1].status == CellStatus::ok);
    CHECK(bytes(0) == 2 * bytes(1));
    CHECK(bytes(2) == bytes(0));
}

}  // namespace compare_cells_test
