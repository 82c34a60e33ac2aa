// Attention of one query per sequence over cached rows, on the CPU: the online softmax of Milakov and Gimelshein (2018),
// cut over the context as FlashDecoding does, so that one long sequence keeps all threads busy.
//
// A piece of work is one chunk of one sequence and KV head, for all query heads that read it: a row comes from memory
// once, whatever the group. It goes in tiles of 32 tokens, which stay in the nearest cache: logits of the tile, its
// maximum, weights, then the weighted sum of values, two vectors of the head at a time with their sums in registers.
// Rows are read as they are stored. Of the whole numbers only the codes are multiplied: with
// x = code * scale + low a group adds scale * sum(q code) + low * sum(q) to a logit, and likewise for values. int4 has
// neighbours in one byte: queries are rearranged (even values, then odd ones, per two vectors), and the output back.
// Rows that are not whole vectors of a group are decoded to f32 tile by tile first. The next tile is fetched meanwhile.
//
// Cost: one read of the rows, 2 multiply-adds per value and query head. Sums are f32 in an order of their own.
#include <kernels/cpu/cache_ops.h>

#include <algorithm>
#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/attention.cpp"
#include <hwy/foreach_target.h>

#include <kernels/cpu/attention-inl.h>

HWY_BEFORE_NAMESPACE();
namespace kv::cpu::HWY_NAMESPACE {
namespace {

/// How one side is read: its format as the loops see it, the values of a row rounded up to two vectors.
struct SideReader {
    RowFormat stored, seen;
    bool decode = false;
    size_t stride = 0;
    size_t group() const { return is_affine(seen.type) ? seen.group : stride; }
    size_t groups() const { return stride / group(); }

