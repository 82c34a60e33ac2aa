#include <kernels/cuda/launcher.cuh>
#include <kernels/device/decode.h>

namespace kv::cuda {

int launch(const Decode& op, const Exec& exec) {
    return launched(exec, [&](Launcher& l) { device::dispatch(op, l); });
}

}  // namespace kv::cuda
