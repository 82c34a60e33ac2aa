// The bytes an operation has to move, read and written, each once: what a measured time is divided by. Sums over ragged
// sequences come from the caller, who knows them on the host.
#pragma once

#include <kernels/common/ops.h>

namespace kv {

/// Sums over the sequences of an operation.
struct Ragged {
    uint64_t tokens = 0;         ///< that it touches
    uint64_t table_entries = 0;  ///< that it has to look up
};

KV_HD inline uint64_t plain_bytes(RowType t) { return value_bits(t) / 8; }
KV_HD inline uint64_t row_pair_bytes(const Pool& p) { return uint64_t{p.keys.format.bytes()} + p.values.format.bytes(); }
KV_HD inline uint64_t row_pair_values(const Pool& p) { return uint64_t{p.keys.format.dim} + p.values.format.dim; }

/// Rows in, rows out, a slot (8) per token.
KV_HD inline uint64_t bytes_moved(const Append& o) {
    return uint64_t{o.tokens} * (o.pool.heads * (row_pair_values(o.pool) * plain_bytes(o.in) + row_pair_bytes(o.pool)) + 8);
}
/// Rows out and in, a pair (8) per block.
KV_HD inline uint64_t bytes_moved(const CopyBlocks& o) {
    return uint64_t{o.count} * (2 * uint64_t{o.pool.layers} * o.pool.heads * o.tokens * row_pair_bytes(o.pool) + 8);
}
/// Rows of both sides, table entries (4).
KV_HD inline uint64_t bytes_moved(const Gather& o, Ragged sum) {
    return sum.tokens * o.pool.heads * (row_pair_bytes(o.pool) + o.keys.format.bytes() + o.values.format.bytes()) +
           4 * sum.table_entries;
}
KV_HD inline uint64_t bytes_moved(const Scatter& o, Ragged sum) {
    return sum.tokens * o.pool.heads * (row_pair_bytes(o.pool) + o.keys.format.bytes() + o.values.format.bytes()) +
           4 * sum.table_entries;
}
KV_HD inline uint64_t bytes_moved(const Transpose& o) {
    return 2 * uint64_t{o.from.layers} * o.from.blocks * o.from.block_rows() * row_pair_bytes(o.from);
}
KV_HD inline uint64_t bytes_moved(const Quantize& o) {
    return o.rows * (o.out.format.dim * plain_bytes(o.in_type) + o.out.format.bytes());
}
KV_HD inline uint64_t bytes_moved(const Dequantize& o) {
    return o.rows * (o.in.format.dim * plain_bytes(o.out_type) + o.in.format.bytes());
}
/// Rows once per KV head (not per query head), its table entries, q and out, lse; parts written and read where it is
/// split; logits where they are asked for.
KV_HD inline uint64_t bytes_moved(const Decode& o, Ragged sum) {
    uint64_t queries = uint64_t{o.table.sequences} * o.query_heads;
    uint64_t bytes = sum.tokens * o.pool.heads * row_pair_bytes(o.pool) + 4 * sum.table_entries * o.pool.heads +
                     queries * row_pair_values(o.pool) * plain_bytes(o.q_type);
    if (o.lse) bytes += 4 * queries;
    if (o.splits > 1) bytes += 8 * queries * o.splits * (uint64_t{o.pool.values.format.dim} + 2);
    if (o.logits) bytes += 4 * sum.tokens * o.query_heads;
    return bytes;
}
/// Logits and lse in; scores in and out.
KV_HD inline uint64_t bytes_moved(const Accumulate& o, Ragged sum) {
    return 4 * sum.tokens * o.query_heads + 4 * uint64_t{o.sequences} * o.query_heads + 8 * sum.tokens * o.heads;
}
/// Scores in, kept ones out, and their scores where they are asked for.
KV_HD inline uint64_t bytes_moved(const TopK& o, Ragged sum) {
    return 4 * sum.tokens * o.heads + (o.kept_scores ? 8 : 4) * uint64_t{o.sequences} * o.heads * o.keep;
}
/// `kept.tokens`: those that stay, per head.
KV_HD inline uint64_t bytes_moved(const Compact& o, Ragged kept) {
    return kept.tokens * o.pool.heads * 2 * row_pair_bytes(o.pool) + 4 * uint64_t{o.table.sequences} * o.pool.heads * o.keep;
}
/// One way.
KV_HD inline uint64_t bytes_moved(const Swap& o) { return o.count * o.block_bytes(); }

}  // namespace kv
