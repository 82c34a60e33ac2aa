// What tests of kernels share: the backends under test, memory of theirs, and a second opinion on what a pool holds.
//
// The reference shares no index code with the kernels: a pool is a map from (keys or values, layer, block, head, place)
// to the bytes of a row, laid out in memory by loops in the order that kernels/common/pool.h describes; sequences are
// lists of such places; rows are encoded and decoded by the codecs of lib/kvsim/quant.
#pragma once

#include <kvsim/backend/buffer.h>

#include <map>
#include <random>
#include <tuple>

namespace kvsim_test {

using kvsim::Backend;
using kvsim::Buffer;
using Random = std::mt19937_64;
using Bytes = std::vector<uint8_t>;

/// The emulator with three orders of threads, the CPU, and the GPU where there is one. At the end of the process it is
/// told how many cases ran on a GPU.
void on_every_backend(const std::function<void(Backend&)>& test);

inline uint32_t below(Random& random, uint32_t n) { return static_cast<uint32_t>(random() % n); }
template <class T>
T one_of(Random& random, std::initializer_list<T> choices) {
    return *(choices.begin() + random() % choices.size());
}

kv::RowFormat plain_format(kv::RowType type, uint32_t dim);
kv::RowFormat affine_format(kv::RowType type, uint32_t dim, uint32_t group, bool symmetric, bool half);
/// All types; groups of 16 to dim, some that no power of two of threads holds.
std::vector<kv::RowFormat> formats(uint32_t dim);
std::string text(const kv::RowFormat& format);

/// A row as it is stored.
struct Row {
    Bytes data, meta;
    bool operator==(const Row& o) const { return data == o.data && meta == o.meta; }
};
Row encoded(const kv::RowFormat& format, const std::vector<float>& values);
std::vector<float> decoded(const kv::RowFormat& format, const Row& row);
/// Of values that any format can hold, with groups of equal values, zeros and outliers among them.
std::vector<float> random_values(Random& random, uint32_t dim);
/// No two are alike.
Row random_bits(Random& random, const kv::RowFormat& format);
/// What a row becomes in another format: the same where that is equal.
Row converted(const kv::RowFormat& from, const Row& row, const kv::RowFormat& to);

template <class T>
Buffer<T> upload(Backend& backend, const std::vector<T>& values) {
    Buffer<T> buffer(backend, values.size());
    buffer.write(0, values.data(), values.size());
    return buffer;
}
template <class T>
std::vector<T> download(const Buffer<T>& buffer) {
    std::vector<T> values(buffer.size());
    buffer.read(0, values.data(), values.size());
    return values;
}

struct Place {
    uint32_t side = 0, layer = 0, block = 0, head = 0, slot = 0;
    bool operator<(const Place& o) const {
        return std::tie(side, layer, block, head, slot) < std::tie(o.side, o.layer, o.block, o.head, o.slot);
    }
};
using Image = std::map<Place, Row>;

struct PoolShape {
    kv::RowFormat keys, values;
    uint32_t layers = 1, blocks = 1, heads = 1, block_size = 1;
    kv::Order order = kv::Order::hnd;
    uint32_t gap = 0;  ///< rows between layers that belong to nobody

    const kv::RowFormat& side(uint32_t i) const { return i == 0 ? keys : values; }
    /// In the order of memory, gaps not.
    std::vector<Place> places(uint32_t side) const;
    std::string text() const;
};
PoolShape random_shape(Random& random, const kv::RowFormat& keys, const kv::RowFormat& values);

/// A pool in a backend's memory.
class TestPool {
  public:
    /// NaN bytes.
    TestPool(Backend& backend, const PoolShape& shape);
    kv::Pool pool() const;
    /// Rows that the image has; the others stay.
    void put(const Image& image);
    /// Empty: every row is as the image says, and NaN bytes where it says nothing, gaps too. Else the first difference.
    std::string difference(const Image& image) const;

  private:
    uint64_t rows() const;
    PoolShape shape_;
    Buffer<uint8_t> data_[2], meta_[2];
};
/// Every row is something.
Image random_image(Random& random, const PoolShape& shape);

/// Rows [first, ...) of a buffer of rows, side by side.
class TestRows {
  public:
    TestRows(Backend& backend, const kv::RowFormat& format, uint64_t rows);
    kv::Rows rows() const;
    void put(uint64_t at, const Row& row);
    /// Rows that are not as expected, of all.
    uint64_t differences(const std::vector<Row>& expected) const;

  private:
    kv::RowFormat format_;
    uint64_t rows_;
    Buffer<uint8_t> data_, meta_;
};
Row nan_row(const kv::RowFormat& format);

/// Sequences of a pool in random blocks; unused table entries lead far away.
struct Batch {
    std::vector<uint32_t> lengths, starts, blocks;
    uint32_t max_blocks = 0;
    std::vector<std::vector<uint32_t>> blocks_of;

    /// Block and slot of every token.
    std::vector<std::pair<uint32_t, uint32_t>> tokens(uint32_t sequence, uint32_t block_size) const;
};
/// Grows `shape.blocks` to what it needs and a few more.
Batch random_batch(Random& random, PoolShape& shape, const std::vector<uint32_t>& lengths);

/// A batch in a backend's memory.
struct TestTable {
    Buffer<uint32_t> blocks, lengths, starts;
    kv::Table table;
    TestTable(Backend& backend, const Batch& batch);
};

}  // namespace kvsim_test
