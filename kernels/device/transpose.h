// K4, transpose: a pool's rows to a pool of the other order (heads before places, or places before heads).
//
// A row, the values of one head, is never taken apart, and a row is at least a sector or two of memory: so no tile of
// shared memory is needed, reads run in order and writes are whole rows. Applied twice it gives the pool it began with.
#pragma once

#include <kernels/device/rows.h>

namespace kv::device {

struct TransposeTile : TileShape {
    const Transpose* op;
    const Rows *from_rows, *to_rows;
    uint32_t layer, block, first;

    KV_DEVICE TransposeTile(const Transpose& o, uint64_t item) : op(&o) {
        uint32_t tiles = small(block_tiles(o)), pair = small(item) / 2, rest = pair / tiles;
        first = pair % tiles * kTileRows;
        layer = rest / o.from.blocks;
        block = rest % o.from.blocks;
        auto all = static_cast<uint32_t>(o.from.block_rows());
        rows = all - first < kTileRows ? all - first : kTileRows;
        from_rows = &side_of(o.from, item % 2);
        to_rows = &side_of(o.to, item % 2);
        lie_in(*from_rows, *to_rows);
    }
    KV_DEVICE RowMove row(uint32_t i) const {
        bool hnd = op->from.order == Order::hnd;
        uint32_t inner = hnd ? op->from.block_size : op->from.heads;
        uint32_t outer_at = (first + i) / inner, inner_at = (first + i) % inner;
        uint32_t head = hnd ? outer_at : inner_at, place = hnd ? inner_at : outer_at;
        return move_of(*from_rows, op->from.row(layer, block, head, place), *to_rows,
                       op->to.row(layer, block, head, place));
    }
    KV_HD static uint64_t block_tiles(const Transpose& o) { return ceil_div(o.from.block_rows(), kTileRows); }
    KV_HD static uint64_t items(const Transpose& o) {
        return 2 * uint64_t{o.from.layers} * o.from.blocks * block_tiles(o);
    }
    KV_DEVICE static uint32_t* not_finite(const Transpose&) { return nullptr; }
};

template <class Launcher>
void dispatch(const Transpose& op, Launcher& launcher) {
    launch_copies<TransposeTile>(op, launcher);
}

}  // namespace kv::device
