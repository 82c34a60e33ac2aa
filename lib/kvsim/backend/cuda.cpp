// Never run on a GPU so far: compiled, started without a driver and with the toolkit's stub.
#include <kvsim/backend/cuda.h>

#if !KVSIM_HAVE_CUDA

namespace kvsim {

std::string cuda_unavailable() { return "built without CUDA (KVSIM_CUDA=OFF, or nvcc was not found)"; }
std::unique_ptr<Backend> make_cuda_backend() { throw_input("backend cuda: " + cuda_unavailable()); }

}  // namespace kvsim

#else

#include <kernels/cuda/launch.h>
#include <kvsim/backend/cuda_call.h>
#include <kvsim/core/units.h>

#include <algorithm>
#include <vector>

namespace kvsim {
namespace {

constexpr int kDevice = 0;
/// Pieces from here on go to the copy engines; smaller ones are moved faster by threads.
constexpr uint64_t kCopyEngineBytes = 28 * 1024;

int attribute(cudaDeviceAttr which) {
    int value = 0;
    cuda_check(cudaDeviceGetAttribute(&value, which, kDevice), "device attribute");
    return value;
}

class CudaBackend final : public Backend {
  public:
    CudaBackend() {
        cuda_check(cudaSetDevice(kDevice), "device");
        cuda_check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "stream");
        exec_.stream = stream_;
        exec_.processors = static_cast<uint32_t>(attribute(cudaDevAttrMultiProcessorCount));
        cudaEventCreate(&begin_);
        cudaEventCreate(&end_);
        device_ = describe();
    }
    CudaBackend(const CudaBackend&) = delete;
    CudaBackend& operator=(const CudaBackend&) = delete;
    ~CudaBackend() override {
        cudaEventDestroy(begin_);
        cudaEventDestroy(end_);
        cudaStreamDestroy(stream_);
    }

    std::string name() const override { return "cuda:" + std::to_string(kDevice); }
    std::string device() const override { return device_; }
    uint64_t free_bytes() const override {
        size_t free = 0, total = 0;
        cuda_check(cudaMemGetInfo(&free, &total), "memory");
        return free;
    }

    void* allocate(uint64_t bytes) override {
        void* memory = nullptr;
        cudaError_t code = cudaMalloc(&memory, std::max<uint64_t>(bytes, 1));
        if (code == cudaErrorMemoryAllocation) {
            cudaGetLastError();
            throw_input(name() + ": " + format_bytes(bytes) + " of device memory needed, " +
                        format_bytes(free_bytes()) + " are free");
        }
        cuda_check(code, "allocation");
        return memory;
    }
    void release(void* memory) noexcept override { cudaFree(memory); }
    void* allocate_host(uint64_t bytes) override {
        void* memory = nullptr;
        cudaError_t code = cudaHostAlloc(&memory, std::max<uint64_t>(bytes, 1), cudaHostAllocDefault);
        if (code == cudaErrorMemoryAllocation) {
            cudaGetLastError();
            throw_input(name() + ": " + format_bytes(bytes) + " of pinned host memory needed; the system refuses");
        }
        cuda_check(code, "pinned allocation");
        return memory;
    }
    void release_host(void* memory) noexcept override { cudaFreeHost(memory); }

    void copy_in(void* device, const void* host, uint64_t bytes) override {
        cuda_check(cudaMemcpyAsync(device, host, bytes, cudaMemcpyHostToDevice, stream_), "copy to the device");
        finish();
    }
    void copy_out(void* host, const void* device, uint64_t bytes) override {
        cuda_check(cudaMemcpyAsync(host, device, bytes, cudaMemcpyDeviceToHost, stream_), "copy from the device");
        finish();
    }
    void copy(void* to, const void* from, uint64_t bytes) override {
        cuda_check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "copy");
    }
    void fill(void* device, uint8_t byte, uint64_t bytes) override {
        cuda_check(cudaMemsetAsync(device, byte, bytes, stream_), "fill");
    }
    void finish() override { cuda_check(cudaStreamSynchronize(stream_), "kernels"); }

    double time_us(const std::function<void()>& work) override {
        cuda_check(cudaEventRecord(begin_, stream_), "event");
        work();
        cuda_check(cudaEventRecord(end_, stream_), "event");
        finish();
        float ms = 0;
        cuda_check(cudaEventElapsedTime(&ms, begin_, end_), "event");
        return 1000.0 * ms;
    }
    double time_each_us(uint32_t count, const std::function<void(uint32_t)>& work) override {
        return cuda_time_each_us(count, work, stream_);
    }
    uint64_t cache_bytes() const override { return static_cast<uint64_t>(attribute(cudaDevAttrL2CacheSize)); }
    bool read(const void* device, uint64_t bytes) override {
        return started(kv::cuda::launch_read(device, bytes, exec_)), true;
    }
    bool run_nothing() override { return started(kv::cuda::launch_nothing(exec_)), true; }
    /// Four blocks of threads of attention on a multiprocessor, as its registers allow.
    uint32_t slots() const override { return 4 * static_cast<uint32_t>(attribute(cudaDevAttrMultiProcessorCount)); }
    std::vector<std::pair<std::string, std::string>> facts() const override {
        int driver = 0, runtime = 0;
        cuda_check(cudaDriverGetVersion(&driver), "driver version");
        cuda_check(cudaRuntimeGetVersion(&runtime), "runtime version");
        auto version = [](int v) { return std::to_string(v / 1000) + "." + std::to_string(v % 1000 / 10); };
        auto mhz = [](int khz) { return std::to_string(khz / 1000) + " MHz"; };
        return {{"driver", "CUDA " + version(driver) + ", runtime " + version(runtime)},
                {"clocks", mhz(attribute(cudaDevAttrClockRate)) + " at most, memory " + mhz(attribute(cudaDevAttrMemoryClockRate))}};
    }

