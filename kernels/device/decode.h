// K6, attention of one new token per sequence over its cached keys and values ("decode"), split along the sequence.
//
// Idea: the grid has a block of threads per (sequence, KV head, chunk of tokens), never one per query head, so a KV row
// is read once for all query heads that share it (GQA). A row belongs to 8, 16 or 32 threads of a warp, 8 values each;
// a thread takes a few rows at once and issues the loads of their keys and values before it uses any, and looks up the
// blocks of the next rows meanwhile. Scores are dot products added up by shuffles. Every group of threads keeps a
// running maximum m, the sum l of 2^(score - m), and the weighted sum of values, rescaled when m grows (online
// softmax); groups are merged in the warp, warps in shared memory, chunks by a second kernel from (m, l, sum) in
// `partial`. Powers of two throughout: log2(e) is multiplied into the query once. Sums are f32, quantized rows are
// decoded in registers.
//
// After FlashAttention-2 and flash-decoding (split, online softmax) and FlashInfer (grid per KV head, pieces of a row).
// Differences: parts are not normalized before they are combined, and no asynchronous copies are used: rows in flight
// in registers take their place, and serve formats that need decoding.
//
// Cost: a KV row once, 4 * dim flop per row and query head, and log2(row threads) shuffles per row and query head. By
// count of instructions that stays below the time of the memory for bf16 and up to 4 query heads per KV head; more of
// them, or 4-bit rows, are bound by arithmetic, where tensor cores would be the next step. More than 8 query heads per
// KV head, or 4 where keys and values differ in type, take several passes over the chunk, which then comes from L2.
#pragma once

#include <kernels/common/ops.h>
#include <kernels/device/values.h>

namespace kv::device {

inline constexpr uint32_t kDecodeThreads = 128;
inline constexpr uint32_t kDecodeWarps = kDecodeThreads / kWarp;
/// The longest row that attention serves.
inline constexpr uint32_t kDecodeDim = kWarp * kPiece;
inline constexpr float kLog2e = 1.44269504088896340736f;
inline constexpr float kLn2 = 0.69314718055994530942f;
/// Types that differ between keys and values, or are not known when compiled.
inline constexpr int kAnyType = -1;

KV_DEVICE float minus_infinity() { return float_of(0xFF800000u); }
/// 2^(x - m); 0 for x of -infinity, even if m is too.
KV_DEVICE float weight(float x, float m) { return x == minus_infinity() ? 0.0f : exp2f(x - m); }

/// What is known of softmax and its weighted sum over some tokens.
template <uint32_t kQueries>
struct Softmax {
    float m[kQueries], l[kQueries];
    Eight sum[kQueries];

    KV_DEVICE void clear() {
        KV_UNROLL for (uint32_t g = 0; g < kQueries; ++g) {
            m[g] = minus_infinity();
            l[g] = 0;
            sum[g] = Eight{};
        }
    }
    KV_DEVICE void merge(const Softmax& other) {
        KV_UNROLL for (uint32_t g = 0; g < kQueries; ++g) {
            float top = m[g] > other.m[g] ? m[g] : other.m[g];
            float mine = weight(m[g], top), theirs = weight(other.m[g], top);
            m[g] = top;
            l[g] = l[g] * mine + other.l[g] * theirs;
            KV_UNROLL for (uint32_t i = 0; i < kPiece; ++i)
                sum[g].x[i] = sum[g].x[i] * mine + other.sum[g].x[i] * theirs;
        }
    }
};

/// Parts of chunks: all sums, [sequences, query_heads, splits, dim], then all (m, l).
struct Parts {
    float *sums, *levels;
    uint32_t dim, splits;
    KV_DEVICE explicit Parts(const Decode& op) : dim(op.pool.values.format.dim), splits(op.splits) {
        sums = op.partial;
        levels = op.partial + uint64_t{op.table.sequences} * op.query_heads * splits * dim;
    }
    KV_DEVICE float* sum(uint64_t query, uint32_t split) const { return sums + (query * splits + split) * dim; }
    KV_DEVICE float* level(uint64_t query, uint32_t split) const { return levels + (query * splits + split) * 2; }
};

/// kType: of keys and values, a RowType, or kAnyType. kQueries: query heads of a KV head that are done at once.
template <int kType, uint32_t kQueries>
struct DecodeKernel {
    using Op = Decode;
    static constexpr uint32_t kThreads = kDecodeThreads;
    static constexpr uint32_t kResident = kQueries > 4 || kType == kAnyType ? 2 : 3;  // more would spill registers
    static constexpr bool kSynchronizes = true;
    static constexpr uint32_t kRows = kQueries > 4 ? 2 : 4;
    struct Shared {
        alignas(16) float q[kQueries][kDecodeDim];
        float m[kDecodeWarps][kQueries], l[kDecodeWarps][kQueries];
        alignas(16) float sum[kDecodeWarps][kQueries][kDecodeDim];
    };
    struct Scores {
        float x[kRows][kQueries];
    };
    /// A (sequence, KV head, chunk).
    struct Work {
        uint32_t sequence, head, split, begin, end, queries;
    };

