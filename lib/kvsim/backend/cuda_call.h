// For the sources of the CUDA backend alone: calls of the CUDA runtime, checked.
#pragma once

#include <cuda_runtime_api.h>
#include <kernels/common/ops.h>
#include <kvsim/core/error.h>

#include <functional>

namespace kvsim {

/// Throws Error(failed) unless `code` is success. The runtime's last error is cleared, where it can be.
inline void cuda_check(cudaError_t code, const char* what) {
    if (code == cudaSuccess) return;
    cudaGetLastError();
    throw_failed(std::string("cuda: ") + what + ": " + cudaGetErrorString(code) + " (" + cudaGetErrorName(code) + ", " +
                 std::to_string(static_cast<int>(code)) + ")");
}

/// Whole-block swaps by the copy engines, one batch for all pieces; the lists are host memory. `stream` is not the
/// legacy default one, which batches refuse. Returns once everything is queued.
void cuda_swap_by_copies(const kv::Swap& op, const uint32_t* blocks, const uint32_t* host_blocks, cudaStream_t stream);

/// Backend::time_each_us by graphs.
double cuda_time_each_us(uint32_t count, const std::function<void(uint32_t)>& work, cudaStream_t stream);

}  // namespace kvsim
