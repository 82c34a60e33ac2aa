// K1, append: rows of new tokens to the places that `slots` names, quantized on the way where the pool is.
//
// Parallel over rows, not over sequences: a long prompt and a batch of single tokens keep the same number of threads
// busy. Tiles are 64 neighbouring rows of [tokens, heads]; a slot of -1 moves nothing. With heads as the inner index
// the source is read in order, and NHD pools are written in runs of a whole token. Rows of an operation and places of a
// pool are fewer than 2^32, as memory is finite: 64-bit divisions are subroutines on a GPU.
#pragma once

#include <kernels/device/rows.h>

namespace kv::device {

struct AppendTile : TileShape {
    const Append* op;
    const Rows* pool_rows;
    const uint8_t* in;
    uint64_t first;
    uint32_t value_bytes;

    KV_DEVICE AppendTile(const Append& o, uint64_t item) : op(&o), first(item / 2 * kTileRows) {
        pool_rows = &side_of(o.pool, item % 2);
        in = item % 2 == 0 ? o.keys : o.values;
        to = pool_rows->format;
        from.type = o.in;
        from.dim = to.dim;
        if (from.type == to.type) from = to;
        value_bytes = value_bits(o.in) / 8;
        uint64_t all = uint64_t{o.tokens} * o.pool.heads;
        rows = static_cast<uint32_t>(all - first < kTileRows ? all - first : kTileRows);
        data_bits = reinterpret_cast<uintptr_t>(in) | reinterpret_cast<uintptr_t>(pool_rows->data) |
                    ((o.token_stride | o.head_stride) * value_bytes);
    }
    KV_DEVICE RowMove row(uint32_t i) const {
        uint64_t token = static_cast<uint32_t>(first + i) / op->pool.heads;
        auto head = static_cast<uint32_t>((first + i) - token * op->pool.heads);
        int64_t slot = load<int64_t>(op->slots + token);
        RowMove m;
        if (slot < 0) return m;
        uint64_t block = static_cast<uint32_t>(slot) / op->pool.block_size;
        auto place = static_cast<uint32_t>(static_cast<uint64_t>(slot) - block * op->pool.block_size);
        uint64_t row = op->pool.row(op->layer, static_cast<uint32_t>(block), head, place);
        m.from = in + (token * op->token_stride + head * op->head_stride) * value_bytes;
        m.to = pool_rows->data_at(row);
        m.to_meta = pool_rows->meta_at(row);
        return m;
    }
    KV_HD static uint64_t items(const Append& o) { return 2 * ceil_div(uint64_t{o.tokens} * o.pool.heads, kTileRows); }
    KV_DEVICE static uint32_t* not_finite(const Append& o) { return o.not_finite; }
};

template <class Launcher>
void dispatch(const Append& op, Launcher& launcher) {
    bool quantized = is_affine(op.pool.keys.format.type) || is_affine(op.pool.values.format.type);
    bool converts = op.pool.keys.format.type != op.in || op.pool.values.format.type != op.in;
    launch_rows<AppendTile>(op, converts, op.not_finite != nullptr, quantized, launcher);
}

}  // namespace kv::device
