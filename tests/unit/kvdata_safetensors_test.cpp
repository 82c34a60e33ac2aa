// Reading safetensors: every malformed file is one clear line, every well-formed one comes out value by value.
#include <doctest/doctest.h>
#include <kvsim/core/digest.h>
#include <kvsim/core/error.h>
#include <kvsim/kvdata/kv_data.h>
#include <kvsim/kvdata/safetensors.h>

#include <bit>
#include <limits>

#include "support/process.h"
#include "unit/kvdata_files.h"

namespace kvdata_safetensors_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

/// The message without the path, or "" if nothing is wrong.
std::string complaint(const std::string& text, bool kv_data = false) {
    TempDir dir;
    std::string path = dir.write("x.safetensors", text);
    try {
        if (kv_data) {
            load_kv_data(path);
        } else {
            std::vector<float> a, b;
            SafeTensors(path).read({{"a", &a}, {"b", &b}});
        }
    } catch (const Error& e) {
        std::string line = e.what();
        CHECK(e.kind() == ErrorKind::input);
        CHECK(line.find('\n') == std::string::npos);
        REQUIRE(line.rfind(path + ": ", 0) == 0);
        return line.substr(path.size() + 2);
    }
    return "";
}

std::string header_complaint(const std::string& header, size_t data_bytes = 0) {
    return complaint(safetensors_text(header, std::string(data_bytes, '\0')));
}

/// One tensor `a` with these fields.
std::string tensor_complaint(const std::string& dtype, const std::string& shape, const std::string& offsets,
                             size_t data_bytes) {
    return header_complaint("{\"a\":{\"dtype\":" + dtype + ",\"shape\":" + shape + ",\"data_offsets\":" + offsets + "}}",
                            data_bytes);
}

std::vector<float> ramp(size_t n, float from = 0) {
    std::vector<float> out;
    for (size_t i = 0; i < n; ++i) out.push_back(from + static_cast<float>(i) / 8);
    return out;
}

/// 1 sequence, 2 layers, 3 tokens, 4 query heads, 2 KV heads, 2 dimensions.
TensorFile small() {
    return TensorFile()
        .add("k", "[1,2,3,2,2]", ramp(24))
        .add("q", "[1,2,3,4,2]", ramp(48, 100))
        .add("v", "[1,2,3,2,2]", ramp(24, 200));
}

}  // namespace

TEST_CASE("safetensors: values, shapes and places") {
    TempDir dir;
    std::string text = TensorFile()
                           .add("ints", "I32", "[2]", bytes_of(std::vector<int32_t>{-1, 7}))
                           .add("a", "[2,3]", {1, -2, 3.5f, 0, 1e-30f, 3e38f})
                           .add("nothing", "F32", "[0,5]", "")
                           .add("half", "F16", "[3]", bytes_of(std::vector<uint16_t>{0x3C00, 0xC000, 0x0001}))
                           .add("brain", "BF16", "[1,2]", bytes_of(std::vector<uint16_t>{0x3F80, 0xC049}))
                           .add("scalar", "F32", "[]", bytes_of(std::vector<float>{9}))
                           .text();
    std::string path = dir.write("x.safetensors", text);
    SafeTensors file(path);
    REQUIRE(file.tensors().size() == 6);
    CHECK(file.tensors()[0].name == "ints");
    CHECK(file.find("a")->shape == std::vector<uint64_t>{2, 3});
    CHECK(file.find("a")->begin == 8);
    CHECK(file.find("scalar")->values == 1);
    CHECK(file.find("b") == nullptr);
    std::vector<float> a, half, brain, scalar;
    std::string digest = file.read({{"a", &a}, {"half", &half}, {"brain", &brain}, {"scalar", &scalar}});
    CHECK(a == std::vector<float>{1, -2, 3.5f, 0, 1e-30f, 3e38f});
    CHECK(half == std::vector<float>{1, -2, 0x1p-24f});
    CHECK(brain == std::vector<float>{1, -3.140625f});
    CHECK(scalar == std::vector<float>{9});
    Sha256 whole;
    whole.update(text.data(), text.size());
    CHECK(digest == whole.finish());
}

