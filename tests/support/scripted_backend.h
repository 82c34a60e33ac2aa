// The CPU backend with a clock that says what a test wants, a cache of any size, and kernels that can be kept from
// running.
#pragma once

#include <kvsim/backend/cpu.h>

#include <deque>
#include <memory>
#include <string>

namespace kvsim_test {

class ScriptedBackend : public kvsim::Backend {
  public:
    std::deque<double> clock;  ///< what one launch takes, sample by sample; the last one stays
    uint64_t cache = 0, memory = uint64_t{1} << 30;
    bool broken = false;     ///< kernels do nothing
    bool calibrates = true;  ///< has launches that read, and that do nothing
    uint32_t most_run = 8;   ///< launches that are done of those that are timed
    uint64_t launches = 0;
    uint64_t allocated = 0;

    std::string name() const override { return "cpu"; }
    std::string device() const override { return "a script"; }
    uint64_t free_bytes() const override { return memory; }
    void* allocate(uint64_t bytes) override { return allocated += bytes, cpu_->allocate(bytes); }
    void release(void* m) noexcept override { cpu_->release(m); }
    void* allocate_host(uint64_t bytes) override { return cpu_->allocate_host(bytes); }
    void release_host(void* m) noexcept override { cpu_->release_host(m); }
    void copy_in(void* to, const void* from, uint64_t n) override { cpu_->copy_in(to, from, n); }
    void copy_out(void* to, const void* from, uint64_t n) override { cpu_->copy_out(to, from, n); }
    void copy(void* to, const void* from, uint64_t n) override { cpu_->copy(to, from, n); }
    void fill(void* to, uint8_t byte, uint64_t n) override { cpu_->fill(to, byte, n); }
    void finish() override {}
    double time_us(const std::function<void()>& work) override {
        work();
        return tick();
    }
    double time_each_us(uint32_t count, const std::function<void(uint32_t)>& work) override {
        // As a device that replays: the first few stand for all of them.
        for (uint32_t i = 0; i < std::min(count, most_run); ++i) work(i);
        return tick();
    }
    uint64_t cache_bytes() const override { return cache; }
    bool read(const void* from, uint64_t n) override { return calibrates && cpu_->read(from, n); }
    bool run_nothing() override { return calibrates; }

    void run(const kv::Append& op) override { forward(op); }
    void run(const kv::CopyBlocks& op) override { forward(op); }
    void run(const kv::Gather& op) override { forward(op); }
    void run(const kv::Scatter& op) override { forward(op); }
    void run(const kv::Transpose& op) override { forward(op); }
    void run(const kv::Quantize& op) override { forward(op); }
    void run(const kv::Dequantize& op) override { forward(op); }
    void run(const kv::Decode& op) override { forward(op); }
    void run(const kv::Accumulate& op) override { forward(op); }
    void run(const kv::TopK& op) override { forward(op); }
    void run(const kv::Compact& op) override { forward(op); }
    void run(const kv::Swap& op) override { forward(op); }

  private:
    template <class Op>
    void forward(const Op& op) {
        ++launches;
        if (!broken) cpu_->run(op);
    }
    double tick() {
        double now = clock.empty() ? 1.0 : clock.front();
        if (clock.size() > 1) clock.pop_front();
        return now;
    }
    std::unique_ptr<kvsim::Backend> cpu_ = kvsim::make_cpu_backend(1);
};

}  // namespace kvsim_test
