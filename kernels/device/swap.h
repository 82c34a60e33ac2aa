// K10, swap: whole blocks between the pool and host memory, all layers of a block together there.
//
// The way through a kernel, which reads or writes pinned host memory itself: for pieces too small for the copy engines
// (one piece per layer and side of a block; scales are smaller still), all of them in one launch. Each piece, which is
// one run of memory on both sides, is cut in lines of 8 KiB; a thread has four loads of 16 bytes on the way. A few
// dozen blocks of threads fill a PCIe link, so a launcher may start few and leave the rest of the GPU alone.
#pragma once

#include <kernels/device/rows.h>

namespace kv::device {

/// Bytes that are contiguous on both sides.
template <class Piece, class Lane>
KV_DEVICE void copy_run(Lane& lane, const uint8_t* from, uint8_t* to, uint64_t bytes) {
    uint64_t pieces = bytes / sizeof(Piece);
    for (uint64_t first = lane.thread(); first < pieces; first += uint64_t{lane.threads()} * kRowsAtOnce) {
        Piece held[kRowsAtOnce];
        KV_UNROLL for (uint32_t r = 0; r < kRowsAtOnce; ++r) {
            uint64_t i = first + r * lane.threads();
            if (i < pieces) held[r] = load<Piece>(from + i * sizeof(Piece));
        }
        KV_UNROLL for (uint32_t r = 0; r < kRowsAtOnce; ++r) {
            uint64_t i = first + r * lane.threads();
            if (i < pieces) store(to + i * sizeof(Piece), held[r]);
        }
    }
}

struct SwapKernel {
    using Op = Swap;
    static constexpr uint32_t kThreads = kRowThreads;
    static constexpr uint32_t kResident = 4;
    static constexpr bool kSynchronizes = false;
    static constexpr uint64_t kLine = 8192;
    struct Shared {};

    /// Of a block in a layer: key data, key metadata, value data, value metadata.
    struct Part {
        uint8_t* at;
        uint64_t bytes, offset;  ///< of the whole part; in front of it in host memory
    };
    KV_DEVICE static Part part_of(const Pool& p, uint32_t part, uint64_t first_row) {
        const Rows& rows = part < 2 ? p.keys : p.values;
        uint64_t count = p.block_rows();
        uint64_t before = part < 2 ? 0 : count * p.keys.format.bytes();
        if (part % 2 == 0) return {rows.data_at(first_row), count * rows.format.data_bytes(), before};
        uint64_t bytes = count * rows.format.meta_bytes();
        return {bytes > 0 ? rows.meta_at(first_row) : nullptr, bytes, before + count * rows.format.data_bytes()};
    }
    /// Lines of the longest part.
    KV_HD static uint64_t lines(const Op& op) {
        uint32_t k = op.pool.keys.format.data_bytes(), v = op.pool.values.format.data_bytes();
        uint32_t km = op.pool.keys.format.meta_bytes(), vm = op.pool.values.format.meta_bytes();
        uint32_t data = k > v ? k : v, meta = km > vm ? km : vm;
        return ceil_div(op.pool.block_rows() * (data > meta ? data : meta), kLine);
    }
    KV_HD static uint64_t blocks(const Op& op) { return uint64_t{op.count} * op.pool.layers * 4 * lines(op); }

    template <class Lane>
    KV_DEVICE static void run(Lane& lane, const Op& op, Shared&) {
        uint64_t items = blocks(op);
        uint32_t per_part = small(lines(op)), layers = op.pool.layers;
        uint64_t layer_bytes = op.pool.block_rows() * (op.pool.keys.format.bytes() + op.pool.values.format.bytes());
        for (uint64_t item = lane.block(); item < items; item += lane.blocks()) {
            uint32_t rest = small(item) / per_part, part_number = rest % 4;
            uint32_t layer = rest / 4 % layers, i = rest / 4 / layers;
            uint64_t line = small(item) % per_part;
            uint32_t block = load<uint32_t>(op.blocks + i);
            Part part = part_of(op.pool, part_number, op.pool.row(layer, block, 0, 0));
            if (line * kLine >= part.bytes) continue;
            uint64_t bytes = part.bytes - line * kLine < kLine ? part.bytes - line * kLine : kLine;
            uint8_t* here = part.at + line * kLine;
            uint8_t* there = op.host + load<uint32_t>(op.host_blocks + i) * op.block_bytes() + layer * layer_bytes +
                             part.offset + line * kLine;
            move(lane, op.to_host ? here : there, op.to_host ? there : here, bytes);
        }
    }
    template <class Lane>
    KV_DEVICE static void move(Lane& lane, const uint8_t* from, uint8_t* to, uint64_t bytes) {
        uint64_t bits = reinterpret_cast<uintptr_t>(from) | reinterpret_cast<uintptr_t>(to) | bytes;
        if (bits % 16 == 0)
            copy_run<Bits128>(lane, from, to, bytes);
        else if (bits % 4 == 0)
            copy_run<uint32_t>(lane, from, to, bytes);
        else
            copy_run<uint16_t>(lane, from, to, bytes);
    }
};

template <class Launcher>
void dispatch(const Swap& op, Launcher& launcher) {
    launcher.template launch<SwapKernel>(op);
}

}  // namespace kv::device
