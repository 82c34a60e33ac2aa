// Prefill FLOPs, seconds, break-even bandwidth, GPU presets: worked examples and limits.
#include "model_support.h"

#include <kvsim/model/cost.h>

namespace cost_test {

using namespace kvsim;
using namespace model_support;

namespace {

/// 3 layers, 4 query heads of 8, 100 parameters: 200 FLOPs a token and 4 x 3 x 4 x 8 = 384 for each token before it.
ModelShape small_model() {
    ModelShape shape = one_group(full_layers(3, 2, 8));
    shape.query_heads = 4;
    shape.active_params = 100;
    return shape;
}

const Gpu& gpu(const char* id) { return gpus().get(id).gpu; }

}  // namespace

TEST_CASE("prefill FLOPs: by hand") {
    PrefillFlops flops(small_model());
    CHECK(flops.at(0) == 200);
    CHECK(flops.at(5) == 200 + 5 * 384);
    // positions 2, 3, 4: 3 x 200 + (2 + 3 + 4) x 384
    CHECK(flops.range(2, 5) == 600 + 9 * 384);
    CHECK(flops.prefix(1) == 200);
    CHECK(flops.prefix(4) == 800 + 6 * 384);
    CHECK(flops.prefix(0) == 0);
    CHECK(flops.range(5, 5) == 0);
    CHECK(flops.range(6, 5) == 0);
    CHECK(*flops.equal_at() == 200.0 / 384);
    CHECK(*PrefillFlops(preset("llama-3.1-8b")).equal_at() == doctest::Approx(8.03e9 / (2 * 32 * 32 * 128)));
}

TEST_CASE("prefill FLOPs: windows, values of another width, MLA, states") {
    // 1 full layer, 2 layers with a window of 3: 128 and 256 FLOPs for each token attended to.
    ModelShape shape = one_group(full_layers(1, 2, 8));
    shape.query_heads = 4;
    shape.active_params = 100;
    shape.groups.push_back(window_layers(2, 3, 2, 8));
    PrefillFlops windows(shape);
    CHECK(windows.at(2) == 200 + 2 * 128 + 2 * 256);
    CHECK(windows.at(10) == 200 + 10 * 128 + 3 * 256);
    // positions 1 .. 5: full 15, windows 1 + 2 + 3 + 3 + 3 = 12
    CHECK(windows.range(1, 6) == 5 * 200 + 15 * 128 + 12 * 256);
    CHECK(windows.range(4, 6) == 2 * 200 + 9 * 128 + 6 * 256);
    CHECK(*windows.equal_at() == 200.0 / 128);

    LayerGroup uneven = full_layers(1, 2, 8);
    uneven.value_head_dim = 4;  // 2 x 4 x (8 + 4)
    shape.groups = {uneven};
    CHECK(PrefillFlops(shape).at(1) == 200 + 96);
    shape.groups = {mla_layers(2, 40, 12, 4)};  // 2 x 2 x 4 x (12 + 4)
    CHECK(PrefillFlops(shape).at(1) == 200 + 256);
    shape.groups = {state_layers(5, 1000)};
    CHECK(PrefillFlops(shape).at(7) == 200);
    CHECK_FALSE(PrefillFlops(shape).equal_at());
    shape.groups = {window_layers(2, 3, 2, 8)};
    CHECK_FALSE(PrefillFlops(shape).equal_at());
}

TEST_CASE("prefill FLOPs: what must be known") {
    ModelShape shape = small_model();
    CHECK(PrefillFlops::missing(shape).empty());
    shape.query_heads.reset();
    CHECK(error_of([&] { PrefillFlops f(shape); }) ==
          "model 'test': FLOPs are not known without the number of its query heads");
    shape.groups = {state_layers(1, 8)};
    CHECK(PrefillFlops::missing(shape).empty());
    shape.active_params.reset();
    CHECK(error_of([&] { PrefillFlops f(shape); }) ==
          "model 'test': FLOPs are not known without the number of its active parameters");
    for (const ModelRow& row : models().rows()) CHECK(PrefillFlops::missing(row.shape).empty() == (row.id != "glm-5"));
    CHECK(PrefillFlops::missing(preset("glm-5")) ==
          "model 'glm-5': FLOPs are not known without the widths of its attention heads");
}

TEST_CASE("prefill FLOPs: huge positions neither overflow nor lose the first digits") {
    PrefillFlops flops(preset("llama-3.1-405b"));
    const double attention = 4.0 * 126 * 128 * 128;
    CHECK(flops.prefix(UINT64_MAX) == doctest::Approx(attention * 0x1p127 + 2 * 405.9e9 * 0x1p64));
    CHECK(flops.at(UINT64_MAX) == doctest::Approx(attention * 0x1p64));
    CHECK(flops.range(UINT64_MAX - 1, UINT64_MAX) == doctest::Approx(attention * 0x1p64));
    CHECK(flops.prefix(uint64_t{1} << 40) == doctest::Approx(attention * 0x1p79 + 2 * 405.9e9 * 0x1p40));
    PrefillFlops windows(preset("gpt-oss-20b"));
    CHECK(windows.range(UINT64_MAX - 10, UINT64_MAX) == doctest::Approx(10 * windows.at(UINT64_MAX)));
    // A step of one token far out is not lost in the sum before it.
    CHECK(flops.range(1000000000, 1000000001) == flops.at(1000000000));
    std::vector<uint64_t> huge(3, UINT64_MAX);
    CHECK(flop_hit_rate(flops, huge, huge) == 1);
}

TEST_CASE("FLOP-weighted hit rate") {
    PrefillFlops flops(small_model());
    // Request 1: 4 of 6 tokens hit: 800 + 6 x 384 = 3104 of 1200 + 15 x 384 = 6960. Request 2: 0 of 2: 0 of 400 + 384.
    std::vector<uint64_t> lookups = {6, 2}, hits = {4, 0};
    CHECK(flop_hit_rate(flops, lookups, hits) == 3104.0 / (6960 + 784));
    CHECK(flop_hit_rate(flops, lookups, lookups) == 1);
    CHECK(flop_hit_rate(flops, hits, std::vector<uint64_t>{0, 0}) == 0);
    CHECK(flop_hit_rate(flops, {}, {}) == 0);
    CHECK(flop_hit_rate(flops, std::vector<uint64_t>{0}, std::vector<uint64_t>{0}) == 0);
    CHECK(error_of([&] { flop_hit_rate(flops, lookups, {}); }, ErrorKind::failed) ==
          "flop hit rate: columns of different requests");
    // Without attention every token weighs the same.
    ModelShape states = one_group(state_layers(1, 8));
    states.active_params = 7;
    CHECK(flop_hit_rate(PrefillFlops(states), lookups, hits) == 0.5);
}

TEST_CASE("seconds of prefill and break-even bandwidth: by hand") {
    // 989e12 x 0.45 FLOPs a second
    CHECK(prefill_seconds(445.05e12, gpu("h100-sxm")) == doctest::Approx(1).epsilon(1e-14));
    CHECK(prefill_seconds(445.05e12, gpu("h100-sxm"), 8) == doctest::Approx(0.125).epsilon(1e-14));
    CHECK(prefill_seconds(0, gpu("l4")) == 0);
    CHECK(error_of([] { prefill_seconds(1, gpu("l4"), 0); }) == "prefill on 0 GPUs: expected at least 1");
    // One token of Llama 3.1 8B: 131,072 bytes; 2 x 8.03e9 FLOPs take 36.09 us: 3.632 GB/s
    const ModelShape& llama = preset("llama-3.1-8b");
    double one = break_even_bytes_per_s(llama, 1, gpu("h100-sxm"));
    CHECK(one == doctest::Approx(131072 / (2 * 8.03e9 / 445.05e12)).epsilon(1e-12));
    CHECK(break_even_bytes_per_s(llama, 1, gpu("h100-sxm"), 4) == doctest::Approx(4 * one));
    CHECK(break_even_bytes_per_s(llama, 1, gpu("h100-sxm"), 1, "fp8_e4m3", "fp8_e4m3") == doctest::Approx(one / 2));
    // Over p tokens it falls by 1 + p / (2 p*), here by two (p = 2 p*, to one token).
    auto p = static_cast<uint64_t>(2 * *PrefillFlops(llama).equal_at());
    CHECK(break_even_bytes_per_s(llama, p, gpu("h100-sxm")) == doctest::Approx(one / 2).epsilon(1e-4));
    CHECK(error_of([&] { break_even_bytes_per_s(llama, 0, gpu("l4")); }) ==
          "a prefix of 0 tokens: expected at least 1");
    CHECK(error_of([&] { break_even_bytes_per_s(llama, 1, gpu("l4"), 0); }) ==
          "prefill on 0 GPUs: expected at least 1");
    CHECK(error_of([&] { break_even_bytes_per_s(llama, UINT64_MAX, gpu("l4")); }) ==
          "model 'llama-3.1-8b': the bytes do not fit 64 bits");
    // A state is loaded as a whole: 24 MB for one token.
    CHECK(break_even_bytes_per_s(preset("nemotron-3-nano-30b"), 1, gpu("h100-sxm")) > 1e12);
}

TEST_CASE("GPU presets") {
    const GpuRow& h100 = gpus().get("h100-sxm");
    CHECK(h100.summary == "H100 SXM: 80 GiB at 3.35 TB/s, bf16 989 TFLOPS, fp8 1978, PCIe 64 GB/s one way");
    CHECK(h100.detail == "prefill MFU 0.45, calibrated by inference-sim for this family");
    CHECK(h100.gpu.memory_bytes == uint64_t{80} << 30);
    CHECK(gpu("l40s").memory_bytes == 48300000000);
    CHECK(gpus().get("l40s").summary == "L40S: 48.3 GB at 0.864 TB/s, bf16 362 TFLOPS, fp8 733, PCIe 32 GB/s one way");
    CHECK(gpus().get("h200-sxm").detail.rfind("prefill MFU 0.40, assumed: ", 0) == 0);
    CHECK_FALSE(gpu("a100-80gb-sxm").fp8_flops);
    CHECK_FALSE(gpu("gb200").link_bytes_per_s);
    CHECK(error_of([] { gpus().get("h100sxm"); }).rfind("unknown GPU 'h100sxm' (did you mean 'h100-sxm'?)", 0) == 0);
    for (const GpuRow& row : gpus().rows()) {
        CAPTURE(row.id);
        const Gpu& g = row.gpu;
        CHECK(row.id == g.id);
        CHECK(g.memory_bytes >= uint64_t{24} << 30);
        CHECK(g.memory_bytes < uint64_t{300} << 30);
        CHECK(g.memory_bytes_per_s >= 0.3e12);
        CHECK(g.memory_bytes_per_s < 10e12);
        if (g.fp8_flops) CHECK(*g.fp8_flops / g.bf16_flops == doctest::Approx(2).epsilon(0.02));
        CHECK(g.mfu_measured == (row.detail.find("calibrated by inference-sim for this family") != std::string::npos));
        CHECK((g.mfu_measured || g.prefill_mfu == 0.4));
        CHECK(row.detail.find("prefill MFU") == 0);
    }
}

}  // namespace cost_test
