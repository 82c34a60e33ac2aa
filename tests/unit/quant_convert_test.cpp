// Conversions of kernels/common/convert.h against the definition: the nearest of all codes, of two as near the even one.
// All floats in the long case, a sample in the quick one.
#include <doctest/doctest.h>

#include <kernels/common/convert.h>

#include <cmath>
#include <functional>
#include <vector>

namespace quant_convert_test {

namespace {

/// A narrow type by its numbers: what its positive codes stand for, in double arithmetic of its own.
struct Type {
    const char* name;
    uint32_t exponent_bits, mantissa_bits;
    uint32_t largest;    ///< largest finite positive code
    uint32_t above;      ///< code of what rounds beyond it: infinity, or the largest again
    uint32_t sign;       ///< bit
    std::function<uint32_t(float)> code;
    std::function<float(uint32_t)> value;
};

double number(const Type& t, uint32_t code) {
    int bias = (1 << (t.exponent_bits - 1)) - 1;
    auto mantissa = static_cast<int>(code & ((1u << t.mantissa_bits) - 1));
    auto exponent = static_cast<int>(code >> t.mantissa_bits);
    int one = 1 << t.mantissa_bits;
    if (exponent == 0) return std::ldexp(mantissa, 1 - bias - static_cast<int>(t.mantissa_bits));
    return std::ldexp(one + mantissa, exponent - bias - static_cast<int>(t.mantissa_bits));
}

std::vector<Type> types() {
    return {
        {"f16", 5, 10, 0x7BFF, 0x7C00, 0x8000, [](float x) { return kv::f16_of(x); },
         [](uint32_t c) { return kv::f32_of_f16(static_cast<uint16_t>(c)); }},
        {"bf16", 8, 7, 0x7F7F, 0x7F80, 0x8000, [](float x) { return kv::bf16_of(x); },
         [](uint32_t c) { return kv::f32_of_bf16(static_cast<uint16_t>(c)); }},
        {"e4m3", 4, 3, 0x7E, 0x7E, 0x80, [](float x) { return kv::e4m3_of(x); },
         [](uint32_t c) { return kv::f32_of_e4m3(static_cast<uint8_t>(c)); }},
        {"e2m1", 2, 1, 7, 7, 8, [](float x) { return kv::e2m1_of(x); },
         [](uint32_t c) { return kv::f32_of_e2m1(static_cast<uint8_t>(c)); }},
    };
}

/// Walks floats of one sign upwards, every `step`-th; returns how many codes are not the nearest.
template <class Code>
uint64_t wrong_codes(const Type& t, Code code, uint32_t sign, uint32_t step) {
    uint64_t wrong = 0;
    uint32_t at = 0;
    auto middle = [&](uint32_t c) { return (number(t, c) + number(t, c + 1)) / 2; };  // the next of the last one as well
    double next = middle(0);
    for (uint64_t bits = 0; bits <= 0x7F800000u; bits += step) {
        double x = kv::float_of(static_cast<uint32_t>(bits));
        while (at <= t.largest && (x > next || (x == next && at % 2 == 1))) next = ++at <= t.largest ? middle(at) : next;
        uint32_t expected = (at <= t.largest ? at : t.above) | (sign != 0 ? t.sign : 0);
        wrong += code(kv::float_of(static_cast<uint32_t>(bits) | sign)) != expected;
    }
    return wrong;
}
/// The converters are called directly in the long walk, where a call by pointer would cost minutes.
uint64_t wrong_codes(const Type& t, uint32_t step) {
    uint64_t wrong = 0;
    for (uint32_t sign : {0u, 0x80000000u}) {
        if (t.mantissa_bits == 10) wrong += wrong_codes(t, kv::f16_of, sign, step);
        if (t.mantissa_bits == 7) wrong += wrong_codes(t, kv::bf16_of, sign, step);
        if (t.mantissa_bits == 3) wrong += wrong_codes(t, kv::e4m3_of, sign, step);
        if (t.mantissa_bits == 1) wrong += wrong_codes(t, kv::e2m1_of, sign, step);
    }
    return wrong;
}

}  // namespace

TEST_CASE("convert: every code stands for its number, and is the code of it") {
    for (const Type& t : types())
        for (uint32_t code = 0; code <= t.largest; ++code) {
            double expected = number(t, code);
            REQUIRE_MESSAGE(t.value(code) == expected, t.name << " " << code);
            REQUIRE(t.value(code | t.sign) == -expected);
            REQUIRE(t.code(static_cast<float>(expected)) == code);
            REQUIRE(t.code(static_cast<float>(-expected)) == (code | t.sign));
            if (code == t.largest) break;
            // Between two neighbours: the middle goes to the even one, what is next to it to the nearer one.
            auto middle = static_cast<float>((expected + number(t, code + 1)) / 2);
            if (static_cast<double>(middle) != (expected + number(t, code + 1)) / 2) continue;
            REQUIRE(t.code(middle) == code + code % 2);
            REQUIRE(t.code(std::nextafter(middle, 0.0f)) == code);
            REQUIRE(t.code(std::nextafter(middle, INFINITY)) == code + 1);
        }
}

TEST_CASE("convert: infinities and what is not a number") {
    CHECK(kv::f16_of(INFINITY) == 0x7C00);
    CHECK(kv::f16_of(65519.9f) == 0x7BFF);
    CHECK(kv::f16_of(65520.0f) == 0x7C00);
    CHECK(kv::bf16_of(-INFINITY) == 0xFF80);
    CHECK(kv::bf16_of(3.4e38f) == 0x7F80);
    CHECK(kv::e4m3_of(INFINITY) == 0x7E);
    CHECK(kv::e2m1_of(-INFINITY) == 0xF);
    for (uint32_t bits : {0x7F800001u, 0x7FC00000u, 0xFFFFFFFFu}) {
        float nan = kv::float_of(bits);
        CHECK(std::isnan(kv::f32_of_f16(kv::f16_of(nan))));
        CHECK(std::isnan(kv::f32_of_bf16(kv::bf16_of(nan))));
        CHECK(std::isnan(kv::f32_of_e4m3(kv::e4m3_of(nan))));
        CHECK((kv::e2m1_of(nan) & 7) == 7);
    }
    CHECK(std::isinf(kv::f32_of_f16(0x7C00)));
    CHECK(std::isinf(kv::f32_of_bf16(0xFF80)));
}

TEST_CASE("convert: a sample of all floats goes to the nearest code") {
    for (const Type& t : types()) CHECK_MESSAGE(wrong_codes(t, 9973) == 0, t.name);
}

TEST_CASE("long: convert: all floats go to the nearest code") {
    for (const Type& t : types()) CHECK_MESSAGE(wrong_codes(t, 1) == 0, t.name);
}

}  // namespace quant_convert_test
