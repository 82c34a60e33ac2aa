// What the commands over one trace of prefixes have in common (curve, size): options, loading, the resolved cache.
#pragma once

#include "options.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace kvsim::app {

class OneTrace {
  public:
    void add_to(Command& command);
    /// Loads; `options` and `report` are filled but for the capacity. Throws Error(input), also for layouts and traces
    /// without prefix hits: `what` names what they have none of.
    /// `digest`: the report will name the bytes that were read.
    void load(Command& command, const std::string& what, bool digest);
    /// A capacity as --blocks takes it, in blocks of the trace as it is replayed. Throws Error(input) naming `option`.
    uint64_t capacity(const std::string& blocks, const std::string& option) const;
    /// What results depend on; a valid configuration of the command.
    ConfigEntries resolved() const;

    TraceOptions trace_options;
    CacheOptions cache;
    ModelOptions model;
    WorkOptions work;
    std::string warmup, bounds = "all";

    Trace trace;
    ReplayOptions options;
    ReplayReport report;
    std::optional<PrefillFlops> flops;

  private:
    const Console* console_ = nullptr;
    bool tokens_ = false;
    uint32_t block_size_ = 0;
    std::unique_ptr<Trace> in_blocks_;  ///< --match token: before it was cut into single tokens
};

}  // namespace kvsim::app
