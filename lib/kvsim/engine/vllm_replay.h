// What both drivers of the vLLM engine share: requests of a trace as the manager knows them, and what is counted.
#pragma once

#include <kvsim/cache/cache.h>
#include <kvsim/engine/vllm_manager.h>

#include <optional>
#include <vector>

namespace kvsim {

class VllmReplay {
  public:
    VllmReplay(const Trace& trace, const VllmOptions& options, const RunOptions& run, VllmManager& manager,
               RunResult& result);

    const Trace& trace;
    const VllmOptions& options;
    const RunOptions& run;
    VllmManager& manager;
    RunResult& result;

    uint64_t prompt(uint32_t r) const { return trace.prompt_tokens[r]; }
    /// At least one token is made.
    uint64_t outputs(uint32_t r) const { return run.decode && trace.output_tokens[r] > 0 ? trace.output_tokens[r] : 1; }
    bool counted(uint32_t r) const { return r >= run.warmup_requests; }
    /// A counted request was admitted.
    bool past_warmup() const { return past_warmup_; }

    /// Of requests, for a progress bar.
    void done_one() {
        if ((done_++ & 1023) == 0 && run.progress) run.progress->store(done_, std::memory_order_relaxed);
    }
    /// The request with its prompt and the names of what it will compute.
    void begin(VllmSequence& sequence, uint32_t request);
    /// It got room for the first time, with so many leading hits; `evictions`: before it took any. The first counted
    /// one ends the warm-up.
    void admitted(const VllmSequence& sequence, uint64_t hit_blocks, uint64_t evictions);
    /// It got room again; it had `lost` tokens computed before.
    void readmitted(const VllmSequence& sequence, uint64_t hit_blocks, uint64_t lost);
    void reject(uint32_t request);
    void preempted(uint32_t request);
    /// Room is as full as it gets before somebody leaves.
    void sample_usage(bool is_counted);
    /// Totals and the engine's own numbers. `steps`: of the scheduler, if there was one.
    void finish(std::optional<uint64_t> steps);

    uint64_t unfinished = 0;  ///< counted requests that were admitted, but whose output could not be stored to the end

  private:
    void sample_admission(const VllmSequence& sequence);
    uint64_t stranded() const;
    void number(const char* key, const char* what, std::variant<uint64_t, double> value);

    std::vector<Segment> segments_;
    uint64_t queries_ = 0, hits_ = 0, again_queries_ = 0, again_hits_ = 0;
    uint64_t samples_ = 0, done_ = 0;
    bool past_warmup_ = false;
    double used_ = 0;
};

/// One request after the other, each to its end.
void replay_sequentially(VllmReplay& replay);
/// The synchronous scheduler; requests arrive as RunOptions::arrivals says.
void replay_in_steps(VllmReplay& replay);

}  // namespace kvsim
