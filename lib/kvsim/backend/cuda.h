// The CUDA backend: memory of the first GPU and the kernels of kernels/cuda, all on one stream of its own. No CUDA
// types here. Where it cannot be had, cuda_unavailable() says why, and nothing else of it is called.
#pragma once

#include <kvsim/backend/backend.h>

#include <string_view>

namespace kvsim {

/// Why there is no CUDA backend here, in one line: not built, no driver, no GPU, a GPU that nothing was compiled for.
/// Empty: there is one.
std::string cuda_unavailable();
/// The same from what a program finds: `error` a cudaError_t of counting devices, with its text.
std::string cuda_problem(int error, std::string_view error_text, int devices);

/// Whether kernels compiled for `architectures` ("80-real,90-virtual") run on a GPU of that
/// compute capability: real ones within their major version, from their minor one on; virtual ones on anything newer.
bool cuda_runs_on(std::string_view architectures, int major, int minor);

/// Throws Error(input) with cuda_unavailable() where that says something.
std::unique_ptr<Backend> make_cuda_backend();

}  // namespace kvsim
