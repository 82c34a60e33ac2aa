// Eight neighbouring values of a row, the piece that a thread of a kernel loads, converts and stores. Rows have whole
// such pieces (kernels/common/row.h), and a piece takes 4 (int4) to 32 (f32) bytes, so that the threads of a warp read
// neighbouring bytes with wide accesses.
#pragma once

#include <kernels/common/row.h>
#include <kernels/device/context.h>

namespace kv::device {

inline constexpr uint32_t kPiece = 8;

/// As they are stored: value_bits / 4 words are used.
struct Raw {
    uint32_t word[8] = {};
};
struct Eight {
    float x[kPiece] = {};
};

/// `bytes` is a power of two.
KV_DEVICE bool is_aligned(const void* at, uint32_t bytes) {
    return (reinterpret_cast<uintptr_t>(at) & (bytes - 1)) == 0;
}

/// Of a row that starts at 16 bytes, or where alignment is known otherwise.
KV_DEVICE Raw load_aligned(RowType type, const uint8_t* at) {
    Raw raw;
    switch (value_bits(type)) {
        case 32: {
            Bits128 low = load<Bits128>(at), high = load<Bits128>(at + 16);
            KV_UNROLL for (int i = 0; i < 4; ++i) raw.word[i] = low.word[i], raw.word[4 + i] = high.word[i];
            break;
        }
        case 16: {
            Bits128 all = load<Bits128>(at);
            KV_UNROLL for (int i = 0; i < 4; ++i) raw.word[i] = all.word[i];
            break;
        }
        case 8: {
            Bits64 all = load<Bits64>(at);
            raw.word[0] = all.word[0], raw.word[1] = all.word[1];
            break;
        }
        default: raw.word[0] = load<uint32_t>(at);
    }
    return raw;
}
KV_DEVICE void store_aligned(RowType type, uint8_t* at, const Raw& raw) {
    const uint32_t* w = raw.word;
    switch (value_bits(type)) {
        case 32:
            store(at, Bits128{{w[0], w[1], w[2], w[3]}});
            store(at + 16, Bits128{{w[4], w[5], w[6], w[7]}});
            break;
        case 16: store(at, Bits128{{w[0], w[1], w[2], w[3]}}); break;
        case 8: store(at, Bits64{{w[0], w[1]}}); break;
        default: store(at, w[0]);
    }
}
/// What a whole piece wants.
KV_DEVICE uint32_t piece_alignment(RowType type) { return value_bits(type) < 16 ? value_bits(type) : 16; }
/// Of any row: where it is not aligned, for example with odd strides, value by value.
KV_DEVICE Raw load_raw(RowType type, const uint8_t* at) {
    if (is_aligned(at, piece_alignment(type))) return load_aligned(type, at);
    Raw raw;
    KV_UNROLL for (int i = 0; i < 8; ++i) {
        if (value_bits(type) == 32) raw.word[i] = load<uint32_t>(at + 4 * i);
        if (value_bits(type) == 16) raw.word[i / 2] |= uint32_t{load<uint16_t>(at + 2 * i)} << (i % 2 * 16);
        if (value_bits(type) == 8) raw.word[i / 4] |= uint32_t{at[i]} << (i % 4 * 8);
        if (value_bits(type) == 4 && i < 4) raw.word[0] |= uint32_t{at[i]} << (i * 8);
    }
    return raw;
}
KV_DEVICE void store_raw(RowType type, uint8_t* at, const Raw& raw) {
    if (is_aligned(at, piece_alignment(type))) return store_aligned(type, at, raw);
    KV_UNROLL for (int i = 0; i < 8; ++i) {
        if (value_bits(type) == 32) store(at + 4 * i, raw.word[i]);
        if (value_bits(type) == 16) store(at + 2 * i, static_cast<uint16_t>(raw.word[i / 2] >> (i % 2 * 16)));
        if (value_bits(type) == 8) at[i] = static_cast<uint8_t>(raw.word[i / 4] >> (i % 4 * 8));
        if (value_bits(type) == 4 && i < 4) at[i] = static_cast<uint8_t>(raw.word[0] >> (i * 8));
    }
}

/// As f32_of_f16: one instruction on a GPU.
KV_DEVICE float wide_f16(uint16_t half) {
#if defined(__CUDA_ARCH__)
    float x;
    asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(half));
    return x;
#else
    return f32_of_f16(half);
#endif
}
/// As f32_of_e4m3 without its branches: the bits as those of a float, whose exponent is then 120 too small. The product
/// is exact, also for the values that are subnormal on the way.
KV_DEVICE float wide_e4m3(uint32_t code) {
    float x = float_of((code & 0x80u) << 24 | (code & 0x7Fu) << 20) * 1.329227995784916e36f;  // x 2^120
    return (code & 0x7Fu) == 0x7Fu ? float_of((code & 0x80u) << 24 | 0x7FC00000u) : x;
}