    void run(const kv::Append& op) override { started(kv::cuda::launch(op, exec_)); }
    void run(const kv::CopyBlocks& op) override { started(kv::cuda::launch(op, exec_)); }
    void run(const kv::Gather& op) override { started(kv::cuda::launch(op, exec_)); }
    void run(const kv::Scatter& op) override { started(kv::cuda::launch(op, exec_)); }
    void run(const kv::Transpose& op) override { started(kv::cuda::launch(op, exec_)); }
    void run(const kv::Quantize& op) override { started(kv::cuda::launch(op, exec_)); }
    void run(const kv::Dequantize& op) override { started(kv::cuda::launch(op, exec_)); }
    void run(const kv::Decode& op) override { started(kv::cuda::launch(op, exec_)); }
    void run(const kv::Accumulate& op) override { started(kv::cuda::launch(op, exec_)); }
    void run(const kv::TopK& op) override { started(kv::cuda::launch(op, exec_)); }
    void run(const kv::Compact& op) override { started(kv::cuda::launch(op, exec_)); }
    void run(const kv::Swap& op) override {
        if (op.count == 0) return;
        if (op.pool.block_rows() * op.pool.keys.format.data_bytes() < kCopyEngineBytes || !swap_by_copies(op))
            started(kv::cuda::launch(op, exec_));
    }

  private:
    static void started(int code) { cuda_check(static_cast<cudaError_t>(code), "kernel launch"); }

    static bool on_host(const void* memory) {
        cudaPointerAttributes found{};
        if (cudaPointerGetAttributes(&found, memory) != cudaSuccess) return cudaGetLastError(), false;
        return found.type == cudaMemoryTypeHost || found.type == cudaMemoryTypeUnregistered;
    }
    /// False: the lists are on the device and must not be waited for, as a graph is being recorded.
    bool swap_by_copies(const kv::Swap& op) {
        if (on_host(op.blocks) && on_host(op.host_blocks))
            return cuda_swap_by_copies(op, op.blocks, op.host_blocks, stream_), true;
        cudaStreamCaptureStatus recording = cudaStreamCaptureStatusNone;
        cuda_check(cudaStreamIsCapturing(stream_, &recording), "stream");
        if (recording != cudaStreamCaptureStatusNone) return false;
        std::vector<uint32_t> blocks(op.count), host_blocks(op.count);
        copy_out(blocks.data(), op.blocks, 4 * uint64_t{op.count});
        copy_out(host_blocks.data(), op.host_blocks, 4 * uint64_t{op.count});
        return cuda_swap_by_copies(op, blocks.data(), host_blocks.data(), stream_), true;
    }

    static std::string version(int number) {
        return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10);
    }
    static std::string describe() {
        cudaDeviceProp properties{};
        cuda_check(cudaGetDeviceProperties(&properties, kDevice), "device");
        int driver = 0, runtime = 0;
        cuda_check(cudaDriverGetVersion(&driver), "driver version");
        cuda_check(cudaRuntimeGetVersion(&runtime), "runtime version");
        return std::string(properties.name) + ", compute " + std::to_string(properties.major) + "." +
               std::to_string(properties.minor) + ", " + std::to_string(properties.multiProcessorCount) + " SMs at " +
               std::to_string(attribute(cudaDevAttrClockRate) / 1000) + " MHz, " +
               format_bytes(properties.totalGlobalMem) + ", L2 " +
               format_bytes(static_cast<uint64_t>(properties.l2CacheSize)) + ", driver for CUDA " + version(driver) + ", runtime " + version(runtime);
    }

    cudaStream_t stream_ = nullptr;
    cudaEvent_t begin_ = nullptr, end_ = nullptr;
    kv::cuda::Exec exec_;
    std::string device_;
};

}  // namespace

std::string cuda_unavailable() {
    int devices = 0;
    cudaError_t code = cudaGetDeviceCount(&devices);
    if (code != cudaSuccess) cudaGetLastError();
    std::string problem = cuda_problem(static_cast<int>(code), cudaGetErrorString(code), devices);
    if (!problem.empty()) return problem;
    int major = attribute(cudaDevAttrComputeCapabilityMajor), minor = attribute(cudaDevAttrComputeCapabilityMinor);
    if (cuda_runs_on(KVSIM_CUDA_ARCHITECTURES, major, minor)) return "";
    return "the GPU has compute capability " + std::to_string(major) + "." + std::to_string(minor) +
           ", this build has kernels for " KVSIM_CUDA_ARCHITECTURES " (KVSIM_CUDA_ARCHITECTURES)";
}

std::unique_ptr<Backend> make_cuda_backend() {
    std::string problem = cuda_unavailable();
    if (!problem.empty()) throw_input("backend cuda: " + problem);
    return std::make_unique<CudaBackend>();
}

}  // namespace kvsim

#endif
