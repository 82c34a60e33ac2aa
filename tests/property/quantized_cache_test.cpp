// The compressed cache of a layer against a twin that keeps every row it was given and derives from them, at every step,
// what is encoded, what waits, and which bytes are there.
#include <doctest/doctest.h>
#include <kvsim/layout/quantized_cache.h>
#include <kvsim/quant/dtype.h>
#include "support/random_check.h"

#include <cmath>
#include <random>
#include <set>

namespace quantized_cache_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

struct Dtype {
    const char* text;
    uint32_t group_tokens, residual;  ///< 1: scales along the row
};
// Rows of 16 values: 4 heads x 4, or 2 heads x 8.
constexpr Dtype kDtypes[] = {{"f32", 1, 0},
                             {"bf16:residual=3", 1, 3},
                             {"int8", 1, 0},
                             {"int4:group=8,scale=f32", 1, 0},
                             {"int3:group=16", 1, 0},
                             {"int2:group=16,residual=5", 1, 5},
                             {"int4:axis=channel,group=4", 4, 0},
                             {"int4:axis=channel,group=3,residual=6", 3, 6}};

struct Side {
    Dtype dtype;
    std::vector<std::vector<float>> rows;
};

/// How many of `tokens` tokens are encoded.
uint32_t encoded(const Dtype& d, uint32_t tokens) {
    if (d.group_tokens == 1) return tokens > d.residual ? tokens - d.residual : 0;
    uint32_t gather = std::max(d.residual, d.group_tokens);
    return tokens / gather * gather;
}

using Held = std::vector<std::set<uint32_t>>;  ///< per head

struct Expected {
    StoredBytes bytes;
    uint64_t values = 0;
};

/// Checks what reads back, and counts what is stored.
Expected check_side(const Side& side, const Held& held, const RowShape& shape, const EncodedTokens& ours) {
    auto codec = make_codec(side.dtype.text, shape);
    auto tokens = static_cast<uint32_t>(side.rows.size());
    uint32_t done = encoded(side.dtype, tokens), T = side.dtype.group_tokens, dim = shape.head_dim;
    Expected out;
    std::vector<float> got(dim);
    for (uint32_t t = done; t < tokens; ++t) {
        bool kept = false;
        for (uint32_t h = 0; h < shape.heads; ++h) {
            if (!held[h].count(t)) continue;
            kept = true;
            ours.read(h, t, got.data());
            RC_ASSERT(std::equal(got.begin(), got.end(), side.rows[t].begin() + h * dim));
        }
        out.bytes.data += kept ? shape.values() * 4 : 0;
        out.values += kept ? shape.values() : 0;
    }
    uint32_t heads = codec->unit_heads(), width = codec->unit_values();
    for (uint32_t g = 0; g < done; g += T)
        for (uint32_t u = 0; u < shape.heads; u += heads) {
            bool kept = false;
            std::vector<float> unit;
            for (uint32_t t = g; t < g + T; ++t)
                unit.insert(unit.end(), side.rows[t].begin() + u * dim, side.rows[t].begin() + u * dim + width);
            std::vector<uint8_t> bytes(codec->unit_bytes(T).total());
            codec->encode(unit.data(), T, bytes.data());
            codec->decode(bytes.data(), T, unit.data());
            for (uint32_t t = g; t < g + T; ++t)
                for (uint32_t h = u; h < u + heads; ++h) {
                    if (!held[h].count(t)) continue;
                    kept = true;
                    ours.read(h, t, got.data());
                    RC_ASSERT(std::equal(got.begin(), got.end(), unit.begin() + (t - g) * width + (h - u) * dim));
                }
            if (!kept) continue;
            out.bytes += codec->unit_bytes(T);
            out.values += uint64_t{T} * width;
        }
    return out;
}

