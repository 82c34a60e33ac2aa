// K9, compact: the kept tokens of every head move together, into new blocks.
//
// Out of place: every row can go at once and in any order, where moving within the old blocks would have to wait for
// the rows in front. The price is ceil(keep / block_size) free blocks per sequence. A tile is 64 kept tokens of one
// (sequence, head); reads are single rows, scattered as the kept tokens are, writes are runs.
#pragma once

#include <kernels/device/rows.h>

namespace kv::device {

struct CompactTile : TileShape {
    const Compact* op;
    const Rows* pool_rows;
    const uint32_t *kept, *old_blocks, *new_blocks;
    uint32_t head, first;

    KV_DEVICE CompactTile(const Compact& o, uint64_t item) : op(&o) {
        uint32_t tiles = small(ceil_div(o.keep, kTileRows)), pair = small(item) / 2, rest = pair / tiles;
        first = pair % tiles * kTileRows;
        uint32_t sequence = rest / o.pool.heads;
        head = rest - sequence * o.pool.heads;
        kept = o.kept + uint64_t{rest} * o.keep;
        old_blocks = o.table.blocks + uint64_t{sequence} * o.table.max_blocks;
        new_blocks = o.new_blocks + uint64_t{sequence} * ((o.keep + o.pool.block_size - 1) / o.pool.block_size);
        rows = o.keep - first < kTileRows ? o.keep - first : kTileRows;
        pool_rows = &side_of(o.pool, item % 2);
        lie_in(*pool_rows, *pool_rows);
    }
    KV_DEVICE RowMove row(uint32_t i) const {
        uint32_t token = load<uint32_t>(kept + first + i), size = op->pool.block_size;
        if (token == kUnmapped) return {};
        uint32_t old_index = token / size, new_index = (first + i) / size;
        uint32_t old_block = load<uint32_t>(old_blocks + old_index), new_block = load<uint32_t>(new_blocks + new_index);
        uint64_t old_row = op->pool.row(op->layer, old_block, head, token - old_index * size);
        uint64_t new_row = op->pool.row(op->layer, new_block, head, first + i - new_index * size);
        return move_of(*pool_rows, old_row, *pool_rows, new_row);
    }
    KV_HD static uint64_t items(const Compact& o) {
        return 2 * uint64_t{o.table.sequences} * o.pool.heads * ceil_div(o.keep, kTileRows);
    }
    KV_DEVICE static uint32_t* not_finite(const Compact&) { return nullptr; }
};

template <class Launcher>
void dispatch(const Compact& op, Launcher& launcher) {
    launch_copies<CompactTile>(op, launcher);
}

}  // namespace kv::device
