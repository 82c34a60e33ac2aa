// Rows from one place to another, as they are or in another format: what appending, copying, gathering, scattering,
// transposing, compacting and (de)quantizing have in common. They differ in which row goes where.
//
// Idea: the work is cut into tiles of up to 64 rows of keys or of values; a block of threads takes tiles in steps of
// the grid. Within a tile a row belongs to neighbouring threads of one warp, a piece of 16 bytes (or less, if its
// length or an address is not a multiple of that) to each: a warp reads 512 neighbouring bytes where rows are
// neighbours, and whole sectors of 32 bytes otherwise, since a row is seldom shorter. Copies issue the loads of four
// rows before the first store, so that a thread has 64 bytes on the way.
//
// Where formats differ, a thread has 8 values of a row, and the threads of a row find the smallest and largest value of
// a group by shuffles: a row is read once and no shared memory is needed. Codes and metadata are those of
// kernels/common/affine.h, bit for bit: the same functions, multiplication and addition rounded apart. Rows of more
// than 256 values and groups that no power-of-two number of threads holds are converted by one thread per row: right,
// not fast.
//
// Cost: each byte of a row once in, once out. Addresses take a few integer divisions per row and thread, far below what
// the time of 16 bytes of memory traffic allows.
#pragma once

#include <kernels/common/ops.h>
#include <kernels/device/values.h>

namespace kv::device {

inline constexpr uint32_t kTileRows = 64;
inline constexpr uint32_t kRowThreads = 256;
inline constexpr uint32_t kRowsAtOnce = 4;

/// `from` null: nothing is moved.
struct RowMove {
    const uint8_t* from = nullptr;
    uint8_t* to = nullptr;
    const uint8_t* from_meta = nullptr;
    uint8_t* to_meta = nullptr;
};

/// What every tile has. A tile of an operation derives from it and adds
///   Tile(const Op& op, uint64_t item)           device: tile `item` of items(op)
///   RowMove row(uint32_t i) const               device: row i, below `rows`
///   static uint64_t items(const Op& op)         host and device
///   static uint32_t* not_finite(const Op& op)   device: counts rows with values that are not finite; or null
struct TileShape {
    uint32_t rows = 0;
    RowFormat from, to;
    uint64_t data_bits = 0, meta_bits = 0;  ///< addresses and strides or-ed together: what they are aligned to