TEST_CASE("safetensors: tensors longer than what is read at once") {
    std::vector<float> many(700001);
    std::vector<uint16_t> brains;
    for (size_t i = 0; i < many.size(); ++i) {
        many[i] = static_cast<float>(i % 256);  // exact in the upper half of a float
        brains.push_back(static_cast<uint16_t>(std::bit_cast<uint32_t>(many[i]) >> 16));
    }
    TempDir dir;
    std::string path = dir.write("x", TensorFile().add("a", "[700001]", many).add("b", "BF16", "[700001]", bytes_of(brains)).text());
    std::vector<float> a, b;
    SafeTensors(path).read({{"a", &a}, {"b", &b}});
    CHECK((a == many));
    CHECK((b == many));
    many[600000] = std::numeric_limits<float>::quiet_NaN();
    CHECK(complaint(TensorFile().add("a", "[700001]", many).text()) ==
          "tensor 'a': NaN at [600000]: expected finite values");
}

TEST_CASE("safetensors: metadata, spaces and order do not matter") {
    TempDir dir;
    std::string path = dir.write(
        "x", safetensors_text("{ \"b\":{\"data_offsets\":[4,8],\"shape\":[1],\"dtype\":\"F32\"},\"__metadata__\":{\"k\":\"v\\n\"},"
                              "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}    ",
                              bytes_of(std::vector<float>{1, 2})));
    SafeTensors file(path);
    CHECK(file.metadata().at("k") == "v\n");
    CHECK(file.tensors()[0].name == "a");
    std::vector<float> b;
    file.read({{"b", &b}});
    CHECK(b == std::vector<float>{2});
    CHECK(complaint(safetensors_text("{}", "")) == "");
}

TEST_CASE("safetensors: header length") {
    CHECK(complaint("") == "truncated: expected 8 bytes that give the header's length, found 0");
    CHECK(complaint("1234567") == "truncated: expected 8 bytes that give the header's length, found 7");
    CHECK(complaint(std::string(8, '\0')) == "header: expected a JSON object, beginning with '{'");
    CHECK(complaint(std::string(8, '\xFF') + "{}") ==
          "header length 18446744073709551615: expected at most 2, which is all the file has");
    CHECK(complaint(bytes_of(std::vector<uint64_t>{3}) + "{}") ==
          "header length 3: expected at most 2, which is all the file has");
    CHECK(complaint(bytes_of(std::vector<uint64_t>{100000001}) + std::string(100000001, ' ')) ==
          "header length 100000001: expected at most 100000000");
}

TEST_CASE("safetensors: header text") {
    CHECK(header_complaint(" {}") == "header: expected a JSON object, beginning with '{'");
    CHECK(header_complaint("\xEF\xBB\xBF{}") == "header: expected a JSON object, beginning with '{'");
    CHECK(header_complaint("[]") == "header: expected a JSON object, beginning with '{'");
    CHECK(header_complaint("{\"a\":").rfind("header: broken JSON: ", 0) == 0);
    CHECK(header_complaint("{} {}").rfind("header: broken JSON: ", 0) == 0);
    CHECK(header_complaint("{\"a\xFF\":1}").rfind("header: broken JSON: ", 0) == 0);
    CHECK(header_complaint("{\"a\":" + std::string(5000, '[')).rfind("header: broken JSON: ", 0) == 0);
    CHECK(header_complaint("{\"a\":1}") == "tensor 'a': expected an object");
    CHECK(header_complaint("{\"__metadata__\":[]}") == "header: __metadata__: expected an object");
    CHECK(header_complaint("{\"__metadata__\":{\"x\":1}}") == "header: __metadata__: key 'x': expected a string");
    CHECK(header_complaint("{\"__metadata__\":{\"x\":\"\",\"x\":\"\"}}") ==
          "header: __metadata__: key 'x' is given twice");
    CHECK(header_complaint("{\"__metadata__\":{},\"__metadata__\":{}}") ==
          "tensor '__metadata__': the name is given twice");
    std::string fields = "{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}";
    CHECK(header_complaint("{\"a\":" + fields + ",\"a\":" + fields + "}") == "tensor 'a': the name is given twice");
    CHECK(header_complaint("{\"a\\n\":{}}") == "tensor 'a?': expected dtype, shape and data_offsets");
    CHECK(header_complaint("{\"" + std::string(100, 'x') + "\":{}}") ==
          "tensor '" + std::string(80, 'x') + "...': expected dtype, shape and data_offsets");
    CHECK(header_complaint("{\"a\":{\"dtype\":\"F32\",\"shap\":[]}}") ==
          "tensor 'a': unknown key 'shap' (did you mean 'shape'?)");
    CHECK(header_complaint("{\"a\":{\"shape\":[],\"shape\":[]}}") == "tensor 'a': shape is given twice");
}

