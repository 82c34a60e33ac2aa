// Rows between f32 and what is stored. A codec's unit has its scales before its codes, a pool keeps them apart: units
// pass through a small buffer that stays in the nearest cache.
#include <kernels/cpu/cache_ops.h>
#include <kernels/cpu/quant.h>

#include <algorithm>

namespace kv::cpu {

namespace {

constexpr size_t kBatchBytes = 8192;

Narrow narrow_of(RowType t) {
    return t == RowType::f16 ? Narrow::f16 : t == RowType::bf16 ? Narrow::bf16 : Narrow::e4m3;
}

// f(first row, rows) over batches whose units fit the buffer.
template <class F>
void in_batches(const RowFormat& f, uint64_t count, F&& batch) {
    uint64_t most = std::max<uint64_t>(1, kBatchBytes / f.bytes());
    for (uint64_t i = 0; i < count; i += most) batch(i, std::min(most, count - i));
}

uint8_t* unit_buffer(const RowFormat& f) {
    thread_local std::vector<uint8_t> buffer;
    buffer.resize(std::max<size_t>(kBatchBytes, f.bytes()));
    return buffer.data();
}

}  // namespace

void decode_rows(const RowFormat& f, const uint8_t* data, const uint8_t* meta, uint64_t count, float* values) {
    if (f.type == RowType::f32) {
        std::memcpy(values, data, count * f.data_bytes());
        return;
    }
    if (!is_affine(f.type)) return decode_narrow(narrow_of(f.type), count * f.dim, data, values);
    uint8_t* units = unit_buffer(f);
    uint32_t data_bytes = f.data_bytes(), meta_bytes = f.meta_bytes(), bytes = f.bytes();
    in_batches(f, count, [&](uint64_t first, uint64_t rows) {
        for (uint64_t i = 0; i < rows; ++i) {
            std::memcpy(units + i * bytes, meta + (first + i) * meta_bytes, meta_bytes);
            std::memcpy(units + i * bytes + meta_bytes, data + (first + i) * data_bytes, data_bytes);
        }
        decode_affine(f.unit(), rows, units, values + first * f.dim);
    });
}

void encode_rows(const RowFormat& f, const float* values, uint64_t count, uint8_t* data, uint8_t* meta) {
    if (f.type == RowType::f32) {
        std::memcpy(data, values, count * f.data_bytes());
        return;
    }
    if (!is_affine(f.type)) return encode_narrow(narrow_of(f.type), count * f.dim, values, data);
    uint8_t* units = unit_buffer(f);
    uint32_t data_bytes = f.data_bytes(), meta_bytes = f.meta_bytes(), bytes = f.bytes();
    in_batches(f, count, [&](uint64_t first, uint64_t rows) {
        encode_affine(f.unit(), rows, values + first * f.dim, units);
        for (uint64_t i = 0; i < rows; ++i) {
            std::memcpy(meta + (first + i) * meta_bytes, units + i * bytes, meta_bytes);
            std::memcpy(data + (first + i) * data_bytes, units + i * bytes + meta_bytes, data_bytes);
        }
    });
}

}  // namespace kv::cpu
