// What the cases of `kvsim bench` have in common: pools of random rows, shuffled block tables, comparisons of rows.
// Only for the sources of this room.
#pragma once

#include <kvsim/core/random.h>
#include <kvsim/sim/bench_case.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

namespace kvsim {

inline constexpr uint64_t kCheckedRows = 48;

inline std::vector<uint32_t> shuffled(uint32_t count, uint64_t seed) {
    std::vector<uint32_t> order(count);
    std::iota(order.begin(), order.end(), 0u);
    Random random(seed);
    for (uint32_t i = count; i > 1; --i) std::swap(order[i - 1], order[random.below(i)]);
    return order;
}

/// Where a row of a layer is: the layout's definition in words, not the kernels' arithmetic.
inline uint64_t row_in_pool(const kv::Pool& p, uint64_t block, uint64_t head, uint64_t slot) {
    uint64_t begin = block * p.block_size * p.heads;
    if (p.order == kv::Order::hnd) return begin + head * p.block_size + slot;
    return begin + slot * p.heads + head;
}

/// Throws Error(failed) unless `device` holds `want`.
void expect_bytes(Backend& backend, const uint8_t* device, const uint8_t* want, size_t bytes, const std::string& what);
/// Row `row` of `rows` holds these data and scales.
void expect_row(Backend& backend, const kv::Rows& rows, uint64_t row, const uint8_t* data, const uint8_t* meta,
                const std::string& what);

/// A row of `format` from values, by the scalar definitions.
struct EncodedRow {
    std::vector<uint8_t> data, meta;
    EncodedRow(const kv::RowFormat& format, const float* values);
};

/// Keys and values of one layer.
struct PoolStrips {
    RowStrip* keys = nullptr;
    RowStrip* values = nullptr;
    kv::Pool shape;  ///< without rows

    kv::Pool of(uint64_t copy) const {
        kv::Pool p = shape;
        p.keys = keys->of(copy);
        p.values = values->of(copy);
        return p;
    }
    RowStrip& side(bool value) const { return *(value ? values : keys); }
};
inline kv::Pool pool_shape(const BenchShape& s, uint32_t blocks) {
    kv::Pool p;
    p.layers = 1;
    p.blocks = blocks;
    p.heads = s.kv_heads;
    p.block_size = s.block_size;
    p.order = s.order;
    p.layer_rows = blocks * p.block_rows();
    return p;
}
inline const kv::Rows& side_of(const kv::Pool& p, bool value) { return value ? p.values : p.keys; }
inline const char* side_name(bool value) { return value ? "value" : "key"; }

}  // namespace kvsim
