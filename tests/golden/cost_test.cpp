// Cost formulas against a table and a run that were computed by programs that share nothing with this one.
#include <doctest/doctest.h>
#include <kvsim/model/cost.h>
#include <kvsim/sim/confidence.h>
#include <kvsim/sim/replay.h>

#include <cmath>

#include "golden/shared_trace.h"

namespace cost_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

/// Rounded to `unit`, and 0.1 % for constants that were rounded elsewhere (6.549 is printed 6.6: as with 989.5 TFLOPS).
bool prints_as(double value, double printed, double unit) {
    return std::abs(value - printed) <= unit / 2 + 0.001 * printed;
}

}  // namespace

TEST_CASE("golden: where attention costs as much as the rest, and break-even bandwidth on an H100") {
    struct Row {
        const char* id;
        double thousand_tokens, tokens_unit;  // 0 = not in the table
        double gb_per_s, bandwidth_unit;
    };
    const Row rows[] = {
        {"llama-3.1-8b", 30.6, 0.1, 3.6, 0.1},      {"llama-3.1-70b", 53.8, 0.1, 1.0, 0.1},
        {"llama-3.1-405b", 98.3, 0.1, 0.28, 0.01},  {"llama-2-7b", 25.7, 0.1, 17.3, 0.1},
        {"mistral-7b", 27.6, 0.1, 4.0, 0.1},        {"mistral-nemo-12b", 37.4, 0.1, 3.0, 0.1},
        {"mixtral-8x7b", 49, 1, 2.3, 0.1},          {"mixtral-8x22b", 57, 1, 1.3, 0.1},
        {"qwen2.5-7b", 38, 1, 1.7, 0.1},            {"qwen2.5-14b", 30, 1, 3.0, 0.1},
        {"qwen2.5-32b", 50, 1, 1.8, 0.1},           {"qwen3-8b", 28, 1, 4.0, 0.1},
        {"qwen3-14b", 36, 1, 2.5, 0.1},             {"qwen3-32b", 31, 1, 1.8, 0.1},
        {"qwen3-30b-a3b", 8.5, 0.1, 6.6, 0.1},      {"qwen3-235b-a22b", 14, 1, 1.9, 0.1},
        {"qwen3-coder-480b-a35b", 23, 1, 1.6, 0.1}, {"deepseek-v3", 0, 1, 0.42, 0.01},
        {"kimi-k2", 0, 1, 0.49, 0.01},
    };
    const Gpu& h100 = gpus().get("h100-sxm").gpu;
    CHECK(h100.prefill_mfu == 0.45);
    for (const Row& row : rows) {
        CAPTURE(row.id);
        const ModelShape& shape = models().get(row.id).shape;
        double tokens = *PrefillFlops(shape).equal_at() / 1000;
        double bandwidth = break_even_bytes_per_s(shape, 1, h100) / 1e9;
        CAPTURE(tokens);
        CAPTURE(bandwidth);
        if (row.thousand_tokens != 0) CHECK(prints_as(tokens, row.thousand_tokens, row.tokens_unit));
        CHECK(prints_as(bandwidth, row.gb_per_s, row.bandwidth_unit));
    }
}

TEST_CASE("golden: PCIe 5 against recomputing on an H100") {
    // "wins by 3.7 x (MHA) to 230 x (405B)"
    const Gpu& h100 = gpus().get("h100-sxm").gpu;
    auto wins = [&](const char* id) {
        return *h100.link_bytes_per_s / break_even_bytes_per_s(models().get(id).shape, 1, h100);
    };
    CHECK(prints_as(wins("llama-2-7b"), 3.7, 0.1));
    CHECK(prints_as(wins("llama-3.1-405b"), 230, 10));
}

TEST_CASE("golden: FLOP-weighted hit rate on conversation") {
    const Trace& trace = shared_trace(kConversation);
    if (trace.requests() == 0) return;
    ReplayOptions options;
    options.run.capacity_blocks = 20000;
    options.run.decode = false;
    ReplayOutcome outcome = replay(trace, options);
    // LRU hits .2878 of the blocks. The reference counts whole blocks, also where a prompt ends in one, and takes 8.0e9
    // parameters for Llama 3.1 8B: .2658.
    HitColumns blocks = hit_columns(trace, outcome.run, 0, HitUnit::blocks);
    const HitCounts& counts = outcome.metrics.hits;
    auto rate = static_cast<double>(counts.hit_blocks) / static_cast<double>(counts.lookup_blocks);
    CHECK(std::abs(rate - 0.2878) < 0.00005);
    for (uint64_t& n : blocks.lookups) n *= 512;
    for (uint64_t& n : blocks.hits) n *= 512;
    ModelShape rounded = models().get("llama-3.1-8b").shape;
    rounded.active_params = 8'000'000'000;
    CHECK(std::abs(flop_hit_rate(PrefillFlops(rounded), blocks.lookups, blocks.hits) - 0.2658) < 0.00005);
    // In tokens, as reports count, with 8.03e9 parameters: the plain rate is .2935, the weighted one below it.
    HitColumns tokens = hit_columns(trace, outcome.run, 0);
    double weighted = flop_hit_rate(PrefillFlops(models().get("llama-3.1-8b").shape), tokens.lookups, tokens.hits);
    CHECK(std::abs(weighted - 0.27069) < 0.000005);
    // The larger the model, the less attention weighs.
    double large = flop_hit_rate(PrefillFlops(models().get("llama-3.1-405b").shape), tokens.lookups, tokens.hits);
    CHECK(large > weighted);
    CHECK(large < static_cast<double>(counts.hit_tokens) / static_cast<double>(counts.lookup_tokens));
}

}  // namespace cost_test
