// The loops of attention.cpp over the rows of a tile, compiled once for each instruction set; plain ones where there are no
// vectors.
#ifndef KERNELS_CPU_ATTENTION_TYPES
#define KERNELS_CPU_ATTENTION_TYPES

#include <kernels/cpu/cache_ops.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace kv::cpu {

inline constexpr uint32_t kTile = 32;
inline constexpr size_t kMostLanes = 16;  ///< floats of a vector

/// One side of a tile: where its rows are, and of whole numbers what a row's groups are scaled by and begin at.
struct TileRows {
    const uint8_t* data[kTile];
    const float* scales = nullptr;  ///< [group][kTile], a token each
    const float* lows = nullptr;    ///< likewise: what code 0 stands for
};
/// What one piece of work needs, reused by its thread.
struct AttentionRoom {
    std::vector<float> q, q_sums, out, base, weights, decoded, scales, lows, read;
    std::vector<uint16_t> halves;
};
/// The part of a softmax that a piece saw, of each query head: largest logit, sum of exponentials; their weighted values
/// stand in AttentionRoom::out.
struct AttentionPart {
    std::vector<float> max, sum;
};
struct AttentionPiece {
    uint32_t sequence = 0, head = 0, begin = 0, end = 0;
};
/// Rows of a tile as they are stored.
struct TilePlaces {
    const uint8_t *k[kTile], *v[kTile], *k_meta[kTile], *v_meta[kTile];
    uint32_t count = 0, k_bytes = 0, v_bytes = 0, k_meta_bytes = 0, v_meta_bytes = 0;
};

}  // namespace kv::cpu
#endif

#if defined(KERNELS_CPU_ATTENTION_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KERNELS_CPU_ATTENTION_INL_H_
#undef KERNELS_CPU_ATTENTION_INL_H_
#else
#define KERNELS_CPU_ATTENTION_INL_H_
#endif

#include <kernels/cpu/vectors-inl.h>

HWY_BEFORE_NAMESPACE();
namespace kv::cpu::HWY_NAMESPACE {
namespace {

#if KV_VECTORS
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

/// Values 2 * lanes of a row from value i on; of int4 the even ones, then the odd ones. Whole numbers as codes.
template <RowType T>
HWY_INLINE void load_two(D d, const uint8_t* row, size_t i, V& a, V& b) {
    const size_t lanes = hn::Lanes(d);
    const Of<D> du;
    if constexpr (T == RowType::f32) {
        a = hn::LoadU(d, reinterpret_cast<const float*>(row) + i);
        b = hn::LoadU(d, reinterpret_cast<const float*>(row) + i + lanes);
    } else if constexpr (T == RowType::bf16) {
        const auto* x = reinterpret_cast<const uint16_t*>(row);
        a = hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(du, hn::LoadU(Halves<D>(), x + i))));
        b = hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(du, hn::LoadU(Halves<D>(), x + i + lanes))));
    } else if constexpr (T == RowType::f16) {
#if KV_HARDWARE_F16
        const hn::Rebind<hwy::float16_t, D> dh;
        a = hn::PromoteTo(d, hn::LoadU(dh, reinterpret_cast<const hwy::float16_t*>(row) + i));
        b = hn::PromoteTo(d, hn::LoadU(dh, reinterpret_cast<const hwy::float16_t*>(row) + i + lanes));
#endif
    } else if constexpr (T == RowType::e4m3) {
        a = f32_of_e4m3(d, bytes_at(d, row + i));
        b = f32_of_e4m3(d, bytes_at(d, row + i + lanes));
    } else if constexpr (T == RowType::int8) {
        a = as_floats(d, bytes_at(d, row + i));
        b = as_floats(d, bytes_at(d, row + i + lanes));
    } else {
        auto pairs = bytes_at(d, row + i / 2);
        a = as_floats(d, hn::And(pairs, hn::Set(du, 15u)));
        b = as_floats(d, hn::ShiftRight<4>(pairs));
    }
}