    KV_HD static uint64_t blocks(const Op& op) { return uint64_t{op.table.sequences} * op.pool.heads * op.splits; }

    KV_DEVICE static RowType key_type(const Op& op) {
        if constexpr (kType == kAnyType)
            return op.pool.keys.format.type;
        else
            return static_cast<RowType>(kType);
    }
    KV_DEVICE static RowType value_type(const Op& op) {
        if constexpr (kType == kAnyType)
            return op.pool.values.format.type;
        else
            return static_cast<RowType>(kType);
    }
    KV_DEVICE static Work work_of(const Op& op, uint64_t item) {
        Work w;
        uint32_t rest = small(item) / op.splits;
        w.split = small(item) - rest * op.splits;
        w.head = rest % op.pool.heads;
        w.sequence = rest / op.pool.heads;
        uint32_t length = load<uint32_t>(op.table.lengths + w.sequence);
        uint64_t begin = op.splits > 1 ? uint64_t{w.split} * op.chunk_tokens : 0;
        uint64_t end = op.splits > 1 ? begin + op.chunk_tokens : length;
        w.begin = begin < length ? static_cast<uint32_t>(begin) : length;
        w.end = end < length ? static_cast<uint32_t>(end) : length;
        w.queries = op.query_heads / op.pool.heads;
        return w;
    }

    template <class Lane>
    KV_DEVICE static void run(Lane& lane, const Op& op, Shared& shared) {
        uint64_t items = blocks(op);
        for (uint64_t item = lane.block(); item < items; item += lane.blocks()) {
            Work w = work_of(op, item);
            if (op.splits > 1 && w.begin == w.end) continue;  // the whole block together
            for (uint32_t first = 0; first < w.queries; first += kQueries) {
                load_queries(lane, op, w, first, shared);
                lane.sync();
                Softmax<kQueries> state;
                attend(lane, op, w, first, shared, state);
                merge_in_warp(lane, op, state, shared);
                lane.sync();
                write(lane, op, w, first, shared);  // read before the next barrier, written again after it
            }
        }
    }

    KV_DEVICE static uint32_t row_lanes(const Op& op) {
        uint32_t k = op.pool.keys.format.dim, v = op.pool.values.format.dim;
        return power_of_two((k > v ? k : v) / kPiece);
    }

    template <class Lane>
    KV_DEVICE static void load_queries(Lane& lane, const Op& op, const Work& w, uint32_t first, Shared& shared) {
        uint32_t dim = op.pool.keys.format.dim;
        uint64_t query = uint64_t{w.sequence} * op.query_heads + w.head * w.queries + first;
        for (uint32_t i = lane.thread(); i < kQueries * kDecodeDim; i += lane.threads()) {
            uint32_t g = i / kDecodeDim, d = i % kDecodeDim;
            float x = 0;
            if (first + g < w.queries && d < dim) {
                uint64_t at = (query + g) * dim + d;
                x = op.q_type == RowType::f32    ? load<float>(op.q + 4 * at)
                    : op.q_type == RowType::f16 ? wide_f16(load<uint16_t>(op.q + 2 * at))
                                                : f32_of_bf16(load<uint16_t>(op.q + 2 * at));
            }
            shared.q[g][d] = x * (op.scale * kLog2e);
        }
    }

