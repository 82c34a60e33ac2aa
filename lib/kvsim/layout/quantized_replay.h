// Bookkeeping of the quantized layout: how many tokens each sequence keeps, in blocks of its own. Which ones is a matter
// of data (quantized_cache.h); how many the budget says. A sequence keeps min(its length, its budget) tokens at any time;
// nothing is shared or looked up.
//
// A request takes what its prompt and output keep, times its samples, at admission, and gives it back at its release
// (--concurrency); where there is no room the oldest running one is released early. In a trace of events a sequence
// that finds no room is rejected, with its later events and forks. Cost: O(1) per event, O(log n) under trace.
#pragma once

#include <kvsim/cache/cache.h>

#include <functional>
#include <map>
#include <set>
#include <vector>

namespace kvsim {

class QuantizedReplay : public Cache {
  public:
    /// `budget`: tokens kept of a sequence that will have so many in all.
    explicit QuantizedReplay(std::function<uint64_t(uint64_t)> budget) : budget_of_(std::move(budget)) {}

    void run(const Trace& trace, const RunOptions& options, RunResult& result) override;
    void check_invariants() const override;

  private:
    struct Sequence {
        uint64_t tokens = 0, kept = 0, samples = 1, admitted = 0;
        bool alive = false;
    };
    void serve_requests();
    void serve_events();
    void serve(const Event& e);
    uint64_t length(uint32_t r) const;
    uint64_t blocks_of(uint64_t tokens) const { return tokens / block_size_ + (tokens % block_size_ != 0); }
    bool grow(uint32_t id, uint64_t tokens);
    void release(uint32_t id);
    void reject(uint32_t id);
    void note_peak();
    bool counted() const { return request_ >= options_.warmup_requests; }

    std::function<uint64_t(uint64_t)> budget_of_;
    const Trace* trace_ = nullptr;
    RunOptions options_;
    RunResult* result_ = nullptr;
    uint32_t block_size_ = 1, request_ = 0;
    std::vector<Sequence> sequences_;
    std::vector<uint64_t> budgets_;
    std::map<uint64_t, uint32_t> running_;            ///< requests by number of admission
    std::set<std::pair<double, uint32_t>> ends_;      ///< --concurrency trace: (end, rank of admission) in order
    uint64_t used_blocks_ = 0, kept_tokens_ = 0, admissions_ = 0;
};

}  // namespace kvsim