TEST_CASE("safetensors: dtype, shape and offsets of a tensor") {
    CHECK(tensor_complaint("\"F32\"", "[2,3]", "[0,24]", 24) == "");
    CHECK(tensor_complaint("1", "[]", "[0,4]", 4) == "tensor 'a': dtype: expected a string");
    CHECK(tensor_complaint("\"f32\"", "[]", "[0,4]", 4).rfind("tensor 'a': dtype 'f32': expected one of BF16, ", 0) == 0);
    CHECK(tensor_complaint("\"F32\"", "{}", "[0,4]", 4) == "tensor 'a': shape: expected an array of whole numbers");
    CHECK(tensor_complaint("\"F32\"", "[1.5]", "[0,4]", 4) == "tensor 'a': shape: expected whole numbers");
    CHECK(tensor_complaint("\"F32\"", "[-1]", "[0,4]", 4) == "tensor 'a': shape: expected whole numbers from 0 on");
    CHECK(tensor_complaint("\"F32\"", "[null]", "[0,4]", 4) == "tensor 'a': shape: expected whole numbers");
    CHECK(tensor_complaint("\"F32\"", "[1]", "[0]", 4) == "tensor 'a': data_offsets: expected [begin, end]");
    CHECK(tensor_complaint("\"F32\"", "[1]", "[0,4,8]", 4) == "tensor 'a': data_offsets: expected at most 2 numbers");
    CHECK(tensor_complaint("\"F32\"", "[1]", "[4,0]", 4) == "tensor 'a': data_offsets [4, 0]: expected begin <= end");
    CHECK(tensor_complaint("\"F32\"", "[2]", "[0,8]", 7) ==
          "tensor 'a': data_offsets [0, 8]: expected an end of at most 7, the bytes that follow the header");
    CHECK(tensor_complaint("\"F32\"", "[1]", "[18446744073709551612,18446744073709551615]", 4).find("expected an end") !=
          std::string::npos);
    CHECK(tensor_complaint("\"F32\"", "[1]", "[0,18446744073709551616]", 4) ==
          "header: broken JSON: Problem while parsing a number");
    CHECK(tensor_complaint("\"F32\"", "[2]", "[0,4]", 4) ==
          "tensor 'a': data_offsets [0, 4]: expected 8 bytes for F32 [2]");
    CHECK(tensor_complaint("\"F16\"", "[2]", "[0,8]", 8) ==
          "tensor 'a': data_offsets [0, 8]: expected 4 bytes for F16 [2]");
    // 2^32 x 2^32 values, and 2^62 values of 32 bits: neither wraps round to what the file has.
    CHECK(tensor_complaint("\"F32\"", "[4294967296,4294967296]", "[0,0]", 0) ==
          "tensor 'a': shape [4294967296, 4294967296]: expected fewer than 2^64 bits");
    CHECK(tensor_complaint("\"F32\"", "[4611686018427387904]", "[0,0]", 0).find("2^64 bits") != std::string::npos);
    CHECK(tensor_complaint("\"F32\"", "[4294967296,4294967296,0]", "[0,0]", 0) == "");
    CHECK(tensor_complaint("\"F4\"", "[3]", "[0,2]", 2) == "tensor 'a': expected a whole number of bytes");
}

