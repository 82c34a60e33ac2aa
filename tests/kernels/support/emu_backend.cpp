#include "kernels/support/emu_backend.h"

#include <kernels/device/all.h>
#include <kernels/emu/launch.h>
#include <kvsim/core/error.h>

#include <chrono>
#include <cstdlib>
#include <cstring>

namespace kvsim_test {

void emulate(const kv::Decode& op, kv::emu::Launcher& launcher);  // emu_decode.cpp

namespace {

class EmuBackend : public kvsim::Backend {
  public:
    explicit EmuBackend(uint64_t seed) : seed_(seed), launcher_(seed) {}

    std::string name() const override { return "emu:" + std::to_string(seed_); }
    std::string device() const override { return "emulator, threads in order " + std::to_string(seed_); }
    uint64_t free_bytes() const override { return uint64_t{1} << 30; }
    void* allocate(uint64_t bytes) override {
        void* memory = nullptr;
        if (bytes > free_bytes() || posix_memalign(&memory, 256, bytes > 0 ? bytes : 1) != 0)
            kvsim::throw_input("emulator: " + std::to_string(bytes) + " bytes are too many");
        std::memset(memory, 0xFF, bytes);
        return memory;
    }
    void release(void* memory) noexcept override { std::free(memory); }
    void* allocate_host(uint64_t bytes) override { return allocate(bytes); }
    void release_host(void* memory) noexcept override { std::free(memory); }
    void copy_in(void* device, const void* host, uint64_t bytes) override { copy(device, host, bytes); }
    void copy_out(void* host, const void* device, uint64_t bytes) override { copy(host, device, bytes); }
    void copy(void* to, const void* from, uint64_t bytes) override {
        if (bytes > 0) std::memcpy(to, from, bytes);
    }
    void fill(void* device, uint8_t byte, uint64_t bytes) override {
        if (bytes > 0) std::memset(device, byte, bytes);
    }
    void finish() override {}
    double time_us(const std::function<void()>& work) override {
        auto start = std::chrono::steady_clock::now();
        work();
        return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
    }

    void run(const kv::Append& op) override { kv::device::dispatch(op, launcher_); }
    void run(const kv::CopyBlocks& op) override { kv::device::dispatch(op, launcher_); }
    void run(const kv::Gather& op) override { kv::device::dispatch(op, launcher_); }
    void run(const kv::Scatter& op) override { kv::device::dispatch(op, launcher_); }
    void run(const kv::Transpose& op) override { kv::device::dispatch(op, launcher_); }
    void run(const kv::Quantize& op) override { kv::device::dispatch(op, launcher_); }
    void run(const kv::Dequantize& op) override { kv::device::dispatch(op, launcher_); }
    void run(const kv::Decode& op) override {
        if (!kv::device::can_decode(op)) kvsim::throw_input("emulator: attention over more than 256 values a head");
        emulate(op, launcher_);
    }
    void run(const kv::Accumulate& op) override { kv::device::dispatch(op, launcher_); }
    void run(const kv::TopK& op) override { kv::device::dispatch(op, launcher_); }
    void run(const kv::Compact& op) override { kv::device::dispatch(op, launcher_); }
    void run(const kv::Swap& op) override { kv::device::dispatch(op, launcher_); }

  private:
    uint64_t seed_;
    kv::emu::Launcher launcher_;
};

}  // namespace

std::unique_ptr<kvsim::Backend> make_emu_backend(uint64_t seed) { return std::make_unique<EmuBackend>(seed); }

}  // namespace kvsim_test
