#include <kernels/cuda/launcher.cuh>
#include <kernels/device/append.h>

namespace kv::cuda {

int launch(const Append& op, const Exec& exec) {
    Launcher launcher(exec);
    device::dispatch(op, launcher);
    return launcher.error();
}

}  // namespace kv::cuda
