// Affine groups in vectors. A batch of groups passes through three loops that each keep the arithmetic units busy:
// ranges; scales, lows and reciprocals, one group per lane; codes, one byte each, which are then packed. A batch is
// small enough that its values are still in the first-level cache when they are read again.
#include <kernels/cpu/quant.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/affine.cpp"
#include <hwy/foreach_target.h>

#include <kernels/cpu/pack-inl.h>
#include <kernels/cpu/vectors-inl.h>

#include <algorithm>
#include <type_traits>

HWY_BEFORE_NAMESPACE();
namespace kv::cpu::HWY_NAMESPACE {
namespace {

#if KV_VECTORS
constexpr size_t kGroups = 128;   // of a batch
constexpr size_t kValues = 4096;  // of a batch, where a group is not larger

/// What a batch of groups needs; lows of symmetric groups stay 0.
struct Batch {
    Batch() {  // the codes need no value
        std::fill_n(low, kGroups, 0.0f);
        std::fill_n(half_low, kGroups, uint16_t{0});
    }
    HWY_ALIGN float min[kGroups], max[kGroups], scale[kGroups], low[kGroups], inverse[kGroups];
    HWY_ALIGN uint16_t half_scale[kGroups], half_low[kGroups];
    HWY_ALIGN uint8_t codes[kValues];
};

/// kv::affine_group of `count` groups.
void make_groups(const AffineFormat& f, Batch& b, size_t count) {
    const hn::ScalableTag<float> d;
    const auto zero = hn::Zero(d), smallest = hn::Set(d, kSmallestNormal);
    const auto steps = hn::Set(d, static_cast<float>(affine_steps(f)));
    for (size_t g = 0; g < count; g += hn::Lanes(d)) {
        auto min = hn::Load(d, b.min + g), max = hn::Load(d, b.max + g);
        auto range = f.symmetric ? hn::Max(hn::Neg(min), max) : hn::Sub(max, min);
        range = hn::Add(hn::Min(range, hn::Set(d, kLargestF32)), zero);
        auto scale = hn::Div(range, steps);
        scale = hn::IfThenElse(hn::Gt(range, zero), hn::Max(scale, smallest), scale);
        auto low = f.symmetric ? zero : hn::Add(min, zero);
        if (f.half_metadata) {
            scale = finite_f16(d, scale, b.half_scale + g);
            low = finite_f16(d, low, b.half_low + g);
        }
        hn::Store(scale, d, b.scale + g);
        hn::Store(low, d, b.low + g);
        hn::Store(hn::IfThenElseZero(hn::Gt(scale, zero), hn::Div(hn::Set(d, 1.0f), scale)), d, b.inverse + g);
    }
}

/// Numbers of groups `from` to `from + count` of a batch to a unit's group `at`.
HWY_INLINE void put_numbers(const AffineUnit& u, const Batch& b, size_t from, size_t count, size_t at, uint8_t* unit) {
    size_t number = affine_number_bytes(u.format);
    const void* scales = u.format.half_metadata ? static_cast<const void*>(b.half_scale + from) : b.scale + from;
    const void* lows = u.format.half_metadata ? static_cast<const void*>(b.half_low + from) : b.low + from;
    copy_few(unit + at * number, scales, count * number);
    if (!u.format.symmetric) copy_few(unit + (u.groups + at) * number, lows, count * number);
}
/// The same way back; widen_numbers() then makes f32 of f16.
HWY_INLINE void get_numbers(const AffineUnit& u, const uint8_t* unit, size_t at, size_t count, Batch& b, size_t to) {
    size_t number = affine_number_bytes(u.format);
    void* scales = u.format.half_metadata ? static_cast<void*>(b.half_scale + to) : b.scale + to;
    void* lows = u.format.half_metadata ? static_cast<void*>(b.half_low + to) : b.low + to;
    copy_few(scales, unit + at * number, count * number);
    if (!u.format.symmetric) copy_few(lows, unit + (u.groups + at) * number, count * number);
}
void widen_numbers(const AffineUnit& u, size_t count, Batch& b) {
    if (!u.format.half_metadata) return;
    const hn::ScalableTag<float> d;
    count = (count + hn::Lanes(d) - 1) / hn::Lanes(d) * hn::Lanes(d);
    widen_f16(d, b.half_scale, count, b.scale);
    widen_f16(d, b.half_low, count, b.low);
}

/// kv::affine_code and kv::affine_value of a vector.
struct Codes {
    explicit Codes(const AffineFormat& f)
        : lowest(-static_cast<float>(affine_offset(f))),
          highest(static_cast<float>(affine_top(f)) + lowest),
          magic(8388608.0f - lowest) {}
    float lowest, highest, magic;