/// Blocks of four lanes added up.
template <class D1>
HWY_INLINE void store_folded(D1 d, hn::Vec<D1> v, float* four) {
    if constexpr (hn::MaxLanes(D1()) == 4) {
        hn::StoreU(v, d, four);
    } else {
        const hn::Half<D1> half;
        store_folded(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)), four);
    }
}
/// The sum of each vector's lanes; of four at once by interleaving them.
template <size_t N>
HWY_INLINE void sums_of(D d, const V* v, float* sums) {
    if constexpr (N == 4) {
        const hn::Repartition<uint64_t, D> pairs;
        auto ab = hn::BitCast(pairs, hn::Add(hn::InterleaveLower(d, v[0], v[1]), hn::InterleaveUpper(d, v[0], v[1])));
        auto ce = hn::BitCast(pairs, hn::Add(hn::InterleaveLower(d, v[2], v[3]), hn::InterleaveUpper(d, v[2], v[3])));
        auto all = hn::Add(hn::BitCast(d, hn::InterleaveLower(pairs, ab, ce)), hn::BitCast(d, hn::InterleaveUpper(pairs, ab, ce)));
        store_folded(d, all, sums);
    } else {
        for (size_t n = 0; n < N; ++n) sums[n] = hn::GetLane(hn::SumOfLanes(d, v[n]));
    }
}

/// What the lows of the groups add to logits; the scale of a group that is the whole row comes here, too.
template <size_t N>
HWY_INLINE void add_lows(const TileRows& rows, uint32_t count, const float* q_sums, size_t groups, float* logits) {
    const D d;
    for (uint32_t t = 0; t < count; t += static_cast<uint32_t>(hn::Lanes(d)))
        for (size_t n = 0; n < N; ++n) {
            auto x = hn::LoadU(d, logits + n * kTile + t);
            if (groups == 1) x = hn::Mul(x, hn::LoadU(d, rows.scales + t));
            for (size_t k = 0; k < groups; ++k)
                x = hn::MulAdd(hn::LoadU(d, rows.lows + k * kTile + t), hn::Set(d, q_sums[n * groups + k]), x);
            hn::StoreU(x, d, logits + n * kTile + t);
        }
}

/// A row of the next tile, keys and values: blocks lie anywhere, which the processor cannot guess.
HWY_INLINE void prefetch_row(const TilePlaces& next, uint32_t t) {
    for (uint32_t i = 0; i < next.k_bytes; i += 64) hwy::Prefetch(next.k[t] + i);
    for (uint32_t i = 0; i < next.v_bytes; i += 64) hwy::Prefetch(next.v[t] + i);
    if (next.k_meta_bytes > 0) hwy::Prefetch(next.k_meta[t]);
    if (next.v_meta_bytes > 0) hwy::Prefetch(next.v_meta[t]);
}

/// Logits (not scaled) of N query heads `stride` apart and the tile's rows. `next` has as many rows, or none.
template <RowType T, size_t N>
void dot_rows(size_t group, const TileRows& rows, uint32_t count, const float* q, const float* q_sums, size_t stride,
              float* logits, const TilePlaces& next) {
    const D d;
    const size_t lanes = hn::Lanes(d), groups = stride / group;
    for (uint32_t t = 0; t < count; ++t) {
        if (t < next.count) prefetch_row(next, t);
        V first[N], second[N];
        for (size_t n = 0; n < N; ++n) first[n] = second[n] = hn::Zero(d);
        for (size_t k = 0; k < groups; ++k) {
            V scale = hn::Set(d, is_affine(T) ? rows.scales[k * kTile + t] : 1.0f);
            for (size_t i = k * group; i < (k + 1) * group; i += 2 * lanes) {
                V a, b;
                load_two<T>(d, rows.data[t], i, a, b);
                if (is_affine(T) && groups > 1) {
                    a = hn::Mul(a, scale);
                    b = hn::Mul(b, scale);
                }
                for (size_t n = 0; n < N; ++n) {
                    first[n] = hn::MulAdd(a, hn::LoadU(d, q + n * stride + i), first[n]);
                    second[n] = hn::MulAdd(b, hn::LoadU(d, q + n * stride + i + lanes), second[n]);
                }
            }
        }
        V total[N];
        for (size_t n = 0; n < N; ++n) total[n] = hn::Add(first[n], second[n]);
        float sums[N];
        sums_of<N>(d, total, sums);
        for (size_t n = 0; n < N; ++n) logits[n * kTile + t] = sums[n];
    }
    if constexpr (is_affine(T)) add_lows<N>(rows, count, q_sums, groups, logits);
}

