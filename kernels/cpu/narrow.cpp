// f16, bf16 and e4m3 in vectors: the conversions of kernels/common/convert.h, f16 by the processor's own instruction.
#include <kernels/cpu/quant.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/narrow.cpp"
#include <hwy/foreach_target.h>

#include <kernels/cpu/vectors-inl.h>

HWY_BEFORE_NAMESPACE();
namespace kv::cpu::HWY_NAMESPACE {
namespace {

#if KV_VECTORS
/// Whole vectors; returns how many values were done.
size_t encode_vectors(Narrow type, size_t count, const float* x, uint8_t* out) {
    const hn::ScalableTag<float> d;
    const Of<decltype(d)> du;
    const size_t lanes = hn::Lanes(d);
    size_t i = 0;
    if (type == Narrow::bf16) {
        for (; i + lanes <= count; i += lanes) {
            auto bits = hn::BitCast(du, hn::LoadU(d, x + i));
            auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1u));
            auto rounded = hn::ShiftRight<16>(hn::Add(hn::Add(bits, hn::Set(du, 0x7FFFu)), odd));
            auto quiet = hn::Or(hn::ShiftRight<16>(bits), hn::Set(du, 0x40u));
            auto nan = hn::Gt(hn::And(bits, hn::Set(du, 0x7FFFFFFFu)), hn::Set(du, 0x7F800000u));
            store_halves(d, hn::IfThenElse(nan, quiet, rounded), out + 2 * i);
        }
    } else if (type == Narrow::e4m3) {
        for (; i + lanes <= count; i += lanes) store_bytes(d, e4m3_of(d, hn::LoadU(d, x + i)), out + i);
    }
#if KV_HARDWARE_F16
    const hn::Rebind<hwy::float16_t, decltype(d)> dh;
    if (type == Narrow::f16)
        for (; i + lanes <= count; i += lanes)
            hn::StoreU(hn::DemoteTo(dh, hn::LoadU(d, x + i)), dh, reinterpret_cast<hwy::float16_t*>(out) + i);
#endif
    return i;
}
size_t decode_vectors(Narrow type, size_t count, const uint8_t* in, float* x) {
    const hn::ScalableTag<float> d;
    const Of<decltype(d)> du;
    const size_t lanes = hn::Lanes(d);
    size_t i = 0;
    if (type == Narrow::bf16) {
        for (; i + lanes <= count; i += lanes) {
            auto half = hn::LoadU(Halves<decltype(d)>(), reinterpret_cast<const uint16_t*>(in) + i);
            hn::StoreU(hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(du, half))), d, x + i);
        }
    } else if (type == Narrow::e4m3) {
        for (; i + lanes <= count; i += lanes) hn::StoreU(f32_of_e4m3(d, bytes_at(d, in + i)), d, x + i);
    }
#if KV_HARDWARE_F16
    const hn::Rebind<hwy::float16_t, decltype(d)> dh;
    if (type == Narrow::f16)
        for (; i + lanes <= count; i += lanes)
            hn::StoreU(hn::PromoteTo(d, hn::LoadU(dh, reinterpret_cast<const hwy::float16_t*>(in) + i)), d, x + i);
#endif
    return i;
}
#endif

void EncodeNarrow(Narrow type, size_t count, const float* x, uint8_t* out) {
    size_t i = 0;
#if KV_VECTORS
    i = encode_vectors(type, count, x, out);
#endif
    for (; i < count; ++i) {
        if (type == Narrow::e4m3) {
            out[i] = kv::e4m3_of(x[i]);
        } else {
            uint16_t code = type == Narrow::f16 ? kv::f16_of(x[i]) : kv::bf16_of(x[i]);
            std::memcpy(out + 2 * i, &code, sizeof code);
        }
    }
}
void DecodeNarrow(Narrow type, size_t count, const uint8_t* in, float* x) {
    size_t i = 0;
#if KV_VECTORS
    i = decode_vectors(type, count, in, x);
#endif
    for (; i < count; ++i) {
        if (type == Narrow::e4m3) {
            x[i] = kv::f32_of_e4m3(in[i]);
        } else {
            uint16_t code;
            std::memcpy(&code, in + 2 * i, sizeof code);
            x[i] = type == Narrow::f16 ? kv::f32_of_f16(code) : kv::f32_of_bf16(code);
        }
    }
}

}  // namespace
}  // namespace kv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kv::cpu {

HWY_EXPORT(EncodeNarrow);
HWY_EXPORT(DecodeNarrow);

void encode_narrow(Narrow type, size_t count, const float* values, uint8_t* out) {
    HWY_DYNAMIC_DISPATCH(EncodeNarrow)(type, count, values, out);
}
void decode_narrow(Narrow type, size_t count, const uint8_t* in, float* values) {
    HWY_DYNAMIC_DISPATCH(DecodeNarrow)(type, count, in, values);
}

}  // namespace kv::cpu
#endif
