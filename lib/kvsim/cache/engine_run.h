// What the cache managers of serving engines tell beside the counts of every run, and who may watch them.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace kvsim {

/// How requests reach an engine.
enum class Arrivals : uint8_t {
    sequential,  ///< one after the other: each ends before the next is looked up
    step,        ///< a scheduler runs; a request arrives at the step that the trace names
    time,        ///< likewise, at the step that its arrival time falls into
};

/// A number under the engine's own name, of counted requests unless `what` says otherwise.
struct EngineNumber {
    std::string key;   ///< "prefix_cache_hits"
    std::string what;  ///< its definition, one line
    std::variant<uint64_t, double> value;
};

/// Per request, in the order of the trace; columns are empty where the engine has no scheduler.
struct EngineRun {
    std::vector<uint64_t> readmission_hit_tokens;  ///< hit when admitted again after preemptions, summed; not in hit_blocks
    std::vector<uint32_t> preemptions;
    std::vector<uint64_t> admit_step;   ///< of the first admission, from 0; kNever: not admitted
    std::vector<uint64_t> finish_step;  ///< the step that made its last token; kNever: not finished
    std::vector<EngineNumber> numbers;  ///< in the order of the report

    static constexpr uint64_t kNever = ~uint64_t{0};
};

/// Is told what happens to cached tokens, in order. Positions count tokens of a request's prompt, then of its output.
/// Two requests hold the same token at a position if the trace's chains, re-blocked to the engine's block, say so; output
/// that has no names is its request's own.
class EngineObserver {
  public:
    virtual ~EngineObserver() = default;
    /// The tokens [begin, end) of `owner` can no longer be hit; they went to make room for `by`, while it was served.
    virtual void evicted(uint32_t owner, uint64_t begin, uint64_t end, uint32_t by) = 0;
    /// The tokens [begin, end) of `owner` can be hit from now on (again).
    virtual void stored(uint32_t owner, uint64_t begin, uint64_t end) = 0;
    /// `request` was looked up and got room (`again`: after a preemption).
    virtual void admitted(uint32_t request, uint64_t hit_tokens, bool again) = 0;
};

}  // namespace kvsim
