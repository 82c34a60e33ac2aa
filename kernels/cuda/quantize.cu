#include <kernels/cuda/launcher.cuh>
#include <kernels/device/quantize.h>

namespace kv::cuda {

int launch(const Quantize& op, const Exec& exec) {
    return launched(exec, [&](Launcher& l) { device::dispatch(op, l); });
}
int launch(const Dequantize& op, const Exec& exec) {
    return launched(exec, [&](Launcher& l) { device::dispatch(op, l); });
}

}  // namespace kv::cuda
