// Runs the kernel structs of kernels/device on a GPU: the Lane they are written against, and the launcher that their
// dispatch() calls. Compiled and counted (registers, spills, 16-byte accesses), never run on a GPU so far.
#pragma once

#include <cuda_runtime.h>
#include <kernels/cuda/launch.h>
#include <kernels/device/context.h>

#include <algorithm>

namespace kv::cuda {

struct Lane {
    __device__ __forceinline__ uint32_t thread() const { return threadIdx.x; }
    __device__ __forceinline__ uint32_t threads() const { return blockDim.x; }
    __device__ __forceinline__ uint64_t block() const { return blockIdx.x; }
    __device__ __forceinline__ uint64_t blocks() const { return gridDim.x; }
    __device__ __forceinline__ void sync() const { __syncthreads(); }
    template <class T>
    __device__ __forceinline__ T shuffle_xor(const T& x, uint32_t mask) const {
        static_assert(sizeof(T) % 4 == 0);
        uint32_t words[sizeof(T) / 4];
        memcpy(words, &x, sizeof(T));
        KV_UNROLL for (uint32_t i = 0; i < sizeof(T) / 4; ++i)
            words[i] = __shfl_xor_sync(0xFFFFFFFFu, words[i], mask);
        T other;
        memcpy(&other, words, sizeof(T));
        return other;
    }
    __device__ __forceinline__ uint32_t ballot(bool x) const { return __ballot_sync(0xFFFFFFFFu, x); }
    __device__ __forceinline__ void add(uint32_t* at, uint32_t x) const { atomicAdd(at, x); }
};

/// One launch of a kernel struct. Shared memory is bytes, as it may not be constructed. How many blocks should fit on a
/// multiprocessor is said, or the compiler guesses, and spills registers for its guess.
template <class Kernel>
__global__ void __launch_bounds__(Kernel::kThreads, Kernel::kResident)
    run(const __grid_constant__ typename Kernel::Op op) {
    using Shared = typename Kernel::Shared;
    __shared__ alignas(Shared) unsigned char memory[sizeof(Shared)];
    Lane lane;
    Kernel::run(lane, op, *reinterpret_cast<Shared*>(memory));
}

class Launcher {
  public:
    explicit Launcher(const Exec& exec) : exec_(exec) {}

    /// Blocks that move rows alike are as many as fit on the device at once, and walk the rest of the work: a block
    /// that starts costs more than one that goes on. Those whose threads wait for each other (decode, top-k) have work
    /// of unequal length and are all started, for the hardware to place.
    template <class Kernel>
    void launch(const typename Kernel::Op& op) {
        uint64_t blocks = error_ == cudaSuccess ? Kernel::blocks(op) : 0;
        if (blocks == 0) return;
        uint64_t most = Kernel::kSynchronizes ? kMostBlocks : uint64_t{exec_.processors} * resident<Kernel>();
        auto grid = static_cast<uint32_t>(std::min<uint64_t>(blocks, std::clamp<uint64_t>(most, 1, kMostBlocks)));
        run<Kernel><<<grid, Kernel::kThreads, 0, static_cast<cudaStream_t>(exec_.stream)>>>(op);
        error_ = cudaGetLastError();
    }
    int error() const { return error_; }

  private:
    static constexpr uint64_t kMostBlocks = 0x7FFFFFFF;

    /// Blocks of a kernel that fit on one multiprocessor; 1 where that cannot be asked, as the launch then tells why.
    template <class Kernel>
    static uint32_t resident() {
        static const int count = [] {
            int found = 0;
            auto code = cudaOccupancyMaxActiveBlocksPerMultiprocessor(&found, run<Kernel>, Kernel::kThreads, 0);
            return code == cudaSuccess ? found : 1;
        }();
        return static_cast<uint32_t>(std::max(count, 1));
    }

    Exec exec_;
    cudaError_t error_ = cudaSuccess;
};

/// What `launches` started, as launch() reports it.
template <class Launches>
int launched(const Exec& exec, const Launches& launches) {
    Launcher launcher(exec);
    launches(launcher);
    return launcher.error();
}

}  // namespace kv::cuda