    explicit SideReader(const RowFormat& f) : stored(f), seen(f), decode(!in_place(f)) {
        size_t two = two_vectors();
        stride = (f.dim + two - 1) / two * two;
        if (!decode) return;
        seen = {};
        seen.type = RowType::f32;
        seen.dim = f.dim;
    }
    /// The rows of a tile of one side, from `meta` what the loops want of it. Decoded rows stand in room.decoded, whose
    /// places behind the row are zeros.
    TileRows open(const uint8_t* const* data, const uint8_t* const* meta, uint32_t count, AttentionRoom& room) const {
        TileRows rows;
        for (uint32_t t = 0; t < count; ++t) {
            rows.data[t] = data[t];
            if (!decode) continue;
            decode_rows(stored, data[t], meta[t], 1, &room.decoded[t * stride]);
            rows.data[t] = reinterpret_cast<const uint8_t*>(&room.decoded[t * stride]);
        }
        if (decode || !is_affine(seen.type)) return rows;
        read_numbers(meta, count, room);
        rows.scales = room.scales.data();
        rows.lows = room.lows.data();
        return rows;
    }
    void read_numbers(const uint8_t* const* meta, uint32_t count, AttentionRoom& room) const {
        const size_t all = groups(), numbers = seen.symmetric ? all : 2 * all, bytes = seen.meta_bytes();
        const float offset = static_cast<float>(affine_offset(seen.unit().format));
        room.read.resize(numbers * kTile + kMostLanes);
        room.scales.resize(all * kTile);
        room.lows.resize(all * kTile);
        float* read = room.read.data();
        if (seen.half_metadata) {
            room.halves.resize(numbers * kTile + kMostLanes);
            for (uint32_t t = 0; t < count; ++t) std::memcpy(&room.halves[t * numbers], meta[t], bytes);
            widen_halves(room.halves.data(), count * numbers, read);
        } else {
            for (uint32_t t = 0; t < count; ++t) std::memcpy(read + t * numbers, meta[t], bytes);
        }
        for (size_t k = 0; k < all; ++k)
            for (uint32_t t = 0; t < count; ++t) {
                float scale = read[t * numbers + k];
                room.scales[k * kTile + t] = scale;
                room.lows[k * kTile + t] = seen.symmetric ? -scale * offset : read[t * numbers + all + k];
            }
    }
    /// Place of value i: int4 has even values before odd ones in every two vectors.
    size_t place(size_t i) const {
        if (seen.type != RowType::int4) return i;
        size_t two = two_vectors(), in = i % two;
        return i - in + (in % 2 == 0 ? in / 2 : two / 2 + in / 2);
    }
};

// Block by block: a division is slow.
void find_tile(const Decode& op, const AttentionPiece& piece, uint32_t token, TilePlaces& tile) {
    const Pool& p = op.pool;
    const uint32_t* blocks = op.table.blocks + uint64_t{piece.sequence} * op.table.max_blocks;
    const uint64_t step = p.order == Order::hnd ? 1 : p.heads;  // rows from a token to the next
    const uint64_t k_step = step * tile.k_bytes, v_step = step * tile.v_bytes;
    const uint64_t k_meta_step = step * tile.k_meta_bytes, v_meta_step = step * tile.v_meta_bytes;
    tile.count = token < piece.end ? std::min(kTile, piece.end - token) : 0;
    for (uint32_t t = 0; t < tile.count;) {
        uint32_t at = token + t, slot = at % p.block_size;
        uint64_t row = p.row(op.layer, blocks[at / p.block_size], piece.head, slot);
        const uint8_t *k = p.keys.data_at(row), *v = p.values.data_at(row);
        const uint8_t *k_meta = p.keys.meta_at(row), *v_meta = p.values.meta_at(row);
        for (uint32_t end = std::min(tile.count, t + (p.block_size - slot)); t < end; ++t) {
            tile.k[t] = k;
            tile.v[t] = v;
            tile.k_meta[t] = k_meta;
            tile.v_meta[t] = v_meta;
            k += k_step;
            v += v_step;
            k_meta += k_meta_step;
            v_meta += v_meta_step;
        }
    }
}

void prepare(const Decode& op, const AttentionPiece& piece, const SideReader& keys, const SideReader& values, uint32_t group,
             AttentionRoom& room, AttentionPart& part) {
    const uint32_t dim = op.pool.keys.format.dim;
    room.q.assign(group * keys.stride, 0);
    room.q_sums.assign(group * keys.groups(), 0);
    room.out.assign(group * values.stride, 0);
    room.base.assign(group * values.groups(), 0);
    room.weights.assign(size_t{group} * kTile, 0);
    room.decoded.assign(kTile * std::max(keys.stride, values.stride), 0);
    part.max.assign(group, -std::numeric_limits<float>::infinity());
    part.sum.assign(group, 0);
    uint64_t first = (uint64_t{piece.sequence} * op.query_heads + uint64_t{piece.head} * group) * dim;
    for (uint32_t n = 0; n < group; ++n)
        for (uint32_t i = 0; i < dim; ++i) {
            float x = plain_value(op.q_type, op.q, first + uint64_t{n} * dim + i) * op.scale;
            room.q[n * keys.stride + keys.place(i)] = x;
            room.q_sums[n * keys.groups() + i / keys.group()] += x;
        }
}

// Fills `part`, and room.out with sums in the order of the values' places; room.base as add_rows says.
void AttendPiece(const Decode& op, const AttentionPiece& piece, AttentionRoom& room, AttentionPart& part, float* out) {
    const SideReader keys(op.pool.keys.format), values(op.pool.values.format);
    const uint32_t group = op.query_heads / op.pool.heads, dim = op.pool.values.format.dim;
    prepare(op, piece, keys, values, group, room, part);
    TilePlaces tile, next;
    tile.k_bytes = next.k_bytes = op.pool.keys.format.data_bytes();
    tile.v_bytes = next.v_bytes = op.pool.values.format.data_bytes();
    tile.k_meta_bytes = next.k_meta_bytes = op.pool.keys.format.meta_bytes();
    tile.v_meta_bytes = next.v_meta_bytes = op.pool.values.format.meta_bytes();
    find_tile(op, piece, piece.begin, tile);
    const auto k_four = dots_of(keys.seen, true), k_one = dots_of(keys.seen, false);
    const auto v_four = adds_of(values.seen, true), v_one = adds_of(values.seen, false);
    for (uint32_t token = piece.begin; token < piece.end; token += kTile) {
        uint32_t count = tile.count;
        find_tile(op, piece, token + kTile, next);
        TileRows rows = keys.open(tile.k, tile.k_meta, count, room);
        for (uint32_t n = 0; n < group;) {
            uint32_t step = group - n >= 4 ? 4 : 1;
            (step == 4 ? k_four : k_one)(keys.group(), rows, count, &room.q[n * keys.stride], &room.q_sums[n * keys.groups()],
                                         keys.stride, &room.weights[size_t{n} * kTile], next);
            n += step;
            next.count = 0;  // once is enough
        }
        rows = values.open(tile.v, tile.v_meta, count, room);
        for (uint32_t n = 0; n < group; ++n) {
            float* weights = &room.weights[size_t{n} * kTile];
            if (op.logits) {
                uint64_t query = uint64_t{piece.sequence} * op.query_heads + uint64_t{piece.head} * group + n;
                std::copy_n(weights, count, op.logits + query * op.logit_stride + token);
            }
            float max = std::max(part.max[n], largest(weights, count));
            float shrink = max == part.max[n] ? 1.0f : std::exp(part.max[n] - max);
            part.max[n] = max;
            part.sum[n] = part.sum[n] * shrink + exponentials(weights, count, max);
            if (shrink == 1.0f) continue;
            for (size_t i = 0; i < values.stride; ++i) room.out[n * values.stride + i] *= shrink;
            for (size_t g = 0; g < values.groups(); ++g) room.base[n * values.groups() + g] *= shrink;
        }
        for (uint32_t n = 0; n < group;) {
            uint32_t step = group - n >= 4 ? 4 : 1;
            (step == 4 ? v_four : v_one)(values.group(), rows, count, &room.weights[size_t{n} * kTile], values.stride,
                                         &room.out[n * values.stride], &room.base[n * values.groups()]);
            n += step;
        }
        next.count = token + kTile < piece.end ? std::min(kTile, piece.end - token - kTile) : 0;
        std::swap(tile, next);
    }
    for (uint32_t n = 0; n < group; ++n)
        for (uint32_t i = 0; i < dim; ++i)
            out[n * dim + i] = room.out[n * values.stride + values.place(i)] + room.base[n * values.groups() + i / values.group()];
}

}  // namespace
}  // namespace kv::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace kv::cpu {

