// KV dtypes: bytes counted by hand, worked examples, what is refused.
#include <doctest/doctest.h>

#include <kernels/common/blocks.h>

#include "quant_support.h"

namespace quant_codecs_test {

using namespace kvsim;
using namespace quant_support;

namespace {

StoredBytes unit(const char* dtype, RowShape shape, uint32_t tokens = 1) {
    return make_codec(dtype, shape)->unit_bytes(tokens);
}
double ratio(const char* dtype) { return 128 * 4.0 / static_cast<double>(row_bytes(dtype, {1, 128})); }

std::vector<float> ramp(size_t n, float from, float step) {
    std::vector<float> x(n);
    for (size_t i = 0; i < n; ++i) x[i] = from + step * static_cast<float>(i);
    return x;
}

}  // namespace

TEST_CASE("codecs: bytes of units") {
    // 128 values of b bits = 16 b bytes; scale and minimum: 2 x 2 bytes as f16, 2 x 4 as f32, one number if symmetric
    CHECK(unit("int4", {8, 128}).data == 64);
    CHECK(unit("int4", {8, 128}).metadata == 4);
    CHECK(unit("int4:scale=f32", {8, 128}).metadata == 8);
    CHECK(unit("int4:symmetric=on", {8, 128}).metadata == 2);
    CHECK(unit("int3", {8, 128}).data == 48);
    CHECK(unit("int2", {8, 128}).data == 32);
    CHECK(unit("int8", {8, 128}).data == 128);
    CHECK(unit("int4:group=32", {8, 128}).metadata == 16);  // 4 groups
    CHECK(row_bytes("int4:group=64", {8, 128}) == 8 * (64 + 2 * 4));
    // 5 values of 3 bits = 15 bits: 2 bytes
    CHECK(unit("int3", {1, 5}).total() == 2 + 4);
    // Units: the fewest heads whose values are whole groups. 3 heads x 4: groups of 6 need the heads 3 by 3: 12 values.
    CHECK(make_codec("int4:group=6", {6, 4})->unit_heads() == 3);
    CHECK(unit("int4:group=6", {6, 4}).total() == 6 + 2 * 4);
    CHECK(make_codec("int4:group=6", {6, 4})->row_units() == 2);
    // Channels: 32 tokens x 128 channels x 4 bits, and 128 scales and minima
    CHECK(make_codec("int4:axis=channel", {8, 128})->unit_tokens() == 32);
    CHECK(unit("int4:axis=channel", {8, 128}, 32).data == 32 * 64);
    CHECK(unit("int4:axis=channel", {8, 128}, 32).metadata == 128 * 4);
    CHECK(unit("int4:axis=channel", {8, 128}, 5).total() == 5 * 64 + 128 * 4);
    CHECK(row_bytes("int4:axis=channel", {8, 128}) == 8 * (64 + 128 * 4 / 32));
    CHECK(row_bytes("int2:axis=channel,group=7", {1, 8}) == 7);  // (7 x 2 + 8 x 4) / 7 = 6.6
    // Blocks
    CHECK(row_bytes("q8_0", {8, 128}) == 32 * 34);
    CHECK(row_bytes("q4_0", {8, 128}) == 32 * 18);
    CHECK(row_bytes("q4_1", {8, 128}) == 32 * 20);
    CHECK(row_bytes("mxfp4", {8, 128}) == 32 * 17);
    CHECK(row_bytes("nvfp4", {8, 128}) == 64 * 9);
    CHECK(unit("q4_1", {8, 128}).metadata == 4 * 4);
    CHECK(unit("nvfp4", {8, 128}).metadata == 8);
    CHECK(make_codec("q4_0", {4, 8})->unit_heads() == 4);  // the 32 values of 4 small heads
    CHECK(make_codec("q8_0", {3, 64})->unit_heads() == 1);
    // A rotation stores the same
    CHECK(row_bytes("q4_0:hadamard=on", {8, 128}) == 32 * 18);
    CHECK(row_bytes("f16:hadamard=on", {8, 128}) == 2048);
    for (const KvDtypeRow& row : kv_dtypes().rows()) CHECK_FALSE(row.parameters.empty());
    // Units one after the other, of a codec that has nothing of its own for many of them
    CHECK(through(*make_codec("f32", {4, 2}), ramp(8, 0, 1)) == ramp(8, 0, 1));
}

TEST_CASE("codecs: 128 values with one f32 scale and minimum against f32") {
    CHECK(ratio("int2:scale=f32") == doctest::Approx(12.80));           // 512 / (32 + 8)
    CHECK(ratio("int3:scale=f32") == doctest::Approx(512.0 / 56));      // 9.143
    CHECK(ratio("int4:scale=f32") == doctest::Approx(512.0 / 72));      // 7.111
    CHECK(ratio("int8:scale=f32") == doctest::Approx(512.0 / 136));     // 3.765
    CHECK(ratio("int2") > ratio("int3"));
    CHECK(ratio("int3") > ratio("int4"));
    CHECK(ratio("int4") > ratio("int8"));
}

TEST_CASE("codecs: an affine group by hand") {
    // 0..15 in steps of 0.5 from -1: min -1, scale 7.5 / 15 = 0.5 = 0x3800 in f16, -1 = 0xBC00; codes 0..15, the first
    // of two in the low nibble
    std::vector<float> x = ramp(16, -1, 0.5f);
    CHECK(stored("int4", x) ==
          std::vector<uint8_t>{0x00, 0x38, 0x00, 0xBC, 0x10, 0x32, 0x54, 0x76, 0x98, 0xBA, 0xDC, 0xFE});
    CHECK(back("int4", x) == x);
    // 8 values 0..7, 3 bits: scale 1 = 0x3C00, min 0; 0 + 1 * 8 + 2 * 64 + 3 * 512 ... = 0xFAC688, lowest byte first
    CHECK(stored("int3", ramp(8, 0, 1)) == std::vector<uint8_t>{0x00, 0x3C, 0, 0, 0x88, 0xC6, 0xFA});
    // 2 bits: 3 2 1 0 = 3 + 2 * 4 + 1 * 16 = 0x1B
    CHECK(stored("int2", {3, 2, 1, 0}) == std::vector<uint8_t>{0x00, 0x3C, 0, 0, 0x1B});
    // Symmetric, 4 bits: amax 7, scale 1; -7 + 8 = 1, 0 + 8 = 8, 7 + 8 = 15, 2.5 rounds to 2, + 8 = 10
    CHECK(stored("int4:symmetric=on", {-7, 0, 7, 2.5f}) == std::vector<uint8_t>{0x00, 0x3C, 0x81, 0xAF});
    CHECK(back("int4:symmetric=on", {-7, 0, 7, 2.5f}) == std::vector<float>{-7, 0, 7, 2});
    // Half to even: 0.5 and 1.5 of a step of 1 become 0 and 2
    CHECK(back("int4", {0, 15, 0.5f, 1.5f, 2.5f, 3.5f}) == std::vector<float>{0, 15, 0, 2, 2, 4});
    // f32 metadata: 0.25 and 10 as they are
    CHECK(stored("int2:scale=f32", {10, 10.75f}) == std::vector<uint8_t>{0, 0, 0x80, 0x3E, 0, 0, 0x20, 0x41, 0x0C});
}

TEST_CASE("codecs: groups along tokens") {
    // 2 channels, groups of 4 tokens: channel 0 is 0 1 2 3, channel 1 is 10 10 10 40. Two scales (1 = 0x3C00, 10 =
    // 0x4900), two minima (0, 10 = 0x4900); codes token by token: 0 0, 1 0, 2 0, 3 3 = 0x10, 0xF2
    auto codec = make_codec("int2:axis=channel,group=4", {1, 2});
    std::vector<float> x = {0, 10, 1, 10, 2, 10, 3, 40}, y(8);
    std::vector<uint8_t> bytes(codec->unit_bytes(4).total());
    codec->encode(x.data(), 4, bytes.data());
    CHECK(bytes == std::vector<uint8_t>{0x00, 0x3C, 0x00, 0x49, 0, 0, 0x00, 0x49, 0x10, 0xF2});
    codec->decode(bytes.data(), 4, y.data());
    CHECK(y == x);
    // The last 3 tokens of a sequence are a unit of their own.
    bytes.assign(codec->unit_bytes(3).total(), 0);
    CHECK(bytes.size() == 8 + 2);  // 6 codes of 2 bits
    codec->encode(x.data(), 3, bytes.data());
    codec->decode(bytes.data(), 3, y.data());
    CHECK(y[4] == doctest::Approx(2).epsilon(0.001));
    CHECK(y[5] == 10);
}

TEST_CASE("codecs: constant groups come back") {
    for (const char* dtype : {"int8", "int4", "int3", "int2"})
        for (float c : {0.0f, -0.3f, 0.42f, -1.0f, 300.0f, 1e-30f, 65504.0f}) {
            std::vector<float> x(64, c);
            CHECK(back(std::string(dtype) + ":scale=f32", x) == x);
            CHECK(back(dtype, x)[63] == kv::f32_of_f16(kv::f16_of(c)));  // exactly the stored minimum
            auto channels = make_codec(std::string(dtype) + ":group=16,axis=channel", {1, 64});
            CHECK(through(*channels, std::vector<float>(64 * 16, c))[700] == kv::f32_of_f16(kv::f16_of(c)));
        }
    for (const char* dtype : {"q8_0", "q4_0", "q4_1", "mxfp4", "nvfp4"})
        CHECK(back(dtype, std::vector<float>(32, 0.0f)) == std::vector<float>(32, 0.0f));
}

TEST_CASE("codecs: metadata is never infinite") {
    for (const char* dtype : {"int8", "int4", "int2:symmetric=on", "q8_0", "q4_0", "q4_1", "nvfp4", "mxfp4", "fp8_e4m3",
                              "int3:scale=f32", "int4:hadamard=on"}) {
        std::vector<float> x = {-3.4e38f, 3.4e38f};
        x.resize(32, 1e30f);
        for (float v : back(dtype, x)) CHECK_MESSAGE(std::isfinite(v), dtype);
    }
}

TEST_CASE("codecs: blocks by hand, as ggml stores them") {
    // q8_0: amax 127, d = 1 = 0x3C00, codes are the values; -2.5 and 2.5 round away from zero
    std::vector<float> x(32, 0.0f);
    x[0] = 127, x[1] = -2.5f, x[2] = 2.5f, x[3] = -1, x[31] = 0.49f;
    std::vector<uint8_t> expected(34, 0);
    expected[1] = 0x3C, expected[2] = 127, expected[3] = 0xFD, expected[4] = 3, expected[5] = 0xFF;
    CHECK(stored("q8_0", x) == expected);

    // q4_0: the farthest is -8, d = -8 / -8 = 1. Codes trunc(x + 8.5): -8 -> 0, 7 -> 15, 0 -> 8, 7.9 -> 15 (of 16.4),
    // -0.5 -> 8, 2.5 -> 11. Value 0 in the low nibble of byte 0, value 16 in its high one.
    x.assign(32, 0.0f);
    x[0] = -8, x[16] = 7, x[1] = 7.9f, x[17] = -0.5f, x[15] = 2.5f;
    expected.assign(18, 0x88);
    expected[0] = 0x00, expected[1] = 0x3C, expected[2] = 0xF0, expected[3] = 0x8F, expected[17] = 0x8B;
    CHECK(stored("q4_0", x) == expected);
    // The farthest is positive: d = 8 / -8 = -1 = 0xBC00, so 8 -> trunc(-8 + 8.5) = 0 and -7 -> 15.
    x.assign(32, 0.0f);
    x[0] = 8, x[16] = -7;
    expected.assign(18, 0x88);
    expected[0] = 0x00, expected[1] = 0xBC, expected[2] = 0xF0;
    CHECK(stored("q4_0", x) == expected);
    // As far in both directions: the first one decides. 4 before -4: d = -0.5 = 0xB800, 4 -> 0, -4 -> min(15, 16).
    x.assign(32, 0.0f);
    x[2] = 4, x[3] = -4;
    CHECK(stored("q4_0", x)[1] == 0xB8);
    CHECK(stored("q4_0", x)[4] == 0x80);
    CHECK(stored("q4_0", x)[5] == 0x8F);
    // Zeros: d = 0 / -8 = -0
    expected.assign(18, 0x88);
    expected[0] = 0, expected[1] = 0x80;
    CHECK(stored("q4_0", std::vector<float>(32, 0.0f)) == expected);

    // q4_1: min -1 = 0xBC00, d = (14 + 1) / 15 = 1; codes trunc(x + 1 + 0.5): -1 -> 0, 14 -> 15, 0 -> 1, 2.5 -> 4
    x.assign(32, 0.0f);
    x[0] = -1, x[16] = 14, x[31] = 2.5f;
    expected.assign(20, 0x11);
    expected[0] = 0x00, expected[1] = 0x3C, expected[2] = 0x00, expected[3] = 0xBC;
    expected[4] = 0xF0, expected[19] = 0x41;
    CHECK(stored("q4_1", x) == expected);
    // Codes follow from the unrounded scale: d = 1.0004 (f16: 1), 15.006 is 15 of its steps.
    x.assign(32, 0.0f);
    x[0] = 15.006f, x[1] = 7.5f;
    CHECK(stored("q4_1", x)[1] == 0x3C);
    CHECK((stored("q4_1", x)[5] & 15) == 7);  // 7.5 / 1.0004 + 0.5 = 7.997; by the stored scale it would be 8
}

TEST_CASE("codecs: 4-bit floats by hand") {
    // mxfp4: amax 6, floor(log2 6) = 2, scale 2^0 = byte 127. 6 -> 7, -1.5 -> 11, 0.25 -> 0 (even), 0.75 -> 2, 5 -> 6,
    // 2.5 -> 4 (2, whose code is even)
    std::vector<float> x(32, 0.0f);
    x[0] = 6, x[16] = -1.5f, x[1] = 0.25f, x[17] = 0.75f, x[2] = 5, x[18] = 2.5f;
    std::vector<uint8_t> expected(17, 0);
    expected[0] = 127, expected[1] = 0xB7, expected[2] = 0x20, expected[3] = 0x46;
    CHECK(stored("mxfp4", x) == expected);
    CHECK(back("mxfp4", x)[2] == 4);
    x[0] = 7.5f;  // still 2^2: cut off at 6
    CHECK(back("mxfp4", x)[0] == 6);
    x[0] = 8;  // scale 2: 4 of them
    CHECK(stored("mxfp4", x)[0] == 128);
    CHECK(back("mxfp4", x)[0] == 8);

    // nvfp4: amax 12, scale 2 = 0x40 in e4m3; 12 -> 7, -1 -> 0.5 = 9, 3 -> 1.5 = 3; two neighbours in a byte
    x.assign(32, 0.0f);
    x[0] = 12, x[1] = -1, x[2] = 3, x[16] = 6;
    expected.assign(18, 0);
    expected[0] = 0x40, expected[1] = 0x97, expected[2] = 0x03, expected[9] = 0x38, expected[10] = 0x07;
    CHECK(stored("nvfp4", x) == expected);
    CHECK(back("nvfp4", x) == x);
}

TEST_CASE("codecs: hadamard=on spreads an outlier and comes back") {
    // 4 values: H / 2. (4, 0, 0, 0) becomes (2, 2, 2, 2): a constant group, exact in any number of bits.
    CHECK(back("int2:hadamard=on", {4, 0, 0, 0}) == std::vector<float>{4, 0, 0, 0});
    // (0, 4, 0, 0) becomes (2, -2, 2, -2), over head_dim though groups are smaller: all extremes of their groups
    CHECK(nmse({0, 4, 0, 0}, back("int2:hadamard=on,group=2", {0, 4, 0, 0})) < 1e-6);
    CHECK(back("f32:hadamard=on", {1, 2, 3, 4}) == std::vector<float>{1, 2, 3, 4});
    auto outlier = normal(128 * 64, 5);
    for (size_t i = 3; i < outlier.size(); i += 128) outlier[i] *= 30;
    auto error = [&](const char* dtype) { return nmse(outlier, through(*make_codec(dtype, {1, 128}), outlier)); };
    CHECK(error("int4:hadamard=on") < error("int4") / 2);
    // Small heads: blocks of 32 are rotated over 4 heads of 8
    auto small = make_codec("q4_0:hadamard=on", {4, 8});
    CHECK(small->unit_heads() == 4);
    std::vector<float> x(32, 0.0f);
    x[0] = 32;  // becomes 32 values of 32 / sqrt(32): all are the farthest from zero, code 0
    std::vector<uint8_t> bytes(18);
    small->encode(x.data(), 1, bytes.data());
    CHECK(std::vector<uint8_t>(bytes.begin() + 2, bytes.end()) == std::vector<uint8_t>(16, 0));
}

TEST_CASE("codecs: what does not fit is refused") {
    CHECK(error_of("int4:group=7", {8, 128}) ==
          "KV dtype 'int4': groups of 7 values do not divide a row of 8 heads x 128 (4 and 8 do)");
    CHECK(error_of("int4:group=2048", {8, 128}) ==
          "KV dtype 'int4': groups of 2048 values do not divide a row of 8 heads x 128 (1024 does)");
    CHECK(error_of("q4_0", {1, 80}) ==
          "KV dtype 'q4_0': groups of 32 values do not divide a row of 1 heads x 80 (20 and 40 do)");
    CHECK(error_of("nvfp4", {1, 24}).find("groups of 16 values do not divide") != std::string::npos);
    CHECK(error_of("int4:group=0", {8, 128}).find("group=0: expected a whole number from 1") != std::string::npos);
    CHECK(error_of("int4:group=-1", {8, 128}).find("expected a whole number") != std::string::npos);
    CHECK(error_of("int4:axis=row", {8, 128}).find("axis=row") != std::string::npos);
    CHECK(error_of("int4:scale=f64", {8, 128}).find("scale=f64") != std::string::npos);
    CHECK(error_of("int4:bits=3", {8, 128}).find("'int4' has no parameter 'bits'") != std::string::npos);
    CHECK(error_of("q4_0:group=32", {8, 128}).find("has no parameter 'group'") != std::string::npos);
    CHECK(error_of("int4:hadamard=on", {8, 96}) ==
          "KV dtype 'int4': hadamard=on rotates 96 values (the larger of head_dim and group): expected a power of two "
          "that divides a row of 8 heads x 96");
    CHECK(error_of("q4_0:hadamard=on", {8, 20}).find("rotates 32 values") == std::string::npos);  // 160 values
    CHECK(error_of("f16:hadamard=on", {1, 1}).empty());
    CHECK(error_of("int4:axis=channel,residual=100", {8, 128}) ==
          "KV dtype 'int4': residual=100: expected a multiple of the group of 32 tokens");
    CHECK(make_codec("int4:axis=channel,residual=128", {8, 128})->residual_tokens() == 128);
    CHECK(make_codec("q8_0:residual=100", {8, 128})->residual_tokens() == 100);
    CHECK(make_codec("f16:residual=1,hadamard=on", {8, 128})->residual_tokens() == 1);
    // Rows wider than anything real: an error or an answer, never an overflow
    CHECK(row_bytes("int8:group=1", {1 << 24, 1 << 24}) == 5 * (uint64_t{1} << 48));
    CHECK(row_bytes("int4:axis=channel,group=255", {1, 1 << 24}) > 0);
    CHECK(error_of("int4:axis=channel,group=65537", {1, 64}).find("65536") != std::string::npos);
    CHECK(error_of("int4:axis=channel,group=65536", {1, 1 << 24}).find("is too large") != std::string::npos);
    CHECK(error_of("int4:group=16777213", {16777213, 16777216}).find("too many") != std::string::npos);
    CHECK(error_of("int4:group=16777216", {16777213, 16777199}).find("do not divide") != std::string::npos);
}

TEST_CASE("codecs: error on N(0, 1)") {
    // Published figures of 4.2 million samples in vectors of 128; here 0.5 million, so 1 % (the spread of their NMSE is
    // below 0.5 %).
    std::vector<float> x = normal(size_t{1} << 19, 1);
    struct {
        std::string dtype;
        double nmse;
    } const expected[] = {{"q8_0", 2.86e-5}, {"q4_1", 6.12e-3}, {"q4_0", 7.38e-3}, {"mxfp4", 0.01322}, {"nvfp4", 9.05e-3},
                          {"fp8_e4m3", 7.04e-4}, {"int8:group=64", 2.78e-5}, {"int4:group=32", 6.11e-3}, {"int4", 9.96e-3},
                          {"int3:group=32", 0.0281}, {"int2:group=32", 0.154}, {"int4:symmetric=on,group=32", 9.42e-3}};
    for (const auto& e : expected) {
        double found = nmse(x, through(*make_codec(e.dtype, {1, 128}), x));
        CHECK_MESSAGE(std::fabs(found / e.nmse - 1) < 0.012, e.dtype << ": " << found << ", expected " << e.nmse);
    }
}

TEST_CASE("long: codecs: error on N(0, 1), to the digits") {
    std::vector<float> x = normal(size_t{1} << 22, 2);
    struct {
        std::string dtype;
        double nmse, digit;  ///< half of its last digit, and the spread of another sample
    } const expected[] = {{"f16", 4.3e-8, 0.05e-8}, {"bf16", 2.8e-6, 0.05e-6}, {"q8_0", 2.86e-5, 0.01e-5},
                          {"q4_1", 6.12e-3, 0.01e-3}, {"q4_0", 7.38e-3, 0.01e-3}, {"mxfp4", 0.01322, 0.00002},
                          {"nvfp4", 9.05e-3, 0.01e-3}, {"fp8_e4m3", 7.04e-4, 0.01e-4}, {"int8:group=32", 2.12e-5, 0.01e-5},
                          {"int8:group=64", 2.78e-5, 0.01e-5}, {"int8", 3.45e-5, 0.01e-5}, {"int4:group=32", 6.11e-3, 0.01e-3},
                          {"int4:group=64", 8.04e-3, 0.01e-3}, {"int4", 9.96e-3, 0.01e-3}, {"int3:group=32", 0.0281, 0.0001},
                          {"int3:group=64", 0.0370, 0.0002}, {"int3", 0.0458, 0.0001}, {"int2:group=32", 0.154, 0.0006},
                          {"int2:group=64", 0.203, 0.001}, {"int2", 0.251, 0.0006},
                          {"int4:symmetric=on,group=32", 9.42e-3, 0.01e-3}, {"int4:symmetric=on,group=64", 0.0116, 0.0001},
                          {"int4:symmetric=on", 0.0138, 0.0001}, {"int8:symmetric=on,scale=f32", 4.18e-5, 0.01e-5}};
    for (const auto& e : expected) {
        double found = nmse(x, through(*make_codec(e.dtype, {1, 128}), x));
        CHECK_MESSAGE(std::fabs(found - e.nmse) <= e.digit, e.dtype << ": " << found << ", expected " << e.nmse);
    }
}

}  // namespace quant_codecs_test
