// The block formats in vectors, a batch of blocks at a time as in affine.cpp: ranges; scales and reciprocals, one block
// per lane; codes, straight into their bytes.
#include <kernels/cpu/quant.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/blocks.cpp"
#include <hwy/foreach_target.h>

#include <kernels/cpu/vectors-inl.h>

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace kv::cpu::HWY_NAMESPACE {
namespace {

#if KV_VECTORS
constexpr size_t kBlocks = 64;  // of a batch

struct Batch {
    HWY_ALIGN float min[kBlocks], max[kBlocks], inverse[kBlocks];
    HWY_ALIGN uint16_t scale[kBlocks], low[kBlocks];  // as stored; one byte of `scale` where that is all
};

/// The first of the values farthest from zero where the smallest and the largest one are as far: 0 if both are 0.
float first_of(const float* x, uint32_t n, float size) {
    for (uint32_t i = 0; i < n; ++i)
        if (size > 0 && (x[i] == size || x[i] == -size)) return x[i];
    return 0.0f;
}

/// kv::block_inverse.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V inverse_of(D d, V scale) {
    return hn::IfThenElseZero(hn::Ge(hn::Abs(scale), hn::Set(d, kSmallestNormal)), hn::Div(hn::Set(d, 1.0f), scale));
}

void make_scales(BlockFormat f, const float* x, size_t count, Batch& b) {
    const hn::ScalableTag<float> d;
    const Of<decltype(d)> du;
    if (f == BlockFormat::q4_0)
        for (size_t k = 0; k < count; ++k)
            if (b.max[k] == -b.min[k]) b.min[k] = b.max[k] = first_of(x + 32 * k, 32, b.max[k]);
    for (size_t k = 0; k < count; k += hn::Lanes(d)) {
        auto min = hn::Load(d, b.min + k), max = hn::Load(d, b.max + k);
        auto size = hn::Max(hn::Abs(min), hn::Abs(max));
        if (f == BlockFormat::q8_0) {
            auto scale = hn::Div(size, hn::Set(d, 127.0f));
            finite_f16(d, scale, b.scale + k);
            hn::Store(inverse_of(d, scale), d, b.inverse + k);
        } else if (f == BlockFormat::q4_0) {
            auto scale = hn::Div(hn::IfThenElse(hn::Gt(max, hn::Neg(min)), max, min), hn::Set(d, -8.0f));
            finite_f16(d, scale, b.scale + k);
            hn::Store(inverse_of(d, scale), d, b.inverse + k);
        } else if (f == BlockFormat::q4_1) {
            auto range = hn::Add(hn::Min(hn::Sub(max, min), hn::Set(d, kLargestF32)), hn::Zero(d));
            auto scale = hn::Div(range, hn::Set(d, 15.0f));
            min = hn::Add(min, hn::Zero(d));
            finite_f16(d, scale, b.scale + k);
            finite_f16(d, min, b.low + k);
            hn::Store(min, d, b.min + k);
            hn::Store(inverse_of(d, scale), d, b.inverse + k);
        } else if (f == BlockFormat::mxfp4) {
            auto e = hn::Max(hn::ShiftRight<23>(hn::BitCast(du, size)), hn::Set(du, 2u));
            e = hn::Sub(e, hn::Set(du, 2u));
            store_halves(d, e, reinterpret_cast<uint8_t*>(b.scale + k));
            hn::Store(hn::BitCast(d, hn::ShiftLeft<23>(hn::Sub(hn::Set(du, 254u), e))), d, b.inverse + k);
        } else {
            auto e = e4m3_of(d, hn::Div(size, hn::Set(d, 6.0f)));
            store_halves(d, e, reinterpret_cast<uint8_t*>(b.scale + k));
            hn::Store(inverse_of(d, f32_of_e4m3(d, e)), d, b.inverse + k);
        }
    }
}

/// kv::rounded_away.
template <class D>
HWY_INLINE hn::Vec<hn::RebindToSigned<D>> rounded_away(D d, hn::Vec<D> x) {
    const hn::RebindToSigned<D> di;
    auto whole = hn::ConvertTo(di, x);
    auto rest = hn::Sub(x, hn::ConvertTo(d, whole));
    auto away = hn::Ge(hn::Abs(rest), hn::Set(d, 0.5f));
    auto one = hn::Or(hn::BroadcastSignBit(hn::BitCast(di, rest)), hn::Set(di, 1));
    return hn::Add(whole, hn::IfThenElseZero(hn::RebindMask(di, away), one));
}

/// The stored nibbles of a vector of values, in 32 bits each.
template <BlockFormat F, class D>
HWY_INLINE hn::Vec<Of<D>> nibbles(D d, const float* x, float inverse, float low) {
    const Of<D> du;
    auto v = hn::LoadU(d, x);
    if constexpr (F == BlockFormat::q4_0 || F == BlockFormat::q4_1) {
        if constexpr (F == BlockFormat::q4_1) v = hn::Sub(v, hn::Set(d, low));
        v = hn::Mul(v, hn::Set(d, inverse));
        if constexpr (F == BlockFormat::q4_1) v = hn::Min(v, hn::Set(d, 15.0f));
        v = hn::Min(hn::Add(v, hn::Set(d, F == BlockFormat::q4_0 ? 8.5f : 0.5f)), hn::Set(d, 15.0f));
        return hn::BitCast(du, hn::ConvertTo(hn::RebindToSigned<D>(), v));
    } else {
        (void)low;
        return e2m1_of(d, hn::Mul(v, hn::Set(d, inverse)));
    }
}

template <BlockFormat F, class D>
void encode(D d, size_t blocks, const float* x, uint8_t* out) {
    constexpr uint32_t kValues = block_values(F), kMetadata = block_metadata_bytes(F);
    const Of<D> du;
    const size_t lanes = hn::Lanes(d);
    Batch b;
    for (size_t done = 0; done < blocks; done += kBlocks) {
        size_t count = std::min(kBlocks, blocks - done);
        ranges(d, x, kValues, count, b.min, b.max);
        make_scales(F, x, count, b);
        for (size_t k = 0; k < count; ++k, x += kValues, out += block_bytes(F)) {
            std::memcpy(out, b.scale + k, kMetadata < 2 ? 1 : 2);
            if constexpr (F == BlockFormat::q4_1) std::memcpy(out + 2, b.low + k, 2);
            uint8_t* to = out + kMetadata;
            for (size_t i = 0; i < kValues; i += 16) prefetch(x + i, kBlocks * kValues);
            if constexpr (F == BlockFormat::q8_0) {
                auto inverse = hn::Set(d, b.inverse[k]);
                for (size_t i = 0; i < 32; i += lanes)
                    store_bytes(d, hn::BitCast(du, rounded_away(d, hn::Mul(hn::LoadU(d, x + i), inverse))), to + i);
            } else if constexpr (F == BlockFormat::nvfp4) {
                const hn::Repartition<uint64_t, decltype(du)> dw;
                for (size_t i = 0; i < 16; i += lanes) {
                    auto v = hn::BitCast(dw, nibbles<F>(d, x + i, b.inverse[k], 0));
                    hn::StoreU(hn::TruncateTo(hn::Rebind<uint8_t, decltype(dw)>(), hn::Or(v, hn::ShiftRight<28>(v))),
                               hn::Rebind<uint8_t, decltype(dw)>(), to + i / 2);
                }
            } else {
                for (size_t i = 0; i < 16; i += lanes) {
                    auto low = nibbles<F>(d, x + i, b.inverse[k], b.min[k]);
                    auto high = nibbles<F>(d, x + 16 + i, b.inverse[k], b.min[k]);
                    store_bytes(d, hn::Or(low, hn::ShiftLeft<4>(high)), to + i);
                }
            }
        }
    }
}

/// Twice the values of E2M1 codes, in 32 bits each; bytes are looked up before they are widened.
template <class D>
HWY_INLINE hn::Vec<D> e2m1_doubled(D d, hn::Vec<Bytes<D>> codes) {
    const Bytes<D> db;
    alignas(16) static constexpr uint8_t kDoubled[16] = {0, 1,   2,   3,   4,   6,   8,   12,
                                                         0, 255, 254, 253, 252, 250, 248, 244};
    auto doubled = hn::TableLookupBytes(hn::Load(hn::CappedTag<uint8_t, 16>(), kDoubled), codes);
    auto bytes = hn::BitCast(hn::RebindToSigned<decltype(db)>(), doubled);
    return hn::ConvertTo(d, hn::PromoteTo(hn::RebindToSigned<D>(), bytes));
}

/// Values of nibbles that stand in bytes.
template <BlockFormat F, class D, class V = hn::Vec<D>>
HWY_INLINE V value_of(D d, hn::Vec<Bytes<D>> codes, V scale, V low) {
    if constexpr (F == BlockFormat::q4_0)
        return hn::Mul(hn::Sub(as_floats(d, hn::PromoteTo(Of<D>(), codes)), hn::Set(d, 8.0f)), scale);
    else if constexpr (F == BlockFormat::q4_1)
        return hn::Add(hn::Mul(as_floats(d, hn::PromoteTo(Of<D>(), codes)), scale), low);
    else
        return hn::Mul(e2m1_doubled(d, codes), scale);
}

/// What values are multiplied with and what is added, of `count` blocks.
template <BlockFormat F, class D>
void get_scales(D d, const uint8_t* in, size_t count, Batch& b) {
    for (size_t k = 0; k < count; ++k, in += block_bytes(F)) {
        if constexpr (F == BlockFormat::mxfp4) b.min[k] = f32_of_e8m0(in[0]) * 0.5f;
        if constexpr (F == BlockFormat::nvfp4) b.scale[k] = in[0];
        if constexpr (block_metadata_bytes(F) >= 2) std::memcpy(b.scale + k, in, 2);
        if constexpr (F == BlockFormat::q4_1) std::memcpy(b.low + k, in + 2, 2);
    }
    count = (count + hn::Lanes(d) - 1) / hn::Lanes(d) * hn::Lanes(d);
    if constexpr (F == BlockFormat::nvfp4) {
        for (size_t k = 0; k < count; k += hn::Lanes(d)) {
            auto code = hn::PromoteTo(Of<D>(), hn::Load(Halves<D>(), b.scale + k));
            hn::Store(hn::Mul(f32_of_e4m3(d, code), hn::Set(d, 0.5f)), d, b.min + k);
        }
    }
    if constexpr (block_metadata_bytes(F) >= 2) widen_f16(d, b.scale, count, b.min);
    if constexpr (F == BlockFormat::q4_1) widen_f16(d, b.low, count, b.max);
}

template <BlockFormat F, class D>
HWY_INLINE void decode_block(D d, const uint8_t* from, float first, float second, float* x) {
    const size_t lanes = hn::Lanes(d);
    const Bytes<D> db;
    auto scale = hn::Set(d, first);
    if constexpr (F == BlockFormat::q8_0) {
        const hn::Rebind<int8_t, D> ds;
        for (size_t i = 0; i < 32; i += lanes) {
            auto codes = hn::LoadU(ds, reinterpret_cast<const int8_t*>(from) + i);
            hn::StoreU(hn::Mul(hn::ConvertTo(d, hn::PromoteTo(hn::RebindToSigned<D>(), codes)), scale), d, x + i);
        }
    } else if constexpr (F == BlockFormat::nvfp4) {
        for (size_t i = 0; i < 16; i += lanes) {
            const hn::Repartition<uint16_t, decltype(db)> dw;
            auto pairs = hn::PromoteTo(dw, hn::LoadU(hn::Rebind<uint8_t, decltype(dw)>(), from + i / 2));
            pairs = hn::And(hn::Or(pairs, hn::ShiftLeft<4>(pairs)), hn::Set(dw, 0x0F0F));
            hn::StoreU(value_of<F>(d, hn::BitCast(db, pairs), scale, scale), d, x + i);
        }
    } else {
        auto low = hn::Set(d, second);
        const auto nibble = hn::Set(db, 15);
        for (size_t i = 0; i < 16; i += lanes) {
            auto both = hn::LoadU(db, from + i);
            const hn::Repartition<uint16_t, decltype(db)> dw;
            auto high = hn::BitCast(db, hn::ShiftRight<4>(hn::BitCast(dw, both)));
            hn::StoreU(value_of<F>(d, hn::And(both, nibble), scale, low), d, x + i);
            hn::StoreU(value_of<F>(d, hn::And(high, nibble), scale, low), d, x + 16 + i);
        }
    }
}

template <BlockFormat F, class D>
void decode(D d, size_t blocks, const uint8_t* in, float* x) {
    Batch b;
    for (size_t done = 0; done < blocks; done += kBlocks) {
        size_t count = std::min(kBlocks, blocks - done);
        get_scales<F>(d, in, count, b);
        for (size_t k = 0; k < count; ++k, x += block_values(F), in += block_bytes(F))
            decode_block<F>(d, in + block_metadata_bytes(F), b.min[k], F == BlockFormat::q4_1 ? b.max[k] : 0.0f, x);
    }
}
#endif

void EncodeBlocks(BlockFormat f, size_t blocks, const float* x, uint8_t* out) {
#if KV_VECTORS
    const hn::ScalableTag<float> d;
    switch (f) {
        case BlockFormat::q8_0: return encode<BlockFormat::q8_0>(d, blocks, x, out);
        case BlockFormat::q4_0: return encode<BlockFormat::q4_0>(d, blocks, x, out);
        case BlockFormat::q4_1: return encode<BlockFormat::q4_1>(d, blocks, x, out);
        case BlockFormat::mxfp4: return encode<BlockFormat::mxfp4>(d, blocks, x, out);
        case BlockFormat::nvfp4: return encode<BlockFormat::nvfp4>(d, blocks, x, out);
    }
#else
    for (size_t i = 0; i < blocks; ++i) block_encode(f, x + i * block_values(f), out + i * block_bytes(f));
#endif
}
void DecodeBlocks(BlockFormat f, size_t blocks, const uint8_t* in, float* x) {
#if KV_VECTORS
    const hn::ScalableTag<float> d;
    switch (f) {
        case BlockFormat::q8_0: return decode<BlockFormat::q8_0>(d, blocks, in, x);
        case BlockFormat::q4_0: return decode<BlockFormat::q4_0>(d, blocks, in, x);
        case BlockFormat::q4_1: return decode<BlockFormat::q4_1>(d, blocks, in, x);
        case BlockFormat::mxfp4: return decode<BlockFormat::mxfp4>(d, blocks, in, x);
        case BlockFormat::nvfp4: return decode<BlockFormat::nvfp4>(d, blocks, in, x);
    }
#else
    for (size_t i = 0; i < blocks; ++i) block_decode(f, in + i * block_bytes(f), x + i * block_values(f));
#endif
}

}  // namespace
}  // namespace kv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kv::cpu {

HWY_EXPORT(EncodeBlocks);
HWY_EXPORT(DecodeBlocks);

void encode_blocks(BlockFormat format, size_t blocks, const float* values, uint8_t* out) {
    HWY_DYNAMIC_DISPATCH(EncodeBlocks)(format, blocks, values, out);
}
void decode_blocks(BlockFormat format, size_t blocks, const uint8_t* in, float* values) {
    HWY_DYNAMIC_DISPATCH(DecodeBlocks)(format, blocks, in, values);
}

}  // namespace kv::cpu
#endif
