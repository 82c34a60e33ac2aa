// The Walsh-Hadamard rotation in vectors: sums and differences of whole vectors while the step is at least a vector, of
// a vector and its own lanes in another order below. Each value sees the same sums in the same order as in
// kernels/common/hadamard.h.
#include <kernels/common/hadamard.h>
#include <kernels/cpu/quant.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/hadamard.cpp"
#include <hwy/foreach_target.h>

#include <kernels/cpu/vectors-inl.h>

HWY_BEFORE_NAMESPACE();
namespace kv::cpu::HWY_NAMESPACE {
namespace {

#if KV_VECTORS
/// Lanes where bit `step` of the number is set change their sign.
template <class D>
hn::Vec<D> signs(D d, uint32_t step) {
    const Of<D> du;
    auto set = hn::Ne(hn::And(hn::Iota(du, 0), hn::Set(du, step)), hn::Zero(du));
    return hn::BitCast(d, hn::IfThenElseZero(set, hn::Set(du, 0x80000000u)));
}
/// a + b and a - b for lanes a, b that are `step` apart, `other` holding each lane's partner.
template <class V>
HWY_INLINE V sums(V self, V other, V sign) {
    return hn::Add(other, hn::Xor(self, sign));
}

template <class D>
void within_vectors(D d, float* x, size_t width) {
    const auto sign8 = signs(d, 8), sign4 = signs(d, 4), sign2 = signs(d, 2), sign1 = signs(d, 1);
    const auto factor = hn::Set(d, hadamard_factor(width));
    for (size_t i = 0; i < width; i += hn::Lanes(d)) {
        auto v = hn::LoadU(d, x + i);
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX3_DL
        v = sums(v, hn::ConcatLowerUpper(d, v, v), sign8);
        v = sums(v, hn::SwapAdjacentBlocks(v), sign4);
#elif HWY_TARGET == HWY_AVX2
        (void)sign8;
        v = sums(v, hn::ConcatLowerUpper(d, v, v), sign4);
#else
        (void)sign8, (void)sign4;
#endif
        v = sums(v, hn::Shuffle1032(v), sign2);
        v = sums(v, hn::Shuffle2301(v), sign1);
        hn::StoreU(hn::Mul(v, factor), d, x + i);
    }
}

void rotate_vectors(float* x, size_t width) {
    const hn::ScalableTag<float> d;
    const size_t lanes = hn::Lanes(d);
    const auto most = hn::Set(d, kLargestRotated), least = hn::Set(d, -kLargestRotated);
    for (size_t i = 0; i < width; i += lanes) hn::StoreU(hn::Min(hn::Max(hn::LoadU(d, x + i), least), most), d, x + i);
    for (size_t step = width / 2; step >= lanes; step /= 2)
        for (size_t begin = 0; begin < width; begin += 2 * step)
            for (size_t i = begin; i < begin + step; i += lanes) {
                auto a = hn::LoadU(d, x + i), b = hn::LoadU(d, x + i + step);
                hn::StoreU(hn::Add(a, b), d, x + i);
                hn::StoreU(hn::Sub(a, b), d, x + i + step);
            }
    within_vectors(d, x, width);
}
#endif

void Rotate(float* x, size_t count, size_t width) {
#if KV_VECTORS
    if (width % hn::Lanes(hn::ScalableTag<float>()) == 0) {
        for (size_t i = 0; i < count; i += width) rotate_vectors(x + i, width);
        return;
    }
#endif
    for (size_t i = 0; i < count; i += width) hadamard_rotate(x + i, width);
}

}  // namespace
}  // namespace kv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kv::cpu {

HWY_EXPORT(Rotate);

void rotate(float* values, size_t count, size_t width) { HWY_DYNAMIC_DISPATCH(Rotate)(values, count, width); }

}  // namespace kv::cpu
#endif
