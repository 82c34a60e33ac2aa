// Operations whose kernels are not there yet: the launch says "not supported".
#include <kernels/cuda/launcher.cuh>

namespace kv::cuda {

int launch(const Append&, const Exec&) { return cudaErrorNotSupported; }
int launch(const CopyBlocks&, const Exec&) { return cudaErrorNotSupported; }
int launch(const Gather&, const Exec&) { return cudaErrorNotSupported; }
int launch(const Scatter&, const Exec&) { return cudaErrorNotSupported; }
int launch(const Transpose&, const Exec&) { return cudaErrorNotSupported; }
int launch(const Quantize&, const Exec&) { return cudaErrorNotSupported; }
int launch(const Dequantize&, const Exec&) { return cudaErrorNotSupported; }
int launch(const Decode&, const Exec&) { return cudaErrorNotSupported; }
int launch(const Accumulate&, const Exec&) { return cudaErrorNotSupported; }
int launch(const TopK&, const Exec&) { return cudaErrorNotSupported; }
int launch(const Compact&, const Exec&) { return cudaErrorNotSupported; }
int launch(const Swap&, const Exec&) { return cudaErrorNotSupported; }

}  // namespace kv::cuda
