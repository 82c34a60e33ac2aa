#include <kernels/cuda/launcher.cuh>
#include <kernels/device/gather.h>

namespace kv::cuda {

int launch(const Gather& op, const Exec& exec) {
    return launched(exec, [&](Launcher& l) { device::dispatch(op, l); });
}
int launch(const Scatter& op, const Exec& exec) {
    return launched(exec, [&](Launcher& l) { device::dispatch(op, l); });
}

}  // namespace kv::cuda
