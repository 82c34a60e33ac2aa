// An orthonormal Walsh-Hadamard rotation of 2^k values: it spreads one large value over all of them, so that what is
// stored in groups afterwards has no outliers, and it is its own inverse. The fast transform: k rounds of sums and
// differences of values `step` apart, from half the width down to 1 (this order is part of the definition: another one
// rounds differently), then a division by sqrt(2^k). Values are first limited to 2^100, which keeps all sums finite.
#pragma once

#include <kernels/common/affine.h>

namespace kv {

inline constexpr float kLargestRotated = 1.2676506002282294e30f;  ///< 2^100

/// 1 / sqrt(width), width a power of two.
KV_HD inline float hadamard_factor(size_t width) {
    float factor = 1.0f;
    for (; width >= 4; width /= 4) factor *= 0.5f;
    return width == 2 ? factor * 0.70710678118654752440f : factor;
}

/// In place; `width` a power of two.
KV_HD inline void hadamard_rotate(float* x, size_t width) {
    for (size_t i = 0; i < width; ++i) x[i] = clamped(x[i], -kLargestRotated, kLargestRotated);
    for (size_t step = width / 2; step > 0; step /= 2)
        for (size_t begin = 0; begin < width; begin += 2 * step)
            for (size_t i = begin; i < begin + step; ++i) {
                float a = x[i], b = x[i + step];
                x[i] = a + b;
                x[i + step] = a - b;
            }
    float factor = hadamard_factor(width);
    for (size_t i = 0; i < width; ++i) x[i] *= factor;
}

}  // namespace kv
