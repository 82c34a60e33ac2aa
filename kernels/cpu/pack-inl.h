// Codes of one byte each to codes of 2, 3 or 4 bits and back, the lowest bits of a byte first; whole bytes, so a
// multiple of 8 codes. Shifts bring the codes of a 2-, 4- or 8-byte lane together, its lowest bytes are kept.
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

// What is less than a vector, 8 codes at a time.
inline void pack_rest(uint32_t bits, const uint8_t* codes, size_t count, uint8_t* out) {
    const uint64_t twos = bits == 4 ? 0x00FF00FF00FF00FFu : bits == 3 ? 0x003F003F003F003Fu : 0x000F000F000F000Fu;
    for (size_t i = 0; i < count; i += 8, out += bits) {
        uint64_t v;
        std::memcpy(&v, codes + i, 8);
        v = (v | v >> (8 - bits)) & twos;
        v = (v | v >> (16 - 2 * bits)) & 0x0000FFFF0000FFFFu;
        v |= v >> (32 - 4 * bits);
        out[0] = static_cast<uint8_t>(v);
        out[1] = static_cast<uint8_t>(v >> 8);
        if (bits > 2) out[2] = static_cast<uint8_t>(v >> 16);
        if (bits > 3) out[3] = static_cast<uint8_t>(v >> 24);
    }
}
inline void unpack_rest(uint32_t bits, const uint8_t* in, size_t count, uint8_t* codes) {
    const uint64_t fours = bits == 4 ? 0x0000FFFF0000FFFFu : bits == 3 ? 0x00000FFF00000FFFu : 0x000000FF000000FFu;
    const uint64_t twos = bits == 4 ? 0x00FF00FF00FF00FFu : bits == 3 ? 0x003F003F003F003Fu : 0x000F000F000F000Fu;
    const uint64_t ones = ((1u << bits) - 1) * uint64_t{0x0101010101010101};
    for (size_t i = 0; i < count; i += 8, in += bits) {
        uint64_t v = in[0] | uint64_t{in[1]} << 8;
        if (bits > 2) v |= uint64_t{in[2]} << 16;
        if (bits > 3) v |= uint64_t{in[3]} << 24;
        v = (v | v << (32 - 4 * bits)) & fours;
        v = (v | v << (16 - 2 * bits)) & twos;
        v = (v | v << (8 - bits)) & ones;
        std::memcpy(codes + i, &v, 8);
    }
}

HWY_INLINE size_t pack4(const uint8_t* codes, size_t count, uint8_t* out) {
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
        const hn::Rebind<uint8_t, decltype(d)> db;
        hn::StoreU(hn::TruncateTo(db, v), db, out + i / 4);
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
            auto low = static_cast<uint32_t>(two);
            auto high = static_cast<uint16_t>(two >> 32);
            std::memcpy(out, &low, 4);
            std::memcpy(out + 4, &high, 2);
        }
    }
    return i;
}
#if HWY_TARGET != HWY_SSSE3 && HWY_TARGET != HWY_SSE4
/// Each 8-byte lane gets its 3 bytes: first the 32-bit words they stand in, then the bytes within a 16-byte block.
inline size_t unpack3(const uint8_t* in, size_t count, uint8_t* codes) {
    const hn::ScalableTag<uint64_t> d;
    const hn::Repartition<uint32_t, decltype(d)> words;
    const hn::Repartition<uint8_t, decltype(d)> bytes;
    const size_t lanes = hn::Lanes(d);
    HWY_ALIGN uint32_t word_of[HWY_MAX_BYTES / 4] = {};
    HWY_ALIGN uint8_t byte_of[HWY_MAX_BYTES];
    for (size_t block = 0; block < lanes / 2; ++block) {
        word_of[4 * block] = static_cast<uint32_t>(6 * block / 4);
        word_of[4 * block + 1] = word_of[4 * block] + 1;
        for (size_t i = 0; i < 16; ++i)
            byte_of[16 * block + i] = static_cast<uint8_t>(i % 8 < 3 ? 6 * block % 4 + i / 8 * 3 + i % 8 : 0x80);
    }
    const auto word_index = hn::SetTableIndices(words, word_of);
    const auto byte_index = hn::Load(bytes, byte_of);
    const auto read = hn::FirstN(words, 3 * lanes / 4);
    size_t i = 0;
    for (; i + 8 * lanes <= count; i += 8 * lanes, in += 3 * lanes) {
        auto w = hn::TableLookupLanes(hn::MaskedLoad(read, words, reinterpret_cast<const uint32_t*>(in)), word_index);
        auto v = hn::BitCast(d, hn::TableLookupBytesOr0(hn::BitCast(bytes, w), byte_index));
        v = hn::And(hn::Or(v, hn::ShiftLeft<20>(v)), hn::Set(d, 0x00000FFF00000FFFu));
        v = hn::And(hn::Or(v, hn::ShiftLeft<10>(v)), hn::Set(d, 0x003F003F003F003Fu));
        v = hn::And(hn::Or(v, hn::ShiftLeft<5>(v)), hn::Set(d, 0x0707070707070707u));
        hn::StoreU(hn::BitCast(bytes, v), bytes, codes + i);
    }
    return i;
}
#else
inline size_t unpack3(const uint8_t*, size_t, uint8_t*) { return 0; }
#endif

inline void pack(uint32_t bits, const uint8_t* codes, size_t count, uint8_t* out) {
    size_t done = bits == 4   ? pack4(codes, count, out)
                  : bits == 3 ? pack3(codes, count, out)
                              : pack2(codes, count, out);
    pack_rest(bits, codes + done, count - done, out + done * bits / 8);
}
inline void unpack(uint32_t bits, const uint8_t* in, size_t count, uint8_t* codes) {
    size_t done = bits == 4   ? unpack4(in, count, codes)
                  : bits == 3 ? unpack3(in, count, codes)
                              : unpack2(in, count, codes);
    unpack_rest(bits, in + done * bits / 8, count - done, codes + done);
}

}  // namespace
}  // namespace kv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif  // KV_VECTORS

#endif
