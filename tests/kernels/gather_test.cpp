// K3 and K5: rows of sequences to one place and back, and rows between formats.
#include <doctest/doctest.h>

#include <limits>

#include "kernels/rig.h"

namespace gather_test {

using namespace kvsim_test;
using kv::RowType;

namespace {

struct Case {
    PoolShape shape;
    Batch batch;
    kv::RowFormat keys, values;  ///< outside
    uint32_t layer = 0;
    bool starts = false;
    Image image;
    std::vector<uint64_t> first_rows;  ///< outside, of each sequence
    uint64_t rows = 0;

    const kv::RowFormat& side(uint32_t i) const { return i == 0 ? keys : values; }
    uint32_t start(uint32_t s) const { return starts ? batch.starts[s] : 0; }
};

/// With rows in the pool that any value may be decoded from.
Case make_case(Random& random, const kv::RowFormat& format, const kv::RowFormat& outside) {
    Case c;
    c.shape = random_shape(random, format, format);
    c.shape.heads = 1 + below(random, 2);
    uint32_t b = c.shape.block_size;
    c.batch = random_batch(random, c.shape, {one_of(random, {5u, 20u, 70u}), 0, 1, b - 1, b, b + 1});
    c.keys = outside;
    c.values = below(random, 3) == 0 ? format : outside;
    c.layer = below(random, c.shape.layers);
    c.starts = below(random, 2) == 0;
    for (uint32_t side : {0u, 1u})
        for (const Place& place : c.shape.places(side))
            c.image[place] = encoded(format, random_values(random, format.dim));
    for (uint32_t s = 0; s < c.batch.lengths.size(); ++s) {
        c.rows += below(random, 3);  // some that stay as they are
        c.first_rows.push_back(c.rows);
        c.rows += uint64_t{c.shape.heads} * (c.batch.lengths[s] - c.start(s));
    }
    c.rows += 2;
    return c;
}
/// Calls f(side, row outside, place) for every row that is moved: heads, then tokens of each sequence.
template <class F>
void each_row(const Case& c, F&& f) {
    for (uint32_t s = 0; s < c.batch.lengths.size(); ++s) {
        auto tokens = c.batch.tokens(s, c.shape.block_size);
        for (uint32_t side : {0u, 1u}) {
            uint64_t row = c.first_rows[s];
            for (uint32_t h = 0; h < c.shape.heads; ++h)
                for (uint32_t t = c.start(s); t < tokens.size(); ++t)
                    f(side, row++, Place{side, c.layer, tokens[t].first, h, tokens[t].second});
        }
    }
}
template <class Op>
Op make_op(const Case& c, const TestPool& pool, const TestTable& table, const TestRows& keys, const TestRows& values) {
    Op op;
    op.pool = pool.pool();
    op.layer = c.layer;
    op.table = table.table;
    op.starts = c.starts ? table.starts.data() : nullptr;
    op.keys = keys.rows();
    op.values = values.rows();
    return op;
}

using Expected = std::vector<Row>[2];

void check_gather(Backend& backend, const Case& c, const Expected& expected) {
    TestPool pool(backend, c.shape);
    pool.put(c.image);
    TestTable table(backend, c.batch);
    TestRows keys(backend, c.keys, c.rows), values(backend, c.values, c.rows);
    auto rows = upload(backend, c.first_rows);
    auto op = make_op<kv::Gather>(c, pool, table, keys, values);
    op.out_rows = rows.data();
    backend.run(op);
    backend.finish();
    CHECK(keys.differences(expected[0]) == 0);
    CHECK(values.differences(expected[1]) == 0);
    CHECK(pool.difference(c.image) == "");
}

void check_scatter(Backend& backend, const Case& c, uint64_t seed) {
    Random random(seed);
    TestPool pool(backend, c.shape);
    pool.put(c.image);
    TestTable table(backend, c.batch);
    TestRows keys(backend, c.keys, c.rows), values(backend, c.values, c.rows);
    auto rows = upload(backend, c.first_rows);
    Image expected = c.image;
    each_row(c, [&](uint32_t side, uint64_t row, const Place& place) {
        Row in = encoded(c.side(side), random_values(random, c.keys.dim));
        (side == 0 ? keys : values).put(row, in);
        expected[place] = converted(c.side(side), in, c.shape.side(side));
    });
    auto op = make_op<kv::Scatter>(c, pool, table, keys, values);
    op.in_rows = rows.data();
    backend.run(op);
    backend.finish();
    CHECK(pool.difference(expected) == "");
}

void check_everywhere(const Case& c, uint64_t seed) {
    INFO(c.shape.text() << ", outside " << text(c.keys) << " and " << text(c.values) << ", starts " << c.starts);
    Expected expected = {std::vector<Row>(c.rows, nan_row(c.keys)), std::vector<Row>(c.rows, nan_row(c.values))};
    each_row(c, [&](uint32_t side, uint64_t row, const Place& place) {
        expected[side][row] = converted(c.shape.side(side), c.image.at(place), c.side(side));
    });
    on_every_backend([&](Backend& backend) {
        check_gather(backend, c, expected);
        check_scatter(backend, c, seed);
    });
}

}  // namespace

TEST_CASE("gather and scatter: every format, as it is and as f32, f16 or bf16") {
    Random random(20);
    uint64_t seed = 0;
    for (uint32_t dim : {64u, 80u, 128u, 256u})
        for (const kv::RowFormat& format : formats(dim)) {
            if (dim >= 128 && kv::is_affine(format.type) && !format.symmetric && !format.half_metadata) continue;
            RowType type = one_of(random, {RowType::f32, RowType::f16, RowType::bf16});
            bool same = below(random, 3) == 0;
            check_everywhere(make_case(random, format, same ? format : plain_format(type, dim)), ++seed);
        }
}

TEST_CASE("gather and scatter: a contiguous cache, where a block is longer than a tile") {
    Random random(21);
    for (kv::Order order : {kv::Order::hnd, kv::Order::nhd}) {
        kv::RowFormat format = plain_format(RowType::f16, 64);
        Case c = make_case(random, format, format);
        c.shape.block_size = 150;
        c.shape.order = order;
        c.batch = random_batch(random, c.shape, {131, 64, 0});
        c.image = random_image(random, c.shape);
        c.first_rows = {0, 1000, 2000};
        c.rows = 2001;
        check_everywhere(c, 90);
    }
}

TEST_CASE("quantize and dequantize: the codecs' bytes, any number of rows") {
    Random random(22);
    for (uint32_t dim : {64u, 80u, 128u, 256u})
        for (const kv::RowFormat& format : formats(dim)) {
            RowType in_type = one_of(random, {RowType::f32, RowType::f16, RowType::bf16});
            kv::RowFormat in = plain_format(in_type, dim);
            uint64_t rows = one_of(random, {0u, 1u, 63u, 64u, 65u, 130u});
            INFO(text(in) << " to " << text(format) << ", dim " << dim << ", " << rows << " rows");
            std::vector<Row> source;
            Bytes bytes;
            uint32_t infinite = 0;
            for (uint64_t i = 0; i < rows; ++i) {
                std::vector<float> values = random_values(random, dim);
                if (!kv::is_affine(format.type) && i % 50 == 7) {
                    values[below(random, dim)] = -std::numeric_limits<float>::infinity();
                    ++infinite;
                }
                source.push_back(encoded(in, values));
                bytes.insert(bytes.end(), source.back().data.begin(), source.back().data.end());
            }
            std::vector<Row> codes, values;
            for (const Row& row : source) {
                codes.push_back(converted(in, row, format));
                values.push_back(converted(format, codes.back(), in));
            }
            codes.push_back(nan_row(format));
            values.push_back(nan_row(in));
            on_every_backend([&](Backend& backend) {
                auto input = upload(backend, bytes);
                TestRows stored(backend, format, rows + 1), back(backend, in, rows + 1);
                auto counter = upload(backend, std::vector<uint32_t>{1});
                kv::Quantize op;
                op.in = input.data();
                op.in_type = in_type;
                op.rows = rows;
                op.out = stored.rows();
                if (rows != 64) op.not_finite = counter.data();
                backend.run(op);
                kv::Dequantize undo;
                undo.in = stored.rows();
                undo.rows = rows;
                undo.out = back.rows().data;
                undo.out_type = in_type;
                backend.run(undo);
                backend.finish();
                CHECK(stored.differences(codes) == 0);
                CHECK(back.differences(values) == 0);
                CHECK(download(counter)[0] == 1 + (rows != 64 ? infinite : 0));
            });
        }
}

}  // namespace gather_test
