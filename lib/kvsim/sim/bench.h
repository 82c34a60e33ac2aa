// Timing kernels on a backend: `kvsim bench`.
//
// For every kernel and shape: as many sets of buffers as keep the last-level cache from helping (bench_stats.h), each
// launched once to warm up, then samples that go on round them until they are long enough together and their median is
// known well enough; then the buffers that were timed are checked. What speeds are a fraction of is measured first, in
// the same run and the same way.
//
// The ideas are those of published benchmark harnesses (nvbench's stopping rule: at least so long, then until the noise
// is small or it is no use waiting; flashinfer's rotating buffers, but as many as the cache asks for, not a fixed
// number). Medians and order statistics take the place of means and standard deviations: a busy machine has a long tail
// on one side.
#pragma once

#include <kvsim/sim/bench_case.h>
#include <kvsim/sim/bench_stats.h>

#include <atomic>
#include <optional>
#include <string>
#include <vector>

namespace kvsim {

struct BenchAxes {
    std::vector<std::string> kv_dtype = {"bf16", "int8", "int4"};
    std::vector<uint32_t> batch = {4}, context = {512, 2048, 8192}, block_size = {16};
    std::vector<uint32_t> kv_heads = {8}, q_heads = {32}, head_dim = {128};
    std::vector<kv::Order> order = {kv::Order::hnd};
};
struct BenchCell {
    const BenchKernelRow* kernel = nullptr;
    BenchShape shape;  ///< axes that the kernel does not have are the first of each list
};
/// Crossed, in the order of the lists; a kernel is there once for each value of the axes it has. Throws Error(input) on
/// an unknown kernel.
std::vector<BenchCell> bench_cells(const std::vector<std::string>& kernels, const BenchAxes& axes);
/// "bf16, batch 4, context 512, ..."; of the axes that the kernel has.
std::string bench_words(const BenchCell& cell);

struct BenchOptions {
    double min_time_us = 50000;  ///< of all samples of a measurement together
    uint64_t samples = 0;        ///< so many; 0: until min_time and the spread are reached
    uint64_t warmup = 1;         ///< launches, at least; all buffers are used once
    uint64_t memory_bytes = uint64_t{3} << 29;  ///< that buffers to go round take at most, and a calibration
    std::vector<uint64_t> calibration_bytes = {1 << 20, 16 << 20, 128 << 20};
    const std::atomic<bool>* stop = nullptr;
    std::atomic<uint64_t>* done = nullptr;  ///< measurements
};

enum class BenchStatus : uint8_t { ok, skipped, not_measured, interrupted };
const char* bench_status_id(BenchStatus status);

struct BenchResult {
    std::string name;
    BenchCell cell;  ///< no kernel: a calibration
    BenchStatus status = BenchStatus::not_measured;
    std::string reason;
    uint64_t bytes = 0;
    uint64_t calls = 0;  ///< timed launches
    double total_us = 0;
    TimeStats time;  ///< of one launch
    bool cold = false;
    std::optional<double> fraction;     ///< of the ceiling's speed at the nearest size
    std::optional<double> roofline_us;  ///< an empty launch and the bytes at the ceiling's speed: an estimate

    double gb_per_s() const { return static_cast<double>(bytes) / time.median_us / 1e3; }
};

struct BenchFit {
    std::string name, kv_dtype;
    LineFit line;
};

struct BenchRun {
    std::string id;           ///< of the backend's row
    std::string unavailable;  ///< why nothing was measured; then the rest is empty but for `kernels`
    std::string device;
    std::vector<std::pair<std::string, std::string>> facts;  ///< driver, clocks, vectors
    uint64_t cache_bytes = 0;
    std::vector<BenchResult> calibration, kernels;
    std::vector<BenchFit> fits;
};

/// Throws Error(failed) where the buffers of a kernel do not hold what they must.
BenchRun bench_on(Backend& backend, const std::string& id, const std::vector<BenchCell>& cells,
                  const BenchOptions& options);
/// The same cells where there is no such backend.
BenchRun bench_unavailable(const std::string& id, const std::string& reason, const std::vector<BenchCell>& cells);

/// One case, allocated and warmed up by this; `copies` sets of buffers. Fills in calls and times.
void bench_measure(Backend& backend, BenchCase& one, uint64_t copies, const BenchOptions& options, BenchResult& result);
/// Whether there are samples enough, of `launches` launches each.
bool bench_enough(const std::vector<double>& samples_us, uint64_t launches, const BenchOptions& options);

}  // namespace kvsim
