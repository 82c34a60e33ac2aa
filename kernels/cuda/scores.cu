#include <kernels/cuda/launcher.cuh>
#include <kernels/device/accumulate.h>
#include <kernels/device/top_k.h>

namespace kv::cuda {

int launch(const Accumulate& op, const Exec& exec) {
    return launched(exec, [&](Launcher& l) { device::dispatch(op, l); });
}
int launch(const TopK& op, const Exec& exec) {
    return launched(exec, [&](Launcher& l) { device::dispatch(op, l); });
}

}  // namespace kv::cuda
