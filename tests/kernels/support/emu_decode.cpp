// Attention has more kernels than all other operations together: compiled apart.
#include <kernels/device/decode.h>
#include <kernels/emu/launch.h>

namespace kvsim_test {

void emulate(const kv::Decode& op, kv::emu::Launcher& launcher);
void emulate(const kv::Decode& op, kv::emu::Launcher& launcher) { kv::device::dispatch(op, launcher); }

}  // namespace kvsim_test
