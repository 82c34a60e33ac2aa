// Blocks of 32 or 16 values with one scale each, as other programs store them. One definition for the CPU and for
// kernels; the vector loops of kernels/cpu give the same bits.
//
//   q8_0   34 bytes per 32: f16 d, 32 signed bytes. d = max|x| / 127
//   q4_0   18 bytes per 32: f16 d, 16 bytes. d = (the value farthest from 0, with its sign; the first of several) / -8
//   q4_1   20 bytes per 32: f16 d, f16 m, 16 bytes. m = min, d = (max - min) / 15
//   mxfp4  17 bytes per 32: E8M0 scale 2^(floor(log2 max|x|) - 2), 16 bytes of E2M1 codes
//   nvfp4   9 bytes per 16: E4M3 scale max|x| / 6, 8 bytes of E2M1 codes; there is no scale of a whole tensor
//
// q8_0, q4_0 and q4_1 are ggml's, byte for byte: low nibbles are the values 0 to 15, high ones 16 to 31, and codes
// follow from the scale before it is rounded to f16 (q8_0 rounds half away from zero; q4_0 and q4_1 add a half and cut
// off). Where ggml's scale would be infinite it is 65504 here, and where its reciprocal would be (a scale below the
// smallest normal float, stored as 0 in any case) all codes are those of zeros; a minimum of -0 is stored as 0. mxfp4
// has the same order of nibbles and rounds half to even (ggml: to the smaller one). nvfp4 has neighbours in one byte,
// the first in the low nibble, and its codes follow from the stored scale.
#pragma once

#include <kernels/common/affine.h>

