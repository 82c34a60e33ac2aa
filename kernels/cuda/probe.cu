// What other kernels are measured against: reading alone, and launching alone.
#include <kernels/cuda/launcher.cuh>

namespace kv::cuda {
namespace {

constexpr uint32_t kThreads = 256;
constexpr uint32_t kAtOnce = 4;  ///< loads of a thread before it needs the first

/// Nobody reads this; it is written where a sum has one certain value, so that the sums must be made.
__device__ uint32_t nowhere;

__device__ uint32_t folded(const device::Bits128& x) { return x.word[0] ^ x.word[1] ^ x.word[2] ^ x.word[3]; }

__global__ void __launch_bounds__(kThreads) read_all(const uint8_t* memory, uint64_t pieces) {
    uint32_t sum = 0;
    uint64_t step = uint64_t{gridDim.x} * kThreads;
    uint64_t i = uint64_t{blockIdx.x} * kThreads + threadIdx.x;
    for (; i + (kAtOnce - 1) * step < pieces; i += kAtOnce * step) {
        device::Bits128 got[kAtOnce];
        KV_UNROLL for (uint32_t k = 0; k < kAtOnce; ++k)
            got[k] = device::load<device::Bits128>(memory + 16 * (i + k * step));
        KV_UNROLL for (uint32_t k = 0; k < kAtOnce; ++k) sum += folded(got[k]);
    }
    for (; i < pieces; i += step) sum += folded(device::load<device::Bits128>(memory + 16 * i));
    if (sum == 0x9E3779B9u) nowhere = sum;
}

__global__ void nothing() {}

}  // namespace

int launch_read(const void* memory, uint64_t bytes, const Exec& exec) {
    uint64_t pieces = bytes / 16;
    if (pieces == 0) return cudaSuccess;
    uint64_t blocks = std::min<uint64_t>(device::ceil_div(pieces, kThreads), uint64_t{exec.processors} * 8);
    read_all<<<static_cast<uint32_t>(blocks), kThreads, 0, static_cast<cudaStream_t>(exec.stream)>>>(
        static_cast<const uint8_t*>(memory), pieces);
    return cudaGetLastError();
}

int launch_nothing(const Exec& exec) {
    nothing<<<1, 32, 0, static_cast<cudaStream_t>(exec.stream)>>>();
    return cudaGetLastError();
}

}  // namespace kv::cuda
