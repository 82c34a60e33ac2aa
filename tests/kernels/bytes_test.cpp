// Bytes that operations move, against counts by hand.
#include <doctest/doctest.h>

#include <kernels/common/bytes.h>

#include "kernels/rig.h"

namespace bytes_test {

using namespace kvsim_test;
using kv::RowType;

namespace {

/// 2 layers, 3 KV heads, blocks of 4 tokens. Keys: 16 values of bf16, 32 bytes. Values: 16 of int4 in 2 groups with f16
/// scale and low, 8 + 2 * 4 = 16 bytes. So a pair of rows is 48 bytes.
kv::Pool pool() {
    kv::Pool p;
    p.keys.format = plain_format(RowType::bf16, 16);
    p.values.format = affine_format(RowType::int4, 16, 8, false, true);
    p.layers = 2;
    p.blocks = 5;
    p.heads = 3;
    p.block_size = 4;
    p.layer_rows = 60;
    return p;
}

}  // namespace

TEST_CASE("bytes moved: append") {
    kv::Append op;
    op.pool = pool();
    op.in = RowType::f32;
    op.tokens = 7;
    // A token: 3 heads of 32 values of 4 bytes (384) in, 3 * 48 (144) out, a slot of 8: 536.
    CHECK(kv::bytes_moved(op) == 7 * 536);
    op.in = RowType::bf16;  // 192 in
    CHECK(kv::bytes_moved(op) == 7 * 344);
}

TEST_CASE("bytes moved: copy blocks") {
    kv::CopyBlocks op;
    op.pool = pool();
    op.count = 2;
    op.tokens = 3;
    // A pair: 2 layers * 3 heads * 3 tokens * 48 = 864, read and written, and 8: 1736.
    CHECK(kv::bytes_moved(op) == 2 * 1736);
}

TEST_CASE("bytes moved: gather and scatter") {
    kv::Gather op;
    op.pool = pool();
    op.keys.format = op.values.format = plain_format(RowType::f32, 16);
    // 10 tokens * 3 heads * (48 + 2 * 64) = 5280; 4 table entries of 4.
    CHECK(kv::bytes_moved(op, {10, 4}) == 5296);
    kv::Scatter back;
    back.pool = pool();
    back.keys = op.keys;
    back.values = op.values;
    CHECK(kv::bytes_moved(back, {10, 4}) == 5296);
    op.keys.format = pool().keys.format;
    op.values.format = pool().values.format;
    CHECK(kv::bytes_moved(op, {10, 4}) == 10 * 3 * 96 + 16);
}

TEST_CASE("bytes moved: transpose") {
    // 2 layers * 5 blocks * 12 rows * 48 = 5760, read and written.
    CHECK(kv::bytes_moved(kv::Transpose{pool(), pool()}) == 11520);
}

TEST_CASE("bytes moved: quantize and dequantize") {
    kv::Quantize op;
    op.in_type = RowType::f16;
    op.rows = 9;
    op.out.format = pool().values.format;
    CHECK(kv::bytes_moved(op) == 9 * (32 + 16));
    kv::Dequantize back;
    back.in.format = pool().values.format;
    back.rows = 9;
    back.out_type = RowType::f32;
    CHECK(kv::bytes_moved(back) == 9 * (64 + 16));
}

TEST_CASE("bytes moved: attention") {
    kv::Decode op;
    op.pool = pool();
    op.table.sequences = 2;
    op.query_heads = 6;
    op.q_type = RowType::bf16;
    // 10 tokens * 3 * 48 = 1440; 4 entries * 4 * 3 heads = 48; 12 queries * (16 in + 16 out) * 2 = 768.
    CHECK(kv::bytes_moved(op, {10, 4}) == 2256);
    float x;
    op.lse = &x;  // 12 * 4
    CHECK(kv::bytes_moved(op, {10, 4}) == 2304);
    op.splits = 2;  // 12 queries * 2 parts * 18 floats, written and read: 12 * 2 * 18 * 8 = 3456
    CHECK(kv::bytes_moved(op, {10, 4}) == 5760);
    op.logits = &x;  // 10 tokens * 6 heads * 4
    CHECK(kv::bytes_moved(op, {10, 4}) == 6000);
}

TEST_CASE("bytes moved: accumulate, top-k, compact") {
    kv::Accumulate add;
    add.sequences = 2;
    add.query_heads = 6;
    add.heads = 3;
    // Logits 10 * 6 * 4 = 240, lse 2 * 6 * 4 = 48, scores 10 * 3 * 8 = 240.
    CHECK(kv::bytes_moved(add, {10, 0}) == 528);
    kv::TopK top;
    top.sequences = 2;
    top.heads = 3;
    top.keep = 4;
    // Scores 10 * 3 * 4 = 120, kept 2 * 3 * 4 * 4 = 96.
    CHECK(kv::bytes_moved(top, {10, 0}) == 216);
    float score = 0;
    top.kept_scores = &score;  // 2 * 3 * 4 * 4 more
    CHECK(kv::bytes_moved(top, {10, 0}) == 312);
    kv::Compact compact;
    compact.pool = pool();
    compact.table.sequences = 2;
    compact.keep = 4;
    // 7 tokens stay: 7 * 3 * 48 = 1008, read and written; kept 2 * 3 * 4 * 4 = 96.
    CHECK(kv::bytes_moved(compact, {7, 0}) == 2112);
}

TEST_CASE("bytes moved: swap") {
    kv::Swap op;
    op.pool = pool();
    op.count = 3;
    // A block: 2 layers * 12 rows * 48 = 1152.
    CHECK(kv::bytes_moved(op) == 3456);
}

}  // namespace bytes_test
