#include <kernels/cpu/cache_ops.h>
#include <kernels/cpu/quant.h>
#include <kvsim/backend/cpu.h>
#include <kvsim/core/units.h>

#include <sched.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>

namespace kvsim {

namespace {

constexpr uint64_t kAlignment = 256;
constexpr uint64_t kNoLimit = ~uint64_t{0};

std::string processor() {
    std::ifstream info("/proc/cpuinfo");
    for (std::string line; std::getline(info, line);)
        if (line.rfind("model name", 0) == 0 && line.find(": ") != std::string::npos) return line.substr(line.find(": ") + 2);
    return "processor";
}

unsigned processors() {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
    return std::max(1u, std::thread::hardware_concurrency());
}

// A number in a file of one number; kNoLimit where there is none.
uint64_t number_in(const char* path) {
    std::ifstream in(path);
    uint64_t value = 0;
    return in >> value ? value : kNoLimit;
}

uint64_t available_memory() {
    uint64_t available = kNoLimit;
    std::ifstream info("/proc/meminfo");
    for (std::string line; std::getline(info, line);) {
        std::istringstream words(line);
        std::string key;
        uint64_t kib = 0;
        if (words >> key >> kib && key == "MemAvailable:") available = kib * 1024;
    }
    // What a container may still take (cgroup v2, where it says so).
    uint64_t limit = number_in("/sys/fs/cgroup/memory.max"), used = number_in("/sys/fs/cgroup/memory.current");
    if (limit != kNoLimit && used != kNoLimit) available = std::min(available, limit > used ? limit - used : 0);
    return available;
}

/// All of it, into sums that nobody asks for: eight of them, so that none waits for the one before.
void read_all(const uint8_t* memory, uint64_t bytes) {
    uint64_t sums[8] = {}, words[8];
    uint64_t at = 0;
    for (; at + sizeof words <= bytes; at += sizeof words) {
        std::memcpy(words, memory + at, sizeof words);
        for (int k = 0; k < 8; ++k) sums[k] += words[k];
    }
    for (; at < bytes; ++at) sums[0] += memory[at];
    for (uint64_t& sum : sums) asm volatile("" : : "r"(sum));  // read, says this, and costs nothing
}

std::string word_in(const std::string& path) {
    std::ifstream in(path);
    std::string word;
    in >> word;
    return word;
}

/// The last-level caches of all processors, each once; what the C library says of one where the system does not.
uint64_t last_level_caches() {
    std::map<std::string, uint64_t> bytes;  // by the processors that share it
    for (unsigned cpu = 0; cpu < std::max(1u, std::thread::hardware_concurrency()); ++cpu) {
        std::string shared, folder = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/cache/index";
        uint64_t kib = 0;
        for (int index = 0; index < 8; ++index) {  // the last is the largest
            uint64_t found = number_in((folder + std::to_string(index) + "/size").c_str());  // "32768K"
            if (found == kNoLimit) break;
            kib = found;
            shared = word_in(folder + std::to_string(index) + "/shared_cpu_list");
        }
        if (kib > 0) bytes[shared] = kib * 1024;
    }
    uint64_t sum = 0;
    for (const auto& [shared, size] : bytes) sum += size;
    return sum > 0 ? sum : static_cast<uint64_t>(std::max(0l, sysconf(_SC_LEVEL3_CACHE_SIZE)));
}

class CpuBackend : public Backend {
  public:
    explicit CpuBackend(unsigned threads) : threads_(threads == 0 ? processors() : threads) {}

