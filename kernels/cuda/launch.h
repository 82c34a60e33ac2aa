// Starts kernels of kernels/device on a CUDA device. No CUDA types here: the library calls this from plain C++.
//
// A launch only queues: it returns a cudaError_t as a number, 0 if the kernel was queued. What goes wrong in a kernel
// comes out of the next call that waits. Operations on nothing queue nothing.
#pragma once

#include <kernels/common/ops.h>

namespace kv::cuda {

struct Exec {
    void* stream = nullptr;    ///< a cudaStream_t
    uint32_t processors = 1;   ///< streaming multiprocessors of the device
};

int launch(const Append& op, const Exec& exec);
int launch(const CopyBlocks& op, const Exec& exec);
int launch(const Gather& op, const Exec& exec);
int launch(const Scatter& op, const Exec& exec);
int launch(const Transpose& op, const Exec& exec);
int launch(const Quantize& op, const Exec& exec);
int launch(const Dequantize& op, const Exec& exec);
int launch(const Decode& op, const Exec& exec);
int launch(const Accumulate& op, const Exec& exec);
int launch(const TopK& op, const Exec& exec);
int launch(const Compact& op, const Exec& exec);
/// By threads that read one side and write the other over the bus: for small pieces.
int launch(const Swap& op, const Exec& exec);
/// For calibration: reads `bytes` and keeps nothing; and a kernel that does nothing, what any launch costs.
int launch_read(const void* memory, uint64_t bytes, const Exec& exec);
int launch_nothing(const Exec& exec);

}  // namespace kv::cuda
