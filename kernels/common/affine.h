// Groups of values as whole numbers of 2, 3, 4 or 8 bits: x' = code * scale + low, one scale (and, unless symmetric,
// one low) for a group. One definition for the CPU and for kernels; the vector loops of kernels/cpu give the same bits.
//
// A unit is `groups` groups of `size` values each, stored as: the scales of all groups, their lows (not if symmetric),
// then all codes in the order of the values, packed without gaps, the lowest bits of a byte first. So 3-bit codes cross
// bytes, but nothing crosses a unit. Scale and low are f32, or f16 and then never infinite: 65504 at most.
//
//   asymmetric: low = min, scale = (max - min) / (2^b - 1), code = round((x - low) / scale) in [0, 2^b - 1]
//   symmetric:  low = 0,   scale = max|x| / (2^(b-1) - 1),  code = round(x / scale) in [-2^(b-1), 2^(b-1) - 1],
//               stored with 2^(b-1) added
//
// Codes follow from what is stored, not from the unrounded scale and low: a scale that f16 rounded down would else cost
// the largest values an error that their neighbours need not pay. "/ scale" is a multiplication by its reciprocal,
// rounding is half to even. A group of one value everywhere has scale 0 and decodes to its low. A scale is at least the
// smallest normal float, so that its reciprocal exists. Multiplication and addition are rounded apart (no fused
// multiply-add), on every machine.
#pragma once

#include <kernels/common/convert.h>

#include <cstddef>

namespace kv {

struct AffineFormat {
    uint32_t bits = 4;
    bool half_metadata = true;  ///< f16, else f32
    bool symmetric = false;
};

KV_HD inline uint32_t affine_top(const AffineFormat& f) { return (1u << f.bits) - 1; }
/// What is added to a code before it is stored.
KV_HD inline uint32_t affine_offset(const AffineFormat& f) { return f.symmetric ? 1u << (f.bits - 1) : 0; }
/// Steps from the low to the largest value.
KV_HD inline uint32_t affine_steps(const AffineFormat& f) { return f.symmetric ? affine_top(f) / 2 : affine_top(f); }
KV_HD inline uint32_t affine_number_bytes(const AffineFormat& f) { return f.half_metadata ? 2 : 4; }
KV_HD inline uint32_t affine_group_bytes(const AffineFormat& f) {
    return affine_number_bytes(f) * (f.symmetric ? 1 : 2);
}

inline constexpr float kLargestF16 = 65504.0f;
inline constexpr float kLargestF32 = 3.40282346638528859812e38f;
inline constexpr float kSmallestNormal = 1.17549435082228750797e-38f;

KV_HD inline float clamped(float x, float low, float high) { return x < low ? low : x > high ? high : x; }
/// f16 without infinities.
KV_HD inline uint16_t finite_f16_of(float x) { return f16_of(clamped(x, -kLargestF16, kLargestF16)); }

/// A group as it is stored. `inverse`: 1 / scale, 0 where that is 0.
struct AffineGroup {
    float scale = 0, low = 0, inverse = 0;
};

KV_HD inline float affine_stored(const AffineFormat& f, float x) {
    return f.half_metadata ? f32_of_f16(finite_f16_of(x)) : x;
}

/// From the smallest and largest value of a group.
KV_HD inline AffineGroup affine_group(const AffineFormat& f, float min, float max) {
    float range = f.symmetric ? (-min > max ? -min : max) : max - min;
    range = (range > kLargestF32 ? kLargestF32 : range) + 0.0f;  // -0 becomes 0
    float scale = range / static_cast<float>(affine_steps(f));
    scale = range > 0 && scale < kSmallestNormal ? kSmallestNormal : scale;
    AffineGroup g;
    g.scale = affine_stored(f, scale);
    g.low = f.symmetric ? 0.0f : affine_stored(f, min + 0.0f);
    g.inverse = g.scale > 0 ? 1.0f / g.scale : 0.0f;
    return g;
}

/// The code as it is stored. Adding 2^23 rounds to a whole number, which then stands in the lowest bits.
KV_HD inline uint32_t affine_code(const AffineFormat& f, const AffineGroup& g, float x) {
    auto offset = static_cast<float>(affine_offset(f));
    float steps = clamped((x - g.low) * g.inverse, -offset, static_cast<float>(affine_top(f)) - offset);
    return bits_of(steps + (8388608.0f + offset)) & 0xFFu;
}
KV_HD inline float affine_value(const AffineFormat& f, const AffineGroup& g, uint32_t code) {
    float product = static_cast<float>(static_cast<int32_t>(code) - static_cast<int32_t>(affine_offset(f))) * g.scale;
    return product + g.low;
}

/// `out` holds zeros where no code was put yet.
KV_HD inline void put_code(uint8_t* out, size_t i, uint32_t bits, uint32_t code) {
    size_t at = i * bits / 8, shift = i * bits % 8;
    out[at] = static_cast<uint8_t>(out[at] | code << shift);
    if (shift + bits > 8) out[at + 1] = static_cast<uint8_t>(out[at + 1] | code >> (8 - shift));
}
KV_HD inline uint32_t code_at(const uint8_t* in, size_t i, uint32_t bits) {
    size_t at = i * bits / 8, shift = i * bits % 8;
    uint32_t code = static_cast<uint32_t>(in[at]) >> shift;
    if (shift + bits > 8) code |= static_cast<uint32_t>(in[at + 1]) << (8 - shift);
    return code & ((1u << bits) - 1);
}

/// Value j of group g stands at [g * group_stride + j * value_stride]; together they are groups * size values.
struct AffineUnit {
    AffineFormat format;
    size_t groups = 1, size = 1;
    size_t group_stride = 1, value_stride = 1;

