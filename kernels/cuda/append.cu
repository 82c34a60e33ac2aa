#include <kernels/cuda/launcher.cuh>
#include <kernels/device/append.h>

namespace kv::cuda {

int launch(const Append& op, const Exec& exec) {
    return launched(exec, [&](Launcher& l) { device::dispatch(op, l); });
}

}  // namespace kv::cuda