    /// Pool rows of the tokens that this thread takes part in from `base` on; ~0: there is none.
    struct Places {
        uint64_t row[kRows];
    };
    KV_DEVICE static Places places(const Op& op, const Work& w, uint64_t base, uint32_t group, uint32_t groups) {
        const uint32_t* blocks_of = op.table.blocks + uint64_t{w.sequence} * op.table.max_blocks;
        Places p;
        KV_UNROLL for (uint32_t r = 0; r < kRows; ++r) {
            uint64_t token = base + r * groups + group;
            p.row[r] = ~uint64_t{0};
            if (token >= w.end) continue;
            uint32_t index = static_cast<uint32_t>(token) / op.pool.block_size;
            auto place = static_cast<uint32_t>(token) - index * op.pool.block_size;
            p.row[r] = op.pool.row(op.layer, load<uint32_t>(blocks_of + index), w.head, place);
        }
        return p;
    }
    KV_DEVICE static Eight decoded(RowType type, const Rows& rows, uint64_t row, uint32_t piece, const Raw& raw) {
        Eight x = wide(type, raw);
        if (is_affine(type)) scale_codes(rows.format, rows.meta_at(row), piece, x);
        return x;
    }
    KV_DEVICE static Raw fetched(RowType type, const Rows& rows, uint64_t row, uint32_t piece) {
        return load_aligned(type, rows.data_at(row) + piece * value_bits(type));
    }

    template <class Lane>
    KV_DEVICE static void attend(Lane& lane, const Op& op, const Work& w, uint32_t first, const Shared& shared,
                                 Softmax<kQueries>& state) {
        uint32_t lanes = row_lanes(op), piece = lane.thread() % lanes;
        uint32_t group = lane.thread() / lanes, groups = lane.threads() / lanes;
        bool has_key = piece * kPiece < op.pool.keys.format.dim, has_value = piece * kPiece < op.pool.values.format.dim;
        const Rows &keys = op.pool.keys, &values = op.pool.values;
        RowType kt = key_type(op), vt = value_type(op);
        state.clear();
        Places next = places(op, w, w.begin, group, groups);
        for (uint64_t base = w.begin; base < w.end; base += kRows * groups) {
            Places now = next;
            Raw k[kRows], v[kRows];
            KV_UNROLL for (uint32_t r = 0; r < kRows; ++r)
                if (now.row[r] != ~uint64_t{0}) {
                    if (has_key) k[r] = fetched(kt, keys, now.row[r], piece);
                    if (has_value) v[r] = fetched(vt, values, now.row[r], piece);
                }
            next = places(op, w, base + kRows * groups, group, groups);
            Scores s;
            KV_UNROLL for (uint32_t r = 0; r < kRows; ++r) {
                bool any = has_key && now.row[r] != ~uint64_t{0};
                Eight key = any ? decoded(kt, keys, now.row[r], piece, k[r]) : Eight{};
                KV_UNROLL for (uint32_t g = 0; g < kQueries; ++g) {
                    s.x[r][g] = 0;
                    KV_UNROLL for (uint32_t i = 0; i < kPiece; ++i)
                        s.x[r][g] = multiply_add(key.x[i], shared.q[g][piece * kPiece + i], s.x[r][g]);
                }
            }
            for (uint32_t mask = lanes / 2; mask > 0; mask /= 2) {
                Scores other = lane.shuffle_xor(s, mask);
                KV_UNROLL for (uint32_t r = 0; r < kRows; ++r)
                    KV_UNROLL for (uint32_t g = 0; g < kQueries; ++g) s.x[r][g] += other.x[r][g];
            }
            if (op.logits && piece == 0) write_logits(op, w, first, base + group, groups, now, s);
            take_levels(now, s, state);
            KV_UNROLL for (uint32_t r = 0; r < kRows; ++r) {
                if (!has_value || now.row[r] == ~uint64_t{0}) continue;
                Eight value = decoded(vt, values, now.row[r], piece, v[r]);
                KV_UNROLL for (uint32_t g = 0; g < kQueries; ++g)
                    KV_UNROLL for (uint32_t i = 0; i < kPiece; ++i)
                        state.sum[g].x[i] = multiply_add(s.x[r][g], value.x[i], state.sum[g].x[i]);
            }
        }
    }
    /// Scores become weights against the new maximum; what was summed against the old one is rescaled.
    KV_DEVICE static void take_levels(const Places& now, Scores& s, Softmax<kQueries>& state) {
        KV_UNROLL for (uint32_t g = 0; g < kQueries; ++g) {
            float top = state.m[g];
            KV_UNROLL for (uint32_t r = 0; r < kRows; ++r) {
                if (now.row[r] == ~uint64_t{0}) s.x[r][g] = minus_infinity();
                top = s.x[r][g] > top ? s.x[r][g] : top;
            }
            float rescale = weight(state.m[g], top);
            state.m[g] = top;
            state.l[g] *= rescale;
            KV_UNROLL for (uint32_t r = 0; r < kRows; ++r) {
                s.x[r][g] = weight(s.x[r][g], top);
                state.l[g] += s.x[r][g];
            }
            KV_UNROLL for (uint32_t i = 0; i < kPiece; ++i) state.sum[g].x[i] *= rescale;
        }
    }
    KV_DEVICE static void write_logits(const Op& op, const Work& w, uint32_t first, uint64_t token, uint32_t groups,
                                       const Places& now, const Scores& s) {
        uint64_t query = uint64_t{w.sequence} * op.query_heads + w.head * w.queries + first;
        KV_UNROLL for (uint32_t r = 0; r < kRows; ++r)
            KV_UNROLL for (uint32_t g = 0; g < kQueries; ++g)
                if (now.row[r] != ~uint64_t{0} && first + g < w.queries)
                    op.logits[(query + g) * op.logit_stride + token + r * groups] = s.x[r][g] * kLn2;
    }