/// The values of f32, f16, bf16 and e4m3, the codes of int8 and int4 (what affine_value takes, exact in f32).
KV_DEVICE Eight wide(RowType type, const Raw& raw) {
    Eight out;
    KV_UNROLL for (int i = 0; i < 8; ++i) {
        switch (type) {
            case RowType::f32: out.x[i] = float_of(raw.word[i]); break;
            case RowType::f16: out.x[i] = wide_f16(static_cast<uint16_t>(raw.word[i / 2] >> (i % 2 * 16))); break;
            case RowType::bf16:
                out.x[i] = float_of(i % 2 == 0 ? raw.word[i / 2] << 16 : raw.word[i / 2] & 0xFFFF0000u);
                break;
            case RowType::e4m3: out.x[i] = wide_e4m3(raw.word[i / 4] >> (i % 4 * 8) & 0xFFu); break;
            case RowType::int8: out.x[i] = static_cast<float>(raw.word[i / 4] >> (i % 4 * 8) & 0xFFu); break;
            case RowType::int4: out.x[i] = static_cast<float>(raw.word[0] >> (i * 4) & 0xFu); break;
        }
    }
    return out;
}
/// The inverse for f32, f16, bf16 and e4m3.
KV_DEVICE Raw narrow(RowType type, const Eight& in) {
    Raw raw;
    KV_UNROLL for (int i = 0; i < 8; ++i) {
        switch (type) {
            case RowType::f32: raw.word[i] = bits_of(in.x[i]); break;
            case RowType::f16: raw.word[i / 2] |= uint32_t{f16_of(in.x[i])} << (i % 2 * 16); break;
            case RowType::bf16: raw.word[i / 2] |= uint32_t{bf16_of(in.x[i])} << (i % 2 * 16); break;
            default: raw.word[i / 4] |= uint32_t{e4m3_of(in.x[i])} << (i % 4 * 8);
        }
    }
    return raw;
}

/// Group k of a row as it is stored; without `inverse`. Metadata is aligned to its numbers.
KV_DEVICE AffineGroup load_group(const RowFormat& f, const uint8_t* meta, uint32_t k) {
    AffineGroup g;
    uint32_t groups = f.dim / f.group;
    if (f.half_metadata) {
        g.scale = wide_f16(load<uint16_t>(meta + 2 * k));
        if (!f.symmetric) g.low = wide_f16(load<uint16_t>(meta + 2 * (groups + k)));
    } else {
        g.scale = load<float>(meta + 4 * k);
        if (!f.symmetric) g.low = load<float>(meta + 4 * (groups + k));
    }
    return g;
}
KV_DEVICE void store_group(const RowFormat& f, uint8_t* meta, uint32_t k, const AffineGroup& g) {
    uint32_t groups = f.dim / f.group;
    if (f.half_metadata) {
        store(meta + 2 * k, finite_f16_of(g.scale));
        if (!f.symmetric) store(meta + 2 * (groups + k), finite_f16_of(g.low));
    } else {
        store(meta + 4 * k, g.scale);
        if (!f.symmetric) store(meta + 4 * (groups + k), g.low);
    }
}
/// Codes to values, as affine_value; a piece of 8 may lie in two groups, of 8 values or more.
KV_DEVICE void scale_codes(const RowFormat& f, const uint8_t* meta, uint32_t piece, Eight& codes) {
    auto offset = static_cast<float>(affine_offset(f.unit().format));
    uint32_t first = piece * kPiece, k = first / f.group, rest = (k + 1) * f.group - first;
    AffineGroup g = load_group(f, meta, k), h = g;
    if (rest < kPiece) h = load_group(f, meta, k + 1);
    KV_UNROLL for (uint32_t i = 0; i < kPiece; ++i) {
        float scale = i < rest ? g.scale : h.scale, low = i < rest ? g.low : h.low;
        codes.x[i] = (codes.x[i] - offset) * scale + low;
    }
}
/// A piece of a row of any type.
KV_DEVICE Eight load_values(const RowFormat& f, const uint8_t* data, const uint8_t* meta, uint32_t piece) {
    Eight x = wide(f.type, load_raw(f.type, data + piece * value_bits(f.type)));
    if (is_affine(f.type)) scale_codes(f, meta, piece, x);
    return x;
}

}  // namespace kv::device
