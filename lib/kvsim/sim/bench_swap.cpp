// Blocks between device and host, and what every measured speed is held against: plain copies, reads, writes.
#include <kvsim/backend/row_format.h>
#include <kvsim/sim/bench_checks.h>

namespace kvsim {

namespace {

constexpr uint32_t kBytesOfRow = 256;
/// Memory without a meaning: rows of 64 floats.
kv::RowFormat plain_memory() {
    kv::RowFormat f;
    f.dim = kBytesOfRow / 4;
    return f;
}
RowStrip::Options written(bool host) {
    RowStrip::Options o;
    o.content = Content::poison;
    o.host = host;
    return o;
}
RowStrip::Options random_in(bool host) {
    RowStrip::Options o;
    o.host = host;
    return o;
}

/// All blocks of a layer, to the host or from there.
template <bool kToHost>
class SwapCase final : public BenchCase {
  public:
    SwapCase(const BenchShape& shape, RandomRowStore& store)
        : shape_(shape),
          format_(row_format(shape.kv_dtype, shape.head_dim)),
          random_(shape.context + 2),
          blocks_(shuffled(shape.blocks(), 7)),
          host_blocks_(shuffled(shape.blocks(), 8)) {
        pool_.shape = pool_shape(shape, shape.blocks());
        uint64_t rows = shape.blocks() * pool_.shape.block_rows();
        RowStrip::Options device = kToHost ? random_in(false) : written(false);
        pool_.keys = &add_rows(store.of(format_), rows, device);
        pool_.values = &add_rows(store.of(format_), rows, device);
        uint64_t host_rows = (2 * rows * format_.bytes() + kBytesOfRow - 1) / kBytesOfRow;
        host_ = &add_rows(store.of(plain_memory()), host_rows, kToHost ? written(true) : random_in(true));
        list_ = &add_list(4 * uint64_t{shape.blocks()});
        host_list_ = &add_list(4 * uint64_t{shape.blocks()});
    }
    uint64_t bytes() const override { return kv::bytes_moved(op(0)); }
    void launch(Backend& b, uint64_t copy) override { b.run(op(copy)); }
    void check(Backend& b, uint64_t copy) override {
        b.finish();
        kv::Pool pool = pool_.of(copy);
        uint64_t rows = pool.block_rows();
        for (uint64_t i = 0; i < kCheckedRows; ++i) {
            uint64_t k = random_.below(shape_.blocks()), row = random_.below(rows), paged = blocks_[k] * rows + row;
            bool value = i % 2 == 1;
            std::string what = std::string(side_name(value)) + " row " + std::to_string(row) + " of swapped block " +
                               std::to_string(k);
            // A host block: data and scales of keys, then of values.
            uint64_t data = host_blocks_[k] * op(0).block_bytes() + (value ? rows * format_.bytes() : 0);
            uint64_t meta = data + rows * format_.data_bytes() + row * format_.meta_bytes();
            data += row * format_.data_bytes();
            if (kToHost) {
                const RowStrip& strip = pool_.side(value);
                expect_host(copy, data, strip.filled_data(copy, paged), format_.data_bytes(), what);
                expect_host(copy, meta, strip.filled_meta(copy, paged), format_.meta_bytes(), "scales of " + what);
            } else {
                std::vector<uint8_t> want_data = filled(copy, data, format_.data_bytes()),
                                     want_meta = filled(copy, meta, format_.meta_bytes());
                expect_row(b, side_of(pool, value), paged, want_data.data(), want_meta.data(), what);
            }
        }
    }

