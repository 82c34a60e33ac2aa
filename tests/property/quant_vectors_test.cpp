// The vector loops of kernels/cpu against the definitions of kernels/common, bit by bit, under every instruction set of
// this machine: random rows of any magnitude, constant groups, zeros of both signs, denormals.
#include <doctest/doctest.h>

#include <kernels/common/hadamard.h>
#include <kernels/cpu/quant.h>
#include <kvsim/core/random.h>
#include <kvsim/quant/dtype.h>

#include <cmath>
#include <cstring>

#include "support/random_check.h"

namespace quant_vectors_test {

using namespace kvsim;
using kvsim_test::random_check;

namespace {

/// What hostile values look like: of one magnitude or of many, with runs of equal ones.
std::vector<float> draw(uint64_t seed, size_t count) {
    Random random(seed);
    uint64_t kind = random.below(8);
    double size = std::pow(10.0, static_cast<double>(random.below(61)) - 30);
    std::vector<float> x(count);
    for (size_t i = 0; i < count; ++i) {
        double unit = static_cast<double>(static_cast<int64_t>(random.next())) * 0x1p-63;
        if (kind == 1) size = std::pow(10.0, static_cast<double>(random.below(61)) - 30);
        if (kind == 2) unit = static_cast<double>(random.below(9)) / 4 - 1;  // many ties
        if (kind == 3) size = 1e-41;
        if (kind == 4) unit = unit * 0x1p-10 + 1;  // nearly constant
        if (kind == 5 && i > 0 && random.below(40) != 0) unit = x[i - 1] / size;
        if (kind == 6) unit = random.below(3) == 0 ? 0.0 : random.below(2) == 0 ? -0.0 : unit;
        if (kind == 7) size = 3e38;
        x[i] = static_cast<float>(unit * size);
        if (!std::isfinite(x[i])) x[i] = 1;
    }
    if (random.below(4) == 0)
        for (size_t i = 0; i < std::min<size_t>(count, 64); ++i) x[i] = x[0];
    return x;
}

bool same(const std::vector<float>& a, const std::vector<float>& b) {
    return std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

struct EachTarget {
    std::vector<std::string> names = kv::cpu::vector_targets();
    ~EachTarget() { kv::cpu::use_vector_target(""); }
};

kv::AffineUnit draw_unit(Random& random) {
    kv::AffineUnit u;
    u.format = {std::vector<uint32_t>{2, 3, 4, 8}[random.below(4)], random.below(2) == 0, random.below(2) == 0};
    bool whole_vectors = random.below(4) != 0;
    u.groups = random.between(1, random.below(4) == 0 ? 200 : 8);
    u.size = random.between(1, random.below(8) == 0 ? 700 : 20) * (whole_vectors ? 8 : 1);
    u.group_stride = u.size;
    if (random.below(2) == 0) {  // side by side
        if (whole_vectors) u.groups *= 8;
        u.size = random.between(1, 40);
        u.group_stride = 1;
        u.value_stride = u.groups;
    }
    return u;
}

}  // namespace

TEST_CASE("vectors: affine groups are those of the definition") {
    EachTarget targets;
    REQUIRE(!targets.names.empty());
    CHECK(random_check([&](uint64_t seed) {
        Random random(seed);
        kv::AffineUnit u = draw_unit(random);
        size_t units = random.between(1, 5);
        std::vector<float> x = draw(seed, units * u.values()), expected(x.size()), found(x.size());
        std::vector<uint8_t> bytes(units * u.bytes()), same_bytes(bytes.size(), 0xEE);
        for (size_t i = 0; i < units; ++i) {
            kv::affine_encode(u, x.data() + i * u.values(), bytes.data() + i * u.bytes());
            kv::affine_decode(u, bytes.data() + i * u.bytes(), expected.data() + i * u.values());
        }
        for (const std::string& name : targets.names) {
            kv::cpu::use_vector_target(name);
            kv::cpu::encode_affine(u, units, x.data(), same_bytes.data());
            RC_ASSERT(same_bytes == bytes);
            kv::cpu::decode_affine(u, units, bytes.data(), found.data());
            RC_ASSERT(same(found, expected));
        }
        for (float v : expected) RC_ASSERT(std::isfinite(v));
    }));
}

TEST_CASE("vectors: blocks are those of the definition") {
    EachTarget targets;
    CHECK(random_check([&](uint64_t seed) {
        for (auto f : {kv::BlockFormat::q8_0, kv::BlockFormat::q4_0, kv::BlockFormat::q4_1, kv::BlockFormat::mxfp4,
                       kv::BlockFormat::nvfp4}) {
            Random random(seed);
            size_t blocks = random.between(1, 150), values = kv::block_values(f), size = kv::block_bytes(f);
            std::vector<float> x = draw(random.next(), blocks * values), expected(x.size()), found(x.size());
            std::vector<uint8_t> bytes(blocks * size), same_bytes(bytes.size(), 0xEE);
            for (size_t i = 0; i < blocks; ++i) {
                kv::block_encode(f, x.data() + i * values, bytes.data() + i * size);
                kv::block_decode(f, bytes.data() + i * size, expected.data() + i * values);
            }
            for (const std::string& name : targets.names) {
                kv::cpu::use_vector_target(name);
                kv::cpu::encode_blocks(f, blocks, x.data(), same_bytes.data());
                RC_ASSERT(same_bytes == bytes);
                kv::cpu::decode_blocks(f, blocks, bytes.data(), found.data());
                RC_ASSERT(same(found, expected));
            }
            for (float v : expected) RC_ASSERT(std::isfinite(v));
        }
    }));
}

TEST_CASE("vectors: narrow floats and rotations are those of the definition") {
    EachTarget targets;
    CHECK(random_check([&](uint64_t seed) {
        Random random(seed);
        size_t count = random.between(1, 300), width = size_t{1} << random.below(10);
        std::vector<float> x = draw(seed, count), wide = draw(random.next(), 3 * width), turned = wide;
        for (size_t i = 0; i < wide.size(); i += width) kv::hadamard_rotate(turned.data() + i, width);
        for (float v : turned) RC_ASSERT(std::isfinite(v));
        for (const std::string& name : targets.names) {
            kv::cpu::use_vector_target(name);
            std::vector<uint8_t> f16(2 * count), bf16(2 * count), e4m3(count);
            std::vector<float> from_f16(count), from_bf16(count), from_e4m3(count), found = wide;
            kv::cpu::encode_narrow(kv::cpu::Narrow::f16, count, x.data(), f16.data());
            kv::cpu::encode_narrow(kv::cpu::Narrow::bf16, count, x.data(), bf16.data());
            kv::cpu::encode_narrow(kv::cpu::Narrow::e4m3, count, x.data(), e4m3.data());
            kv::cpu::decode_narrow(kv::cpu::Narrow::f16, count, f16.data(), from_f16.data());
            kv::cpu::decode_narrow(kv::cpu::Narrow::bf16, count, bf16.data(), from_bf16.data());
            kv::cpu::decode_narrow(kv::cpu::Narrow::e4m3, count, e4m3.data(), from_e4m3.data());
            for (size_t i = 0; i < count; ++i) {
                uint16_t half, brain;
                std::memcpy(&half, f16.data() + 2 * i, 2);
                std::memcpy(&brain, bf16.data() + 2 * i, 2);
                RC_ASSERT(half == kv::f16_of(x[i]));
                RC_ASSERT(brain == kv::bf16_of(x[i]));
                RC_ASSERT(e4m3[i] == kv::e4m3_of(x[i]));
                RC_ASSERT(kv::bits_of(from_f16[i]) == kv::bits_of(kv::f32_of_f16(half)));
                RC_ASSERT(kv::bits_of(from_bf16[i]) == kv::bits_of(kv::f32_of_bf16(brain)));
                RC_ASSERT(kv::bits_of(from_e4m3[i]) == kv::bits_of(kv::f32_of_e4m3(e4m3[i])));
            }
            kv::cpu::rotate(found.data(), found.size(), width);
            RC_ASSERT(same(found, turned));
        }
    }));
}

TEST_CASE("vectors: every code of f16, bf16 and e4m3 comes back alike") {
    EachTarget targets;
    std::vector<uint16_t> codes(65536);
    std::vector<uint8_t> bytes(256);
    for (size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<uint16_t>(i);
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i);
    std::vector<float> x(codes.size()), y(codes.size()), z(bytes.size());
    for (const std::string& name : targets.names) {
        kv::cpu::use_vector_target(name);
        const auto* in = reinterpret_cast<const uint8_t*>(codes.data());
        kv::cpu::decode_narrow(kv::cpu::Narrow::f16, codes.size(), in, x.data());
        kv::cpu::decode_narrow(kv::cpu::Narrow::bf16, codes.size(), in, y.data());
        kv::cpu::decode_narrow(kv::cpu::Narrow::e4m3, bytes.size(), bytes.data(), z.data());
        size_t wrong = 0;
        for (size_t i = 0; i < codes.size(); ++i) {
            bool not_a_number = (i & 0x7C00) == 0x7C00 && (i & 0x3FF) != 0;  // hardware makes it a quiet one
            if (not_a_number) continue;
            wrong += kv::bits_of(x[i]) != kv::bits_of(kv::f32_of_f16(codes[i]));
        }
        for (size_t i = 0; i < codes.size(); ++i) wrong += kv::bits_of(y[i]) != kv::bits_of(kv::f32_of_bf16(codes[i]));
        for (size_t i = 0; i < bytes.size(); ++i) wrong += kv::bits_of(z[i]) != kv::bits_of(kv::f32_of_e4m3(bytes[i]));
        CHECK_MESSAGE(wrong == 0, name);
    }
}

TEST_CASE("long: vectors: all floats become the codes of the definition") {
    constexpr size_t kChunk = 1 << 16;
    std::vector<float> x(kChunk);
    std::vector<uint16_t> f16(kChunk), bf16(kChunk);
    std::vector<uint8_t> e4m3(kChunk);
    uint64_t wrong = 0;
    for (uint64_t begin = 0; begin <= 0xFFFFFFFFu; begin += kChunk) {
        for (size_t i = 0; i < kChunk; ++i) x[i] = kv::float_of(static_cast<uint32_t>(begin + i));
        kv::cpu::encode_narrow(kv::cpu::Narrow::f16, kChunk, x.data(), reinterpret_cast<uint8_t*>(f16.data()));
        kv::cpu::encode_narrow(kv::cpu::Narrow::bf16, kChunk, x.data(), reinterpret_cast<uint8_t*>(bf16.data()));
        kv::cpu::encode_narrow(kv::cpu::Narrow::e4m3, kChunk, x.data(), e4m3.data());
        for (size_t i = 0; i < kChunk; ++i) {
            wrong += f16[i] != kv::f16_of(x[i]) && !std::isnan(x[i]);  // hardware keeps more of what is not a number
            wrong += bf16[i] != kv::bf16_of(x[i]);
            wrong += e4m3[i] != kv::e4m3_of(x[i]);
        }
    }
    CHECK(wrong == 0);
}

TEST_CASE("codecs: errors stay within the bounds that are told") {
    const char* dtypes[] = {"f32", "f16", "bf16", "fp8_e4m3", "q8_0", "q4_0", "q4_1", "mxfp4", "nvfp4", "int8", "int4",
                            "int3", "int2", "int8:scale=f32", "int4:group=32", "int3:group=8,scale=f32", "int2:group=1",
                            "int8:symmetric=on", "int4:symmetric=on,group=16", "int3:symmetric=on,scale=f32",
                            "int2:symmetric=on,group=5", "int4:axis=channel", "int2:axis=channel,group=7,scale=f32",
                            "q4_0:hadamard=on", "int4:group=64,hadamard=on", "int3:axis=channel,hadamard=on",
                            "f16:hadamard=on", "mxfp4:hadamard=on"};
    CHECK(random_check([&](uint64_t seed) {
        for (const char* dtype : dtypes) {
            Random random(seed);
            bool by_fives = std::string(dtype).find("group=5") != std::string::npos;
            auto codec = make_codec(dtype, {4, by_fives ? 20u : 32u});
            auto tokens = static_cast<uint32_t>(random.between(1, codec->unit_tokens()));
            std::vector<float> x = draw(random.next(), size_t{tokens} * codec->unit_values());
            std::vector<float> back(x.size()), bound(x.size());
            if (std::string(dtype).find("hadamard") != std::string::npos)  // which cuts off at 2^100
                for (float& v : x) v = std::fabs(v) < 1e30f ? v : 1.0f;
            std::vector<uint8_t> bytes(codec->unit_bytes(tokens).total());
            codec->encode(x.data(), tokens, bytes.data());
            codec->decode(bytes.data(), tokens, back.data());
            RC_ASSERT(codec->error_bounds(bytes.data(), tokens, bound.data()));
            for (size_t i = 0; i < x.size(); ++i) {
                double error = std::fabs(static_cast<double>(x[i]) - back[i]);
                double ulp = static_cast<double>(std::nextafter(std::fabs(x[i]), INFINITY)) - std::fabs(x[i]);
                RC_ASSERT_FALSE(std::isnan(bound[i]));
                if (!(error <= bound[i] + ulp)) RC_FAIL(std::string(dtype) + ": " + std::to_string(error));
            }
        }
    }));
}

}  // namespace quant_vectors_test
