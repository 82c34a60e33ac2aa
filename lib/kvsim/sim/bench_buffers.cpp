#include <kvsim/core/random.h>
#include <kvsim/sim/bench_buffers.h>

#include <algorithm>

namespace kvsim {

namespace {

constexpr uint64_t kAlign = 256;

/// Sum of twelve uniform numbers, less their mean: near enough to normal, and the same everywhere.
float about_normal(Random& random) {
    uint64_t sum = 0;
    for (int i = 0; i < 3; ++i) {
        uint64_t bits = random.next();
        for (int k = 0; k < 4; ++k) sum += bits >> (16 * k) & 0xFFFFu;
    }
    return static_cast<float>(static_cast<double>(sum) / 65536.0 - 6.0);
}

/// The fewest rows whose bytes end on a boundary.
uint64_t aligned_rows(const kv::RowFormat& f) {
    uint64_t rows = 1;
    while (rows * f.data_bytes() % kAlign != 0 || rows * f.meta_bytes() % kAlign != 0) rows *= 2;
    return rows;
}

}  // namespace

RandomRows::RandomRows(kv::RowFormat format) : format_(format) {
    Random random(uint64_t{format.dim} * 16 + static_cast<uint64_t>(format.type));
    data_.resize(kRows * format.data_bytes());
    meta_.resize(kRows * format.meta_bytes());
    values_.resize(kRows * format.dim);
    std::vector<uint8_t> unit(format.bytes());
    for (uint64_t r = 0; r < kRows; ++r) {
        float* x = &values_[r * format.dim];
        for (uint32_t i = 0; i < format.dim; ++i) x[i] = about_normal(random);
        uint8_t* data = &data_[r * format.data_bytes()];
        if (kv::is_affine(format.type)) {
            kv::affine_encode(format.unit(), x, unit.data());
            std::copy_n(unit.data(), format.meta_bytes(), &meta_[r * format.meta_bytes()]);
            std::copy_n(unit.data() + format.meta_bytes(), format.data_bytes(), data);
        } else {
            for (uint32_t i = 0; i < format.dim; ++i) kv::put_plain_value(format.type, data, i, x[i]);
        }
        for (uint32_t i = 0; i < format.dim; ++i) x[i] = kv::row_value(format, data, meta(r), i);
    }
}

const RandomRows& RandomRowStore::of(const kv::RowFormat& f) {
    auto& made = made_[{f.type, f.dim, f.group, f.symmetric, f.half_metadata}];
    if (!made) made = std::make_unique<RandomRows>(f);
    return *made;
}

// ---- memory --------------------------------------------------------------------------------------------------

uint64_t BenchArena::rounded(uint64_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

void BenchArena::release() {
    if (memory_[0]) backend_.release(memory_[0]);
    if (memory_[1]) backend_.release_host(memory_[1]);
    memory_[0] = memory_[1] = nullptr;
    size_[0] = size_[1] = 0;
}

void BenchArena::reserve(uint64_t device_bytes, uint64_t host_bytes) {
    used_[0] = used_[1] = 0;
    if (device_bytes <= size_[0] && host_bytes <= size_[1]) return;
    release();
    if (device_bytes > 0) memory_[0] = static_cast<uint8_t*>(backend_.allocate(device_bytes));
    size_[0] = device_bytes;
    if (host_bytes > 0) memory_[1] = static_cast<uint8_t*>(backend_.allocate_host(host_bytes));
    size_[1] = host_bytes;
}

uint8_t* BenchArena::take(uint64_t bytes, bool host) {
    uint8_t* memory = memory_[host] + used_[host];
    used_[host] += rounded(bytes);
    if (used_[host] > size_[host]) throw_failed("a measurement takes more memory than it asked for");
    return memory;
}

// ---- strips --------------------------------------------------------------------------------------------------

RowStrip::RowStrip(const RandomRows& random, uint64_t rows, Options options)
    : random_(&random), rows_(rows), stride_(rows), options_(options) {
    uint64_t unit = options.one_pool ? 1 : aligned_rows(random.format());
    stride_ = (rows + unit - 1) / unit * unit;
}

uint64_t RowStrip::bytes(uint64_t copies) const {
    const kv::RowFormat& f = random_->format();
    return BenchArena::rounded(all_rows(copies) * f.data_bytes()) +
           BenchArena::rounded(all_rows(copies) * f.meta_bytes());
}

void RowStrip::allocate(BenchArena& arena, uint64_t copies) {
    const kv::RowFormat& f = random_->format();
    uint64_t rows = all_rows(copies);
    data_ = arena.take(rows * f.data_bytes(), options_.host);
    fill(arena.backend(), data_, random_->all_data(), f.data_bytes(), rows);
    if (f.meta_bytes() == 0) return;
    meta_ = arena.take(rows * f.meta_bytes(), options_.host);
    fill(arena.backend(), meta_, random_->all_meta(), f.meta_bytes(), rows);
}

void RowStrip::fill(Backend& backend, uint8_t* to, const std::vector<uint8_t>& from, uint64_t row_bytes,
                    uint64_t rows) const {
    if (options_.content == Content::poison) {
        if (options_.host)
            std::fill_n(to, rows * row_bytes, uint8_t{0xFF});
        else
            backend.fill(to, 0xFF, rows * row_bytes);
        return;
    }
    for (uint64_t r = 0; r < rows;) {
        uint64_t first = (options_.phase + r) % RandomRows::kRows;
        uint64_t count = std::min(rows - r, RandomRows::kRows - first);
        const uint8_t* source = from.data() + first * row_bytes;
        if (options_.host)
            std::copy_n(source, count * row_bytes, to + r * row_bytes);
        else
            backend.copy_in(to + r * row_bytes, source, count * row_bytes);
        r += count;
    }
}

kv::Rows RowStrip::of(uint64_t copy) const {
    kv::Rows rows;
    rows.format = random_->format();
    rows.data = data_ + copy * stride_ * rows.format.data_bytes();
    if (meta_) rows.meta = meta_ + copy * stride_ * rows.format.meta_bytes();
    return rows;
}

}  // namespace kvsim