    /// Rows of these at whole multiples of their length.
    KV_DEVICE void lie_in(const Rows& a, const Rows& b) {
        from = a.format, to = b.format;
        data_bits = reinterpret_cast<uintptr_t>(a.data) | reinterpret_cast<uintptr_t>(b.data);
        meta_bits = reinterpret_cast<uintptr_t>(a.meta) | reinterpret_cast<uintptr_t>(b.meta);
    }
};
KV_DEVICE RowMove move_of(const Rows& from, uint64_t from_row, const Rows& to, uint64_t to_row) {
    RowMove m;
    m.from = from.data_at(from_row), m.to = to.data_at(to_row);
    if (from.meta) m.from_meta = from.meta_at(from_row);
    if (to.meta) m.to_meta = to.meta_at(to_row);
    return m;
}
/// Keys or values of a pool.
KV_DEVICE const Rows& side_of(const Pool& pool, uint64_t side) { return side == 0 ? pool.keys : pool.values; }

template <class Piece, uint32_t kAtOnce, bool kMeta, class Lane, class Tile>
KV_DEVICE void copy_pieces(Lane& lane, const Tile& tile, uint32_t bytes) {
    uint32_t pieces = bytes / sizeof(Piece), lanes = pieces < kWarp ? power_of_two(pieces) : kWarp;
    uint32_t step = lane.threads() / lanes;
    for (uint32_t first = lane.thread() / lanes; first < tile.rows; first += step * kAtOnce) {
        const uint8_t* from[kAtOnce];
        uint8_t* to[kAtOnce];
        KV_UNROLL for (uint32_t r = 0; r < kAtOnce; ++r) {
            uint32_t i = first + r * step;
            RowMove m = i < tile.rows ? tile.row(i) : RowMove{};
            from[r] = m.from ? (kMeta ? m.from_meta : m.from) : nullptr;
            to[r] = kMeta ? m.to_meta : m.to;
        }
        for (uint32_t piece = lane.thread() % lanes; piece < pieces; piece += lanes) {
            Piece held[kAtOnce];
            KV_UNROLL for (uint32_t r = 0; r < kAtOnce; ++r)
                if (from[r]) held[r] = load<Piece>(from[r] + piece * sizeof(Piece));
            KV_UNROLL for (uint32_t r = 0; r < kAtOnce; ++r)
                if (from[r]) store(to[r] + piece * sizeof(Piece), held[r]);
        }
    }
}
/// Data, or metadata, of all rows. `bits`: what addresses and lengths are multiples of. kAtOnce rows per thread where
/// pieces are wide; each variant is code that all kernels carry.
template <uint32_t kAtOnce, bool kMeta, class Lane, class Tile>
KV_DEVICE void copy_part(Lane& lane, const Tile& tile, uint32_t bytes, uint64_t bits) {
    bits |= bytes;
    if (bits % 16 == 0)
        copy_pieces<Bits128, kAtOnce, kMeta>(lane, tile, bytes);
    else if (bits % 8 == 0)
        copy_pieces<Bits64, kAtOnce, kMeta>(lane, tile, bytes);
    else if (bits % 4 == 0)
        copy_pieces<uint32_t, 1, kMeta>(lane, tile, bytes);
    else
        copy_pieces<uint16_t, 1, kMeta>(lane, tile, bytes);
}
template <uint32_t kAtOnce, class Lane, class Tile>
KV_DEVICE void copy_tile(Lane& lane, const Tile& tile) {
    copy_part<kAtOnce, false>(lane, tile, tile.from.data_bytes(), tile.data_bits);
    uint32_t meta = tile.from.meta_bytes();
    if (meta > 0) copy_part<1, true>(lane, tile, meta, tile.meta_bits);
}

/// Threads that hold a group, 8 values each; 0: no power of two does.
KV_HD inline uint32_t group_lanes(const RowFormat& f) {
    if (f.group == f.dim) return power_of_two(f.dim / kPiece);
    uint32_t lanes = f.group / kPiece;
    return f.group % kPiece == 0 && power_of_two(lanes) == lanes ? lanes : 0;
}
KV_HD inline bool warp_converts(const RowFormat& to) {
    return to.dim <= kWarp * kPiece && (!is_affine(to.type) || group_lanes(to) > 0);
}

struct Range {
    float min, max;
    KV_DEVICE void take(float x) {
        min = x < min ? x : min;
        max = x > max ? x : max;
    }
    /// Of none it is (infinity, -infinity), which changes nothing.
    KV_DEVICE void merge(const Range& o) {
        min = o.min < min ? o.min : min;
        max = o.max > max ? o.max : max;
    }
};

/// The codes of a piece whose group has this range.
KV_DEVICE Raw codes_of(const RowFormat& f, const AffineGroup& g, const Eight& in) {
    Raw raw;
    AffineFormat format = f.unit().format;
    KV_UNROLL for (uint32_t i = 0; i < kPiece; ++i) {
        uint32_t code = affine_code(format, g, in.x[i]);
        if (f.type == RowType::int8)
            raw.word[i / 4] |= code << (i % 4 * 8);
        else
            raw.word[0] |= code << (i * 4);
    }
    return raw;
}

/// All threads of the warp together; those without a piece (not `mine`) take part in the shuffles only.
template <class Lane>
KV_DEVICE void store_quantized(Lane& lane, const RowFormat& f, const RowMove& row, uint32_t piece, const Eight& in,
                               bool mine) {
    Range range{float_of(0x7F800000u), float_of(0xFF800000u)};
    if (mine) {
        KV_UNROLL for (uint32_t i = 0; i < kPiece; ++i) range.take(in.x[i]);
    }
    for (uint32_t mask = group_lanes(f) / 2; mask > 0; mask /= 2) range.merge(lane.shuffle_xor(range, mask));
    if (!mine) return;
    AffineGroup g = affine_group(f.unit().format, range.min, range.max);
    store_raw(f.type, row.to + piece * value_bits(f.type), codes_of(f, g, in));
    if (piece * kPiece % f.group == 0) store_group(f, row.to_meta, piece * kPiece / f.group, g);
}

/// Adds one for each row of which a thread is `bad`.
template <class Lane>
KV_DEVICE void count_rows(Lane& lane, uint32_t* counter, uint32_t lanes, bool bad) {
    uint32_t all = lane.ballot(bad), at = lane.thread() % kWarp;
    uint32_t of_row = all >> (at - at % lanes) & (lanes == kWarp ? ~0u : (1u << lanes) - 1);
    if (at % lanes == 0 && of_row != 0) lane.add(counter, 1);
}
KV_DEVICE bool all_finite(const Eight& in) {
    bool finite = true;
    KV_UNROLL for (uint32_t i = 0; i < kPiece; ++i) finite = finite && is_finite(in.x[i]);
    return finite;
}

/// kSync: the target is quantized, or rows are counted.
template <bool kSync, class Lane, class Tile>
KV_DEVICE void convert_tile(Lane& lane, const Tile& tile, uint32_t* not_finite) {
    const RowFormat &from = tile.from, &to = tile.to;
    uint32_t pieces = to.dim / kPiece, lanes = power_of_two(pieces);
    uint32_t piece = lane.thread() % lanes, step = lane.threads() / lanes;
    for (uint32_t first = 0; first < tile.rows; first += step) {
        uint32_t i = first + lane.thread() / lanes;
        RowMove row = i < tile.rows ? tile.row(i) : RowMove{};
        bool mine = row.from && piece < pieces;
        Raw raw;
        Eight x;
        if (mine) {
            raw = load_raw(from.type, row.from + piece * value_bits(from.type));
            x = wide(from.type, raw);
            if (is_affine(from.type)) scale_codes(from, row.from_meta, piece, x);
        }
        if constexpr (kSync) {
            if (not_finite) count_rows(lane, not_finite, lanes, mine && !all_finite(x));
            if (is_affine(to.type)) {
                store_quantized(lane, to, row, piece, x, mine);
                continue;
            }
        }
        // Bits that need no conversion are kept, those of a NaN too.
        if (!mine) continue;
        if (from.type != to.type) raw = narrow(to.type, x);
        store_raw(to.type, row.to + piece * value_bits(to.type), raw);
    }
}

/// One thread, a row of any length in groups of any size. False: a value is not finite.
KV_DEVICE bool convert_row(const RowFormat& from, const RowFormat& to, const RowMove& row) {
    bool affine = is_affine(to.type), finite = true;
    uint32_t size = affine ? to.group : to.dim;
    AffineFormat format = to.unit().format;
    if (affine)
        for (uint32_t i = 0; i < to.data_bytes(); ++i) row.to[i] = 0;
    for (uint32_t k = 0; k * size < to.dim; ++k) {
        Range range{float_of(0x7F800000u), float_of(0xFF800000u)};
        AffineGroup g;
        for (uint32_t step = affine ? 0 : size; step < 2 * size; ++step) {  // of a group: its range, then its codes
            uint32_t i = k * size + step % size;
            float x = row_value(from, row.from, row.from_meta, i);
            finite = finite && is_finite(x);
            if (step < size) {
                range.take(x);
                continue;
            }
            if (!affine) {
                uint32_t bytes = value_bits(to.type) / 8;
                if (from.type != to.type) put_plain_value(to.type, row.to, i, x);
                for (uint32_t b = 0; from.type == to.type && b < bytes; ++b)
                    row.to[i * bytes + b] = row.from[i * bytes + b];  // those of a NaN too
                continue;
            }
            if (step == size) {
                g = affine_group(format, range.min, range.max);
                store_group(to, row.to_meta, k, g);
            }
            put_code(row.to, i, format.bits, affine_code(format, g, x));
        }
    }
    return finite;
}
template <class Lane, class Tile>
KV_DEVICE void convert_rows(Lane& lane, const Tile& tile, uint32_t* not_finite) {
    for (uint32_t i = lane.thread(); i < tile.rows; i += lane.threads()) {
        RowMove row = tile.row(i);
        if (row.from && !convert_row(tile.from, tile.to, row) && not_finite) lane.add(not_finite, 1);
    }
}

template <class OpOf, class Tile, bool kConverts, bool kSync>
struct RowKernel {
    using Op = OpOf;
    static constexpr uint32_t kThreads = kRowThreads;
    static constexpr uint32_t kResident = 2;
    static constexpr bool kSynchronizes = kSync;
    struct Shared {};

