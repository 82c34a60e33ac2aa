#include <kernels/cuda/launcher.cuh>
#include <kernels/device/compact.h>
#include <kernels/device/copy_blocks.h>
#include <kernels/device/swap.h>
#include <kernels/device/transpose.h>

namespace kv::cuda {

/// A bus is full long before the device is: the rest stays free for others.
constexpr uint32_t kSwapProcessors = 16;

int launch(const CopyBlocks& op, const Exec& exec) {
    return launched(exec, [&](Launcher& l) { device::dispatch(op, l); });
}
int launch(const Transpose& op, const Exec& exec) {
    return launched(exec, [&](Launcher& l) { device::dispatch(op, l); });
}
int launch(const Compact& op, const Exec& exec) {
    return launched(exec, [&](Launcher& l) { device::dispatch(op, l); });
}
int launch(const Swap& op, const Exec& exec) {
    Exec few = exec;
    few.processors = few.processors < kSwapProcessors ? few.processors : kSwapProcessors;
    return launched(few, [&](Launcher& l) { device::dispatch(op, l); });
}

}  // namespace kv::cuda