TEST_CASE("safetensors: tensors fill the data without gap or overlap") {
    auto two = [](const std::string& a, const std::string& b, size_t bytes) {
        return header_complaint("{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" + a +
                                    "},\"c\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" + b + "}}", bytes);
    };
    CHECK(two("[0,4]", "[4,8]", 8) == "tensor 'a': dtype U8: expected F32, F16 or BF16");
    CHECK(two("[0,4]", "[3,7]", 7) == "tensor 'c': begins at byte 3, within tensor 'a'");
    CHECK(two("[0,4]", "[0,4]", 4) == "tensor 'c': begins at byte 0, within tensor 'a'");
    CHECK(two("[0,4]", "[5,9]", 9) == "tensor 'c': begins at byte 5: expected 4, the end of tensor 'a'");
    CHECK(two("[5,9]", "[1,5]", 9) == "tensor 'c': begins at byte 1: expected 0, the end of the header");
    CHECK(two("[0,4]", "[4,8]", 10) == "2 bytes after the end of tensor 'c': expected none");
    CHECK(header_complaint("{}", 1) == "1 bytes after the end of the header: expected none");
}

TEST_CASE("safetensors: values that are not finite") {
    float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
    CHECK(complaint(TensorFile().add("a", "[2,2]", {0, 1, nan, inf}).text()) ==
          "tensor 'a': NaN at [1, 0]: expected finite values");
    CHECK(complaint(TensorFile().add("a", "[2,2]", {0, inf, nan, 0}).text()) ==
          "tensor 'a': infinity at [0, 1]: expected finite values");
    CHECK(complaint(TensorFile().add("a", "F16", "[2]", bytes_of(std::vector<uint16_t>{0, 0xFC00})).text()) ==
          "tensor 'a': -infinity at [1]: expected finite values");
    CHECK(complaint(TensorFile().add("b", "BF16", "[2]", bytes_of(std::vector<uint16_t>{0x7FC0, 0})).text()) ==
          "tensor 'b': NaN at [0]: expected finite values");
    CHECK(complaint(TensorFile().add("z", "[1]", {nan}).text()) == "");  // nobody asked for it
}

TEST_CASE("safetensors: what is no file") {
    TempDir dir;
    for (const std::string& path : {dir.path("missing"), dir.dir()}) {
        try {
            load_kv_data(path);
            FAIL("expected an error");
        } catch (const Error& e) {
            CHECK(e.kind() == ErrorKind::io);
        }
    }
    CHECK_THROWS_WITH_AS(load_kv_data("/dev/null"),
                         "/dev/null: expected a regular file, whose size is known before it is read", Error);
}

TEST_CASE("kv data: axes of a small file") {
    TempDir dir;
    std::string path = dir.write("x.safetensors", small().text());
    KvData d = load_kv_data(path);
    CHECK(d.name == "x.safetensors");
    CHECK(d.format == "safetensors");
    CHECK(d.dtype == "f32");
    CHECK(d.sha256.size() == 64);
    CHECK(std::vector<uint32_t>{d.sequences, d.layers, d.tokens, d.query_heads, d.kv_heads, d.head_dim} ==
          std::vector<uint32_t>{1, 2, 3, 4, 2, 2});
    CHECK(d.group() == 2);
    CHECK(d.k_pre_row(0, 1, 2) == nullptr);
    // layer 1, token 2 is row 5: 5 x 4 values before it in k and v, 5 x 8 in q.
    CHECK(d.k_row(0, 1, 2)[1] == 21.0f / 8);
    CHECK(d.v_row(0, 1, 2)[0] == 200 + 20.0f / 8);
    CHECK(d.q_row(0, 1, 2)[7] == 100 + 47.0f / 8);
    d = load_kv_data(dir.write("y", small().add("k_pre", "[1,2,3,2,2]", ramp(24, 300)).add("o", "I8", "[1]", "x").text()));
    CHECK(d.k_pre_row(0, 1, 2)[3] == 300 + 23.0f / 8);
}

