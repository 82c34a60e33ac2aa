// What the vector loops share, compiled once for each instruction set. KV_VECTORS: 0 where the loops of kernels/common
// are used as they are (no vectors, or vectors these loops were not tried on). No fused multiply-add anywhere: the
// formats round twice.
#if defined(KERNELS_CPU_VECTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KERNELS_CPU_VECTORS_INL_H_
#undef KERNELS_CPU_VECTORS_INL_H_
#else
#define KERNELS_CPU_VECTORS_INL_H_
#endif

#include <kernels/common/affine.h>

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#undef KV_VECTORS
#if HWY_ARCH_X86 && HWY_TARGET != HWY_SCALAR && HWY_TARGET != HWY_EMU128
#define KV_VECTORS 1
#else
#define KV_VECTORS 0
#endif
// Conversions between f32 and f16 in hardware.
#undef KV_HARDWARE_F16
#if KV_VECTORS && HWY_TARGET != HWY_SSSE3 && HWY_TARGET != HWY_SSE4
#define KV_HARDWARE_F16 1
#else
#define KV_HARDWARE_F16 0
#endif

#if KV_VECTORS
HWY_BEFORE_NAMESPACE();
namespace kv::cpu::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

template <class D>
using Of = hn::Rebind<uint32_t, D>;
template <class D>
using Bytes = hn::Rebind<uint8_t, D>;
template <class D>
using Halves = hn::Rebind<uint16_t, D>;

/// memcpy of what is mostly a few numbers: no call for these.
HWY_INLINE void copy_few(void* to, const void* from, size_t bytes) {
    switch (bytes) {
        case 2: std::memcpy(to, from, 2); return;
        case 4: std::memcpy(to, from, 4); return;
        case 8: std::memcpy(to, from, 8); return;
        case 16: std::memcpy(to, from, 16); return;
        default: std::memcpy(to, from, bytes);
    }
}
/// The values that the next batch begins to read while this one is computed. There may be none: no harm.
HWY_INLINE void prefetch(const float* x, size_t ahead) {
    hwy::Prefetch(reinterpret_cast<const float*>(reinterpret_cast<uintptr_t>(x) + ahead * sizeof(float)));
}

/// Integers of f32's width from bytes or 16 bits, zero-extended; and the lowest bytes of such integers.
template <class D, class V = hn::Vec<Of<D>>>
HWY_INLINE V bytes_at(D d, const uint8_t* in) {
    return hn::PromoteTo(Of<D>(), hn::LoadU(Bytes<D>(), in));
}
template <class D, class V>
HWY_INLINE void store_bytes(D /*d*/, V v, uint8_t* out) {
    hn::StoreU(hn::TruncateTo(Bytes<D>(), v), Bytes<D>(), out);
}
template <class D, class V>
HWY_INLINE void store_halves(D /*d*/, V v, uint8_t* out) {
    hn::StoreU(hn::TruncateTo(Halves<D>(), v), Halves<D>(), reinterpret_cast<uint16_t*>(out));
}
/// Small whole numbers as floats.
template <class D, class V>
HWY_INLINE hn::Vec<D> as_floats(D d, V v) {
    return hn::ConvertTo(d, hn::BitCast(hn::RebindToSigned<D>(), v));
}

/// kv::e4m3_of.
template <class D>
HWY_INLINE hn::Vec<Of<D>> e4m3_of(D d, hn::Vec<D> x) {
    const Of<D> du;
    auto bits = hn::BitCast(du, x);
    auto size = hn::And(bits, hn::Set(du, 0x7FFFFFFFu));
    auto sign = hn::ShiftRight<24>(hn::AndNot(hn::Set(du, 0x7FFFFFFFu), bits));
    auto tiny = hn::Sub(hn::BitCast(du, hn::Add(hn::BitCast(d, size), hn::Set(d, 16384.0f))), hn::Set(du, 0x46800000u));
    auto odd = hn::And(hn::ShiftRight<20>(size), hn::Set(du, 1u));
    auto usual = hn::ShiftRight<20>(hn::Add(hn::Add(size, hn::Set(du, 0x7FFFFu - (120u << 23))), odd));
    auto code = hn::IfThenElse(hn::Lt(size, hn::Set(du, 0x3C800000u)), tiny, usual);
    code = hn::IfThenElse(hn::Gt(size, hn::Set(du, 0x43DFFFFFu)), hn::Set(du, 0x7Eu), code);
    code = hn::IfThenElse(hn::Gt(size, hn::Set(du, 0x7F800000u)), hn::Set(du, 0x7Fu), code);
    return hn::Or(code, sign);
}
/// kv::f32_of_e4m3.
template <class D, class V>
HWY_INLINE hn::Vec<D> f32_of_e4m3(D d, V code) {
    const Of<D> du;
    auto size = hn::And(code, hn::Set(du, 0x7Fu));
    auto sign = hn::ShiftLeft<24>(hn::And(code, hn::Set(du, 0x80u)));
    auto tiny = hn::BitCast(du, hn::Mul(as_floats(d, size), hn::Set(d, 0.001953125f)));
    auto usual = hn::ShiftLeft<20>(hn::Add(size, hn::Set(du, 120u << 3)));
    auto bits = hn::IfThenElse(hn::Lt(size, hn::Set(du, 8u)), tiny, usual);
    bits = hn::IfThenElse(hn::Eq(size, hn::Set(du, 0x7Fu)), hn::Set(du, 0x7FC00000u), bits);
    return hn::BitCast(d, hn::Or(bits, sign));
}
/// kv::e2m1_of of numbers.
template <class D>
HWY_INLINE hn::Vec<Of<D>> e2m1_of(D d, hn::Vec<D> x) {
    const Of<D> du;
    auto bits = hn::BitCast(du, x);
    auto sign = hn::ShiftRight<28>(hn::AndNot(hn::Set(du, 0x7FFFFFFFu), bits));
    auto limited = hn::Min(hn::Abs(x), hn::Set(d, 6.0f));
    auto size = hn::BitCast(du, limited);
    auto tiny = hn::Sub(hn::BitCast(du, hn::Add(limited, hn::Set(d, 4194304.0f))), hn::Set(du, 0x4A800000u));
    auto odd = hn::And(hn::ShiftRight<22>(size), hn::Set(du, 1u));
    auto usual = hn::ShiftRight<22>(hn::Add(hn::Add(size, hn::Set(du, 0x1FFFFFu - (126u << 23))), odd));
    return hn::Or(hn::IfThenElse(hn::RebindMask(du, hn::Lt(limited, hn::Set(d, 1.0f))), tiny, usual), sign);
}