void check(uint64_t seed) {
    std::mt19937_64 random(seed);
    auto below = [&](uint64_t n) { return static_cast<uint32_t>(random() % n); };
    auto value = [&] { return (static_cast<float>(below(2001)) - 1000) / 100; };
    RowShape shape = below(2) == 0 ? RowShape{4, 4} : RowShape{2, 8};
    Side keys{kDtypes[below(std::size(kDtypes))], {}}, values{kDtypes[below(std::size(kDtypes))], {}};
    QuantizedConfig c;
    c.kv_heads = shape.heads;
    c.query_heads = shape.heads * (1 + below(2));
    c.head_dim = shape.head_dim;
    c.k_dtype = keys.dtype.text;
    c.v_dtype = values.dtype.text;
    static const char* kEvictions[] = {"none", "h2o:budget=", "tova:budget=", "random:budget=", "sliding_window:budget="};
    c.eviction = kEvictions[below(5)];
    uint32_t budget = 1 + below(8);
    if (c.eviction != "none") c.eviction += std::to_string(budget);
    c.sequence_tokens = 24;
    c.seed = below(100);
    QuantizedLayer layer(c, 0);
    Held held(shape.heads);
    std::vector<float> q(c.query_heads * shape.head_dim), out(q.size());
    for (uint32_t t = 0; t < 24; ++t) {
        for (Side* side : {&keys, &values}) {
            side->rows.emplace_back();
            for (uint32_t i = 0; i < shape.values(); ++i) side->rows.back().push_back(value());
        }
        for (float& x : q) x = value();
        RC_ASSERT(layer.append(keys.rows.back().data(), values.rows.back().data()) == t);
        layer.attend(q.data(), out.data());
        for (float x : out) RC_ASSERT(std::isfinite(x));
        layer.step(q.data(), nullptr);
        layer.evict();
        layer.check_invariants();
        for (uint32_t h = 0; h < shape.heads; ++h) {
            std::vector<uint32_t> ids = layer.held(h);
            held[h] = std::set<uint32_t>(ids.begin(), ids.end());
            RC_ASSERT(ids.size() == (c.eviction == "none" ? t + 1 : std::min(t + 1, budget)));
        }
        for (const auto& [side, ours] : {std::pair{&keys, &layer.keys()}, std::pair{&values, &layer.values()}}) {
            Expected want = check_side(*side, held, shape, *ours);
            RC_ASSERT(ours->bytes().data == want.bytes.data);
            RC_ASSERT(ours->bytes().metadata == want.bytes.metadata);
            RC_ASSERT(ours->bytes().padding == want.bytes.padding);
            RC_ASSERT(ours->stored_values() == want.values);
            RC_ASSERT(ours->allocated_bytes() >= want.bytes.total());
        }
    }
}

// What a prefill foresees is what stands there once all tokens have come: the same rows, group by group.
void check_foreseen(uint64_t seed) {
    std::mt19937_64 random(seed);
    RowShape shape{2, 8};
    auto codec = make_codec("int4:axis=channel,group=4", shape);
    uint32_t tokens = 1 + static_cast<uint32_t>(random() % 14);
    std::vector<float> rows;
    for (uint64_t i = 0; i < tokens * shape.values(); ++i) rows.push_back(static_cast<float>(random() % 1000) / 10);
    EncodedTokens ours(*codec);
    ours.foresee(rows.data(), tokens);
    uint32_t told = 0;
    for (uint32_t t = 0; t < tokens; ++t)
        ours.append(rows.data() + t * shape.values(), [&](uint32_t, uint32_t token, const float*) {
            RC_ASSERT(token == t);
            ++told;
        });
    RC_ASSERT(told == tokens * codec->row_units());
    std::vector<float> got(8);
    for (uint32_t g = 0; g < tokens; g += 4) {
        uint32_t n = std::min(4u, tokens - g);
        for (uint32_t h = 0; h < 2; ++h) {
            std::vector<float> unit;
            for (uint32_t t = g; t < g + n; ++t)
                unit.insert(unit.end(), rows.begin() + t * 16 + h * 8, rows.begin() + t * 16 + h * 8 + 8);
            std::vector<uint8_t> bytes(codec->unit_bytes(n).total());
            codec->encode(unit.data(), n, bytes.data());
            codec->decode(bytes.data(), n, unit.data());
            for (uint32_t t = 0; t < n; ++t) {
                ours.read(h, g + t, got.data());
                RC_ASSERT(std::equal(got.begin(), got.end(), unit.begin() + t * 8));
            }
        }
    }
    ours.check_invariants();
}

}  // namespace

TEST_CASE("quantized cache: what reads back and which bytes are there") {
    CHECK(random_check("quantized cache", [] { check(*rc::gen::arbitrary<uint64_t>()); }));
}

TEST_CASE("quantized cache: groups along tokens of a prefill") {
    CHECK(random_check("foreseen groups", [] { check_foreseen(*rc::gen::arbitrary<uint64_t>()); }));
}

TEST_CASE("long: quantized cache, many more") {
    for (int i = 0; i < 50; ++i) CHECK(random_check("quantized cache", [] { check(*rc::gen::arbitrary<uint64_t>()); }));
}

}  // namespace quantized_cache_test