HWY_EXPORT(AttendPiece);

namespace {

// What is left of one query: its output and the logarithm of its sum.
void finish_query(const Decode& op, uint64_t query, const float* out, float max, float sum) {
    const uint32_t dim = op.pool.values.format.dim;
    for (uint32_t i = 0; i < dim; ++i) put_plain_value(op.q_type, op.out, query * dim + i, sum > 0 ? out[i] / sum : 0.0f);
    if (op.lse) op.lse[query] = sum > 0 ? max + std::log(sum) : -std::numeric_limits<float>::infinity();
}

// Parts of a query stand in op.partial as [query, split]: dim values, max, sum.
void combine(const Decode& op, uint64_t query) {
    const uint32_t dim = op.pool.values.format.dim;
    const float* parts = op.partial + query * op.splits * (dim + 2);
    float max = -std::numeric_limits<float>::infinity(), sum = 0;
    for (uint32_t j = 0; j < op.splits; ++j) max = std::max(max, parts[j * (dim + 2) + dim]);
    thread_local std::vector<float> out;
    out.assign(dim, 0);
    for (uint32_t j = 0; j < op.splits; ++j) {
        const float* part = parts + size_t{j} * (dim + 2);
        if (part[dim + 1] == 0) continue;
        float factor = std::exp(part[dim] - max);
        sum += part[dim + 1] * factor;
        for (uint32_t i = 0; i < dim; ++i) out[i] += part[i] * factor;
    }
    finish_query(op, query, out.data(), max, sum);
}

}  // namespace

void run(const Decode& op, Threads& threads) {
    const Pool& p = op.pool;
    const uint32_t dim = p.values.format.dim, group = op.query_heads / p.heads;
    uint64_t tokens = 0;
    for (uint32_t s = 0; s < op.table.sequences; ++s) tokens += op.table.lengths[s];
    size_t pieces = size_t{op.table.sequences} * p.heads * op.splits;
    threads.each(pieces, tokens * p.token_bytes(), [&](size_t i) {
        auto split = static_cast<uint32_t>(i % op.splits);
        AttentionPiece piece;
        piece.head = static_cast<uint32_t>(i / op.splits % p.heads);
        piece.sequence = static_cast<uint32_t>(i / op.splits / p.heads);
        uint32_t length = op.table.lengths[piece.sequence];
        uint64_t begin = op.splits > 1 ? uint64_t{split} * op.chunk_tokens : 0;
        piece.begin = static_cast<uint32_t>(std::min<uint64_t>(length, begin));
        piece.end = op.splits > 1 ? static_cast<uint32_t>(std::min<uint64_t>(length, begin + op.chunk_tokens)) : length;
        thread_local AttentionRoom room;
        thread_local AttentionPart part;
        thread_local std::vector<float> out;
        out.resize(size_t{group} * dim);
        HWY_DYNAMIC_DISPATCH(AttendPiece)(op, piece, room, part, out.data());
        for (uint32_t n = 0; n < group; ++n) {
            uint64_t query = uint64_t{piece.sequence} * op.query_heads + uint64_t{piece.head} * group + n;
            if (op.splits == 1) {
                finish_query(op, query, &out[size_t{n} * dim], part.max[n], part.sum[n]);
                continue;
            }
            float* to = op.partial + (query * op.splits + split) * (dim + 2);
            std::copy_n(&out[size_t{n} * dim], dim, to);
            to[dim] = part.max[n];
            to[dim + 1] = part.sum[n];
        }
    });
    if (op.splits == 1) return;
    size_t queries = size_t{op.table.sequences} * op.query_heads;
    threads.each(queries, queries * op.splits * (dim + 2) * 4, [&](size_t query) { combine(op, query); });
}

}  // namespace kv::cpu
#endif
