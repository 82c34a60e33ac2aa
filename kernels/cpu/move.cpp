// Rows from here to there. A run is as many rows as lie together on both sides: a head's tokens of a block under HND, a
// token's heads under NHD.
#include <kernels/cpu/cache_ops.h>

#include <algorithm>
#include <atomic>

namespace kv::cpu {

namespace {

// `count` rows from row `i` of `from` to row `j` of `to`.
void copy_rows(const Rows& from, uint64_t i, const Rows& to, uint64_t j, uint64_t count) {
    std::memcpy(to.data_at(j), from.data_at(i), count * from.format.data_bytes());
    if (from.format.meta_bytes() > 0) std::memcpy(to.meta_at(j), from.meta_at(i), count * from.format.meta_bytes());
}

// The same where one of them is f32, f16 or bf16 and the other is anything.
void convert_rows(const Rows& from, uint64_t i, const Rows& to, uint64_t j, uint64_t count) {
    if (from.format == to.format) return copy_rows(from, i, to, j, count);
    thread_local std::vector<float> values;
    values.resize(count * from.format.dim);
    decode_rows(from.format, from.data_at(i), from.meta_at(i), count, values.data());
    encode_rows(to.format, values.data(), count, to.data_at(j), to.meta_at(j));
}

RowFormat plain_format(RowType type, uint32_t dim) {
    RowFormat f;
    f.type = type;
    f.dim = dim;
    return f;
}
/// Rows that are only read, as the same type as those that are written.
Rows rows_at(const uint8_t* data, RowType type, uint32_t dim) {
    return {const_cast<uint8_t*>(data), nullptr, plain_format(type, dim)};
}

// f(pool row, other row, rows) for tokens [begin, end) of sequence s and one head; the other side is [heads, tokens, dim]
// from row `base` on.
template <class F>
void head_runs(const Pool& p, uint32_t layer, const Table& t, uint32_t s, uint32_t head, uint32_t begin, uint32_t end,
               uint64_t base, F&& run) {
    const uint32_t* blocks = t.blocks + uint64_t{s} * t.max_blocks;
    uint64_t out = base + uint64_t{head} * (end - begin);
    for (uint32_t token = begin; token < end;) {
        uint32_t slot = token % p.block_size;
        uint32_t together = p.order == Order::hnd ? std::min(p.block_size - slot, end - token) : 1;
        run(p.row(layer, blocks[token / p.block_size], head, slot), out + (token - begin), together);
        token += together;
    }
}

template <class Op, class Move>
void gather_or_scatter(const Op& op, const uint64_t* other_rows, Threads& threads, Move&& move) {
    const Table& t = op.table;
    uint64_t tokens = 0;
    for (uint32_t s = 0; s < t.sequences; ++s) tokens += t.lengths[s] - (op.starts ? op.starts[s] : 0);
    // A long sequence is cut, so that one alone keeps all threads busy.
    uint32_t longest = 0;
    for (uint32_t s = 0; s < t.sequences; ++s) longest = std::max(longest, t.lengths[s]);
    uint32_t cut = std::max(op.pool.block_size, 1024 / op.pool.block_size * op.pool.block_size);
    size_t cuts = std::max<size_t>(1, (size_t{longest} + cut - 1) / cut);
    size_t pieces = size_t{t.sequences} * cuts;
    threads.each(pieces, tokens * op.pool.token_bytes(), [&](size_t piece) {
        auto s = static_cast<uint32_t>(piece / cuts);
        uint32_t start = op.starts ? op.starts[s] : 0, length = t.lengths[s];
        uint64_t from = std::max<uint64_t>(start, (piece % cuts) * uint64_t{cut});
        auto to = static_cast<uint32_t>(std::min<uint64_t>(length, (piece % cuts + 1) * uint64_t{cut}));
        if (from >= to) return;
        auto begin = static_cast<uint32_t>(from);
        for (uint32_t head = 0; head < op.pool.heads; ++head) {
            // The base is such that token `begin` lands where it does in the whole sequence.
            uint64_t base = other_rows[s] + uint64_t{head} * (length - start) + (begin - start) -
                            uint64_t{head} * (to - begin);
            head_runs(op.pool, op.layer, t, s, head, begin, to, base,
                      [&](uint64_t row, uint64_t other, uint64_t count) { move(row, other, count); });
        }
    });
}

}  // namespace

namespace {

uint32_t not_finite_rows(const float* values, size_t rows, size_t dim) {
    uint32_t bad = 0;
    for (size_t i = 0; i < rows; ++i) {
        uint32_t odd = 0;
        for (size_t d = 0; d < dim; ++d) odd |= !is_finite(values[i * dim + d]);
        bad += odd;
    }
    return bad;
}

/// What appending some tokens needs, kept by its thread.
struct AppendRoom {
    std::vector<float> values;
    std::vector<uint8_t> data, meta;
};

// Tokens [first, first + count) of one side: all rows are encoded at once, then go to their places. Returns how many
// were not finite.
uint32_t append_encoded(const Append& op, const uint8_t* in, const Rows& out, size_t first, size_t count, AppendRoom& room) {
    const Pool& p = op.pool;
    const size_t dim = out.format.dim, rows = count * p.heads, in_bytes = value_bits(op.in) / 8;
    const RowFormat in_format = plain_format(op.in, out.format.dim);
    room.values.resize(rows * dim);
    bool together = op.head_stride == dim && op.token_stride == p.heads * dim;
    if (together) {
        decode_rows(in_format, in + first * op.token_stride * in_bytes, nullptr, rows, room.values.data());
    } else {
        for (size_t i = 0; i < rows; ++i)
            decode_rows(in_format, in + ((first + i / p.heads) * op.token_stride + i % p.heads * op.head_stride) * in_bytes, nullptr, 1,
                        &room.values[i * dim]);
    }
    room.data.resize(rows * out.format.data_bytes());
    room.meta.resize(rows * out.format.meta_bytes());
    encode_rows(out.format, room.values.data(), rows, room.data.data(), room.meta.data());
    const Rows encoded{room.data.data(), room.meta.data(), out.format};
    uint32_t bad = 0;
    for (size_t t = 0; t < count; ++t) {
        if (op.slots[first + t] < 0) continue;
        if (op.not_finite) bad += not_finite_rows(&room.values[t * p.heads * dim], p.heads, dim);
        auto place = static_cast<uint64_t>(op.slots[first + t]);
        auto block = static_cast<uint32_t>(place / p.block_size), slot = static_cast<uint32_t>(place % p.block_size);
        for (uint32_t h = 0; h < p.heads; h += p.order == Order::nhd ? p.heads : 1)
            copy_rows(encoded, t * p.heads + h, out, p.row(op.layer, block, h, slot), p.order == Order::nhd ? p.heads : 1);
    }
    return bad;
}

// The same where rows are stored as they come.
uint32_t append_copied(const Append& op, const uint8_t* in, const Rows& out, size_t first, size_t count) {
    const Pool& p = op.pool;
    const uint64_t row_bytes = out.format.data_bytes();
    const bool together = p.order == Order::nhd && op.head_stride == out.format.dim;
    uint32_t bad = 0;
    for (size_t t = first; t < first + count; ++t) {
        if (op.slots[t] < 0) continue;
        auto place = static_cast<uint64_t>(op.slots[t]);
        auto block = static_cast<uint32_t>(place / p.block_size), slot = static_cast<uint32_t>(place % p.block_size);
        for (uint32_t h = 0; h < p.heads; h += together ? p.heads : 1) {
            const uint8_t* from = in + (t * op.token_stride + h * op.head_stride) * value_bits(op.in) / 8;
            uint64_t count_here = together ? p.heads : 1, row = p.row(op.layer, block, h, slot);
            std::memcpy(out.data_at(row), from, count_here * row_bytes);
            if (!op.not_finite) continue;
            for (uint64_t i = 0; i < count_here; ++i) {
                bool finite = true;
                for (uint32_t d = 0; d < out.format.dim; ++d)
                    finite = is_finite(plain_value(op.in, from + i * row_bytes, d)) && finite;
                bad += !finite;
            }
        }
    }
    return bad;
}

}  // namespace

void run(const Append& op, Threads& threads) {
    std::atomic<uint32_t> bad{0};
    const size_t cut = 16;
    size_t pieces = (op.tokens + cut - 1) / cut;
    threads.each(pieces, uint64_t{op.tokens} * op.pool.token_bytes(), [&](size_t piece) {
        size_t first = piece * cut, count = std::min(cut, op.tokens - first);
        thread_local AppendRoom room;
        auto side = [&](const uint8_t* in, const Rows& out) {
            bool copied = plain_format(op.in, out.format.dim) == out.format;
            return copied ? append_copied(op, in, out, first, count) : append_encoded(op, in, out, first, count, room);
        };
        uint32_t odd = side(op.keys, op.pool.keys) + side(op.values, op.pool.values);
        if (odd > 0) bad.fetch_add(odd, std::memory_order_relaxed);
    });
    if (op.not_finite) *op.not_finite += bad.load();
}

void run(const CopyBlocks& op, Threads& threads) {
    const Pool& p = op.pool;
    size_t pieces = size_t{op.count} * p.layers;
    threads.each(pieces, pieces * op.tokens * p.token_bytes(), [&](size_t piece) {
        auto layer = static_cast<uint32_t>(piece / op.count);
        BlockPair pair = op.pairs[piece % op.count];
        // Under NHD the first tokens of all heads lie together; under HND those of one head.
        bool whole = p.order == Order::nhd || op.tokens == p.block_size;
        for (uint32_t h = 0; h < (whole ? 1 : p.heads); ++h) {
            uint64_t from = p.row(layer, pair.from, h, 0), to = p.row(layer, pair.to, h, 0);
            uint64_t rows = uint64_t{op.tokens} * (whole ? p.heads : 1);
            copy_rows(p.keys, from, p.keys, to, rows);
            copy_rows(p.values, from, p.values, to, rows);
        }
    });
}

void run(const Gather& op, Threads& threads) {
    gather_or_scatter(op, op.out_rows, threads, [&](uint64_t row, uint64_t other, uint64_t count) {
        convert_rows(op.pool.keys, row, op.keys, other, count);
        convert_rows(op.pool.values, row, op.values, other, count);
    });
}
void run(const Scatter& op, Threads& threads) {
    gather_or_scatter(op, op.in_rows, threads, [&](uint64_t row, uint64_t other, uint64_t count) {
        convert_rows(op.keys, other, op.pool.keys, row, count);
        convert_rows(op.values, other, op.pool.values, row, count);
    });
}

void run(const Transpose& op, Threads& threads) {
    const Pool& a = op.from;
    size_t pieces = size_t{a.layers} * a.blocks;
    threads.each(pieces, pieces * a.block_size * a.token_bytes(), [&](size_t piece) {
        auto layer = static_cast<uint32_t>(piece / a.blocks), block = static_cast<uint32_t>(piece % a.blocks);
        for (uint32_t h = 0; h < a.heads; ++h)
            for (uint32_t slot = 0; slot < a.block_size; ++slot) {
                uint64_t i = a.row(layer, block, h, slot), j = op.to.row(layer, block, h, slot);
                copy_rows(a.keys, i, op.to.keys, j, 1);
                copy_rows(a.values, i, op.to.values, j, 1);
            }
    });
}

void run(const Quantize& op, Threads& threads) {
    uint32_t dim = op.out.format.dim;
    Rows in = rows_at(op.in, op.in_type, dim);
    std::atomic<uint32_t> bad{0};
    const uint64_t cut = 256;
    threads.each((op.rows + cut - 1) / cut, op.rows * in.format.bytes(), [&](size_t piece) {
        uint64_t first = piece * cut, count = std::min(cut, op.rows - first);
        if (op.not_finite)
            for (uint64_t i = first; i < first + count; ++i) {
                bool finite = true;
                for (uint32_t d = 0; d < dim; ++d) finite = is_finite(plain_value(op.in_type, in.data_at(i), d)) && finite;
                if (!finite) bad.fetch_add(1, std::memory_order_relaxed);
            }
        if (in.format.type == RowType::f32)
            encode_rows(op.out.format, reinterpret_cast<const float*>(in.data_at(first)), count, op.out.data_at(first),
                        op.out.meta_at(first));
        else
            convert_rows(in, first, op.out, first, count);
    });
    if (op.not_finite) *op.not_finite += bad.load();
}

void run(const Dequantize& op, Threads& threads) {
    Rows out = rows_at(op.out, op.out_type, op.in.format.dim);
    const uint64_t cut = 256;
    threads.each((op.rows + cut - 1) / cut, op.rows * out.format.bytes(), [&](size_t piece) {
        uint64_t first = piece * cut, count = std::min(cut, op.rows - first);
        if (op.out_type == RowType::f32)
            decode_rows(op.in.format, op.in.data_at(first), op.in.meta_at(first), count,
                        reinterpret_cast<float*>(out.data_at(first)));
        else
            convert_rows(op.in, first, out, first, count);
    });
}

void run(const Compact& op, Threads& threads) {
    const Pool& p = op.pool;
    uint32_t new_blocks = (op.keep + p.block_size - 1) / p.block_size;
    size_t pieces = size_t{op.table.sequences} * p.heads;
    threads.each(pieces, pieces * op.keep * (p.keys.format.bytes() + p.values.format.bytes()), [&](size_t piece) {
        auto s = static_cast<uint32_t>(piece / p.heads), h = static_cast<uint32_t>(piece % p.heads);
        const uint32_t* kept = op.kept + piece * op.keep;
        const uint32_t* old_table = op.table.blocks + uint64_t{s} * op.table.max_blocks;
        const uint32_t* new_table = op.new_blocks + uint64_t{s} * new_blocks;
        for (uint32_t j = 0; j < op.keep && kept[j] != kUnmapped; ++j) {
            uint64_t from = p.row(op.layer, old_table[kept[j] / p.block_size], h, kept[j] % p.block_size);
            uint64_t to = p.row(op.layer, new_table[j / p.block_size], h, j % p.block_size);
            copy_rows(p.keys, from, p.keys, to, 1);
            copy_rows(p.values, from, p.values, to, 1);
        }
    });
}

void run(const Swap& op, Threads& threads) {
    const Pool& p = op.pool;
    uint64_t rows = p.block_rows(), layer_bytes = op.block_bytes() / p.layers;
    size_t pieces = size_t{op.count} * p.layers;
    threads.each(pieces, op.count * op.block_bytes(), [&](size_t piece) {
        auto layer = static_cast<uint32_t>(piece % p.layers);
        size_t i = piece / p.layers;
        uint8_t* host = op.host + op.host_blocks[i] * op.block_bytes() + layer * layer_bytes;
        uint64_t row = p.row(layer, op.blocks[i], 0, 0);
        auto move = [&](uint8_t* device, uint64_t bytes) {
            if (bytes == 0) return;
            op.to_host ? std::memcpy(host, device, bytes) : std::memcpy(device, host, bytes);
            host += bytes;
        };
        for (const Rows* side : {&p.keys, &p.values}) {
            move(side->data_at(row), rows * side->format.data_bytes());
            move(side->meta_at(row), rows * side->format.meta_bytes());
        }
    });
}

}  // namespace kv::cpu
