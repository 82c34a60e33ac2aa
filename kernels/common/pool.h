// Where the rows of a KV cache are: pools of blocks, and the tables that say which blocks a sequence has.
//
//   HND  [layers, blocks, heads, block_size, dim]    a head's tokens of a block are neighbours
//   NHD  [layers, blocks, block_size, heads, dim]    a token's heads are
//
// A contiguous cache [heads, capacity, dim] is HND with one block of `capacity` tokens, so every kernel serves both.
// Offsets are 64-bit. The order travels with the pool.
#pragma once

#include <kernels/common/row.h>

namespace kv {

enum class Order : uint8_t { hnd, nhd };

/// Entries of a block table that lead nowhere.
inline constexpr uint32_t kUnmapped = 0xFFFFFFFFu;

/// Rows of keys, or of values: row i at data + i * format.data_bytes(), its scales at meta + i * format.meta_bytes().
struct Rows {
    uint8_t* data = nullptr;
    uint8_t* meta = nullptr;  ///< null where the format has none
    RowFormat format;

    KV_HD uint8_t* data_at(uint64_t row) const { return data + row * format.data_bytes(); }
    KV_HD uint8_t* meta_at(uint64_t row) const { return meta + row * format.meta_bytes(); }
};

struct Pool {
    Rows keys, values;
    uint32_t layers = 1, blocks = 0, heads = 0, block_size = 0;
    Order order = Order::hnd;
    uint64_t layer_rows = 0;  ///< from a layer to the next; blocks * block_rows() where nothing lies between

    KV_HD uint64_t row(uint32_t layer, uint32_t block, uint32_t head, uint32_t slot) const {
        uint64_t in_layer = order == Order::hnd ? (uint64_t{block} * heads + head) * block_size + slot
                                                : (uint64_t{block} * block_size + slot) * heads + head;
        return layer * layer_rows + in_layer;
    }
    KV_HD uint64_t block_rows() const { return uint64_t{heads} * block_size; }
    /// Bytes that a token takes in a layer, keys and values.
    KV_HD uint64_t token_bytes() const { return uint64_t{heads} * (keys.format.bytes() + values.format.bytes()); }
};

/// Token p of sequence s is in block blocks[s * max_blocks + p / block_size], place p % block_size.
struct Table {
    const uint32_t* blocks = nullptr;
    const uint32_t* lengths = nullptr;  ///< tokens of each sequence; 0 is allowed
    uint32_t sequences = 0, max_blocks = 0;
};

}  // namespace kv
