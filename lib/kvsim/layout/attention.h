// Attention of one query over the tokens of one KV head: softmax(q k / sqrt(head_dim)) v, in single precision.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace kvsim {

/// In eight partial sums, so that the compiler may use vectors.
inline float dot_product(const float* a, const float* b, uint32_t n) {
    float part[8] = {};
    uint32_t i = 0;
    for (; i + 8 <= n; i += 8)
        for (uint32_t j = 0; j < 8; ++j) part[j] += a[i + j] * b[i + j];
    float sum = 0;
    for (; i < n; ++i) sum += a[i] * b[i];
    for (float p : part) sum += p;
    return sum;
}

/// Token i's key stands at k + i * stride, its value at v + i * stride. Writes [tokens] weights and [head_dim] output.
inline void attend_head(const float* q, const float* k, const float* v, size_t stride, uint32_t tokens, uint32_t head_dim,
                        float* weights, float* out) {
    float scale = 1 / std::sqrt(static_cast<float>(head_dim)), largest = -INFINITY, sum = 0;
    for (uint32_t i = 0; i < tokens; ++i) {
        weights[i] = dot_product(q, k + i * stride, head_dim) * scale;
        largest = std::max(largest, weights[i]);
    }
    for (uint32_t i = 0; i < tokens; ++i) sum += weights[i] = std::exp(weights[i] - largest);
    std::fill_n(out, head_dim, 0.0f);
    for (uint32_t i = 0; i < tokens; ++i) {
        weights[i] /= sum;
        const float* value = v + i * stride;
        for (uint32_t d = 0; d < head_dim; ++d) out[d] += weights[i] * value[d];
    }
}

}  // namespace kvsim