    KV_HD size_t values() const { return groups * size; }
    KV_HD size_t metadata_bytes() const { return groups * affine_group_bytes(format); }
    KV_HD size_t code_bytes() const { return (values() * format.bits + 7) / 8; }
    KV_HD size_t bytes() const { return metadata_bytes() + code_bytes(); }
    /// Groups one after the other, or side by side (value j of all groups, then value j + 1).
    KV_HD bool side_by_side() const { return group_stride == 1 && size > 1; }
};

KV_HD inline void put_number(const AffineFormat& f, uint8_t* out, float x) {
    if (f.half_metadata) {
        uint16_t half = finite_f16_of(x);
        std::memcpy(out, &half, sizeof half);
    } else {
        std::memcpy(out, &x, sizeof x);
    }
}
KV_HD inline float number_at(const AffineFormat& f, const uint8_t* in) {
    uint16_t half = 0;
    float x = 0;
    if (!f.half_metadata) return std::memcpy(&x, in, sizeof x), x;
    std::memcpy(&half, in, sizeof half);
    return f32_of_f16(half);
}
/// Of a stored unit; without `inverse`.
KV_HD inline AffineGroup affine_group_at(const AffineUnit& u, const uint8_t* in, size_t group) {
    size_t number = affine_number_bytes(u.format);
    AffineGroup g;
    g.scale = number_at(u.format, in + group * number);
    if (!u.format.symmetric) g.low = number_at(u.format, in + (u.groups + group) * number);
    return g;
}

KV_HD inline void affine_encode(const AffineUnit& u, const float* values, uint8_t* out) {
    size_t number = affine_number_bytes(u.format);
    uint8_t* codes = out + u.metadata_bytes();
    for (size_t i = 0; i < u.code_bytes(); ++i) codes[i] = 0;
    for (size_t k = 0; k < u.groups; ++k) {
        const float* x = values + k * u.group_stride;
        float min = x[0], max = x[0];
        for (size_t j = 1; j < u.size; ++j) {
            float v = x[j * u.value_stride];
            min = v < min ? v : min;
            max = v > max ? v : max;
        }
        AffineGroup g = affine_group(u.format, min, max);
        put_number(u.format, out + k * number, g.scale);
        if (!u.format.symmetric) put_number(u.format, out + (u.groups + k) * number, g.low);
        for (size_t j = 0; j < u.size; ++j) {
            size_t i = k * u.group_stride + j * u.value_stride;
            put_code(codes, i, u.format.bits, affine_code(u.format, g, values[i]));
        }
    }
}
KV_HD inline void affine_decode(const AffineUnit& u, const uint8_t* in, float* values) {
    const uint8_t* codes = in + u.metadata_bytes();
    for (size_t k = 0; k < u.groups; ++k) {
        AffineGroup g = affine_group_at(u, in, k);
        for (size_t j = 0; j < u.size; ++j) {
            size_t i = k * u.group_stride + j * u.value_stride;
            values[i] = affine_value(u.format, g, code_at(codes, i, u.format.bits));
        }
    }
}

}  // namespace kv
