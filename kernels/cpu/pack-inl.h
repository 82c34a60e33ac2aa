// Codes of one byte each to codes of 2, 3 or 4 bits and back, the lowest bits of a byte first; whole bytes, so a multiple
// of 8 codes. Shifts bring the codes of a 2-, 4- or 8-byte lane together, its lowest bytes are kept.
#if defined(KERNELS_CPU_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef KERNELS_CPU_PACK_INL_H_
#undef KERNELS_CPU_PACK_INL_H_
#else
#define KERNELS_CPU_PACK_INL_H_
#endif

#include <kernels/cpu/vectors-inl.h>

#if KV_VECTORS
HWY_BEFORE_NAMESPACE();
namespace kv::cpu::HWY_NAMESPACE {
namespace {

// `rest` at the end is less than a vector: fewer than 64 codes, in steps of 8.
inline void pack_rest(uint32_t bits, const uint8_t* codes, size_t count, uint8_t* out) {
    for (size_t i = 0; i < count; i += 8, out += bits) {
        uint32_t word = 0;
        for (uint32_t k = 0; k < 8; ++k) word |= static_cast<uint32_t>(codes[i + k]) << k * bits;
        std::memcpy(out, &word, bits);
    }
}
inline void unpack_rest(uint32_t bits, const uint8_t* in, size_t count, uint8_t* codes) {
    for (size_t i = 0; i < count; i += 8, in += bits) {
        uint32_t word = 0;
        std::memcpy(&word, in, bits);
        for (uint32_t k = 0; k < 8; ++k) codes[i + k] = static_cast<uint8_t>(word >> k * bits & ((1u << bits) - 1));
    }
}

inline size_t pack4(const uint8_t* codes, size_t count, uint8_t* out) {
    const hn::ScalableTag<uint16_t> d;
    const size_t lanes = hn::Lanes(d);
    size_t i = 0;
    for (; i + 2 * lanes <= count; i += 2 * lanes) {
        auto v = hn::BitCast(d, hn::LoadU(hn::Repartition<uint8_t, decltype(d)>(), codes + i));
        hn::StoreU(hn::TruncateTo(hn::Rebind<uint8_t, decltype(d)>(), hn::Or(v, hn::ShiftRight<4>(v))),
                   hn::Rebind<uint8_t, decltype(d)>(), out + i / 2);
    }
    return i;
}
inline size_t unpack4(const uint8_t* in, size_t count, uint8_t* codes) {
    const hn::ScalableTag<uint16_t> d;
    const size_t lanes = hn::Lanes(d);
    size_t i = 0;
    for (; i + 2 * lanes <= count; i += 2 * lanes) {
        auto v = hn::PromoteTo(d, hn::LoadU(hn::Rebind<uint8_t, decltype(d)>(), in + i / 2));
        v = hn::And(hn::Or(v, hn::ShiftLeft<4>(v)), hn::Set(d, 0x0F0F));
        hn::StoreU(hn::BitCast(hn::Repartition<uint8_t, decltype(d)>(), v), hn::Repartition<uint8_t, decltype(d)>(),
                   codes + i);
    }
    return i;
}

inline size_t pack2(const uint8_t* codes, size_t count, uint8_t* out) {
    const hn::ScalableTag<uint32_t> d;
    const size_t lanes = hn::Lanes(d);
    size_t i = 0;
    for (; i + 4 * lanes <= count; i += 4 * lanes) {
        auto v = hn::BitCast(d, hn::LoadU(hn::Repartition<uint8_t, decltype(d)>(), codes + i));
        v = hn::Or(v, hn::ShiftRight<6>(v));
        v = hn::Or(v, hn::ShiftRight<12>(v));
        hn::StoreU(hn::TruncateTo(hn::Rebind<uint8_t, decltype(d)>(), v), hn::Rebind<uint8_t, decltype(d)>(), out + i / 4);
    }
    return i;
}
inline size_t unpack2(const uint8_t* in, size_t count, uint8_t* codes) {
    const hn::ScalableTag<uint32_t> d;
    const size_t lanes = hn::Lanes(d);
    size_t i = 0;
    for (; i + 4 * lanes <= count; i += 4 * lanes) {
        auto v = hn::PromoteTo(d, hn::LoadU(hn::Rebind<uint8_t, decltype(d)>(), in + i / 4));
        v = hn::And(hn::Or(v, hn::ShiftLeft<12>(v)), hn::Set(d, 0x000F000Fu));
        v = hn::And(hn::Or(v, hn::ShiftLeft<6>(v)), hn::Set(d, 0x03030303u));
        hn::StoreU(hn::BitCast(hn::Repartition<uint8_t, decltype(d)>(), v), hn::Repartition<uint8_t, decltype(d)>(),
                   codes + i);
    }
    return i;
}

/// 24 bits of every 64-bit lane.
inline size_t pack3(const uint8_t* codes, size_t count, uint8_t* out) {
    const hn::ScalableTag<uint64_t> d;
    const size_t lanes = hn::Lanes(d);
    HWY_ALIGN uint64_t words[HWY_MAX_BYTES / 8];
    size_t i = 0;
    for (; i + 8 * lanes <= count; i += 8 * lanes) {
        auto v = hn::BitCast(d, hn::LoadU(hn::Repartition<uint8_t, decltype(d)>(), codes + i));
        v = hn::And(hn::Or(v, hn::ShiftRight<5>(v)), hn::Set(d, 0x003F003F003F003Fu));
        v = hn::And(hn::Or(v, hn::ShiftRight<10>(v)), hn::Set(d, 0x00000FFF00000FFFu));
        hn::Store(hn::Or(v, hn::ShiftRight<20>(v)), d, words);
        for (size_t k = 0; k < lanes; k += 2, out += 6) {
            uint64_t two = (words[k] & 0xFFFFFFu) | words[k + 1] << 24;
            std::memcpy(out, &two, 6);
        }
    }
    return i;
}
inline size_t unpack3(const uint8_t* in, size_t count, uint8_t* codes) {
    const hn::ScalableTag<uint64_t> d;
    const size_t lanes = hn::Lanes(d);
    HWY_ALIGN uint64_t words[HWY_MAX_BYTES / 8];
    size_t i = 0;
    for (; i + 8 * lanes <= count; i += 8 * lanes) {
        for (size_t k = 0; k < lanes; k += 2, in += 6) {
            uint64_t two = 0;
            std::memcpy(&two, in, 6);
            words[k] = two & 0xFFFFFFu;
            words[k + 1] = two >> 24;
        }
        auto v = hn::Load(d, words);
        v = hn::And(hn::Or(v, hn::ShiftLeft<20>(v)), hn::Set(d, 0x00000FFF00000FFFu));
        v = hn::And(hn::Or(v, hn::ShiftLeft<10>(v)), hn::Set(d, 0x003F003F003F003Fu));
        v = hn::And(hn::Or(v, hn::ShiftLeft<5>(v)), hn::Set(d, 0x0707070707070707u));
        hn::StoreU(hn::BitCast(hn::Repartition<uint8_t, decltype(d)>(), v), hn::Repartition<uint8_t, decltype(d)>(),
                   codes + i);
    }
    return i;
}

/// Nothing is done where codes are bytes.
inline void pack(uint32_t bits, const uint8_t* codes, size_t count, uint8_t* out) {
    if (bits == 8) return;
    size_t done = bits == 4 ? pack4(codes, count, out) : bits == 3 ? pack3(codes, count, out) : pack2(codes, count, out);
    pack_rest(bits, codes + done, count - done, out + done * bits / 8);
}
inline void unpack(uint32_t bits, const uint8_t* in, size_t count, uint8_t* codes) {
    size_t done = bits == 4 ? unpack4(in, count, codes) : bits == 3 ? unpack3(in, count, codes) : unpack2(in, count, codes);
    unpack_rest(bits, in + done * bits / 8, count - done, codes + done);
}

}  // namespace
}  // namespace kv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // KV_VECTORS

#endif
