// Affine groups in vectors. A batch of groups passes through three loops that each keep the arithmetic units busy: ranges;
// scales, lows and reciprocals, one group per lane; codes, one byte each, which are then packed. A batch is small enough
// that its values are still in the first-level cache when they are read again.
#include <kernels/cpu/quant.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/affine.cpp"
#include <hwy/foreach_target.h>

#include <kernels/cpu/pack-inl.h>
#include <kernels/cpu/vectors-inl.h>

#include <algorithm>

HWY_BEFORE_NAMESPACE();
namespace kv::cpu::HWY_NAMESPACE {
namespace {

#if KV_VECTORS
constexpr size_t kGroups = 64;    // of a batch
constexpr size_t kValues = 4096;  // of a batch, where a group is not larger

/// What a batch of groups needs.
struct Batch {
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
void put_numbers(const AffineUnit& u, const Batch& b, size_t from, size_t count, size_t at, uint8_t* unit) {
    size_t number = affine_number_bytes(u.format);
    const void* scales = u.format.half_metadata ? static_cast<const void*>(b.half_scale + from) : b.scale + from;
    const void* lows = u.format.half_metadata ? static_cast<const void*>(b.half_low + from) : b.low + from;
    std::memcpy(unit + at * number, scales, count * number);
    if (!u.format.symmetric) std::memcpy(unit + (u.groups + at) * number, lows, count * number);
}
void get_numbers(const AffineUnit& u, const uint8_t* unit, size_t at, size_t count, Batch& b) {
    for (size_t k = 0; k < count; ++k) {
        AffineGroup g = affine_group_at(u, unit, at + k);
        b.scale[k] = g.scale;
        b.low[k] = g.low;
    }
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
    template <class D, class V = hn::Vec<D>>
    HWY_INLINE void decode(D d, const uint8_t* in, V scale, V low, float* x) const {
        auto code = hn::Add(as_floats(d, bytes_at(d, in)), hn::Set(d, lowest));
        hn::StoreU(hn::Add(hn::Mul(code, scale), low), d, x);
    }
};

// Groups one after the other.
template <class D>
void encode_runs(D d, const AffineUnit& u, size_t units, const float* x, uint8_t* out) {
    Batch b;
    const Codes codes(u.format);
    const uint32_t bits = u.format.bits;
    size_t batch = std::clamp<size_t>(kValues / u.size, 1, kGroups), bytes = u.bytes();
    size_t unit = 0, at = 0;  // the next group's place
    for (size_t left = units * u.groups; left > 0;) {
        size_t count = std::min(batch, left);
        left -= count;
        ranges(d, x, u.size, count, b.min, b.max);
        make_groups(u.format, b, count);
        for (size_t from = 0; from < count;) {
            size_t here = std::min(count - from, u.groups - at);
            put_numbers(u, b, from, here, at, out + unit * bytes);
            uint8_t* to = out + unit * bytes + u.metadata_bytes() + at * u.size * bits / 8;
            size_t piece = std::min(u.size, kValues);
            for (size_t k = from; k < from + here; ++k) {
                auto inverse = hn::Set(d, b.inverse[k]), low = hn::Set(d, b.low[k]);
                for (size_t begin = 0; begin < u.size; begin += piece) {
                    size_t n = std::min(piece, u.size - begin);
                    uint8_t* bytewise = bits == 8 ? to + (k - from) * u.size + begin
                                        : u.size > kValues ? b.codes
                                                           : b.codes + (k - from) * u.size;
                    for (size_t i = 0; i < n; i += hn::Lanes(d)) codes.encode(d, x + begin + i, inverse, low, bytewise + i);
                    if (u.size > kValues) pack(bits, b.codes, n, to + ((k - from) * u.size + begin) * bits / 8);
                }
                x += u.size;
            }
            if (u.size <= kValues) pack(bits, b.codes, here * u.size, to);
            from += here;
            at += here;
            if (at == u.groups) at = 0, ++unit;
        }
    }
}
template <class D>
void decode_runs(D d, const AffineUnit& u, size_t units, const uint8_t* in, float* x) {
    Batch b;
    const Codes codes(u.format);
    const uint32_t bits = u.format.bits;
    size_t piece = std::min(u.size, kValues), batch = std::clamp<size_t>(kValues / u.size, 1, kGroups);
    for (size_t unit = 0; unit < units; ++unit, in += u.bytes()) {
        const uint8_t* packed = in + u.metadata_bytes();
        for (size_t at = 0; at < u.groups; at += batch) {
            size_t count = std::min(batch, u.groups - at);
            get_numbers(u, in, at, count, b);
            for (size_t begin = 0; begin < u.size; begin += piece) {  // more than once only where a batch is one group
                size_t n = std::min(piece, u.size - begin);
                const uint8_t* bytewise = packed;
                if (bits != 8) unpack(bits, packed, count * n, b.codes), bytewise = b.codes;
                for (size_t k = 0; k < count; ++k, x += n, bytewise += n) {
                    auto scale = hn::Set(d, b.scale[k]), low = hn::Set(d, b.low[k]);
                    for (size_t i = 0; i < n; i += hn::Lanes(d)) codes.decode(d, bytewise + i, scale, low, x + i);
                }
                packed += count * n * bits / 8;
            }
        }
    }
}

// Groups side by side: value j of all groups stands before value j + 1.
template <class D>
void encode_columns(D d, const AffineUnit& u, size_t units, const float* x, uint8_t* out) {
    Batch b;
    const Codes codes(u.format);
    for (size_t unit = 0; unit < units; ++unit, out += u.bytes(), x += u.values())
        for (size_t at = 0; at < u.groups; at += kGroups) {
            size_t count = std::min(kGroups, u.groups - at);
            for (size_t c = 0; c < count; c += hn::Lanes(d)) {
                auto low = hn::LoadU(d, x + at + c), high = low;
                for (size_t j = 1; j < u.size; ++j) {
                    auto v = hn::LoadU(d, x + j * u.groups + at + c);
                    low = hn::Min(low, v);
                    high = hn::Max(high, v);
                }
                hn::StoreU(low, d, b.min + c);
                hn::StoreU(high, d, b.max + c);
            }
            make_groups(u.format, b, count);
            put_numbers(u, b, 0, count, at, out);
            for (size_t j = 0; j < u.size; ++j) {
                const float* row = x + j * u.groups + at;
                uint8_t* to = out + u.metadata_bytes() + (j * u.groups + at) * u.format.bits / 8;
                uint8_t* bytewise = u.format.bits == 8 ? to : b.codes;
                for (size_t c = 0; c < count; c += hn::Lanes(d))
                    codes.encode(d, row + c, hn::LoadU(d, b.inverse + c), hn::LoadU(d, b.low + c), bytewise + c);
                pack(u.format.bits, b.codes, count, to);
            }
        }
}
template <class D>
void decode_columns(D d, const AffineUnit& u, size_t units, const uint8_t* in, float* x) {
    Batch b;
    const Codes codes(u.format);
    for (size_t unit = 0; unit < units; ++unit, in += u.bytes(), x += u.values())
        for (size_t at = 0; at < u.groups; at += kGroups) {
            size_t count = std::min(kGroups, u.groups - at);
            get_numbers(u, in, at, count, b);
            for (size_t j = 0; j < u.size; ++j) {
                float* row = x + j * u.groups + at;
                const uint8_t* packed = in + u.metadata_bytes() + (j * u.groups + at) * u.format.bits / 8;
                const uint8_t* bytewise = packed;
                if (u.format.bits != 8) unpack(u.format.bits, packed, count, b.codes), bytewise = b.codes;
                for (size_t c = 0; c < count; c += hn::Lanes(d))
                    codes.decode(d, bytewise + c, hn::LoadU(d, b.scale + c), hn::LoadU(d, b.low + c), row + c);
            }
        }
}

/// Calls f(tag) with the widest vectors that divide a run; false where its codes are not whole bytes.
template <class F>
bool with_vectors(size_t run, F f) {
    if (run % 8 != 0) return false;
    if (run % hn::Lanes(hn::ScalableTag<float>()) == 0)
        f(hn::ScalableTag<float>());
    else
        f(hn::CappedTag<float, 8>());
    return true;
}
#endif

void EncodeAffine(const AffineUnit& u, size_t units, const float* x, uint8_t* out) {
#if KV_VECTORS
    size_t run = u.side_by_side() ? u.groups : u.size;
    if (with_vectors(run, [&](auto d) {
            u.side_by_side() ? encode_columns(d, u, units, x, out) : encode_runs(d, u, units, x, out);
        }))
        return;
#endif
    for (size_t i = 0; i < units; ++i) affine_encode(u, x + i * u.values(), out + i * u.bytes());
}
void DecodeAffine(const AffineUnit& u, size_t units, const uint8_t* in, float* x) {
#if KV_VECTORS
    size_t run = u.side_by_side() ? u.groups : u.size;
    if (with_vectors(run, [&](auto d) {
            u.side_by_side() ? decode_columns(d, u, units, in, x) : decode_runs(d, u, units, in, x);
        }))
        return;
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
