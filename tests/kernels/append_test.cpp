// K1: rows of new tokens go to their slots, and nothing else changes.
#include <doctest/doctest.h>

#include <algorithm>
#include <limits>

#include "kernels/rig.h"

namespace append_test {

using namespace kvsim_test;
using kv::RowType;

namespace {

struct Case {
    PoolShape shape;
    RowType in = RowType::f32;
    uint32_t tokens = 0;
    uint64_t token_stride = 0, head_stride = 0;
    std::vector<int64_t> slots;
    bool counts = false;
};

/// Slots in random order, no two alike, some of them -1.
Case make_case(Random& random, const kv::RowFormat& keys, const kv::RowFormat& values, RowType in) {
    Case c;
    c.shape = random_shape(random, keys, values);
    c.in = in;
    uint32_t places = c.shape.blocks * c.shape.block_size;
    c.tokens = below(random, std::min(places, 40u) + 1);
    c.counts = below(random, 3) == 0;
    uint32_t pad = one_of(random, {0u, 1u, 8u});
    bool heads_outside = below(random, 3) == 0;
    c.head_stride = heads_outside ? uint64_t{keys.dim} * c.tokens + pad : keys.dim + pad;
    c.token_stride = heads_outside ? keys.dim : (keys.dim + pad) * c.shape.heads;
    for (uint32_t i = 0; i < places; ++i) c.slots.push_back(i);
    std::shuffle(c.slots.begin(), c.slots.end(), random);
    c.slots.resize(c.tokens);
    for (int64_t& slot : c.slots)
        if (below(random, 5) == 0) slot = -1;
    return c;
}

void check(Backend& backend, const Case& c, uint64_t seed) {
    Random random(seed);
    Image image = random_image(random, c.shape);
    TestPool pool(backend, c.shape);
    pool.put(image);
    kv::Append op;
    op.pool = pool.pool();
    op.layer = below(random, c.shape.layers);
    op.in = c.in;
    op.tokens = c.tokens;
    op.token_stride = c.token_stride;
    op.head_stride = c.head_stride;
    kv::RowFormat in = plain_format(c.in, c.shape.keys.dim);
    uint32_t value_bytes = in.data_bytes() / in.dim, not_finite = 0;
    std::vector<Buffer<uint8_t>> inputs;
    for (uint32_t side : {0u, 1u}) {
        const kv::RowFormat& format = c.shape.side(side);
        Bytes bytes((c.token_stride * c.tokens + c.head_stride * c.shape.heads) * value_bytes + 4, 0xFF);
        for (uint32_t t = 0; t < c.tokens; ++t)
            for (uint32_t h = 0; h < c.shape.heads; ++h) {
                std::vector<float> values = random_values(random, in.dim);
                // Codes of what is not finite are anything: only counted, and only where nothing is quantized.
                bool bad = c.counts && !kv::is_affine(format.type) && below(random, 3) == 0;
                if (bad) values[below(random, in.dim)] = std::numeric_limits<float>::infinity();
                Row row = encoded(in, values);
                if (bad && format.type == c.in) row.data[0] = 0x81, row.data[1] = 0x7F;  // NaN bits that are kept
                std::copy(row.data.begin(), row.data.end(),
                          bytes.begin() + static_cast<int64_t>((t * c.token_stride + h * c.head_stride) * value_bytes));
                if (c.slots[t] < 0) continue;
                auto slot = static_cast<uint32_t>(c.slots[t]);
                Row stored = format.type == c.in ? row : encoded(format, decoded(in, row));
                image[{side, op.layer, slot / c.shape.block_size, h, slot % c.shape.block_size}] = stored;
                not_finite += bad ? 1 : 0;
            }
        inputs.push_back(upload(backend, bytes));
    }
    op.keys = inputs[0].data();
    op.values = inputs[1].data();
    auto slots = upload(backend, c.slots);
    op.slots = slots.data();
    auto counter = upload(backend, std::vector<uint32_t>{7});
    if (c.counts) op.not_finite = counter.data();
    backend.run(op);
    backend.finish();
    CHECK(pool.difference(image) == "");
    CHECK(download(counter)[0] == 7 + (c.counts ? not_finite : 0));
}

void check_everywhere(const Case& c, uint64_t seed) {
    INFO(c.shape.text() << ", " << c.tokens << " tokens of " << text(plain_format(c.in, 8)) << " strides "
                        << c.token_stride << " " << c.head_stride);
    on_every_backend([&](Backend& backend) { check(backend, c, seed); });
}

}  // namespace

TEST_CASE("append: every format of a pool from every type of row") {
    Random random(1);
    uint64_t seed = 0;
    for (uint32_t dim : {64u, 80u, 128u, 256u})
        for (const kv::RowFormat& format : formats(dim)) {
            RowType in = one_of(random, {RowType::f32, RowType::f16, RowType::bf16});
            check_everywhere(make_case(random, format, format, in), ++seed);
        }
}

TEST_CASE("append: keys and values of different formats, rows of the pool's own type") {
    Random random(2);
    for (uint64_t seed = 100; seed < 112; ++seed) {
        std::vector<kv::RowFormat> all = formats(one_of(random, {64u, 80u, 128u}));
        kv::RowFormat keys = all[below(random, 3)], values = all[below(random, static_cast<uint32_t>(all.size()))];
        check_everywhere(make_case(random, keys, values, keys.type), seed);
    }
}

TEST_CASE("append: a contiguous cache is one block, a decode step one token per sequence") {
    Random random(3);
    Case c = make_case(random, plain_format(RowType::bf16, 128), plain_format(RowType::bf16, 128), RowType::bf16);
    c.shape.blocks = 1;
    c.shape.block_size = 70;
    c.shape.heads = 2;
    c.shape.order = kv::Order::hnd;
    c.tokens = 33;
    c.token_stride = 256;
    c.head_stride = 128;
    c.slots.clear();
    for (int64_t i = 0; i < 33; ++i) c.slots.push_back(20 + i);
    check_everywhere(c, 200);
    c.tokens = 1;
    c.slots = {69};
    check_everywhere(c, 201);
    c.tokens = 0;
    check_everywhere(c, 202);
}

TEST_CASE("append: rows longer than a warp holds") {
    Random random(4);
    kv::RowFormat keys = affine_format(RowType::int4, 576, 64, false, true);
    Case c = make_case(random, keys, plain_format(RowType::e4m3, 576), RowType::f16);
    c.shape.blocks = 2;
    c.shape.block_size = 8;
    c.shape.heads = 1;
    c.tokens = 5;
    c.token_stride = c.head_stride = 577;
    c.slots = {3, -1, 15, 0, 7};
    c.counts = true;
    check_everywhere(c, 300);
    c.shape.keys = plain_format(RowType::f16, 576);
    check_everywhere(c, 301);
}

}  // namespace append_test
