// The compressed cache as a library: append, get, scores, eviction, bytes, counted by hand.
#include <doctest/doctest.h>
#include <kvsim/core/error.h>
#include <kvsim/layout/quantized_cache.h>

#include <cmath>
#include <limits>

namespace quantized_cache_test {

using namespace kvsim;

namespace {

QuantizedConfig config(uint32_t heads, uint32_t dim, const std::string& eviction = "none") {
    QuantizedConfig c;
    c.kv_heads = c.query_heads = heads;
    c.head_dim = dim;
    c.eviction = eviction;
    return c;
}

template <class F>
std::string error_of(F&& f) {
    try {
        f();
    } catch (const Error& e) {
        return e.what();
    }
    return "";
}

// One head of one value: the token's number.
void append(QuantizedLayer& layer, float x) { layer.append(&x, &x); }

void score(QuantizedLayer& layer, const std::vector<float>& weights) { layer.update_attention_scores({weights}); }

using Ids = std::vector<uint32_t>;

}  // namespace

TEST_CASE("quantized cache: length, reading by id, what is missing") {
    QuantizedLayer layer(config(2, 2, "sliding_window:budget=3"), 0);
    for (int t = 0; t < 5; ++t) {
        float k[] = {float(t), 10, 20, float(-t)}, v[] = {1, 2, 3, float(t)};
        CHECK(layer.append(k, v) == uint32_t(t));
        layer.step(nullptr, nullptr);
        layer.evict();
        CHECK(layer.heads()[0].count() == std::min(t + 1, 3));
        layer.check_invariants();
    }
    CHECK(layer.tokens() == 5);
    CHECK(layer.held(0) == Ids{2, 3, 4});
    CHECK(layer.held(1) == Ids{2, 3, 4});
    CHECK(layer.holds(1, 4));
    CHECK_FALSE(layer.holds(1, 1));
    CHECK_FALSE(layer.holds(1, 5));
    float k[2], v[2];
    layer.get(1, 3, k, v);
    CHECK(k[0] == 20);
    CHECK(k[1] == -3);
    CHECK(v[1] == 3);
    CHECK(error_of([&] { layer.get(1, 1, k, v); }) == "KV head 1 does not hold token 1");
    CHECK(error_of([&] { layer.get(2, 3, k, v); }) == "KV head 2 does not hold token 3");
}

TEST_CASE("quantized cache: bad values and shapes change nothing") {
    QuantizedLayer layer(config(1, 2), 0);
    float good[] = {1, 2}, nan[] = {1, std::nanf("")}, inf[] = {std::numeric_limits<float>::infinity(), 0};
    CHECK(error_of([&] { layer.append(nan, good); }) == "keys of token 0 are not finite: value 1");
    CHECK(error_of([&] { layer.append(good, inf); }) == "values of token 0 are not finite: value 0");
    CHECK(layer.tokens() == 0);
    CHECK(layer.append(good, good) == 0);
    CHECK(error_of([&] { layer.update_attention_scores({}); }) == "attention scores of 0 KV heads; the cache has 1");
    CHECK(error_of([&] { layer.update_attention_scores({{1, 2}}); }) ==
          "attention scores of 2 tokens for KV head 0, which holds 1");
    CHECK(error_of([] { QuantizedLayer(config(0, 2), 0); }).find("expected at least one each") != std::string::npos);
    QuantizedCache cache(config(1, 2));
    CHECK(error_of([&] { cache.layer(1); }) == "layer 1 of a model with 1 layers");
}

// Scores 5, 1, 3, 4 and a budget of 3: token 1 leaves. Then a new token without any score: nothing that is new leaves,
// because it is recent (recent = 3 - floor(3 / 2) = 2).
TEST_CASE("quantized cache: H2O keeps the newest") {
    QuantizedLayer layer(config(1, 1, "h2o:budget=3"), 0);
    append(layer, 0);
    append(layer, 1);
    append(layer, 2);
    append(layer, 3);
    score(layer, {5, 1, 3, 4});
    CHECK(layer.evict() == 1);
    CHECK(layer.held(0) == Ids{0, 2, 3});
    append(layer, 4);
    score(layer, {1, 1, 1, 0});
    layer.evict();
    CHECK(layer.held(0) == Ids{0, 3, 4});  // 6, 4, (5, 0 recent): token 2 had the least
}

TEST_CASE("quantized cache: two updates are their sum") {
    QuantizedLayer twice(config(1, 1, "h2o:budget=2,recent=0"), 0), once(config(1, 1, "h2o:budget=2,recent=0"), 0);
    for (float x : {0.f, 1.f, 2.f}) {
        append(twice, x);
        append(once, x);
    }
    score(twice, {1, 2, 4});
    score(twice, {4, 1, 2});
    score(once, {5, 3, 6});
    twice.evict();
    once.evict();
    CHECK(twice.held(0) == once.held(0));
    CHECK(once.held(0) == Ids{0, 2});
}

// Two keys at right angles, the query along the first: logits 3 / sqrt(2) and 0, weights e^2.1213 / (e^2.1213 + 1).
TEST_CASE("quantized cache: attention by hand") {
    QuantizedLayer layer(config(1, 2), 0);
    float k0[] = {1, 0}, k1[] = {0, 1}, v0[] = {1, 0}, v1[] = {0, 1}, q[] = {3, 0}, out[2];
    layer.append(k0, v0);
    layer.append(k1, v1);
    layer.attend(q, out);
    double w = std::exp(3 / std::sqrt(2.0)) / (std::exp(3 / std::sqrt(2.0)) + 1);
    CHECK(out[0] == doctest::Approx(w));
    CHECK(out[1] == doctest::Approx(1 - w));
}

// Query head 0 looks at token 0, head 1 at token 1; meaned over both, token 2 got least (e^-7 of each) and leaves.
TEST_CASE("quantized cache: scores are meaned over the query heads of a KV head") {
    QuantizedConfig c = config(1, 2, "h2o:budget=2,recent=0");
    c.query_heads = 2;
    QuantizedLayer layer(c, 0);
    float k[3][2] = {{1, 0}, {0, 1}, {0, 0}}, q[] = {10, 0, 0, 10}, out[4];
    for (auto& row : k) layer.append(row, row);
    layer.attend(q, out);
    layer.step(q, nullptr);
    CHECK(layer.evict() == 1);
    CHECK(layer.held(0) == Ids{0, 1});
}

// 3 layers x (keys + values) x 2 heads x 4 values: f32 takes 4 bytes each, bf16 keys 2.
TEST_CASE("quantized cache: bytes of what is held") {
    QuantizedConfig c = config(2, 4, "sliding_window:budget=2");
    c.layers = 3;
    c.k_dtype = "bf16";
    QuantizedCache cache(c);
    CHECK(cache.memory_bytes().total() == 0);
    CHECK(cache.compression_ratio(32) == 0);
    std::vector<float> row(8, 1.5f);
    for (int t = 0; t < 4; ++t)
        for (uint32_t l = 0; l < 3; ++l) {
            cache.layer(l).append(row.data(), row.data());
            cache.layer(l).step(nullptr, nullptr);
            cache.layer(l).evict();
        }
    CHECK(cache.memory_bytes().data == 3 * 2 * (8 * 2 + 8 * 4));  // 2 tokens stay
    CHECK(cache.memory_bytes().metadata == 0);
    CHECK(cache.stored_values() == 3 * 2 * 16);
    CHECK(cache.compression_ratio(32) == doctest::Approx(32 / 24.0));
    CHECK(cache.budget(2) == 2);
}

}  // namespace quantized_cache_test
