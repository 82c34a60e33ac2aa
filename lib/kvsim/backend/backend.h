// A place where keys and values live and kernels run: memory, copies, the kernels of kernels/common/ops.h, time.
#pragma once

#include <kernels/common/ops.h>
#include <kvsim/core/registry.h>
#include <kvsim/core/spec.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace kvsim {

/// Kernels run in the order they were given; finish() waits for them. Not for several threads at once.
class Backend {
  public:
    virtual ~Backend() = default;
    virtual std::string name() const = 0;    ///< cpu, cuda:0
    virtual std::string device() const = 0;  ///< for people: processor and threads, or the GPU
    /// Memory that could be allocated now.
    virtual uint64_t free_bytes() const = 0;

    /// Aligned to 256 bytes, contents undefined. Throws Error(input) naming need and have where there is no room.
    virtual void* allocate(uint64_t bytes) = 0;
    virtual void release(void* memory) noexcept = 0;
    /// Host memory that the device reaches too (pinned).
    virtual void* allocate_host(uint64_t bytes) = 0;
    virtual void release_host(void* memory) noexcept = 0;
    /// Between host and device, in order with the kernels; `host` may be used again on return.
    virtual void copy_in(void* device, const void* host, uint64_t bytes) = 0;
    virtual void copy_out(void* host, const void* device, uint64_t bytes) = 0;
    /// Within the device.
    virtual void copy(void* to, const void* from, uint64_t bytes) = 0;
    virtual void fill(void* device, uint8_t byte, uint64_t bytes) = 0;
    virtual void finish() = 0;
    /// Microseconds that `work`, launches on this backend, took there.
    virtual double time_us(const std::function<void()>& work) = 0;
    /// Microseconds that one of the calls work(0), ..., work(count - 1) took there, `count` of them in a row. A backend
    /// leaves out what starting them and stopping the clock cost, if it can; it may call each several times.
    virtual double time_each_us(uint32_t count, const std::function<void(uint32_t)>& work) {
        return time_us([&] {
                   for (uint32_t i = 0; i < count; ++i) work(i);
               }) /
               count;
    }

    // For calibration. False: this backend has no such launch.
    /// Bytes that the device's largest cache holds; 0: not known.
    virtual uint64_t cache_bytes() const { return 0; }
    /// Reads all of it and keeps nothing.
    virtual bool read(const void* /*device*/, uint64_t /*bytes*/) { return false; }
    /// A launch that does nothing.
    virtual bool run_nothing() { return false; }
    /// Pieces of attention that run at once (kernels/device/split_plan.h).
    virtual uint32_t slots() const { return 1; }
    /// What a measurement should say besides device(): driver, clocks, vectors; names and words.
    virtual std::vector<std::pair<std::string, std::string>> facts() const { return {}; }

    virtual void run(const kv::Append& op) = 0;
    virtual void run(const kv::CopyBlocks& op) = 0;
    virtual void run(const kv::Gather& op) = 0;
    virtual void run(const kv::Scatter& op) = 0;
    virtual void run(const kv::Transpose& op) = 0;
    virtual void run(const kv::Quantize& op) = 0;
    virtual void run(const kv::Dequantize& op) = 0;
    virtual void run(const kv::Decode& op) = 0;
    virtual void run(const kv::Accumulate& op) = 0;
    virtual void run(const kv::TopK& op) = 0;
    virtual void run(const kv::Compact& op) = 0;
    virtual void run(const kv::Swap& op) = 0;
};

struct BackendRow {
    std::string id;
    std::string summary;
    /// Why there is none here; empty: there is.
    std::function<std::string()> unavailable;
    /// Asks for the parameters it knows; the caller finishes the spec. Throws Error(input), with that reason too.
    std::function<std::unique_ptr<Backend>(Spec& spec)> make;
    std::string parameters;  ///< "threads=N": name=default, for people
};
Registry<BackendRow>& backends();

}  // namespace kvsim