/// out[n] += the sum of weights[n][t] * row t, for whole numbers without what their lows add, which goes to base.
template <RowType T, size_t N>
void add_rows(size_t group, const TileRows& rows, uint32_t count, const float* weights, size_t stride, float* out,
              float* base) {
    const D d;
    const size_t lanes = hn::Lanes(d), groups = stride / group;
    float scaled[N * kTile];
    for (size_t k = 0; k < groups; ++k) {
        const float* w = weights;
        if constexpr (is_affine(T)) {
            for (size_t n = 0; n < N; ++n) {
                auto sum = hn::Zero(d);
                for (uint32_t t = 0; t < count; t += static_cast<uint32_t>(lanes)) {
                    auto weight = hn::LoadU(d, weights + n * kTile + t);  // 0 behind the last
                    hn::StoreU(hn::Mul(weight, hn::LoadU(d, rows.scales + k * kTile + t)), d, scaled + n * kTile + t);
                    sum = hn::MulAdd(weight, hn::LoadU(d, rows.lows + k * kTile + t), sum);
                }
                base[n * groups + k] += hn::GetLane(hn::SumOfLanes(d, sum));
            }
            w = scaled;
        }
        for (size_t i = k * group; i < (k + 1) * group; i += 2 * lanes) {
            V first[N], second[N];
            for (size_t n = 0; n < N; ++n) {
                first[n] = hn::LoadU(d, out + n * stride + i);
                second[n] = hn::LoadU(d, out + n * stride + i + lanes);
            }
            for (uint32_t t = 0; t < count; ++t) {
                V a, b;
                load_two<T>(d, rows.data[t], i, a, b);
                for (size_t n = 0; n < N; ++n) {
                    V weight = hn::Set(d, w[n * kTile + t]);
                    first[n] = hn::MulAdd(a, weight, first[n]);
                    second[n] = hn::MulAdd(b, weight, second[n]);
                }
            }
            for (size_t n = 0; n < N; ++n) {
                hn::StoreU(first[n], d, out + n * stride + i);
                hn::StoreU(second[n], d, out + n * stride + i + lanes);
            }
        }
    }
}

/// e^x for x <= 0, to 2 units in the last place; 0 below -87.
HWY_INLINE V exp_of(D d, V x) {
    const hn::RebindToSigned<D> di;
    auto few = hn::Lt(x, hn::Set(d, -87.0f));
    auto n = hn::Round(hn::Mul(x, hn::Set(d, 1.44269504f)));
    auto r = hn::NegMulAdd(n, hn::Set(d, 0.693359375f), x);
    r = hn::NegMulAdd(n, hn::Set(d, -2.12194440e-4f), r);
    auto p = hn::Set(d, 1.0f / 720);
    for (float c : {1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) p = hn::MulAdd(p, r, hn::Set(d, c));
    auto power = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(hn::ConvertTo(di, n), hn::Set(di, 127))));
    return hn::IfThenZeroElse(few, hn::Mul(p, power));
}
/// The largest of `count` logits; places behind them up to a whole vector are overwritten.
HWY_INLINE float largest(float* x, uint32_t count) {
    const D d;
    const uint32_t lanes = static_cast<uint32_t>(hn::Lanes(d));
    for (uint32_t t = count; t % lanes != 0; ++t) x[t] = -std::numeric_limits<float>::infinity();
    auto max = hn::LoadU(d, x);
    for (uint32_t t = lanes; t < count; t += lanes) max = hn::Max(max, hn::LoadU(d, x + t));
    return hn::GetLane(hn::MaxOfLanes(d, max));
}
HWY_INLINE float exponentials(float* x, uint32_t count, float max) {
    const D d;
    const uint32_t lanes = static_cast<uint32_t>(hn::Lanes(d));
    auto sum = hn::Zero(d);
    for (uint32_t t = 0; t < count; t += lanes) {
        auto e = exp_of(d, hn::Sub(hn::LoadU(d, x + t), hn::Set(d, max)));
        hn::StoreU(e, d, x + t);
        sum = hn::Add(sum, e);
    }
    return hn::GetLane(hn::SumOfLanes(d, sum));
}

