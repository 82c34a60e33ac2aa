// Conversions between f32 and the narrow floating-point types of KV caches: round half to even, one definition for the
// CPU and for kernels. f16, bf16: IEEE 754 and its upper half. e4m3: OCP 8-bit (no infinities, 448 is the largest, NaN is
// 0x7F). e2m1: OCP 4-bit (0 0.5 1 1.5 2 3 4 6). e4m3 and e2m1 saturate, infinities too; e2m1 has no NaN and gets 6.
#pragma once

#include <kernels/common/hd.h>

#include <cstdint>
#include <cstring>

namespace kv {

KV_HD inline uint32_t bits_of(float x) {
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
}
KV_HD inline float float_of(uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}

KV_HD inline uint16_t f16_of(float x) {
    uint32_t bits = bits_of(x), sign = (bits >> 16) & 0x8000u, size = bits & 0x7FFFFFFFu;
    if (size > 0x7F800000u) return static_cast<uint16_t>(sign | 0x7E00u);
    if (size >= 0x477FF000u) return static_cast<uint16_t>(sign | 0x7C00u);  // 65520 and up round to infinity
    // Below 2^-14 the steps are 2^-24, which are also those of floats from 0.5 to 1.
    if (size < 0x38800000u) return static_cast<uint16_t>(sign | (bits_of(float_of(size) + 0.5f) - 0x3F000000u));
    size += 0xFFFu + ((size >> 13) & 1u);
    return static_cast<uint16_t>(sign | ((size >> 13) - (112u << 10)));
}
KV_HD inline float f32_of_f16(uint16_t half) {
    uint32_t sign = uint32_t{half & 0x8000u} << 16, size = half & 0x7FFFu;
    if (size >= 0x7C00u) return float_of(sign | 0x7F800000u | ((size & 0x3FFu) << 13));
    if (size < 0x400u) return float_of(sign | bits_of(static_cast<float>(size) * 5.9604644775390625e-8f));  // x 2^-24
    return float_of(sign | ((size + (112u << 10)) << 13));
}

KV_HD inline uint16_t bf16_of(float x) {
    uint32_t bits = bits_of(x);
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
    return static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}
KV_HD inline float f32_of_bf16(uint16_t x) { return float_of(uint32_t{x} << 16); }

KV_HD inline uint8_t e4m3_of(float x) {
    uint32_t bits = bits_of(x), sign = (bits >> 24) & 0x80u, size = bits & 0x7FFFFFFFu;
    if (size > 0x7F800000u) return static_cast<uint8_t>(sign | 0x7Fu);
    if (size >= 0x43E00000u) return static_cast<uint8_t>(sign | 0x7Eu);  // 448
    // Below 2^-6 the steps are 2^-9, those of floats from 2^14 to 2^15.
    if (size < 0x3C800000u) return static_cast<uint8_t>(sign | (bits_of(float_of(size) + 16384.0f) - 0x46800000u));
    size += 0x7FFFFu + ((size >> 20) & 1u);
    return static_cast<uint8_t>(sign | ((size >> 20) - (120u << 3)));
}
KV_HD inline float f32_of_e4m3(uint8_t code) {
    uint32_t sign = uint32_t{code & 0x80u} << 24, size = code & 0x7Fu;
    if (size == 0x7Fu) return float_of(sign | 0x7FC00000u);
    if (size < 8u) return float_of(sign | bits_of(static_cast<float>(size) * 0.001953125f));  // x 2^-9
    return float_of(sign | ((size + (120u << 3)) << 20));
}

KV_HD inline uint8_t e2m1_of(float x) {
    uint32_t bits = bits_of(x), sign = (bits >> 28) & 0x8u, size = bits & 0x7FFFFFFFu;
    if (size >= 0x40C00000u) return static_cast<uint8_t>(sign | 7u);  // 6
    // Below 1 the steps are 0.5, those of floats from 2^22 to 2^23.
    if (size < 0x3F800000u) return static_cast<uint8_t>(sign | (bits_of(float_of(size) + 4194304.0f) - 0x4A800000u));
    size += 0x1FFFFFu + ((size >> 22) & 1u);
    return static_cast<uint8_t>(sign | ((size >> 22) - (126u << 1)));
}
KV_HD inline float f32_of_e2m1(uint8_t code) {
    uint32_t sign = uint32_t{code & 0x8u} << 28, size = code & 7u;
    if (size < 2u) return float_of(sign | bits_of(static_cast<float>(size) * 0.5f));
    return float_of(sign | ((size + (126u << 1)) << 22));
}

}  // namespace kv
