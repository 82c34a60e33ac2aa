// The emulator (kernels/emu) as a backend: for tests of kernels and of what runs on them.
#pragma once

#include <kvsim/backend/backend.h>

#include <memory>

namespace kvsim_test {

/// Orders of threads and blocks follow from the seed. Memory is NaN bytes at first, and exactly as long as asked for.
std::unique_ptr<kvsim::Backend> make_emu_backend(uint64_t seed);

}  // namespace kvsim_test