    static uint64_t blocks(const Op& op) { return Tile::items(op); }
    template <class Lane>
    KV_DEVICE static void run(Lane& lane, const Op& op, Shared&) {
        uint64_t items = Tile::items(op);
        for (uint64_t item = lane.block(); item < items; item += lane.blocks()) {
            Tile tile(op, item);
            if constexpr (kConverts) {
                uint32_t* not_finite = Tile::not_finite(op);
                if (tile.from == tile.to && !not_finite)
                    copy_tile<1>(lane, tile);
                else if (warp_converts(tile.to))
                    convert_tile<kSync>(lane, tile, not_finite);
                else
                    convert_rows(lane, tile, not_finite);
            } else {
                copy_tile<kRowsAtOnce>(lane, tile);
            }
        }
    }
};

/// Rows as they are.
template <class Tile, class Op, class Launcher>
void launch_copies(const Op& op, Launcher& launcher) {
    launcher.template launch<RowKernel<Op, Tile, false, false>>(op);
}
/// As they are or decoded.
template <class Tile, class Op, class Launcher>
void launch_decoding(const Op& op, bool converts, Launcher& launcher) {
    if (converts)
        launcher.template launch<RowKernel<Op, Tile, true, false>>(op);
    else
        launch_copies<Tile>(op, launcher);
}
/// The kernel that fits. `counts`: rows that are not finite are.
template <class Tile, class Op, class Launcher>
void launch_rows(const Op& op, bool converts, bool counts, bool quantizes, Launcher& launcher) {
    if (quantizes || counts)
        launcher.template launch<RowKernel<Op, Tile, true, true>>(op);
    else
        launch_decoding<Tile>(op, converts, launcher);
}
/// Between a pool and rows elsewhere.
inline bool quantizes(const Rows& from, const Rows& to) {
    return is_affine(to.format.type) && !(from.format == to.format);
}

}  // namespace kv::device