namespace kv {

enum class BlockFormat : uint8_t { q8_0, q4_0, q4_1, mxfp4, nvfp4 };

KV_HD constexpr uint32_t block_values(BlockFormat f) { return f == BlockFormat::nvfp4 ? 16 : 32; }
KV_HD constexpr uint32_t block_metadata_bytes(BlockFormat f) {
    return f == BlockFormat::q4_1 ? 4 : f == BlockFormat::q8_0 || f == BlockFormat::q4_0 ? 2 : 1;
}
KV_HD constexpr uint32_t block_bits(BlockFormat f) { return f == BlockFormat::q8_0 ? 8 : 4; }
KV_HD constexpr uint32_t block_bytes(BlockFormat f) {
    return block_metadata_bytes(f) + block_values(f) * block_bits(f) / 8;
}

/// 1 / d, 0 where there is none.
KV_HD inline float block_inverse(float d) {
    float size = d < 0 ? -d : d;
    return size >= kSmallestNormal ? 1.0f / d : 0.0f;
}
KV_HD inline void put_f16(uint8_t* out, float x) {
    uint16_t half = finite_f16_of(x);
    std::memcpy(out, &half, sizeof half);
}
KV_HD inline float f16_at(const uint8_t* in) {
    uint16_t half;
    std::memcpy(&half, in, sizeof half);
    return f32_of_f16(half);
}

struct BlockRange {
    float min = 0, max = 0;
    float farthest = 0;  ///< from zero, with its sign; the first of several
    KV_HD float size() const { return farthest < 0 ? -farthest : farthest; }
};
KV_HD inline BlockRange block_range(const float* x, uint32_t n) {
    BlockRange r;
    r.min = r.max = x[0];
    for (uint32_t i = 0; i < n; ++i) {
        r.min = x[i] < r.min ? x[i] : r.min;
        r.max = x[i] > r.max ? x[i] : r.max;
        if ((x[i] < 0 ? -x[i] : x[i]) > r.size()) r.farthest = x[i];
    }
    return r;
}

/// Half away from zero, |x| below 2^23. The part cut off is exact, which x + 0.5 is not.
KV_HD inline int32_t rounded_away(float x) {
    auto whole = static_cast<int32_t>(x);
    float rest = x - static_cast<float>(whole);
    return whole + (rest >= 0.5f ? 1 : 0) - (rest <= -0.5f ? 1 : 0);
}

KV_HD inline void encode_q8_0(const float* x, uint8_t* out) {
    float d = block_range(x, 32).size() / 127.0f, inverse = block_inverse(d);
    put_f16(out, d);
    for (int j = 0; j < 32; ++j) out[2 + j] = static_cast<uint8_t>(rounded_away(x[j] * inverse));
}
KV_HD inline void decode_q8_0(const uint8_t* in, float* x) {
    float d = f16_at(in);
    for (int j = 0; j < 32; ++j) x[j] = static_cast<float>(static_cast<int8_t>(in[2 + j])) * d;
}

/// Cut off after a half was added, 15 at most.
KV_HD inline uint32_t nibble_of(float x) {
    auto code = static_cast<uint32_t>(static_cast<int32_t>(x));
    return code < 15 ? code : 15;
}
KV_HD inline void encode_q4_0(const float* x, uint8_t* out) {
    float d = block_range(x, 32).farthest / -8.0f, inverse = block_inverse(d);
    put_f16(out, d);  // of zeros -0
    for (int j = 0; j < 16; ++j)
        out[2 + j] =
            static_cast<uint8_t>(nibble_of(x[j] * inverse + 8.5f) | nibble_of(x[j + 16] * inverse + 8.5f) << 4);
}
KV_HD inline void decode_q4_0(const uint8_t* in, float* x) {
    float d = f16_at(in);
    for (int j = 0; j < 16; ++j) {
        x[j] = static_cast<float>((in[2 + j] & 15) - 8) * d;
        x[j + 16] = static_cast<float>((in[2 + j] >> 4) - 8) * d;
    }
}

KV_HD inline void encode_q4_1(const float* x, uint8_t* out) {
    BlockRange r = block_range(x, 32);
    float range = (r.max - r.min) + 0.0f, min = r.min + 0.0f;
    float d = (range > kLargestF32 ? kLargestF32 : range) / 15.0f, inverse = block_inverse(d);
    put_f16(out, d);
    put_f16(out + 2, min);
    for (int j = 0; j < 16; ++j) {
        float low = (x[j] - min) * inverse, high = (x[j + 16] - min) * inverse;
        low = low < 15.0f ? low : 15.0f;  // a difference beyond the largest float is infinite
        high = high < 15.0f ? high : 15.0f;
        out[4 + j] = static_cast<uint8_t>(nibble_of(low + 0.5f) | nibble_of(high + 0.5f) << 4);
    }
}
KV_HD inline void decode_q4_1(const uint8_t* in, float* x) {
    float d = f16_at(in), m = f16_at(in + 2);
    for (int j = 0; j < 16; ++j) {
        float low = static_cast<float>(in[4 + j] & 15) * d, high = static_cast<float>(in[4 + j] >> 4) * d;
        x[j] = low + m;
        x[j + 16] = high + m;
    }
}

/// Twice the value of an E2M1 code, a whole number; both zeros are 0.
KV_HD inline float e2m1_doubled(uint32_t code) {
    auto size = static_cast<int32_t>(0xC8643210u >> 4 * (code & 7u) & 15u);
    return static_cast<float>((code & 8u) != 0 ? -size : size);
}

/// E8M0: 2^(e - 127); 255, which is NaN, is not written.
KV_HD inline float f32_of_e8m0(uint8_t e) { return e == 0 ? float_of(0x00400000u) : float_of(uint32_t{e} << 23); }
KV_HD inline uint8_t mxfp4_scale(float size) {
    uint32_t exponent = bits_of(size) >> 23;  // 0: less than the smallest normal float
    return static_cast<uint8_t>(exponent < 2 ? 0 : exponent - 2);
}
KV_HD inline void encode_mxfp4(const float* x, uint8_t* out) {
    out[0] = mxfp4_scale(block_range(x, 32).size());
    float inverse = float_of((254u - out[0]) << 23);  // exact
    for (int j = 0; j < 16; ++j)
        out[1 + j] = static_cast<uint8_t>(e2m1_of(x[j] * inverse) | e2m1_of(x[j + 16] * inverse) << 4);
}
KV_HD inline void decode_mxfp4(const uint8_t* in, float* x) {
    float half = f32_of_e8m0(in[0]) * 0.5f;
    for (int j = 0; j < 16; ++j) {
        x[j] = e2m1_doubled(in[1 + j] & 15u) * half;
        x[j + 16] = e2m1_doubled(in[1 + j] >> 4) * half;
    }
}

KV_HD inline void encode_nvfp4(const float* x, uint8_t* out) {
    out[0] = e4m3_of(block_range(x, 16).size() / 6.0f);
    float inverse = block_inverse(f32_of_e4m3(out[0]));
    for (int j = 0; j < 8; ++j)
        out[1 + j] = static_cast<uint8_t>(e2m1_of(x[2 * j] * inverse) | e2m1_of(x[2 * j + 1] * inverse) << 4);
}
KV_HD inline void decode_nvfp4(const uint8_t* in, float* x) {
    float half = f32_of_e4m3(in[0]) * 0.5f;
    for (int j = 0; j < 8; ++j) {
        x[2 * j] = e2m1_doubled(in[1 + j] & 15u) * half;
        x[2 * j + 1] = e2m1_doubled(in[1 + j] >> 4) * half;
    }
}

KV_HD inline void block_encode(BlockFormat f, const float* x, uint8_t* out) {
    switch (f) {
        case BlockFormat::q8_0: return encode_q8_0(x, out);
        case BlockFormat::q4_0: return encode_q4_0(x, out);
        case BlockFormat::q4_1: return encode_q4_1(x, out);
        case BlockFormat::mxfp4: return encode_mxfp4(x, out);
        case BlockFormat::nvfp4: return encode_nvfp4(x, out);
    }
}
KV_HD inline void block_decode(BlockFormat f, const uint8_t* in, float* x) {
    switch (f) {
        case BlockFormat::q8_0: return decode_q8_0(in, x);
        case BlockFormat::q4_0: return decode_q4_0(in, x);
        case BlockFormat::q4_1: return decode_q4_1(in, x);
        case BlockFormat::mxfp4: return decode_mxfp4(in, x);
        case BlockFormat::nvfp4: return decode_nvfp4(in, x);
    }
}

}  // namespace kv