    std::string name() const override { return "cpu"; }
    std::string device() const override {
        return processor() + ", " + std::to_string(threads_.count()) + (threads_.count() == 1 ? " thread" : " threads");
    }
    uint64_t free_bytes() const override { return available_memory(); }
    void* allocate(uint64_t bytes) override {
        uint64_t have = free_bytes();
        uint64_t rounded = (std::max<uint64_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment;
        void* memory = bytes <= have ? std::aligned_alloc(kAlignment, rounded) : nullptr;
        if (!memory)
            throw_input("backend cpu: " + format_bytes(bytes) + " of memory wanted, " + format_bytes(have) + " free");
        return memory;
    }
    void release(void* memory) noexcept override { std::free(memory); }
    void* allocate_host(uint64_t bytes) override { return allocate(bytes); }
    void release_host(void* memory) noexcept override { release(memory); }
    void copy_in(void* device, const void* host, uint64_t bytes) override { copy(device, host, bytes); }
    void copy_out(void* host, const void* device, uint64_t bytes) override { copy(host, device, bytes); }
    void copy(void* to, const void* from, uint64_t bytes) override {
        threads_.each((bytes + kPiece - 1) / kPiece, 2 * bytes, [&](size_t i) {
            uint64_t at = i * kPiece;
            std::memcpy(static_cast<char*>(to) + at, static_cast<const char*>(from) + at, std::min(kPiece, bytes - at));
        });
    }
    void fill(void* device, uint8_t byte, uint64_t bytes) override {
        threads_.each((bytes + kPiece - 1) / kPiece, bytes, [&](size_t i) {
            uint64_t at = i * kPiece;
            std::memset(static_cast<char*>(device) + at, byte, std::min(kPiece, bytes - at));
        });
    }
    uint64_t cache_bytes() const override { return last_level_caches(); }
    bool read(const void* device, uint64_t bytes) override {
        threads_.each((bytes + kPiece - 1) / kPiece, bytes, [&](size_t i) {
            uint64_t at = i * kPiece;
            read_all(static_cast<const uint8_t*>(device) + at, std::min(kPiece, bytes - at));
        });
        return true;
    }
    /// Calling through the interface is all that a launch costs here.
    bool run_nothing() override { return true; }
    uint32_t slots() const override { return threads_.count(); }
    std::vector<std::pair<std::string, std::string>> facts() const override {
        std::vector<std::string> targets = kv::cpu::vector_targets();
        return {{"vectors", targets.empty() ? "none" : targets.front()}};
    }
    void finish() override {}
    double time_us(const std::function<void()>& work) override {
        auto start = std::chrono::steady_clock::now();
        work();
        return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
    }

    void run(const kv::Append& op) override { kv::cpu::run(op, threads_); }
    void run(const kv::CopyBlocks& op) override { kv::cpu::run(op, threads_); }
    void run(const kv::Gather& op) override { kv::cpu::run(op, threads_); }
    void run(const kv::Scatter& op) override { kv::cpu::run(op, threads_); }
    void run(const kv::Transpose& op) override { kv::cpu::run(op, threads_); }
    void run(const kv::Quantize& op) override { kv::cpu::run(op, threads_); }
    void run(const kv::Dequantize& op) override { kv::cpu::run(op, threads_); }
    void run(const kv::Decode& op) override { kv::cpu::run(op, threads_); }
    void run(const kv::Accumulate& op) override { kv::cpu::run(op, threads_); }
    void run(const kv::TopK& op) override { kv::cpu::run(op, threads_); }
    void run(const kv::Compact& op) override { kv::cpu::run(op, threads_); }
    void run(const kv::Swap& op) override { kv::cpu::run(op, threads_); }

  private:
    static constexpr uint64_t kPiece = 1 << 20;
    kv::cpu::Threads threads_;
};

}  // namespace

std::unique_ptr<Backend> make_cpu_backend(unsigned threads) { return std::make_unique<CpuBackend>(threads); }

BackendRow cpu_backend_row() {
    BackendRow row;
    row.id = "cpu";
    row.summary = "host memory and vector kernels (Highway), one thread per processor";
    row.unavailable = [] { return std::string(); };
    row.make = [](Spec& spec) {
        return make_cpu_backend(static_cast<unsigned>(spec.whole("threads", processors(), 1, 1024)));
    };
    row.parameters = "threads=all";
    return row;
}

}  // namespace kvsim
