// K6, attention of one query per sequence, against a reference in double over what the pool's rows decode to.
#include <doctest/doctest.h>

#include <kernels/device/split_plan.h>

#include <cmath>
#include <limits>

#include "kernels/rig.h"

namespace decode_test {

using namespace kvsim_test;
using kv::RowType;

namespace {

struct Case {
    PoolShape shape;
    Batch batch;
    uint32_t queries = 1;  ///< query heads of a KV head
    RowType q_type = RowType::f32;
    uint32_t layer = 0;
    uint32_t chunk = 0, splits = 1;
    float scale = 1;
    bool logits = false, lse = true;
    float largest = 1;  ///< factor of the keys
};

struct Expected {
    std::vector<double> out, lse;
    std::vector<std::vector<double>> logits;
};

/// Rows of the batch's tokens are in the image; everything else stays NaN.
Image make_image(Random& random, const Case& c) {
    Image image;
    for (uint32_t s = 0; s < c.batch.lengths.size(); ++s)
        for (auto [block, slot] : c.batch.tokens(s, c.shape.block_size))
            for (uint32_t h = 0; h < c.shape.heads; ++h)
                for (uint32_t side : {0u, 1u}) {
                    std::normal_distribution<float> normal;
                    std::vector<float> values(c.shape.side(side).dim);
                    for (float& x : values) x = normal(random) * (side == 0 ? c.largest : 1);
                    image[{side, c.layer, block, h, slot}] = encoded(c.shape.side(side), values);
                }
    return image;
}

Expected attend(const Case& c, const Image& image, const std::vector<float>& q) {
    Expected e;
    uint32_t k_dim = c.shape.keys.dim, v_dim = c.shape.values.dim;
    const float* query = q.data();
    for (uint32_t s = 0; s < c.batch.lengths.size(); ++s) {
        auto tokens = c.batch.tokens(s, c.shape.block_size);
        for (uint32_t h = 0; h < c.shape.heads; ++h) {
            std::vector<std::vector<float>> keys, values;
            for (auto [block, slot] : tokens) {
                keys.push_back(decoded(c.shape.keys, image.at({0, c.layer, block, h, slot})));
                values.push_back(decoded(c.shape.values, image.at({1, c.layer, block, h, slot})));
            }
            for (uint32_t g = 0; g < c.queries; ++g, query += k_dim) {
                std::vector<double> logits, out(v_dim);
                double top = -std::numeric_limits<double>::infinity(), sum = 0;
                for (const auto& key : keys) {
                    double dot = 0;
                    for (uint32_t d = 0; d < k_dim; ++d) dot += double{query[d]} * key[d];
                    logits.push_back(dot * c.scale);
                    top = std::max(top, logits.back());
                }
                for (size_t t = 0; t < logits.size(); ++t) {
                    double weight = std::exp(logits[t] - top);
                    sum += weight;
                    for (uint32_t d = 0; d < v_dim; ++d) out[d] += weight * values[t][d];
                }
                for (double& x : out) x = sum > 0 ? x / sum : 0;
                e.out.insert(e.out.end(), out.begin(), out.end());
                e.lse.push_back(sum > 0 ? top + std::log(sum) : -std::numeric_limits<double>::infinity());
                e.logits.push_back(logits);
            }
        }
    }
    return e;
}

std::vector<float> values_of(RowType type, const Bytes& bytes) {
    std::vector<float> values;
    for (size_t i = 0; i < bytes.size() / (kv::value_bits(type) / 8); ++i)
        values.push_back(kv::plain_value(type, bytes.data(), i));
    return values;
}

/// |a - b| / |b|
double distance(const std::vector<float>& a, const std::vector<double>& b) {
    double difference = 0, size = 0;
    for (size_t i = 0; i < b.size(); ++i) {
        difference += (a[i] - b[i]) * (a[i] - b[i]);
        size += b[i] * b[i];
    }
    return size > 0 ? std::sqrt(difference / size) : std::sqrt(difference);
}

void check(Backend& backend, const Case& c, uint64_t seed) {
    Random random(seed);
    Image image = make_image(random, c);
    uint32_t heads = c.shape.heads * c.queries, all = heads * static_cast<uint32_t>(c.batch.lengths.size());
    std::normal_distribution<float> normal;
    std::vector<float> q;
    Bytes q_bytes;
    for (uint32_t i = 0; i < all; ++i) {
        std::vector<float> row(c.shape.keys.dim);
        for (float& x : row) x = normal(random);
        Row stored = encoded(plain_format(c.q_type, c.shape.keys.dim), row);
        row = decoded(plain_format(c.q_type, c.shape.keys.dim), stored);
        q.insert(q.end(), row.begin(), row.end());
        q_bytes.insert(q_bytes.end(), stored.data.begin(), stored.data.end());
    }
    Expected expected = attend(c, image, q);

    TestPool pool(backend, c.shape);
    pool.put(image);
    TestTable table(backend, c.batch);
    const float poison = std::numeric_limits<float>::quiet_NaN();
    uint64_t stride = 3;
    for (uint32_t n : c.batch.lengths) stride = std::max<uint64_t>(stride, n + 3);
    auto query = upload(backend, q_bytes);
    auto out = upload(backend, Bytes(uint64_t{all} * c.shape.values.dim * kv::value_bits(c.q_type) / 8, 0xFF));
    auto lse = upload(backend, std::vector<float>(all, poison));
    auto logits = upload(backend, std::vector<float>(all * stride, 12345.0f));
    auto partial = upload(backend, std::vector<float>(uint64_t{all} * c.splits * (c.shape.values.dim + 2), poison));
    kv::Decode op;
    op.pool = pool.pool();
    op.layer = c.layer;
    op.table = table.table;
    op.q = query.data();
    op.q_type = c.q_type;
    op.query_heads = heads;
    op.scale = c.scale;
    op.chunk_tokens = c.chunk;
    op.splits = c.splits;
    op.out = out.data();
    if (c.lse) op.lse = lse.data();
    if (c.logits) op.logits = logits.data(), op.logit_stride = stride;
    if (c.splits > 1) op.partial = partial.data();
    backend.run(op);
    backend.finish();

    std::vector<float> got = values_of(c.q_type, download(out));
    double bound = c.q_type == RowType::f32 ? 1e-5 : c.q_type == RowType::f16 ? 1e-3 : 4e-3;
    CHECK(distance(got, expected.out) <= bound);
    if (c.lse) {
        std::vector<float> levels = download(lse);
        uint32_t wrong = 0;
        for (uint32_t i = 0; i < all; ++i) {
            bool empty = std::isinf(expected.lse[i]);
            wrong += empty ? levels[i] != -std::numeric_limits<float>::infinity()
                           : !(std::abs(levels[i] - expected.lse[i]) <= 1e-4);
        }
        CHECK(wrong == 0);
    }
    if (c.logits) {
        std::vector<float> found = download(logits);
        uint32_t wrong = 0;
        for (uint32_t i = 0; i < all; ++i)
            for (uint64_t t = 0; t < stride; ++t) {
                bool written = t < expected.logits[i].size();
                double x = found[i * stride + t], y = written ? expected.logits[i][t] : 12345.0;
                wrong += !(std::abs(x - y) <= (written ? 1e-4 * std::max(1.0, std::abs(y)) : 0.0));
            }
        CHECK(wrong == 0);
    }
    CHECK(pool.difference(image) == "");
}

void check_everywhere(const Case& c, uint64_t seed) {
    INFO(c.shape.text() << ", " << c.queries << " queries a head, chunk " << c.chunk << ", splits " << c.splits);
    on_every_backend([&](Backend& backend) { check(backend, c, seed); });
}

Case make_case(Random& random, const kv::RowFormat& keys, const kv::RowFormat& values,
               const std::vector<uint32_t>& lengths) {
    Case c;
    c.shape = random_shape(random, keys, values);
    c.shape.heads = 1 + below(random, 2);
    c.batch = random_batch(random, c.shape, lengths);
    c.queries = one_of(random, {1u, 2u, 3u, 4u});
    c.q_type = one_of(random, {RowType::f32, RowType::f32, RowType::f16, RowType::bf16});
    c.layer = below(random, c.shape.layers);
    c.scale = 1 / std::sqrt(static_cast<float>(keys.dim));
    c.logits = below(random, 2) == 0;
    c.lse = below(random, 4) != 0;
    return c;
}
void split(Case& c, uint32_t blocks) {
    c.chunk = blocks * c.shape.block_size;
    c.splits = 1;
    for (uint32_t n : c.batch.lengths)
        while (c.splits * c.chunk < n) ++c.splits;
}

}  // namespace

TEST_CASE("decode: every format") {
    Random random(30);
    uint64_t seed = 0;
    for (uint32_t dim : {64u, 80u, 128u, 256u})
        for (const kv::RowFormat& format : formats(dim)) {
            Case c = make_case(random, format, format, {1 + below(random, 40)});
            if (below(random, 2) == 0) split(c, 1 + 15 / c.shape.block_size);
            check_everywhere(c, ++seed);
        }
}

TEST_CASE("decode: ragged lengths around a block and a chunk, none at all") {
    Random random(31);
    for (uint32_t b : {1u, 8u, 16u, 32u}) {
        kv::RowFormat format = plain_format(RowType::f32, 64);
        Case c = make_case(random, format, format, {0});
        c.shape.block_size = b;
        c.batch = random_batch(random, c.shape, {0, 1, b - 1, b, b + 1, 47});
        c.q_type = RowType::f32;
        check_everywhere(c, 50 + b);
        split(c, b == 1 ? 7 : 1);
        check_everywhere(c, 60 + b);
    }
}

TEST_CASE("decode: query heads of a KV head") {
    Random random(32);
    for (uint32_t queries : {1u, 2u, 4u, 5u, 8u, 11u}) {
        Case c = make_case(random, plain_format(RowType::bf16, 64), plain_format(RowType::bf16, 64), {19, 3});
        c.queries = queries;
        c.logits = true;
        if (queries % 2 == 0) split(c, 1);
        check_everywhere(c, 70 + queries);
    }
}

TEST_CASE("decode: keys and values of different types and lengths of row") {
    Random random(33);
    kv::RowFormat keys = affine_format(RowType::int8, 192, 64, true, true);
    Case c = make_case(random, keys, plain_format(RowType::e4m3, 128), {21});
    check_everywhere(c, 90);
    c = make_case(random, plain_format(RowType::f16, 64), affine_format(RowType::int4, 128, 32, false, false), {21, 2});
    split(c, 1);
    check_everywhere(c, 91);
}

TEST_CASE("decode: large scores, growing and falling along the sequence") {
    Random random(34);
    for (float largest : {30.0f, 300.0f}) {
        Case c = make_case(random, plain_format(RowType::f32, 64), plain_format(RowType::f32, 64), {100, 33});
        c.shape.block_size = 8;
        c.batch = random_batch(random, c.shape, {100, 33});
        c.queries = 2;
        c.scale = 0.125f;
        c.largest = largest;
        c.logits = c.lse = false;
        c.q_type = RowType::bf16;
        check_everywhere(c, 92);
        split(c, 3);
        check_everywhere(c, 93);
    }
}

TEST_CASE("split plan: short sequences are not cut") {
    kv::Pool pool;
    pool.keys.format = pool.values.format = plain_format(RowType::bf16, 128);
    pool.heads = 8;
    pool.block_size = 16;
    for (uint32_t n : {0u, 1u, 16u, 511u, 512u}) {
        kv::device::SplitPlan plan = kv::device::plan_split(&n, 1, pool, 32, 528);
        CHECK(plan.splits == 1);
        CHECK(plan.chunk_tokens == std::max(16u, (n + 15) / 16 * 16));
    }
    CHECK(kv::device::plan_split(nullptr, 0, pool, 32, 528).splits == 1);
}

TEST_CASE("split plan: what a part costs bounds the chunk") {
    kv::Pool pool;
    pool.keys.format = pool.values.format = plain_format(RowType::bf16, 128);
    pool.heads = 8;
    // Of 4 query heads a part is 8 * 4 * 130 = 4160 bytes, a token 512: 5 % of 163 tokens (rounded up) pay for it.
    CHECK(kv::device::smallest_chunk(pool, 32) == 163);
    CHECK(kv::device::smallest_chunk(pool, 8) == 128);  // 41 would do
    pool.keys.format = pool.values.format = affine_format(RowType::int4, 128, 128, false, true);
    // 8 * 8 * 130 = 8320 bytes against 2 * (64 + 4) = 136: 20 * 8320 / 136 = 1223.5.
    CHECK(kv::device::smallest_chunk(pool, 64) == 1224);
}

TEST_CASE("split plan: the cheapest chunk by the rule, for batches of all kinds") {
    kv::Pool pool;
    pool.keys.format = pool.values.format = plain_format(RowType::bf16, 128);
    pool.heads = 8;
    pool.block_size = 16;
    // One long sequence: 8 * 66 = 528 blocks of 512 tokens fill all slots once. Cut in 64, 65 or 66, 512 is the
    // smallest chunk that still gives one wave (33792 = 66 * 512).
    uint32_t one = 33792;
    kv::device::SplitPlan plan = kv::device::plan_split(&one, 1, pool, 32, 528);
    CHECK(plan.chunk_tokens == 512);
    CHECK(plan.splits == 66);
    // 66 sequences fill all slots as they are.
    std::vector<uint32_t> many(66, 4096);
    plan = kv::device::plan_split(many.data(), many.size(), pool, 32, 528);
    CHECK(plan.chunk_tokens == 4096);
    CHECK(plan.splits == 1);
    Random random(35);
    for (int i = 0; i < 300; ++i) {
        std::vector<uint32_t> lengths(1 + below(random, 20));
        uint32_t longest = 0;
        for (uint32_t& n : lengths) longest = std::max(longest, n = below(random, 1u << below(random, 18)));
        pool.block_size = one_of(random, {1u, 16u, 32u, 1000u});
        plan = kv::device::plan_split(lengths.data(), lengths.size(), pool, 32, 1 + below(random, 600));
        CHECK(plan.chunk_tokens % pool.block_size == 0);
        CHECK(uint64_t{plan.chunk_tokens} * plan.splits >= longest);
        CHECK((plan.splits == 1 || uint64_t{plan.chunk_tokens} * (plan.splits - 1) < longest));
        CHECK(plan.splits <= 128);
        if (plan.splits > 1) CHECK(plan.chunk_tokens >= 163);
    }
}

}  // namespace decode_test
