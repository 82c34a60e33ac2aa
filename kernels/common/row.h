// How a row, the head_dim values of one token and one KV head, is stored in a pool that kernels work on: its values in
// one place, its scales in another, so that values stay aligned to 16 bytes.
//
//   f32 f16 bf16 e4m3   the values as they are (kernels/common/convert.h)
//   int8 int4           groups along the head dimension, inside one head (kernels/common/affine.h): data are the codes,
//                       meta the scales of all groups and then, unless symmetric, their lows: together the very bytes of
//                       the codec's unit, which has meta first
//
// Groups along tokens or across heads have no such row: kernels refuse them.
#pragma once

#include <kernels/common/affine.h>

namespace kv {

enum class RowType : uint8_t { f32, f16, bf16, e4m3, int8, int4 };

KV_HD constexpr bool is_affine(RowType t) { return t == RowType::int8 || t == RowType::int4; }
KV_HD constexpr uint32_t value_bits(RowType t) {
    switch (t) {
        case RowType::f32: return 32;
        case RowType::f16:
        case RowType::bf16: return 16;
        case RowType::e4m3:
        case RowType::int8: return 8;
        case RowType::int4: return 4;
    }
    return 0;
}

struct RowFormat {
    RowType type = RowType::f32;
    uint32_t dim = 0;    ///< values; a multiple of 8
    uint32_t group = 0;  ///< int8, int4: values of one scale, a divisor of dim, 8 or more; else 0
    bool symmetric = false;
    bool half_metadata = true;  ///< scales and lows are f16, else f32

    KV_HD AffineUnit unit() const {
        AffineUnit u;
        u.format.bits = value_bits(type);
        u.format.half_metadata = half_metadata;
        u.format.symmetric = symmetric;
        u.groups = group == 0 ? 1 : dim / group;
        u.size = group == 0 ? dim : group;
        u.group_stride = u.size;
        u.value_stride = 1;
        return u;
    }
    KV_HD uint32_t data_bytes() const { return dim * value_bits(type) / 8; }
    KV_HD uint32_t meta_bytes() const {
        return is_affine(type) ? static_cast<uint32_t>(unit().metadata_bytes()) : 0;
    }
    KV_HD uint32_t bytes() const { return data_bytes() + meta_bytes(); }
    KV_HD bool operator==(const RowFormat& o) const {
        return type == o.type && dim == o.dim && group == o.group && symmetric == o.symmetric &&
               half_metadata == o.half_metadata;
    }
};

/// Value i of a row of f32, f16, bf16 or e4m3.
KV_HD inline float plain_value(RowType t, const uint8_t* data, size_t i) {
    if (t == RowType::e4m3) return f32_of_e4m3(data[i]);
    if (t == RowType::f32) {
        float x;
        std::memcpy(&x, data + 4 * i, sizeof x);
        return x;
    }
    uint16_t half;
    std::memcpy(&half, data + 2 * i, sizeof half);
    return t == RowType::f16 ? f32_of_f16(half) : f32_of_bf16(half);
}
KV_HD inline void put_plain_value(RowType t, uint8_t* data, size_t i, float x) {
    if (t == RowType::e4m3) {
        data[i] = e4m3_of(x);
    } else if (t == RowType::f32) {
        std::memcpy(data + 4 * i, &x, sizeof x);
    } else {
        uint16_t half = t == RowType::f16 ? f16_of(x) : bf16_of(x);
        std::memcpy(data + 2 * i, &half, sizeof half);
    }
}
KV_HD inline bool is_finite(float x) { return (bits_of(x) & 0x7F800000u) != 0x7F800000u; }

/// Group k of a row as it is stored.
KV_HD inline AffineGroup group_at(const RowFormat& f, const uint8_t* meta, size_t k) {
    AffineUnit u = f.unit();
    size_t number = affine_number_bytes(u.format);
    AffineGroup g;
    g.scale = number_at(u.format, meta + k * number);
    g.low = f.symmetric ? 0.0f : number_at(u.format, meta + (u.groups + k) * number);
    return g;
}
/// Value i of a row of any type.
KV_HD inline float row_value(const RowFormat& f, const uint8_t* data, const uint8_t* meta, size_t i) {
    if (!is_affine(f.type)) return plain_value(f.type, data, i);
    uint32_t k = static_cast<uint32_t>(i) / f.group;  // 64-bit divisions are subroutines on a GPU
    return affine_value(f.unit().format, group_at(f, meta, k), code_at(data, i, value_bits(f.type)));
}

}  // namespace kv
