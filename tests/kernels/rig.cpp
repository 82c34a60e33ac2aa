#include "kernels/rig.h"

#include <doctest/doctest.h>
#include <kvsim/backend/cpu.h>
#include <kvsim/backend/cuda.h>
#include <kvsim/quant/dtype.h>

#include <algorithm>
#include <iostream>

#include "kernels/support/emu_backend.h"

namespace kvsim_test {
namespace {

using kv::RowFormat;
using kv::RowType;

struct GpuCount {
    std::string reason = kvsim::cuda_unavailable();
    uint32_t cases = 0, run = 0;
    ~GpuCount() {
        if (cases > 0)
            std::cout << "GPU cases: " << run << " of " << cases << " run" << (run < cases ? " (" + reason + ")" : "")
                      << "\n";
    }
};

const kvsim::Codec& codec_of(const RowFormat& f) {
    static std::map<std::string, std::unique_ptr<kvsim::Codec>> known;
    std::string dtype = text(f);
    auto& codec = known[dtype + "/" + std::to_string(f.dim)];
    if (!codec) codec = kvsim::make_codec(dtype, kvsim::RowShape{1, f.dim});
    return *codec;
}

}  // namespace

void on_every_backend(const std::function<void(Backend&)>& test) {
    static GpuCount gpu;
    std::vector<std::unique_ptr<Backend>> all;
    for (uint64_t seed : {1, 2, 3}) all.push_back(make_emu_backend(seed));
    all.push_back(kvsim::make_cpu_backend(2));
    ++gpu.cases;
    if (gpu.reason.empty()) {
        all.push_back(kvsim::make_cuda_backend());
        ++gpu.run;
    }
    for (auto& backend : all) {
        INFO("on " << backend->name());
        test(*backend);
    }
}

RowFormat plain_format(RowType type, uint32_t dim) {
    RowFormat f;
    f.type = type;
    f.dim = dim;
    return f;
}
RowFormat affine_format(RowType type, uint32_t dim, uint32_t group, bool symmetric, bool half) {
    RowFormat f = plain_format(type, dim);
    f.group = group;
    f.symmetric = symmetric;
    f.half_metadata = half;
    return f;
}
std::vector<RowFormat> formats(uint32_t dim) {
    std::vector<RowFormat> all;
    for (RowType type : {RowType::f32, RowType::f16, RowType::bf16, RowType::e4m3})
        all.push_back(plain_format(type, dim));
    for (RowType type : {RowType::int8, RowType::int4}) {
        all.push_back(affine_format(type, dim, dim, false, true));
        all.push_back(affine_format(type, dim, 16, true, true));
        all.push_back(affine_format(type, dim, dim / 2, true, false));
        all.push_back(affine_format(type, dim, dim / 4, false, false));
    }
    return all;
}
std::string text(const RowFormat& f) {
    static const char* const names[] = {"f32", "f16", "bf16", "fp8_e4m3", "int8", "int4"};
    std::string name = names[static_cast<int>(f.type)];
    if (!kv::is_affine(f.type)) return name;
    return name + ":group=" + std::to_string(f.group) + ",scale=" + (f.half_metadata ? "f16" : "f32") +
           ",symmetric=" + (f.symmetric ? "on" : "off");
}

Row encoded(const RowFormat& format, const std::vector<float>& values) {
    Bytes bytes(format.bytes());
    codec_of(format).encode(values.data(), 1, bytes.data());
    auto middle = bytes.begin() + format.meta_bytes();
    return {Bytes(middle, bytes.end()), Bytes(bytes.begin(), middle)};
}
std::vector<float> decoded(const RowFormat& format, const Row& row) {
    Bytes bytes = row.meta;
    bytes.insert(bytes.end(), row.data.begin(), row.data.end());
    std::vector<float> values(format.dim);
    codec_of(format).decode(bytes.data(), 1, values.data());
    return values;
}
std::vector<float> random_values(Random& random, uint32_t dim) {
    std::normal_distribution<float> normal;
    std::vector<float> values(dim);
    uint32_t kind = below(random, 8);
    for (uint32_t i = 0; i < dim; ++i) {
        float x = normal(random);
        if (i % 16 == 3) x *= 10;
        if (kind == 0) x = i < 16 ? 2.5f : i < 32 ? -0.0f : x;  // groups of one value
        if (kind == 1) x *= 1e-6f;
        if (kind == 2) x = x * 50 + 300;
        values[i] = x;
    }
    return values;
}
Row random_bits(Random& random, const RowFormat& format) {
    Row row{Bytes(format.data_bytes()), Bytes(format.meta_bytes())};
    for (Bytes* bytes : {&row.data, &row.meta})
        for (uint8_t& byte : *bytes) byte = static_cast<uint8_t>(random());
    return row;
}
Row converted(const RowFormat& from, const Row& row, const RowFormat& to) {
    return from == to ? row : encoded(to, decoded(from, row));
}
Row nan_row(const RowFormat& format) { return {Bytes(format.data_bytes(), 0xFF), Bytes(format.meta_bytes(), 0xFF)}; }

std::vector<Place> PoolShape::places(uint32_t which) const {
    std::vector<Place> all;
    uint32_t outer = order == kv::Order::hnd ? heads : block_size, inner = order == kv::Order::hnd ? block_size : heads;
    for (uint32_t layer = 0; layer < layers; ++layer)
        for (uint32_t block = 0; block < blocks; ++block)
            for (uint32_t i = 0; i < outer; ++i)
                for (uint32_t j = 0; j < inner; ++j) {
                    bool hnd = order == kv::Order::hnd;
                    all.push_back({which, layer, block, hnd ? i : j, hnd ? j : i});
                }
    return all;
}
std::string PoolShape::text() const {
    return "keys " + kvsim_test::text(keys) + ", values " + kvsim_test::text(values) + ", dim " +
           std::to_string(keys.dim) + ", " + std::to_string(layers) + " layers, " + std::to_string(blocks) +
           " blocks, " + std::to_string(heads) + " heads, block size " + std::to_string(block_size) +
           (order == kv::Order::hnd ? ", HND" : ", NHD") + ", gap " + std::to_string(gap);
}
PoolShape random_shape(Random& random, const RowFormat& keys, const RowFormat& values) {
    PoolShape shape;
    shape.keys = keys;
    shape.values = values;
    shape.layers = 1 + below(random, 2);
    shape.blocks = 3 + below(random, 3);
    shape.heads = 1 + below(random, 3);
    shape.block_size = one_of(random, {1u, 8u, 16u, 32u});
    shape.order = one_of(random, {kv::Order::hnd, kv::Order::nhd});
    shape.gap = below(random, 2) * 5;
    return shape;
}

TestPool::TestPool(Backend& backend, const PoolShape& shape) : shape_(shape) {
    for (uint32_t i : {0u, 1u}) {
        data_[i] = Buffer<uint8_t>(backend, rows() * shape.side(i).data_bytes());
        backend.fill(data_[i].data(), 0xFF, data_[i].bytes());
        if (shape.side(i).meta_bytes() == 0) continue;
        meta_[i] = Buffer<uint8_t>(backend, rows() * shape.side(i).meta_bytes());
        backend.fill(meta_[i].data(), 0xFF, meta_[i].bytes());
    }
}
uint64_t TestPool::rows() const {
    return uint64_t{shape_.layers} * (uint64_t{shape_.blocks} * shape_.heads * shape_.block_size + shape_.gap);
}
kv::Pool TestPool::pool() const {
    kv::Pool p;
    p.keys = {data_[0].data(), meta_[0].data(), shape_.keys};
    p.values = {data_[1].data(), meta_[1].data(), shape_.values};
    p.layers = shape_.layers;
    p.blocks = shape_.blocks;
    p.heads = shape_.heads;
    p.block_size = shape_.block_size;
    p.order = shape_.order;
    p.layer_rows = rows() / shape_.layers;
    return p;
}
void TestPool::put(const Image& image) {
    for (uint32_t side : {0u, 1u}) {
        Bytes data = download(data_[side]), meta = download(meta_[side]);
        uint64_t data_at = 0, meta_at = 0;
        uint32_t layer = 0;
        for (const Place& place : shape_.places(side)) {
            if (place.layer != layer) {
                layer = place.layer;
                data_at += uint64_t{shape_.gap} * shape_.side(side).data_bytes();
                meta_at += uint64_t{shape_.gap} * shape_.side(side).meta_bytes();
            }
            auto row = image.find(place);
            if (row != image.end()) {
                const Row& r = row->second;
                std::copy(r.data.begin(), r.data.end(), data.begin() + static_cast<int64_t>(data_at));
                std::copy(r.meta.begin(), r.meta.end(), meta.begin() + static_cast<int64_t>(meta_at));
            }
            data_at += shape_.side(side).data_bytes();
            meta_at += shape_.side(side).meta_bytes();
        }
        data_[side].write(0, data.data(), data.size());
        meta_[side].write(0, meta.data(), meta.size());
    }
}
std::string TestPool::difference(const Image& image) const {
    for (uint32_t side : {0u, 1u}) {
        Bytes expected_data, expected_meta;
        Row nothing = nan_row(shape_.side(side));
        auto append = [&](const Row& row) {
            expected_data.insert(expected_data.end(), row.data.begin(), row.data.end());
            expected_meta.insert(expected_meta.end(), row.meta.begin(), row.meta.end());
        };
        uint32_t layer = 0;
        for (const Place& place : shape_.places(side)) {
            for (uint32_t i = 0; place.layer != layer && i < shape_.gap; ++i) append(nothing);
            layer = place.layer;
            auto row = image.find(place);
            append(row != image.end() ? row->second : nothing);
        }
        for (uint32_t i = 0; i < shape_.gap; ++i) append(nothing);
        for (auto [what, got, expected] : {std::tuple("data", download(data_[side]), expected_data),
                                           std::tuple("metadata", download(meta_[side]), expected_meta)}) {
            if (got == expected) continue;
            if (got.size() != expected.size()) return "sizes differ";
            auto at = std::mismatch(got.begin(), got.end(), expected.begin()).first - got.begin();
            return std::string(side == 0 ? "keys" : "values") + ", " + what + ": byte " + std::to_string(at) + " is " +
                   std::to_string(got[static_cast<size_t>(at)]) + ", expected " +
                   std::to_string(expected[static_cast<size_t>(at)]);
        }
    }
    return "";
}
Image random_image(Random& random, const PoolShape& shape) {
    Image image;
    for (uint32_t side : {0u, 1u})
        for (const Place& place : shape.places(side)) image[place] = random_bits(random, shape.side(side));
    return image;
}

TestRows::TestRows(Backend& backend, const RowFormat& format, uint64_t rows)
    : format_(format), rows_(rows), data_(backend, rows * format.data_bytes()) {
    backend.fill(data_.data(), 0xFF, data_.bytes());
    if (format.meta_bytes() == 0) return;
    meta_ = Buffer<uint8_t>(backend, rows * format.meta_bytes());
    backend.fill(meta_.data(), 0xFF, meta_.bytes());
}
kv::Rows TestRows::rows() const { return {data_.data(), meta_.data(), format_}; }
void TestRows::put(uint64_t at, const Row& row) {
    data_.write(at * row.data.size(), row.data.data(), row.data.size());
    if (!row.meta.empty()) meta_.write(at * row.meta.size(), row.meta.data(), row.meta.size());
}
uint64_t TestRows::differences(const std::vector<Row>& expected) const {
    Bytes data = download(data_), meta = download(meta_);
    uint64_t wrong = expected.size() == rows_ ? 0 : 1;
    Row row = nan_row(format_);
    for (uint64_t i = 0; i < std::min<uint64_t>(rows_, expected.size()); ++i) {
        std::copy_n(data.begin() + static_cast<int64_t>(i * row.data.size()), row.data.size(), row.data.begin());
        std::copy_n(meta.begin() + static_cast<int64_t>(i * row.meta.size()), row.meta.size(), row.meta.begin());
        wrong += row == expected[i] ? 0 : 1;
    }
    return wrong;
}

std::vector<std::pair<uint32_t, uint32_t>> Batch::tokens(uint32_t sequence, uint32_t block_size) const {
    std::vector<std::pair<uint32_t, uint32_t>> all;
    for (uint32_t block : blocks_of[sequence])
        for (uint32_t slot = 0; slot < block_size && all.size() < lengths[sequence]; ++slot)
            all.emplace_back(block, slot);
    return all;
}
Batch random_batch(Random& random, PoolShape& shape, const std::vector<uint32_t>& lengths) {
    Batch batch;
    batch.lengths = lengths;
    uint32_t used = 0;
    for (uint32_t length : lengths) {
        uint32_t count = 0;
        while (count * shape.block_size < length) ++count;
        used += count;
        batch.blocks_of.emplace_back(count);
        batch.max_blocks = std::max(batch.max_blocks, count + 1);
        batch.starts.push_back(below(random, 3) == 0 ? 0 : below(random, length + 1));
    }
    shape.blocks = used + 2;
    std::vector<uint32_t> order(shape.blocks);
    for (uint32_t i = 0; i < shape.blocks; ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random);
    batch.blocks.assign(size_t{batch.max_blocks} * lengths.size(), 2147480000u);
    for (size_t s = 0; s < lengths.size(); ++s)
        for (size_t i = 0; i < batch.blocks_of[s].size(); ++i) {
            batch.blocks_of[s][i] = order.back();
            batch.blocks[s * batch.max_blocks + i] = order.back();
            order.pop_back();
        }
    return batch;
}
TestTable::TestTable(Backend& backend, const Batch& batch)
    : blocks(upload(backend, batch.blocks)), lengths(upload(backend, batch.lengths)),
      starts(upload(backend, batch.starts)) {
    table.blocks = blocks.data();
    table.lengths = lengths.data();
    table.sequences = static_cast<uint32_t>(batch.lengths.size());
    table.max_blocks = batch.max_blocks;
}

}  // namespace kvsim_test
