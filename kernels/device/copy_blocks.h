// K2, copy blocks: the first places of blocks to other blocks, in all layers at once: what copy-on-write needs.
//
// One launch for all pairs and layers, because a pair alone is far too little for a GPU (32 KiB a layer in common
// models). Tiles are 64 rows of one (pair, layer): of a whole block the rows are one run of memory in either order.
#pragma once

#include <kernels/device/rows.h>

namespace kv::device {

struct CopyBlocksTile : TileShape {
    const Pool* pool;
    const Rows* pool_rows;
    BlockPair pair;
    uint32_t layer, first, tokens;

    KV_DEVICE CopyBlocksTile(const CopyBlocks& o, uint64_t item) : pool(&o.pool), tokens(o.tokens) {
        uint32_t tiles = small(block_tiles(o)), half = small(item) / 2, rest = half / tiles;
        first = half % tiles * kTileRows;
        pair = load<BlockPair>(o.pairs + rest / o.pool.layers);
        layer = rest % o.pool.layers;
        uint32_t all = o.pool.heads * tokens;
        rows = all - first < kTileRows ? all - first : kTileRows;
        pool_rows = &side_of(o.pool, item % 2);
        lie_in(*pool_rows, *pool_rows);
    }
    KV_DEVICE RowMove row(uint32_t i) const {
        bool hnd = pool->order == Order::hnd;
        uint32_t inner = hnd ? tokens : pool->heads, outer_at = (first + i) / inner, inner_at = (first + i) % inner;
        uint32_t head = hnd ? outer_at : inner_at, place = hnd ? inner_at : outer_at;
        return move_of(*pool_rows, pool->row(layer, pair.from, head, place), *pool_rows,
                       pool->row(layer, pair.to, head, place));
    }
    KV_HD static uint64_t block_tiles(const CopyBlocks& o) {
        return ceil_div(uint64_t{o.pool.heads} * o.tokens, kTileRows);
    }
    KV_HD static uint64_t items(const CopyBlocks& o) { return 2 * uint64_t{o.count} * o.pool.layers * block_tiles(o); }
    KV_DEVICE static uint32_t* not_finite(const CopyBlocks&) { return nullptr; }
};

template <class Launcher>
void dispatch(const CopyBlocks& op, Launcher& launcher) {
    launch_copies<CopyBlocksTile>(op, launcher);
}

}  // namespace kv::device