    template <class Lane>
    KV_DEVICE static void merge_in_warp(Lane& lane, const Op& op, Softmax<kQueries>& state, Shared& shared) {
        uint32_t lanes = row_lanes(op), in_warp = lane.thread() % kWarp, warp = lane.thread() / kWarp;
        for (uint32_t mask = lanes; mask < kWarp; mask *= 2) state.merge(lane.shuffle_xor(state, mask));
        if (in_warp >= lanes) return;
        KV_UNROLL for (uint32_t g = 0; g < kQueries; ++g) {
            if (in_warp == 0) shared.m[warp][g] = state.m[g], shared.l[warp][g] = state.l[g];
            KV_UNROLL for (uint32_t i = 0; i < kPiece; ++i)
                shared.sum[warp][g][in_warp * kPiece + i] = state.sum[g].x[i];
        }
    }

    /// The warps together: the result, or the part of this chunk.
    template <class Lane>
    KV_DEVICE static void write(Lane& lane, const Op& op, const Work& w, uint32_t first, const Shared& shared) {
        uint32_t dim = op.pool.values.format.dim;
        for (uint32_t i = lane.thread(); i < kQueries * dim; i += lane.threads()) {
            uint32_t g = i / dim, d = i - g * dim;
            if (first + g >= w.queries) break;
            float m = minus_infinity(), l = 0, sum = 0;
            KV_UNROLL for (uint32_t n = 0; n < kDecodeWarps; ++n) m = shared.m[n][g] > m ? shared.m[n][g] : m;
            KV_UNROLL for (uint32_t n = 0; n < kDecodeWarps; ++n) {
                float part = weight(shared.m[n][g], m);
                l += shared.l[n][g] * part;
                sum += shared.sum[n][g][d] * part;
            }
            uint64_t query = uint64_t{w.sequence} * op.query_heads + w.head * w.queries + first + g;
            if (op.splits == 1) {
                put_result(op, query, d, m, l, sum);
                continue;
            }
            Parts parts(op);
            parts.sum(query, w.split)[d] = sum;
            if (d == 0) parts.level(query, w.split)[0] = m, parts.level(query, w.split)[1] = l;
        }
    }
    KV_DEVICE static void put_result(const Op& op, uint64_t query, uint32_t d, float m, float l, float sum) {
        uint64_t at = query * op.pool.values.format.dim + d;
        float x = l > 0 ? sum / l : 0.0f;
        if (op.q_type == RowType::f32)
            store(op.out + 4 * at, x);
        else
            store(op.out + 2 * at, op.q_type == RowType::f16 ? f16_of(x) : bf16_of(x));
        if (d == 0 && op.lse) op.lse[query] = l > 0 ? (m + log2f(l)) * kLn2 : minus_infinity();
    }
};

/// The chunks of a (sequence, query head) together.
struct CombineKernel {
    using Op = Decode;
    static constexpr uint32_t kThreads = kDecodeThreads;
    static constexpr uint32_t kResident = 4;
    static constexpr bool kSynchronizes = false;
    struct Shared {};

