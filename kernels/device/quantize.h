// K5, quantize and dequantize: rows of f32, f16 or bf16 to the format of a pool and back, the rows one after the other.
//
// The same pieces and shuffles as in appending (rows.h): a group is read once, its range found across the threads that
// hold it, and the codes follow from the scale as it was stored.
#pragma once

#include <kernels/device/rows.h>

namespace kv::device {

template <class Op, bool kIn>
struct QuantizeTile : TileShape {
    Rows from_rows, to_rows;
    uint64_t first;

    KV_DEVICE QuantizeTile(const Op& o, uint64_t item) : first(item * kTileRows) {
        if constexpr (kIn) {
            from_rows.data = const_cast<uint8_t*>(o.in);
            from_rows.format = plain(o.in_type, o.out.format);
            to_rows = o.out;
        } else {
            from_rows = o.in;
            to_rows.data = o.out;
            to_rows.format = plain(o.out_type, o.in.format);
        }
        lie_in(from_rows, to_rows);
        rows = static_cast<uint32_t>(o.rows - first < kTileRows ? o.rows - first : kTileRows);
    }
    KV_DEVICE RowMove row(uint32_t i) const { return move_of(from_rows, first + i, to_rows, first + i); }
    /// Equal to the other side's where the type is.
    KV_HD static RowFormat plain(RowType type, const RowFormat& other) {
        RowFormat f;
        f.type = type;
        f.dim = other.dim;
        return type == other.type ? other : f;
    }
    KV_HD static uint64_t items(const Op& o) { return ceil_div(o.rows, kTileRows); }
    KV_DEVICE static uint32_t* not_finite(const Op& o) {
        if constexpr (kIn)
            return o.not_finite;
        else
            return nullptr;
    }
};

template <class Launcher>
void dispatch(const Quantize& op, Launcher& launcher) {
    launch_rows<QuantizeTile<Quantize, true>>(op, op.in_type != op.out.format.type, op.not_finite != nullptr,
                                              is_affine(op.out.format.type), launcher);
}
template <class Launcher>
void dispatch(const Dequantize& op, Launcher& launcher) {
    launch_decoding<QuantizeTile<Dequantize, false>>(op, op.out_type != op.in.format.type, launcher);
}

}  // namespace kv::device
