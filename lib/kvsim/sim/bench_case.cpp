#include <kvsim/sim/bench_checks.h>

#include <cstdio>

namespace kvsim {

Registry<BenchKernelRow>& bench_kernels() {
    static Registry<BenchKernelRow> registry = [] {
        Registry<BenchKernelRow> r("kernel");
        add_row_kernels(r);
        add_attention_kernels(r);
        add_swap_kernels(r);
        return r;
    }();
    return registry;
}

RowStrip& BenchCase::add_rows(const RandomRows& random, uint64_t rows, RowStrip::Options options) {
    options.phase = strips_.size() * 1777 % RandomRows::kRows;  // no two strips begin alike
    strips_.push_back(std::make_unique<RowStrip>(random, rows, options));
    return *strips_.back();
}

BenchCase::List& BenchCase::add_list(uint64_t bytes, bool per_copy) {
    lists_.push_back(std::make_unique<List>());
    lists_.back()->bytes = bytes;
    lists_.back()->per_copy = per_copy;
    return *lists_.back();
}

uint64_t BenchCase::device_bytes(uint64_t copies) const {
    uint64_t sum = 0;
    for (const auto& s : strips_) sum += s->host() ? 0 : s->bytes(copies);
    for (const auto& l : lists_) sum += BenchArena::rounded(l->bytes * (l->per_copy ? copies : 1));
    return sum;
}

uint64_t BenchCase::host_bytes(uint64_t copies) const {
    uint64_t sum = 0;
    for (const auto& s : strips_) sum += s->host() ? s->bytes(copies) : 0;
    return sum;
}

void BenchCase::allocate(BenchArena& arena, uint64_t copies) {
    arena.reserve(device_bytes(copies), host_bytes(copies));
    for (const auto& s : strips_) s->allocate(arena, copies);
    for (const auto& l : lists_) l->memory = arena.take(l->bytes * (l->per_copy ? copies : 1), false);
    fill(arena.backend(), copies);
}

// ---- checks --------------------------------------------------------------------------------------------------

void expect_bytes(Backend& backend, const uint8_t* device, const uint8_t* want, size_t bytes, const std::string& what) {
    std::vector<uint8_t> found(bytes);
    backend.copy_out(found.data(), device, bytes);
    for (size_t i = 0; i < bytes; ++i) {
        if (found[i] == want[i]) continue;
        char text[96];
        std::snprintf(text, sizeof text, ": byte %zu of %zu is 0x%02x, expected 0x%02x", i, bytes, found[i], want[i]);
        throw_failed(what + text);
    }
}

void expect_row(Backend& backend, const kv::Rows& rows, uint64_t row, const uint8_t* data, const uint8_t* meta,
                const std::string& what) {
    expect_bytes(backend, rows.data_at(row), data, rows.format.data_bytes(), what);
    if (rows.format.meta_bytes() != 0)
        expect_bytes(backend, rows.meta_at(row), meta, rows.format.meta_bytes(), "scales of " + what);
}

EncodedRow::EncodedRow(const kv::RowFormat& f, const float* values) : data(f.data_bytes()), meta(f.meta_bytes()) {
    if (!kv::is_affine(f.type)) {
        for (uint32_t i = 0; i < f.dim; ++i) kv::put_plain_value(f.type, data.data(), i, values[i]);
        return;
    }
    std::vector<uint8_t> unit(f.bytes());
    kv::affine_encode(f.unit(), values, unit.data());
    std::copy_n(unit.begin(), meta.size(), meta.begin());
    std::copy(unit.begin() + static_cast<std::ptrdiff_t>(meta.size()), unit.end(), data.begin());
}

}  // namespace kvsim
