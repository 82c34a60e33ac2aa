// The backend that is always there: host memory, the kernels of kernels/cpu.
#pragma once

#include <kvsim/backend/backend.h>

namespace kvsim {

/// `threads` 0: one per processor this process may use.
std::unique_ptr<Backend> make_cpu_backend(unsigned threads = 0);
BackendRow cpu_backend_row();

}  // namespace kvsim