/// Writes up to a vector more than `count`.
void widen_halves(const uint16_t* in, size_t count, float* out) {
    const D d;
    widen_f16(d, in, (count + hn::Lanes(d) - 1) / hn::Lanes(d) * hn::Lanes(d), out);
}
size_t two_vectors() { return 2 * hn::Lanes(D()); }
bool in_place(const RowFormat& f) {
    size_t two = two_vectors();
    if ((f.type == RowType::f16 && !KV_HARDWARE_F16) || f.dim % two != 0) return false;
    return !is_affine(f.type) || f.group % two == 0;
}

#define KV_BY_TYPE(call)                                                       \
    switch (f.type) {                                                          \
        case RowType::f16: return four ? call<RowType::f16, 4> : call<RowType::f16, 1>;    \
        case RowType::bf16: return four ? call<RowType::bf16, 4> : call<RowType::bf16, 1>; \
        case RowType::e4m3: return four ? call<RowType::e4m3, 4> : call<RowType::e4m3, 1>; \
        case RowType::int8: return four ? call<RowType::int8, 4> : call<RowType::int8, 1>; \
        case RowType::int4: return four ? call<RowType::int4, 4> : call<RowType::int4, 1>; \
        default: return four ? call<RowType::f32, 4> : call<RowType::f32, 1>;  \
    }
auto dots_of(const RowFormat& f, bool four) { KV_BY_TYPE(dot_rows) }
auto adds_of(const RowFormat& f, bool four) { KV_BY_TYPE(add_rows) }
#undef KV_BY_TYPE

#else  // plain loops over decoded rows

template <size_t N>
void dot_plain(size_t, const TileRows& rows, uint32_t count, const float* q, const float*, size_t stride, float* logits,
               const TilePlaces&) {
    for (uint32_t t = 0; t < count; ++t)
        for (size_t n = 0; n < N; ++n) {
            float sum = 0;
            for (size_t i = 0; i < stride; ++i) sum += q[n * stride + i] * reinterpret_cast<const float*>(rows.data[t])[i];
            logits[n * kTile + t] = sum;
        }
}
template <size_t N>
void add_plain(size_t, const TileRows& rows, uint32_t count, const float* weights, size_t stride, float* out,
               float*) {
    for (uint32_t t = 0; t < count; ++t)
        for (size_t n = 0; n < N; ++n)
            for (size_t i = 0; i < stride; ++i)
                out[n * stride + i] += weights[n * kTile + t] * reinterpret_cast<const float*>(rows.data[t])[i];
}
float largest(float* x, uint32_t count) { return *std::max_element(x, x + count); }
float exponentials(float* x, uint32_t count, float max) {
    float sum = 0;
    for (uint32_t t = 0; t < count; ++t) sum += x[t] = std::exp(x[t] - max);
    return sum;
}
void widen_halves(const uint16_t* in, size_t count, float* out) {
    for (size_t i = 0; i < count; ++i) out[i] = f32_of_f16(in[i]);
}
size_t two_vectors() { return 2; }
bool in_place(const RowFormat& f) { return f.type == RowType::f32; }
auto dots_of(const RowFormat&, bool four) { return four ? dot_plain<4> : dot_plain<1>; }
auto adds_of(const RowFormat&, bool four) { return four ? add_plain<4> : add_plain<1>; }
#endif

}  // namespace
}  // namespace kv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
