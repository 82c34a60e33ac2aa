// K3, gather: the rows of sequences, wherever their blocks are, to one place each; and its inverse, scatter. Decoded or
// quantized on the way where formats differ.
//
// Lengths are known on the device only, so the grid covers what the table could hold, and tiles beyond a sequence's
// length end at once: one load of a length each. A tile is 64 neighbouring tokens of one (sequence, head): contiguous
// outside, and in the pool runs of a block (HND) or single rows (NHD).
#pragma once

#include <kernels/device/rows.h>

namespace kv::device {

/// Tokens of a table's sequences in tiles.
struct SequenceTile {
    uint32_t sequence, head, side, first;
};
KV_HD inline uint64_t sequence_tiles(const Table& table, uint32_t block_size) {
    return ceil_div(uint64_t{table.max_blocks} * block_size, kTileRows);
}
KV_DEVICE SequenceTile sequence_tile(const Table& table, const Pool& pool, uint64_t item) {
    uint32_t tiles = small(sequence_tiles(table, pool.block_size)), pair = small(item) / 2, rest = pair / tiles;
    SequenceTile t;
    t.side = small(item) % 2;
    t.first = pair % tiles * kTileRows;
    t.head = rest % pool.heads;
    t.sequence = rest / pool.heads;
    return t;
}

/// kOut: from the pool; else to it.
template <class Op, bool kOut>
struct GatherTile : TileShape {
    const Op* op;
    const Rows *pool_rows, *other_rows;
    const uint32_t* blocks;  ///< of the sequence
    SequenceTile at;
    uint32_t start;
    uint64_t other_first;  ///< row outside of token `start`

    KV_DEVICE GatherTile(const Op& o, uint64_t item) : op(&o), at(sequence_tile(o.table, o.pool, item)) {
        uint32_t length = load<uint32_t>(o.table.lengths + at.sequence);
        rows = length <= at.first ? 0 : length - at.first < kTileRows ? length - at.first : kTileRows;
        start = o.starts ? load<uint32_t>(o.starts + at.sequence) : 0;
        pool_rows = &side_of(o.pool, at.side);
        other_rows = at.side == 0 ? &o.keys : &o.values;
        if constexpr (kOut) {
            lie_in(*pool_rows, *other_rows);
            other_first = load<uint64_t>(o.out_rows + at.sequence);
        } else {
            lie_in(*other_rows, *pool_rows);
            other_first = load<uint64_t>(o.in_rows + at.sequence);
        }
        if (length > start) other_first += uint64_t{at.head} * (length - start);
        blocks = o.table.blocks + uint64_t{at.sequence} * o.table.max_blocks;
    }
    KV_DEVICE RowMove row(uint32_t i) const {
        uint32_t token = at.first + i;
        if (token < start) return {};
        uint32_t index = token / op->pool.block_size;
        uint64_t inside = op->pool.row(op->layer, load<uint32_t>(blocks + index), at.head,
                                       token - index * op->pool.block_size);
        uint64_t outside = other_first + (token - start);
        return kOut ? move_of(*pool_rows, inside, *other_rows, outside)
                    : move_of(*other_rows, outside, *pool_rows, inside);
    }
    KV_HD static uint64_t items(const Op& o) {
        return 2 * uint64_t{o.table.sequences} * o.pool.heads * sequence_tiles(o.table, o.pool.block_size);
    }
    KV_DEVICE static uint32_t* not_finite(const Op&) { return nullptr; }
};

template <class Launcher>
void dispatch(const Gather& op, Launcher& launcher) {
    bool converts = !(op.pool.keys.format == op.keys.format) || !(op.pool.values.format == op.values.format);
    launch_decoding<GatherTile<Gather, true>>(op, converts, launcher);
}
template <class Launcher>
void dispatch(const Scatter& op, Launcher& launcher) {
    bool converts = !(op.pool.keys.format == op.keys.format) || !(op.pool.values.format == op.values.format);
    bool to_codes = quantizes(op.keys, op.pool.keys) || quantizes(op.values, op.pool.values);
    launch_rows<GatherTile<Scatter, false>>(op, converts, false, to_codes, launcher);
}

}  // namespace kv::device
