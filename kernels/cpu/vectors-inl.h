// What the vector loops share, compiled once for each instruction set. KV_VECTORS: 0 where the loops of kernels/common are
// used as they are (no vectors, or vectors these loops were not tried on). No fused multiply-add anywhere: the formats
// round twice.
#if defined(KERNELS_CPU_VECTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KERNELS_CPU_VECTORS_INL_H_
#undef KERNELS_CPU_VECTORS_INL_H_
#else
#define KERNELS_CPU_VECTORS_INL_H_
#endif

#include <kernels/common/affine.h>

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

/// Smallest and largest of each of `groups` groups of `size` values, which is whole vectors.
template <class D>
HWY_INLINE void ranges(D d, const float* x, size_t size, size_t groups, float* min, float* max) {
    const size_t lanes = hn::Lanes(d);
    for (size_t g = 0; g < groups; ++g, x += size) {
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
