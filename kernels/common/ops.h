// What is done to the rows of a KV cache: one struct per kernel, with everything it reads and writes. Pointers are of the
// memory of the backend that runs it, but for those called host. Nothing is allocated, nothing is checked against the
// pool's size by the kernel: the caller (lib/kvsim/backend) has. Which bytes they move: bytes.h.
#pragma once

#include <kernels/common/pool.h>

namespace kv {

/// New rows of a layer: keys and values [tokens, heads, dim] of f32, f16 or bf16, a token `token_stride` values behind
/// the one before, a head `head_stride`. Token i goes to place slots[i] % block_size of block slots[i] / block_size; -1:
/// nowhere. Rows of the pool's own type are copied bit for bit, others converted through f32.
struct Append {
    Pool pool;
    uint32_t layer = 0;
    const uint8_t* keys = nullptr;
    const uint8_t* values = nullptr;
    RowType in = RowType::f32;
    uint64_t token_stride = 0, head_stride = 0;
    const int64_t* slots = nullptr;
    uint32_t tokens = 0;
    uint32_t* not_finite = nullptr;  ///< raised by the number of rows, keys and values, with a value that is not; optional
};

struct BlockPair {
    uint32_t from = 0, to = 0;
};
/// The first `tokens` places of each block `from`, in all layers, to block `to`. No block is written twice, none is read
/// that is written.
struct CopyBlocks {
    Pool pool;
    const BlockPair* pairs = nullptr;
    uint32_t count = 0;
    uint32_t tokens = 0;
};

/// Tokens starts[s] (null: 0) up to lengths[s] of each sequence, one layer, to [heads, tokens, dim] at row out_rows[s] of
/// `keys` and `values`. Out is the pool's own format, or f32, f16, bf16 (decoded in f32, then rounded once).
struct Gather {
    Pool pool;
    uint32_t layer = 0;
    Table table;
    const uint32_t* starts = nullptr;
    const uint64_t* out_rows = nullptr;
    Rows keys, values;
};
/// The inverse: the pool's rows are written from those, which have its format or are f32, f16, bf16.
struct Scatter {
    Pool pool;
    uint32_t layer = 0;
    Table table;
    const uint32_t* starts = nullptr;
    const uint64_t* in_rows = nullptr;
    Rows keys, values;
};

/// All rows of a pool to one of the other order, else alike.
struct Transpose {
    Pool from, to;
};

/// `rows` rows of f32, f16 or bf16 to a format and back. Codes follow from the stored scales, half to even.
struct Quantize {
    const uint8_t* in = nullptr;
    RowType in_type = RowType::f32;
    uint64_t rows = 0;
    Rows out;
    uint32_t* not_finite = nullptr;
};
struct Dequantize {
    Rows in;
    uint64_t rows = 0;
    uint8_t* out = nullptr;
    RowType out_type = RowType::f32;
};

/// Attention of one query per sequence: q [sequences, query_heads, dim] of f32, f16 or bf16, o = softmax(scale * q K) V.
/// Query head h reads KV head h / (query_heads / heads). A sequence of no tokens gives zeros and lse of -infinity.
/// Sums are f32, in chunks of chunk_tokens (a multiple of block_size) whose parts are combined: partial has room for
/// sequences * query_heads * splits * (dim + 2) floats where splits > 1, the most chunks of a sequence.
struct Decode {
    Pool pool;
    uint32_t layer = 0;
    Table table;
    const uint8_t* q = nullptr;
    RowType q_type = RowType::f32;  ///< of q and out
    uint32_t query_heads = 0;
    float scale = 1;
    uint32_t chunk_tokens = 0, splits = 1;
    uint8_t* out = nullptr;    ///< as q
    float* lse = nullptr;      ///< [sequences, query_heads], natural logarithm; optional
    float* logits = nullptr;   ///< [sequences, query_heads, logit_stride], scaled; optional
    uint64_t logit_stride = 0; ///< at least the longest sequence
    float* partial = nullptr;
};

/// scores[s, kv head, i] += the sum over its query heads of exp(logit - lse): what H2O adds up.
struct Accumulate {
    const float* logits = nullptr;  ///< as Decode left them
    const float* lse = nullptr;
    const uint32_t* lengths = nullptr;
    uint32_t sequences = 0, query_heads = 0, heads = 0;
    uint64_t stride = 0;            ///< of logits and scores
    float* scores = nullptr;        ///< [sequences, heads, stride]
};

/// Which `keep` tokens of each (sequence, head) stay: the first `sinks`, the newest `window` (sinks + window <= keep), and
/// those of the rest with the highest scores, of equals the newest. kept [sequences, heads, keep] ascending; where there
/// are fewer tokens, all, and then kUnmapped. A score that is NaN counts as 0 and in not_a_number.
struct TopK {
    const float* scores = nullptr;  ///< [sequences, heads, stride]
    const uint32_t* lengths = nullptr;
    uint32_t sequences = 0, heads = 0;
    uint64_t stride = 0;
    uint32_t keep = 0, sinks = 0, window = 0;
    uint32_t* kept = nullptr;
    float* kept_scores = nullptr;      ///< [sequences, heads, stride], not `scores`: those of the kept, in their order; optional
    uint32_t* not_a_number = nullptr;  ///< optional
};

/// Tokens kept[s, head, j] become tokens j of the same sequence in blocks new_blocks[s, j / block_size], which hold none
/// of what is read. One layer.
struct Compact {
    Pool pool;
    uint32_t layer = 0;
    Table table;
    const uint32_t* kept = nullptr;  ///< as TopK left them
    uint32_t keep = 0;
    const uint32_t* new_blocks = nullptr;  ///< [sequences, ceil(keep / block_size)]
};

/// Whole blocks, all layers, between the pool and host memory: host block b is [layers, key data, key meta, value data,
/// value meta] at host + b * block_bytes. `host` is host memory that the device can reach; the two lists are the backend's.
struct Swap {
    Pool pool;
    uint8_t* host = nullptr;
    const uint32_t* blocks = nullptr;
    const uint32_t* host_blocks = nullptr;
    uint32_t count = 0;
    bool to_host = true;

    KV_HD uint64_t block_bytes() const { return pool.layers * pool.block_rows() * (pool.keys.format.bytes() + pool.values.format.bytes()); }
};

}  // namespace kv