    KV_HD static uint64_t blocks(const Op& op) { return uint64_t{op.table.sequences} * op.query_heads; }

    template <class Lane>
    KV_DEVICE static void run(Lane& lane, const Op& op, Shared&) {
        Parts parts(op);
        for (uint64_t query = lane.block(); query < blocks(op); query += lane.blocks()) {
            uint32_t length = load<uint32_t>(op.table.lengths + small(query) / op.query_heads);
            uint32_t chunks = length == 0 ? 0 : (length - 1) / op.chunk_tokens + 1;
            float m = minus_infinity(), l = 0;
            for (uint32_t c = 0; c < chunks; ++c) {
                float level = load<float>(parts.level(query, c));
                m = level > m ? level : m;
            }
            for (uint32_t c = 0; c < chunks; ++c)
                l += load<float>(parts.level(query, c) + 1) * weight(load<float>(parts.level(query, c)), m);
            for (uint32_t d = lane.thread(); d < parts.dim; d += lane.threads()) {
                float sum = 0;
                for (uint32_t c = 0; c < chunks; ++c)
                    sum += load<float>(parts.sum(query, c) + d) * weight(load<float>(parts.level(query, c)), m);
                DecodeKernel<kAnyType, 4>::put_result(op, query, d, m, l, sum);
            }
        }
    }
};

/// Fewer query heads than a kernel is for cost it arithmetic, which rows of 16 bits and more leave it time for.
template <int kType, class Launcher>
void launch_decode(const Decode& op, Launcher& launcher) {
    constexpr bool kAny = kType == kAnyType;
    constexpr bool kNarrow = !kAny && value_bits(static_cast<RowType>(kAny ? 0 : kType)) <= 8;
    uint32_t queries = op.query_heads / op.pool.heads;
    if (!kAny && queries > 4)
        launcher.template launch<DecodeKernel<kType, kAny ? 4 : 8>>(op);
    else if (!kNarrow || queries > 2)
        launcher.template launch<DecodeKernel<kType, 4>>(op);
    else
        launcher.template launch<DecodeKernel<kType, kNarrow ? 2 : 4>>(op);
}

/// Whether rows are short enough.
inline bool can_decode(const Decode& op) {
    return op.pool.keys.format.dim <= kDecodeDim && op.pool.values.format.dim <= kDecodeDim;
}

template <class Launcher>
void dispatch(const Decode& op, Launcher& launcher) {
    RowType keys = op.pool.keys.format.type, values = op.pool.values.format.type;
    if (keys != values)
        launch_decode<kAnyType>(op, launcher);
    else
        switch (keys) {
            case RowType::f32: launch_decode<static_cast<int>(RowType::f32)>(op, launcher); break;
            case RowType::f16: launch_decode<static_cast<int>(RowType::f16)>(op, launcher); break;
            case RowType::bf16: launch_decode<static_cast<int>(RowType::bf16)>(op, launcher); break;
            case RowType::e4m3: launch_decode<static_cast<int>(RowType::e4m3)>(op, launcher); break;
            case RowType::int8: launch_decode<static_cast<int>(RowType::int8)>(op, launcher); break;
            case RowType::int4: launch_decode<static_cast<int>(RowType::int4)>(op, launcher); break;
        }
    if (op.splits > 1) launcher.template launch<CombineKernel>(op);
}

}  // namespace kv::device
