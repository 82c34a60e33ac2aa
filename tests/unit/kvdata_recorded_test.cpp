// The recorded data sets: shapes, a few values, and the attention output recomputed, which only comes out where the
// axes and the sharing of KV heads are understood.
#include <doctest/doctest.h>
#include <kvsim/kvdata/kv_data.h>
#include <kvsim/kvdata/safetensors.h>

#include <algorithm>
#include <cmath>

#include "support/process.h"

namespace kvdata_recorded_test {

using namespace kvsim;

namespace {

/// Largest difference from the recorded output, over a few rows of every sequence and layer.
double output_error(const KvData& d, const std::vector<float>& o) {
    double worst = 0;
    uint32_t dim = d.head_dim;
    for (uint32_t s = 0; s < d.sequences; ++s)
        for (uint32_t layer = 0; layer < d.layers; ++layer)
            for (uint32_t t : {0u, 1u, 57u, d.tokens - 1})
                for (uint32_t h = 0; h < d.query_heads; ++h) {
                    const float* q = d.q_row(s, layer, t) + h * dim;
                    uint32_t at = h / d.group() * dim;
                    std::vector<double> weights;
                    for (uint32_t j = 0; j <= t; ++j) {
                        double logit = 0;
                        for (uint32_t i = 0; i < dim; ++i) logit += double{q[i]} * d.k_row(s, layer, j)[at + i];
                        weights.push_back(std::exp(logit / std::sqrt(static_cast<double>(dim))));
                    }
                    double sum = 0;
                    for (double w : weights) sum += w;
                    size_t row = (size_t{s} * d.layers + layer) * d.tokens + t;
                    for (uint32_t i = 0; i < dim; ++i) {
                        double out = 0;
                        for (uint32_t j = 0; j <= t; ++j) out += weights[j] / sum * d.v_row(s, layer, j)[at + i];
                        worst = std::max(worst, std::abs(out - double{o[(row * d.query_heads + h) * dim + i]}));
                    }
                }
    return worst;
}

std::vector<float> recorded_output(const std::string& path) {
    std::vector<float> o;
    SafeTensors(path).read({{"o", &o}});
    return o;
}

std::vector<uint32_t> shape_of(const KvData& d) {
    return {d.sequences, d.layers, d.tokens, d.query_heads, d.kv_heads, d.head_dim};
}

}  // namespace

TEST_CASE("recorded data: stories260k") {
    std::string path = kvsim_test::shared_file("kvdata/stories260k.safetensors");
    if (path.empty()) return;
    KvData d = load_kv_data(path);
    CHECK(d.name == "stories260k.safetensors");
    CHECK(shape_of(d) == std::vector<uint32_t>{3, 5, 512, 8, 4, 8});
    CHECK(d.sha256 == "eee7ae611edf12dea1262a3ea4bf706152aea57b6ef4a7dee55fbb4991455d63");
    CHECK(d.k_row(0, 0, 0)[0] == -0.30671408772468567f);  // as the file's own note says
    CHECK(d.k_row(0, 0, 0)[3] == -0.881394624710083f);
    CHECK(d.k_pre_row(0, 0, 0)[0] == d.k_row(0, 0, 0)[0]);  // position 0 is not rotated
    CHECK(d.k_pre_row(2, 4, 511)[0] != d.k_row(2, 4, 511)[0]);
    CHECK(output_error(d, recorded_output(path)) < 1e-5);
}

TEST_CASE("recorded data: kjv64") {
    std::string path = kvsim_test::shared_file("kvdata/kjv64.safetensors");
    if (path.empty()) return;
    KvData d = load_kv_data(path);
    CHECK(shape_of(d) == std::vector<uint32_t>{1, 4, 256, 4, 2, 64});
    CHECK(d.k_pre.size() == d.k.size());
    CHECK(output_error(d, recorded_output(path)) < 1e-5);
}

TEST_CASE("recorded data: a file of attention weights alone") {
    std::string path = kvsim_test::shared_file("kvdata/gpt2_attention.safetensors");
    if (path.empty()) return;
    SafeTensors file(path);
    CHECK(file.tensors().size() == 5);
    CHECK(file.find("attention_3")->shape == std::vector<uint64_t>{12, 12, 7, 7});
    CHECK_THROWS(load_kv_data(path));
}

}  // namespace kvdata_recorded_test