#if HWY_TARGET != HWY_SSSE3 && HWY_TARGET != HWY_SSE4
/// The smallest values so far in the lower half of the lanes, the largest ones with their signs changed in the upper
/// half.
template <class D>
HWY_INLINE hn::Vec<D> two_ranges(D d, const float* x, size_t size) {
    auto low = hn::LoadU(d, x), high = low;
    for (size_t i = hn::Lanes(d); i < size; i += hn::Lanes(d)) {
        auto v = hn::LoadU(d, x + i);
        low = hn::Min(low, v);
        high = hn::Max(high, v);
    }
    high = hn::Neg(high);
    return hn::Min(hn::ConcatLowerLower(d, high, low), hn::ConcatUpperUpper(d, high, low));
}
/// Smallest and largest of four groups: lanes of different groups are interleaved, so that one minimum serves all.
template <class D>
HWY_INLINE void four_ranges(D d, const float* x, size_t size, float* min, float* max) {
    const hn::Repartition<uint64_t, D> pairs;
    const hn::CappedTag<float, 4> four;
    auto a = two_ranges(d, x, size), b = two_ranges(d, x + size, size);
    auto c = two_ranges(d, x + 2 * size, size), e = two_ranges(d, x + 3 * size, size);
    auto ab = hn::BitCast(pairs, hn::Min(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b)));
    auto ce = hn::BitCast(pairs, hn::Min(hn::InterleaveLower(d, c, e), hn::InterleaveUpper(d, c, e)));
    auto all = hn::Min(hn::BitCast(d, hn::InterleaveLower(pairs, ab, ce)),
                       hn::BitCast(d, hn::InterleaveUpper(pairs, ab, ce)));
    if constexpr (hn::MaxLanes(D()) == 16) {
        all = hn::Min(all, hn::SwapAdjacentBlocks(all));
        hn::StoreU(hn::LowerHalf(four, hn::LowerHalf(all)), four, min);
        hn::StoreU(hn::Neg(hn::LowerHalf(four, hn::UpperHalf(hn::Half<D>(), all))), four, max);
    } else {
        hn::StoreU(hn::LowerHalf(all), four, min);
        hn::StoreU(hn::Neg(hn::UpperHalf(four, all)), four, max);
    }
}
#endif

/// Smallest and largest of each of `groups` groups of `size` values, which is whole vectors.
template <class D>
HWY_INLINE void ranges(D d, const float* x, size_t size, size_t groups, float* min, float* max) {
    const size_t lanes = hn::Lanes(d);
    size_t g = 0;
#if HWY_TARGET != HWY_SSSE3 && HWY_TARGET != HWY_SSE4
    for (; g + 4 <= groups; g += 4, x += 4 * size) four_ranges(d, x, size, min + g, max + g);
#endif
    for (; g < groups; ++g, x += size) {
        auto low = hn::LoadU(d, x), high = low;
        for (size_t i = lanes; i < size; i += lanes) {
            auto v = hn::LoadU(d, x + i);
            low = hn::Min(low, v);
            high = hn::Max(high, v);
        }
        min[g] = hn::GetLane(hn::MinOfLanes(d, low));
        max[g] = hn::GetLane(hn::MaxOfLanes(d, high));
    }
}

/// f32 of `count` f16, a multiple of the lanes.
template <class D>
HWY_INLINE void widen_f16(D d, const uint16_t* in, size_t count, float* out) {
#if KV_HARDWARE_F16
    const hn::Rebind<hwy::float16_t, D> dh;
    for (size_t i = 0; i < count; i += hn::Lanes(d))
        hn::StoreU(hn::PromoteTo(d, hn::LoadU(dh, reinterpret_cast<const hwy::float16_t*>(in) + i)), d, out + i);
#else
    (void)d;
    for (size_t i = 0; i < count; ++i) out[i] = f32_of_f16(in[i]);
#endif
}

/// Limited to f16's numbers and rounded to them: 16 bits to `out`, the rounded value returned.
template <class D>
HWY_INLINE hn::Vec<D> finite_f16(D d, hn::Vec<D> x, uint16_t* out) {
    auto limited = hn::Min(hn::Max(x, hn::Set(d, -kLargestF16)), hn::Set(d, kLargestF16));
#if KV_HARDWARE_F16
    const hn::Rebind<hwy::float16_t, D> dh;
    auto half = hn::DemoteTo(dh, limited);
    hn::StoreU(half, dh, reinterpret_cast<hwy::float16_t*>(out));
    return hn::PromoteTo(d, half);
#else
    HWY_ALIGN float value[HWY_MAX_BYTES / sizeof(float)];
    hn::Store(limited, d, value);
    for (size_t i = 0; i < hn::Lanes(d); ++i) value[i] = f32_of_f16(out[i] = f16_of(value[i]));
    return hn::Load(d, value);
#endif
}

}  // namespace
}  // namespace kv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // KV_VECTORS

#endif
