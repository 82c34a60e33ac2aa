// K2, K4, K9, K10: rows move as they are, and nothing else changes.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "kernels/rig.h"

namespace move_test {

using namespace kvsim_test;
using kv::RowType;

namespace {

kv::RowFormat some_format(Random& random, uint32_t dim) {
    std::vector<kv::RowFormat> all = formats(dim);
    return all[below(random, static_cast<uint32_t>(all.size()))];
}
PoolShape some_shape(Random& random) {
    uint32_t dim = one_of(random, {64u, 80u, 128u, 256u});
    return random_shape(random, some_format(random, dim), some_format(random, dim));
}

}  // namespace

TEST_CASE("copy blocks: the first places of each pair in all layers, and nothing else") {
    Random random(10);
    for (int i = 0; i < 25; ++i) {
        PoolShape shape = some_shape(random);
        shape.blocks = 6 + below(random, 4);
        uint32_t count = below(random, 4), tokens = below(random, shape.block_size + 1);
        INFO(shape.text() << ", " << count << " pairs, " << tokens << " tokens");
        Image image = random_image(random, shape), expected = image;
        std::vector<kv::BlockPair> pairs;  // from 0 to 2, which may be read twice, to 3 and on
        for (uint32_t k = 0; k < count; ++k) pairs.push_back({below(random, 3), 3 + k});
        std::shuffle(pairs.begin(), pairs.end(), random);
        for (const kv::BlockPair& pair : pairs)
            for (auto& [place, row] : expected)
                if (place.block == pair.to && place.slot < tokens) {
                    Place from = place;
                    from.block = pair.from;
                    row = image[from];
                }
        on_every_backend([&](Backend& backend) {
            TestPool pool(backend, shape);
            pool.put(image);
            auto list = upload(backend, pairs);
            kv::CopyBlocks op;
            op.pool = pool.pool();
            op.pairs = list.data();
            op.count = count;
            op.tokens = tokens;
            backend.run(op);
            backend.finish();
            CHECK(pool.difference(expected) == "");
        });
    }
}

TEST_CASE("transpose: a pool of the other order has the same rows, and back") {
    Random random(11);
    for (int i = 0; i < 16; ++i) {
        PoolShape shape = some_shape(random), other = shape;
        other.order = shape.order == kv::Order::hnd ? kv::Order::nhd : kv::Order::hnd;
        other.gap = 3;
        INFO(shape.text());
        Image image = random_image(random, shape);
        on_every_backend([&](Backend& backend) {
            TestPool from(backend, shape), to(backend, other), back(backend, shape);
            from.put(image);
            backend.run(kv::Transpose{from.pool(), to.pool()});
            backend.run(kv::Transpose{to.pool(), back.pool()});
            backend.finish();
            CHECK(from.difference(image) == "");
            CHECK(to.difference(image) == "");
            CHECK(back.difference(image) == "");
        });
    }
}

TEST_CASE("compact: kept tokens of every head become the first of new blocks") {
    Random random(12);
    for (int i = 0; i < 20; ++i) {
        PoolShape shape = some_shape(random);
        uint32_t b = shape.block_size, keep = below(random, 40);
        Batch batch = random_batch(random, shape, {0, 1, b, b + 1, 5 + below(random, 70)});
        uint32_t per_sequence = 0;
        while (per_sequence * b < keep) ++per_sequence;
        uint32_t first_new = shape.blocks;
        shape.blocks += per_sequence * 5;
        uint32_t layer = below(random, shape.layers);
        INFO(shape.text() << ", keep " << keep);
        Image image = random_image(random, shape), expected = image;
        std::vector<uint32_t> kept, new_blocks;
        for (uint32_t n = 0; n < per_sequence * 5; ++n) new_blocks.push_back(first_new + n);
        std::shuffle(new_blocks.begin(), new_blocks.end(), random);
        for (uint32_t s = 0; s < 5; ++s) {
            auto tokens = batch.tokens(s, b);
            for (uint32_t h = 0; h < shape.heads; ++h) {
                std::set<uint32_t> chosen;
                while (chosen.size() < std::min<size_t>(keep, tokens.size()))
                    chosen.insert(below(random, static_cast<uint32_t>(tokens.size())));
                uint32_t j = 0;
                for (uint32_t t : chosen) {
                    kept.push_back(t);
                    for (uint32_t side : {0u, 1u})
                        expected[{side, layer, new_blocks[s * per_sequence + j / b], h, j % b}] =
                            image[{side, layer, tokens[t].first, h, tokens[t].second}];
                    ++j;
                }
                for (; j < keep; ++j) kept.push_back(kv::kUnmapped);
            }
        }
        on_every_backend([&](Backend& backend) {
            TestPool pool(backend, shape);
            pool.put(image);
            TestTable table(backend, batch);
            auto list = upload(backend, kept), targets = upload(backend, new_blocks);
            kv::Compact op;
            op.pool = pool.pool();
            op.layer = layer;
            op.table = table.table;
            op.kept = list.data();
            op.keep = keep;
            op.new_blocks = targets.data();
            backend.run(op);
            backend.finish();
            CHECK(pool.difference(expected) == "");
        });
    }
}

TEST_CASE("swap: whole blocks to host memory, and back to other blocks") {
    Random random(13);
    for (int i = 0; i < 16; ++i) {
        PoolShape shape = some_shape(random);
        kv::RowFormat wide = plain_format(RowType::f32, 128), narrow = affine_format(RowType::int8, 64, 64, true, true);
        if (i == 0) shape = {wide, wide, 2, 6, 2, 32};        // more than a line
        if (i == 1) shape.keys = shape.values = narrow;       // metadata of 2 bytes
        shape.blocks = 6;
        INFO(shape.text());
        Image image = random_image(random, shape), expected = image;
        std::vector<uint32_t> out = {4, 1, 2}, in = {1, 5, 0}, host_out = {2, 0, 3}, host_in = {3, 2, 0};
        // Block 2 is in host block 3, block 4 in 2, block 1 in 0.
        for (auto& [place, row] : expected) {
            Place from = place;
            from.block = place.block == 1 ? 2 : place.block == 5 ? 4 : place.block == 0 ? 1 : place.block;
            row = image[from];
        }
        Bytes host_expected;
        uint64_t block_bytes = uint64_t{shape.layers} * shape.heads * shape.block_size *
                               (shape.keys.bytes() + shape.values.bytes());
        for (uint32_t block : {1u, ~0u, 4u, 2u}) {
            for (uint32_t layer = 0; layer < shape.layers; ++layer)
                for (uint32_t side : {0u, 1u})
                    for (bool meta : {false, true})
                        for (const Place& place : shape.places(side)) {
                            if (place.layer != layer || place.block != (block == ~0u ? 0 : block)) continue;
                            const Row& row = image[place];
                            const Bytes& bytes = meta ? row.meta : row.data;
                            if (block == ~0u)
                                host_expected.insert(host_expected.end(), bytes.size(), 0xAB);
                            else
                                host_expected.insert(host_expected.end(), bytes.begin(), bytes.end());
                        }
        }
        REQUIRE(host_expected.size() == 4 * block_bytes);
        on_every_backend([&](Backend& backend) {
            TestPool pool(backend, shape);
            pool.put(image);
            auto out_list = upload(backend, out), in_list = upload(backend, in);
            auto host_out_list = upload(backend, host_out), host_in_list = upload(backend, host_in);
            auto* host = static_cast<uint8_t*>(backend.allocate_host(4 * block_bytes));
            std::memset(host, 0xAB, 4 * block_bytes);
            kv::Swap op;
            op.pool = pool.pool();
            op.host = host;
            op.blocks = out_list.data();
            op.host_blocks = host_out_list.data();
            op.count = 3;
            CHECK(op.block_bytes() == block_bytes);
            backend.run(op);
            backend.finish();
            CHECK(Bytes(host, host + 4 * block_bytes) == host_expected);
            CHECK(pool.difference(image) == "");
            op.blocks = in_list.data();
            op.host_blocks = host_in_list.data();
            op.to_host = false;
            backend.run(op);
            backend.finish();
            CHECK(pool.difference(expected) == "");
            CHECK(Bytes(host, host + 4 * block_bytes) == host_expected);
            backend.release_host(host);
        });
    }
}

}  // namespace move_test