TEST_CASE("kv data: shapes that do not go together") {
    auto with = [](const std::string& q, size_t nq, const std::string& k, size_t nk, const std::string& v, size_t nv) {
        return complaint(TensorFile().add("q", q, ramp(nq)).add("k", k, ramp(nk)).add("v", v, ramp(nv)).text(), true);
    };
    std::string k = "[1,1,3,2,2]";
    CHECK(with("[1,1,3,4,2]", 24, k, 12, k, 12) == "");
    CHECK(with("[1,1,3,3,2]", 18, k, 12, k, 12) ==
          "tensor 'q': 3 query heads: expected a multiple of the 2 heads of tensor 'k'");
    CHECK(with("[1,1,3,1,2]", 6, k, 12, k, 12) ==
          "tensor 'q': 1 query heads: expected a multiple of the 2 heads of tensor 'k'");
    CHECK(with("[1,3,4,2]", 24, k, 12, k, 12) ==
          "tensor 'q': shape [1, 3, 4, 2]: expected 5 axes: sequence, layer, token, head, dim");
    CHECK(with("[1,1,4,2,2]", 16, k, 12, k, 12) ==
          "tensor 'q': shape [1, 1, 4, 2, 2]: expected 3 along axis token, as tensor 'k' has");
    CHECK(with("[1,1,3,2,4]", 24, k, 12, k, 12) ==
          "tensor 'q': shape [1, 1, 3, 2, 4]: expected 2 along axis dim, as tensor 'k' has");
    CHECK(with("[1,1,3,4,2]", 24, k, 12, "[1,1,3,1,2]", 6) ==
          "tensor 'v': shape [1, 1, 3, 1, 2]: expected 2 along axis head, as tensor 'k' has");
    CHECK(with("[1,1,3,4,2]", 24, k, 12, "[1,1,3,2,4]", 24) ==
          "tensor 'v': shape [1, 1, 3, 2, 4]: expected 2 along axis dim, as tensor 'k' has; "
          "values narrower or wider than keys are not supported");
    CHECK(with("[1,1,0,2,2]", 0, "[1,1,0,2,2]", 0, "[1,1,0,2,2]", 0) ==
          "tensor 'k': shape [1, 1, 0, 2, 2]: expected 1 to 4294967295 along axis token");
}

TEST_CASE("kv data: tensors that are missing or of another dtype") {
    CHECK(complaint(TensorFile().add("k", "[1]", {1}).add("query", "[1]", {1}).text(), true) ==
          "no tensor q: expected q, k and v, found 'k', 'query'");
    CHECK(complaint(safetensors_text("{}", ""), true) == "no tensor q: expected q, k and v, found none");
    std::string one = "[1,1,1,1,1]", two(2, '\0'), four(4, '\0');
    CHECK(complaint(TensorFile().add("q", "F16", one, two).add("k", "F32", one, four).add("v", "F32", one, four).text(),
                    true) == "tensor 'q': dtype F16: expected F32, as tensor 'k' has");
    CHECK(complaint(TensorFile().add("q", "I32", one, four).add("k", "F32", one, four).add("v", "F32", one, four).text(),
                    true) == "tensor 'q': dtype I32: expected F32, F16 or BF16");
    TempDir dir;
    KvData d = load_kv_data(
        dir.write("x", TensorFile().add("q", "BF16", one, two).add("k", "BF16", one, two).add("v", "BF16", one, two).text()));
    CHECK(d.dtype == "bf16");
}

}  // namespace kvdata_safetensors_test