  private:
    kv::Swap op(uint64_t copy) const {
        kv::Swap o;
        o.pool = pool_.of(copy);
        o.host = host_->of(copy).data;
        o.blocks = list_->of<uint32_t>(copy);
        o.host_blocks = host_list_->of<uint32_t>(copy);
        o.count = shape_.blocks();
        o.to_host = kToHost;
        return o;
    }
    void fill(Backend& b, uint64_t) override {
        fill_list(b, *list_, blocks_);
        fill_list(b, *host_list_, host_blocks_);
    }
    std::vector<uint8_t> filled(uint64_t copy, uint64_t at, uint64_t bytes) const {
        std::vector<uint8_t> out(bytes);
        for (uint64_t i = 0; i < bytes; ++i)
            out[i] = host_->filled_data(copy, (at + i) / kBytesOfRow)[(at + i) % kBytesOfRow];
        return out;
    }
    void expect_host(uint64_t copy, uint64_t at, const uint8_t* want, uint64_t bytes, const std::string& what) const {
        if (bytes > 0 && std::memcmp(host_->of(copy).data + at, want, bytes) != 0)
            throw_failed(what + ": other bytes on the host");
    }
    BenchShape shape_;
    kv::RowFormat format_;
    Random random_;
    std::vector<uint32_t> blocks_, host_blocks_;
    PoolStrips pool_;
    RowStrip* host_;
    List *list_, *host_list_;
};

// ---- calibration ---------------------------------------------------------------------------------------------

enum class Plain : uint8_t { copy, read, write, to_host, to_device, empty };

/// `bytes` are those counted: a copy of n bytes within the device counts 2 n.
class PlainCase final : public BenchCase {
  public:
    PlainCase(Plain kind, uint64_t bytes, RandomRowStore& store) : kind_(kind) {
        uint64_t rows = std::max<uint64_t>(1, bytes / kBytesOfRow / (kind == Plain::copy ? 2 : 1));
        size_ = kind == Plain::empty ? 0 : rows * kBytesOfRow;
        const RandomRows& random = store.of(plain_memory());
        if (kind == Plain::empty) return;
        if (kind != Plain::write) from_ = &add_rows(random, rows, random_in(kind == Plain::to_device));
        if (kind != Plain::read) to_ = &add_rows(random, rows, written(kind == Plain::to_host));
    }
    uint64_t bytes() const override { return kind_ == Plain::copy ? 2 * size_ : size_; }
    void launch(Backend& b, uint64_t copy) override {
        if (kind_ == Plain::copy) b.copy(to_->of(copy).data, from_->of(copy).data, size_);
        if (kind_ == Plain::write) b.fill(to_->of(copy).data, kByte, size_);
        if (kind_ == Plain::to_host) b.copy_out(to_->of(copy).data, from_->of(copy).data, size_);
        if (kind_ == Plain::to_device) b.copy_in(to_->of(copy).data, from_->of(copy).data, size_);
        bool there =
            (kind_ != Plain::read || b.read(from_->of(copy).data, size_)) && (kind_ != Plain::empty || b.run_nothing());
        if (!there) throw_input("this backend has no such launch");
    }
    void check(Backend& b, uint64_t copy) override {
        if (kind_ == Plain::read || kind_ == Plain::empty) return;
        b.finish();
        std::vector<uint8_t> constant(kBytesOfRow, kByte);
        for (uint64_t i = 0; i < kCheckedRows; ++i) {
            uint64_t row = i * (to_->rows() - 1) / (kCheckedRows - 1);
            const uint8_t* want = kind_ == Plain::write ? constant.data() : from_->filled_data(copy, row);
            std::string what = "row " + std::to_string(row);
            if (!to_->host())
                expect_bytes(b, to_->of(copy).data_at(row), want, kBytesOfRow, what);
            else if (std::memcmp(to_->of(copy).data_at(row), want, kBytesOfRow) != 0)
                throw_failed(what + ": other bytes on the host");
        }
    }

  private:
    static constexpr uint8_t kByte = 0xA5;
    void fill(Backend&, uint64_t) override {}
    Plain kind_;
    uint64_t size_ = 0;
    RowStrip *from_ = nullptr, *to_ = nullptr;
};

template <bool kToHost>
std::unique_ptr<BenchCase> make_swap(const BenchShape& shape, RandomRowStore& store) {
    return std::make_unique<SwapCase<kToHost>>(shape, store);
}

}  // namespace

void add_swap_kernels(Registry<BenchKernelRow>& r) {
    const std::vector<std::string> axes = {"kv_dtype", "batch",      "context", "kv_heads",
                                           "head_dim", "block_size", "order"};
    r.add({"swap_out", "whole blocks to host memory", "rows with their scales, one way", axes, "to_host",
           make_swap<true>});
    r.add({"swap_in", "whole blocks from host memory", "rows with their scales, one way", axes, "to_device",
           make_swap<false>});
}

const std::vector<CalibrationRow>& calibrations() {
    static const std::vector<CalibrationRow> rows = [] {
        auto row = [](const char* id, const char* summary, Plain kind) {
            return CalibrationRow{id, summary,
                                  [kind](uint64_t bytes, RandomRowStore& store) -> std::unique_ptr<BenchCase> {
                                      return std::make_unique<PlainCase>(kind, bytes, store);
                                  }};
        };
        return std::vector<CalibrationRow>{
            row("empty", "a launch that does nothing", Plain::empty),
            row("copy", "within the device; bytes read and written are both counted", Plain::copy),
            row("read", "within the device", Plain::read),
            row("write", "one value over all of it", Plain::write),
            row("to_host", "to host memory, one way", Plain::to_host),
            row("to_device", "from host memory, one way", Plain::to_device)};
    }();
    return rows;
}

}  // namespace kvsim