    template <class D, class V = hn::Vec<D>>
    HWY_INLINE void encode(D d, const float* x, V inverse, V low, uint8_t* out) const {
        auto steps = hn::Mul(hn::Sub(hn::LoadU(d, x), low), inverse);
        steps = hn::Min(hn::Max(steps, hn::Set(d, lowest)), hn::Set(d, highest));
        store_bytes(d, hn::BitCast(Of<D>(), hn::Add(steps, hn::Set(d, magic))), out);
    }
    template <bool kOffset = true, class D, class V = hn::Vec<D>>
    HWY_INLINE void decode(D d, const uint8_t* in, V scale, V low, float* x) const {
        auto code = as_floats(d, bytes_at(d, in));
        if constexpr (kOffset) code = hn::Add(code, hn::Set(d, lowest));
        hn::StoreU(hn::Add(hn::Mul(code, scale), low), d, x);
    }
};

// Groups one after the other.
template <uint32_t kBits, class D>
void encode_batches(D d, const AffineUnit& u, size_t units, const float* x, uint8_t* out) {
    Batch b;
    const Codes codes(u.format);
    const size_t batch = std::clamp<size_t>(kValues / u.size, 1, kGroups);
    const size_t bytes = u.bytes(), metadata = u.metadata_bytes();
    size_t at = 0;  // the next group's place
    for (size_t left = units * u.groups; left > 0;) {
        size_t count = std::min(batch, left);
        left -= count;
        ranges(d, x, u.size, count, b.min, b.max);
        make_groups(u.format, b, count);
        for (size_t k = 0; k < count;) {
            size_t here = std::min(count - k, u.groups - at);
            put_numbers(u, b, k, here, at, out);
            uint8_t* packed = out + metadata + at * u.size * kBits / 8;
            uint8_t* bytewise = kBits == 8 ? packed : b.codes;
            for (size_t end = k + here; k < end; ++k, x += u.size, bytewise += u.size) {
                auto inverse = hn::Set(d, b.inverse[k]), low = hn::Set(d, b.low[k]);
                for (size_t i = 0; i < u.size; i += hn::Lanes(d)) {
                    prefetch(x + i, kValues);
                    codes.encode(d, x + i, inverse, low, bytewise + i);
                }
            }
            if (kBits != 8) pack(kBits, b.codes, here * u.size, packed);
            at += here;
            if (at == u.groups) at = 0, out += bytes;
        }
    }
}
template <uint32_t kBits, class D>
void encode_large(D d, const AffineUnit& u, size_t units, const float* x, uint8_t* out) {
    Batch b;
    const Codes codes(u.format);
    for (size_t unit = 0; unit < units; ++unit, out += u.bytes())
        for (size_t k = 0; k < u.groups; ++k) {
            ranges(d, x, u.size, 1, b.min, b.max);
            make_groups(u.format, b, 1);
            put_numbers(u, b, 0, 1, k, out);
            auto inverse = hn::Set(d, b.inverse[0]), low = hn::Set(d, b.low[0]);
            uint8_t* packed = out + u.metadata_bytes() + k * u.size * kBits / 8;
            for (size_t begin = 0; begin < u.size; begin += kValues, packed += kValues * kBits / 8) {
                size_t n = std::min(kValues, u.size - begin);
                uint8_t* bytewise = kBits == 8 ? packed : b.codes;
                for (size_t i = 0; i < n; i += hn::Lanes(d)) codes.encode(d, x + i, inverse, low, bytewise + i);
                if (kBits != 8) pack(kBits, b.codes, n, packed);
                x += n;
            }
        }
}
template <uint32_t kBits, class D>
void encode_runs(D d, const AffineUnit& u, size_t units, const float* x, uint8_t* out) {
    u.size <= kValues ? encode_batches<kBits>(d, u, units, x, out) : encode_large<kBits>(d, u, units, x, out);
}

/// 4-bit codes of a group by a table of its 16 values, for vectors of 16; `size` a multiple of 16.
template <bool kOffset, class D>
HWY_INLINE void decode_nibbles(D d, const Codes& codes, const uint8_t* in, size_t size, float scale, float low,
                               float* x) {
    const Of<D> du;
    const hn::Repartition<uint64_t, D> dw;
    auto steps = as_floats(d, hn::Iota(du, 0));
    if constexpr (kOffset) steps = hn::Add(steps, hn::Set(d, codes.lowest));
    auto table = hn::Add(hn::Mul(steps, hn::Set(d, scale)), hn::Set(d, low));
    const auto low_nibble = hn::Set(dw, 15), high_nibble = hn::Set(dw, uint64_t{15} << 32);
    const auto eights = hn::ShiftLeft<3>(hn::Iota(dw, 0));
    for (size_t i = 0; i < size; i += 16, in += 8) {
        uint64_t codes16;
        std::memcpy(&codes16, in, 8);
        auto bytes = hn::Shr(hn::Set(dw, codes16), eights);  // the lowest of each is for two lanes
        auto pairs = hn::OrAnd(hn::And(bytes, low_nibble), hn::ShiftLeft<28>(bytes), high_nibble);
        hn::StoreU(hn::TableLookupLanes(table, hn::IndicesFromVec(d, hn::BitCast(du, pairs))), d, x + i);
    }
}

/// `count` groups of a batch from codes that stand one after the other, in bytes or (kNibbles) packed; kSize: the
/// groups' size where it is known here.
template <size_t kSize, bool kNibbles, bool kOffset, class D>
HWY_INLINE void decode_groups(D d, const Codes& codes, size_t any_size, const Batch& b, size_t from, size_t count,
                              const uint8_t* in, float* x) {
    const size_t size = kSize != 0 ? kSize : any_size;
    for (size_t k = from; k < from + count; ++k, x += size) {
        if constexpr (kNibbles) {
            decode_nibbles<kOffset>(d, codes, in, size, b.scale[k], b.low[k], x);
            in += size / 2;
        } else {
            auto scale = hn::Set(d, b.scale[k]), low = hn::Set(d, b.low[k]);
            for (size_t i = 0; i < size; i += hn::Lanes(d)) codes.decode<kOffset>(d, in + i, scale, low, x + i);
            in += size;
        }
    }
}

/// Groups of at most kValues, many at once.
template <uint32_t kBits, bool kDirect, bool kOffset, class D>
void decode_batches(D d, const AffineUnit& u, size_t units, const uint8_t* in, float* x) {
    Batch b;
    const Codes codes(u.format);
    const size_t batch = std::clamp<size_t>(kValues / u.size, 1, kGroups);
    const size_t bytes = u.bytes(), metadata = u.metadata_bytes();
    size_t at = 0;  // the next group's place
    for (size_t left = units * u.groups; left > 0;) {
        size_t count = std::min(batch, left);
        left -= count;
        const uint8_t* bytes_unit = in;  // where the batch begins
        size_t bytes_at = at;
        for (size_t k = 0; k < count;) {
            size_t here = std::min(count - k, u.groups - at);
            get_numbers(u, in, at, here, b, k);
            if (!kDirect) unpack(kBits, in + metadata + at * u.size * kBits / 8, here * u.size, b.codes + k * u.size);
            k += here;
            at += here;
            if (at == u.groups) at = 0, in += bytes;
        }
        widen_numbers(u, count, b);
        for (size_t k = 0; k < count;) {
            size_t here = kDirect ? std::min(count - k, u.groups - bytes_at) : count;
            const uint8_t* from = kDirect ? bytes_unit + metadata + bytes_at * u.size * kBits / 8 : b.codes;
            if (u.size == 32)
                decode_groups<32, kDirect && kBits == 4, kOffset>(d, codes, 32, b, k, here, from, x);
            else if (u.size == 128)
                decode_groups<128, kDirect && kBits == 4, kOffset>(d, codes, 128, b, k, here, from, x);
            else
                decode_groups<0, kDirect && kBits == 4, kOffset>(d, codes, u.size, b, k, here, from, x);
            k += here;
            x += here * u.size;
            bytes_at += here;
            if (bytes_at == u.groups) bytes_at = 0, bytes_unit += bytes;
        }
    }
}
template <uint32_t kBits, bool kDirect, class D>
void decode_any_batches(D d, const AffineUnit& u, size_t units, const uint8_t* in, float* x) {
    u.format.symmetric ? decode_batches<kBits, kDirect, true>(d, u, units, in, x)
                       : decode_batches<kBits, kDirect, false>(d, u, units, in, x);
}
/// Groups that are larger, one after the other.
template <uint32_t kBits, class D>
void decode_large(D d, const AffineUnit& u, size_t units, const uint8_t* in, float* x) {
    Batch b;
    const Codes codes(u.format);
    for (size_t unit = 0; unit < units; ++unit, in += u.bytes())
        for (size_t k = 0; k < u.groups; ++k) {
            AffineGroup g = affine_group_at(u, in, k);
            auto scale = hn::Set(d, g.scale), low = hn::Set(d, g.low);
            const uint8_t* packed = in + u.metadata_bytes() + k * u.size * kBits / 8;
            for (size_t begin = 0; begin < u.size; begin += kValues, packed += kValues * kBits / 8) {
                size_t n = std::min(kValues, u.size - begin);
                if (kBits != 8) unpack(kBits, packed, n, b.codes);
                const uint8_t* bytewise = kBits == 8 ? packed : b.codes;
                for (size_t i = 0; i < n; i += hn::Lanes(d)) codes.decode(d, bytewise + i, scale, low, x + i);
                x += n;
            }
        }
}
template <uint32_t kBits, class D>
void decode_runs(D d, const AffineUnit& u, size_t units, const uint8_t* in, float* x) {
    if (u.size > kValues) return decode_large<kBits>(d, u, units, in, x);
    if constexpr (kBits == 4 && hn::MaxLanes(D()) == 16)
        if (u.size % 16 == 0) return decode_any_batches<kBits, true>(d, u, units, in, x);
    decode_any_batches<kBits, kBits == 8>(d, u, units, in, x);
}

// Groups side by side: value j of all groups stands before value j + 1.
template <uint32_t kBits, class D>
void encode_columns(D d, const AffineUnit& u, size_t units, const float* x, uint8_t* out) {
    Batch b;
    const Codes codes(u.format);
    for (size_t unit = 0; unit < units; ++unit, out += u.bytes(), x += u.values())
        for (size_t at = 0; at < u.groups; at += kGroups) {
            size_t count = std::min(kGroups, u.groups - at);
            std::memcpy(b.min, x + at, count * sizeof(float));
            std::memcpy(b.max, x + at, count * sizeof(float));
            for (size_t j = 1; j < u.size; ++j)
                for (size_t c = 0; c < count; c += hn::Lanes(d)) {
                    auto v = hn::LoadU(d, x + j * u.groups + at + c);
                    hn::StoreU(hn::Min(hn::LoadU(d, b.min + c), v), d, b.min + c);
                    hn::StoreU(hn::Max(hn::LoadU(d, b.max + c), v), d, b.max + c);
                }
            make_groups(u.format, b, count);
            put_numbers(u, b, 0, count, at, out);
            for (size_t j = 0; j < u.size; ++j) {
                const float* row = x + j * u.groups + at;
                uint8_t* to = out + u.metadata_bytes() + (j * u.groups + at) * kBits / 8;
                uint8_t* bytewise = kBits == 8 ? to : b.codes;
                for (size_t c = 0; c < count; c += hn::Lanes(d)) {
                    prefetch(row + c, u.values());
                    codes.encode(d, row + c, hn::LoadU(d, b.inverse + c), hn::LoadU(d, b.low + c), bytewise + c);
                }
                if (kBits != 8) pack(kBits, b.codes, count, to);
            }
        }
}
template <uint32_t kBits, class D>
void decode_columns(D d, const AffineUnit& u, size_t units, const uint8_t* in, float* x) {
    Batch b;
    const Codes codes(u.format);
    for (size_t unit = 0; unit < units; ++unit, in += u.bytes(), x += u.values())
        for (size_t at = 0; at < u.groups; at += kGroups) {
            size_t count = std::min(kGroups, u.groups - at);
            get_numbers(u, in, at, count, b, 0);
            widen_numbers(u, count, b);
            for (size_t j = 0; j < u.size; ++j) {
                float* row = x + j * u.groups + at;
                const uint8_t* packed = in + u.metadata_bytes() + (j * u.groups + at) * kBits / 8;
                const uint8_t* bytewise = packed;
                if (kBits != 8) unpack(kBits, packed, count, b.codes), bytewise = b.codes;
                for (size_t c = 0; c < count; c += hn::Lanes(d))
                    codes.decode(d, bytewise + c, hn::LoadU(d, b.scale + c), hn::LoadU(d, b.low + c), row + c);
            }
        }
}

/// Calls f<bits>(tag) with the widest vectors that divide a run; false where its codes are not whole bytes.
template <class F>
bool with_vectors(const AffineUnit& u, F f) {
    size_t run = u.side_by_side() ? u.groups : u.size;
    if (run % 8 != 0) return false;
    auto with_bits = [&](auto d) {
        switch (u.format.bits) {
            case 2: f(d, std::integral_constant<uint32_t, 2>()); break;
            case 3: f(d, std::integral_constant<uint32_t, 3>()); break;
            case 4: f(d, std::integral_constant<uint32_t, 4>()); break;
            default: f(d, std::integral_constant<uint32_t, 8>()); break;
        }
    };
    if (run % hn::Lanes(hn::ScalableTag<float>()) == 0)
        with_bits(hn::ScalableTag<float>());
    else
        with_bits(hn::CappedTag<float, 8>());
    return true;
}
#endif

void EncodeAffine(const AffineUnit& u, size_t units, const float* x, uint8_t* out) {
#if KV_VECTORS
    auto vectors = [&](auto d, auto bits) {
        u.side_by_side() ? encode_columns<bits>(d, u, units, x, out) : encode_runs<bits>(d, u, units, x, out);
    };
    if (with_vectors(u, vectors)) return;
#endif
    for (size_t i = 0; i < units; ++i) affine_encode(u, x + i * u.values(), out + i * u.bytes());
}
void DecodeAffine(const AffineUnit& u, size_t units, const uint8_t* in, float* x) {
#if KV_VECTORS
    auto vectors = [&](auto d, auto bits) {
        u.side_by_side() ? decode_columns<bits>(d, u, units, in, x) : decode_runs<bits>(d, u, units, in, x);
    };
    if (with_vectors(u, vectors)) return;
#endif
    for (size_t i = 0; i < units; ++i) affine_decode(u, in + i * u.bytes(), x + i * u.values());
}

}  // namespace
}  // namespace kv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kv::cpu {

HWY_EXPORT(EncodeAffine);
HWY_EXPORT(DecodeAffine);

void encode_affine(const AffineUnit& unit, size_t units, const float* values, uint8_t* out) {
    HWY_DYNAMIC_DISPATCH(EncodeAffine)(unit, units, values, out);
}
void decode_affine(const AffineUnit& unit, size_t units, const uint8_t* in, float* values) {
    HWY_DYNAMIC_DISPATCH(DecodeAffine)(unit, units, in, values);
}

}  // namespace kv::cpu
#endif
