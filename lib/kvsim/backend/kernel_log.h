// What kernels did: one entry per kernel, with the time of every call.
#pragma once

#include <kvsim/backend/backend.h>

#include <map>
#include <string>
#include <vector>

namespace kvsim {

struct KernelCalls {
    std::vector<float> us;  ///< of each call, in order
    uint64_t bytes = 0;     ///< of all calls (kernels/common/bytes.h)
};

class KernelLog {
  public:
    /// Runs an operation and notes how long it took.
    template <class Op>
    void run(const char* kernel, Backend& backend, const Op& op, uint64_t bytes) {
        KernelCalls& calls = calls_[kernel];
        calls.us.push_back(static_cast<float>(backend.time_us([&] { backend.run(op); })));
        calls.bytes += bytes;
    }
    /// By name.
    const std::map<std::string, KernelCalls>& calls() const { return calls_; }

  private:
    std::map<std::string, KernelCalls> calls_;
};

}  // namespace kvsim
