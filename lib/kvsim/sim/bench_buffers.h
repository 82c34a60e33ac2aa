// Buffers of a measurement: rows of random values, one after the other for every copy that the timing goes round, and
// known on the host so that a check can say what must be there.
//
// Filling gigabytes with fresh random numbers would take longer than the measurement. Instead 4,099 rows are made once
// per format and repeated: a prime, so that rows of different blocks, heads or copies are almost never alike.
#pragma once

#include <kvsim/backend/backend.h>

#include <map>
#include <memory>
#include <tuple>
#include <vector>

namespace kvsim {

/// Rows of values that are about normal, as the scalar definitions of kernels/common store them.
class RandomRows {
  public:
    static constexpr uint64_t kRows = 4099;
    explicit RandomRows(kv::RowFormat format);

    const kv::RowFormat& format() const { return format_; }
    const uint8_t* data(uint64_t row) const { return &data_[row % kRows * format_.data_bytes()]; }
    const uint8_t* meta(uint64_t row) const {
        return format_.meta_bytes() == 0 ? nullptr : &meta_[row % kRows * format_.meta_bytes()];
    }
    /// As they decode.
    const float* values(uint64_t row) const { return &values_[row % kRows * format_.dim]; }
    const std::vector<uint8_t>& all_data() const { return data_; }
    const std::vector<uint8_t>& all_meta() const { return meta_; }

  private:
    kv::RowFormat format_;
    std::vector<uint8_t> data_, meta_;
    std::vector<float> values_;
};

/// One of each format, for all measurements of a run.
class RandomRowStore {
  public:
    const RandomRows& of(const kv::RowFormat& format);

  private:
    using Key = std::tuple<kv::RowType, uint32_t, uint32_t, bool, bool>;
    std::map<Key, std::unique_ptr<RandomRows>> made_;
};

/// Memory for the buffers of one measurement after the other: kept, as asking the system for it anew would take longer
/// than most measurements. Device memory, and host memory that the device reaches.
class BenchArena {
  public:
    explicit BenchArena(Backend& backend) : backend_(backend) {}
    ~BenchArena() { release(); }
    BenchArena(const BenchArena&) = delete;
    BenchArena& operator=(const BenchArena&) = delete;

    Backend& backend() const { return backend_; }
    /// What a buffer takes.
    static uint64_t rounded(uint64_t bytes);
    uint64_t held(bool host) const { return size_[host]; }
    /// Everything taken before is given back. Throws Error(input) where there is no room.
    void reserve(uint64_t device_bytes, uint64_t host_bytes);
    uint8_t* take(uint64_t bytes, bool host);

  private:
    void release();
    Backend& backend_;
    uint8_t* memory_[2] = {nullptr, nullptr};  // device, host
    uint64_t size_[2] = {0, 0}, used_[2] = {0, 0};
};

enum class Content : uint8_t {
    random,
    poison,  ///< bytes of 255 (a NaN, an unmapped block): what is to be written
};

/// `rows` rows for each copy.
class RowStrip {
  public:
    struct Options {
        Content content = Content::random;
        bool host = false;      ///< in host memory that the device reaches
        bool one_pool = false;  ///< copies are neighbours without a gap, and `slack` rows follow the last
        uint64_t slack = 0;
        uint64_t phase = 0;  ///< random row that the first is filled with
    };
    RowStrip(const RandomRows& random, uint64_t rows, Options options);

    uint64_t bytes(uint64_t copies) const;
    bool host() const { return options_.host; }
    void allocate(BenchArena& arena, uint64_t copies);

    kv::Rows of(uint64_t copy) const;
    uint64_t rows() const { return rows_; }
    const RandomRows& random() const { return *random_; }
    /// The random row that row `row` of a copy was filled with.
    uint64_t source(uint64_t copy, uint64_t row) const { return options_.phase + copy * stride_ + row; }
    const uint8_t* filled_data(uint64_t copy, uint64_t row) const { return random_->data(source(copy, row)); }
    const uint8_t* filled_meta(uint64_t copy, uint64_t row) const { return random_->meta(source(copy, row)); }
    const float* filled_values(uint64_t copy, uint64_t row) const { return random_->values(source(copy, row)); }
    /// Of values that are one long row: value i of a copy.
    float filled_value(uint64_t copy, uint64_t i) const {
        uint64_t dim = random_->format().dim;
        return filled_values(copy, i / dim)[i % dim];
    }

  private:
    uint64_t all_rows(uint64_t copies) const { return copies * stride_ + options_.slack; }
    void fill(Backend& backend, uint8_t* to, const std::vector<uint8_t>& from, uint64_t row_bytes, uint64_t rows) const;
    const RandomRows* random_;
    uint64_t rows_, stride_;
    Options options_;
    uint8_t *data_ = nullptr, *meta_ = nullptr;
};

}  // namespace kvsim
