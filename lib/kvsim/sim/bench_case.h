// The kernels that `kvsim bench` knows: what each needs at a shape, how it is launched, and how the very buffers that
// were timed are checked afterwards. One row per kernel.
#pragma once

#include <kernels/common/bytes.h>
#include <kvsim/core/registry.h>
#include <kvsim/sim/bench_buffers.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace kvsim {

/// One layer of a cache and the work on it. Kernels that keep some tokens keep a quarter of the context.
struct BenchShape {
    std::string kv_dtype = "bf16";
    uint32_t batch = 1, context = 1, block_size = 16;
    uint32_t kv_heads = 8, q_heads = 32, head_dim = 128;
    kv::Order order = kv::Order::hnd;
    uint32_t slots = 1;  ///< of the backend: decides how far attention is split

    uint64_t tokens() const { return uint64_t{batch} * context; }
    /// Of one sequence.
    uint32_t table_blocks() const { return (context + block_size - 1) / block_size; }
    uint32_t blocks() const { return batch * table_blocks(); }
    kv::Ragged ragged() const { return {tokens(), blocks()}; }
    uint32_t keep() const { return context < 4 ? context : context / 4; }
};

/// Copies are sets of buffers that the timing goes round. Nothing is allocated before allocate().
class BenchCase {
  public:
    virtual ~BenchCase() = default;
    /// Moved by one launch, as kernels/common/bytes.h counts.
    virtual uint64_t bytes() const = 0;
    uint64_t device_bytes(uint64_t copies) const;
    uint64_t host_bytes(uint64_t copies) const;
    void allocate(BenchArena& arena, uint64_t copies);

    virtual void launch(Backend& backend, uint64_t copy) = 0;
    /// Some rows of a copy that was launched against the scalar definitions. Throws Error(failed).
    virtual void check(Backend& backend, uint64_t copy) = 0;

  protected:
    /// Whole numbers that a kernel reads; the same for all copies, or `per_copy`.
    struct List {
        uint64_t bytes = 0;
        bool per_copy = false;
        uint8_t* memory = nullptr;
        template <class T>
        const T* of(uint64_t copy) const {
            return reinterpret_cast<const T*>(memory + (per_copy ? copy * bytes : 0));
        }
    };
    RowStrip& add_rows(const RandomRows& random, uint64_t rows, RowStrip::Options options = {});
    List& add_list(uint64_t bytes, bool per_copy = false);
    template <class T>
    static void fill_list(Backend& backend, List& list, const std::vector<T>& numbers) {
        backend.copy_in(list.memory, numbers.data(), numbers.size() * sizeof(T));
    }
    /// Fills the lists.
    virtual void fill(Backend& backend, uint64_t copies) = 0;

  private:
    std::vector<std::unique_ptr<RowStrip>> strips_;
    std::vector<std::unique_ptr<List>> lists_;
};

template <class Case>
std::unique_ptr<BenchCase> make_case(const BenchShape& shape, RandomRowStore& store) {
    return std::make_unique<Case>(shape, store);
}

struct BenchKernelRow {
    std::string id;
    std::string summary;
    std::string bytes;              ///< what is counted, in words
    std::vector<std::string> axes;  ///< options that change it, without dashes
    std::string ceiling;            ///< calibration that its speed is a fraction of
    /// Throws Error(input) on a shape that does not suit.
    std::function<std::unique_ptr<BenchCase>(const BenchShape&, RandomRowStore&)> make;
};
Registry<BenchKernelRow>& bench_kernels();

/// What measured speeds are held against: copy, read, write, to_host, to_device at so many bytes, and empty.
struct CalibrationRow {
    std::string id;
    std::string summary;
    std::function<std::unique_ptr<BenchCase>(uint64_t bytes, RandomRowStore&)> make;
};
const std::vector<CalibrationRow>& calibrations();

// Rows by file, in the order of the list.
void add_row_kernels(Registry<BenchKernelRow>& r);        ///< append ... dequantize
void add_attention_kernels(Registry<BenchKernelRow>& r);  ///< decode ... compact
void add_swap_kernels(Registry<BenchKernelRow>& r);

}  // namespace kvsim
