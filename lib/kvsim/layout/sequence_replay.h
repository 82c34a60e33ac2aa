// What both replays of whole sequences have in common: a store, what is counted, and who was rejected.
//
// A trace of events is replayed by sequence_events.h, one of requests by sequence_requests.h. Either decides what
// happens when a sequence does not fit (--on-full); what would not fit even alone is rejected at once, whatever the
// rule, and nobody makes room for it.
#pragma once

#include <kvsim/core/error.h>
#include <kvsim/layout/sequence_cache.h>

#include <algorithm>

namespace kvsim {

enum class OnFull : uint8_t { evict, preempt, wait, fail };

struct SequenceRules {
    OnFull on_full = OnFull::evict;
    double threshold = 2;  ///< evict at this utilization and above it; above 1 = never
    double target = 2;     ///< ... down to this one
};

template <class Store>
class SequenceReplay : public Cache {
  public:
    SequenceReplay(SequenceCache<Store> cache, const SequenceRules& rules) : cache_(std::move(cache)), rules_(rules) {}

    void run(const Trace& trace, const RunOptions& options, RunResult& result) override {
        trace_ = &trace;
        options_ = options;
        result_ = &result;
        has_waited_.resize(trace.requests());
        replay();
        sync();
        end_run(trace.requests(), options, result);
        result.state_bytes = cache_.state_bytes();
    }
    void check_invariants() const override { store().check_invariants(); }

  protected:
    virtual void replay() = 0;

    const Store& store() const { return cache_.store(); }
    bool counted() const { return request_ >= options_.warmup_requests; }
    double priority(uint32_t r) const { return trace_->priority.has(r) ? trace_->priority[r] : 0; }

    void begin(uint32_t request) {
        request_ = request;
        sync();
        begin_request(request, options_, *result_);
        if (request == options_.warmup_requests) cache_.store().forget_peaks();
    }
    void sync() {
        const SequenceStats& s = store().stats();
        result_->total.forks = s.forks;
        result_->total.cow_copies = s.cow_copies;
        result_->total.copied_tokens = s.copied_tokens;
    }
    void sample(uint32_t request) {
        result_->sampled(request, store().used_blocks(), store().used_blocks());
        result_->admitted(counted(), store().used_blocks(), store().used_blocks(), store().held_tokens());
    }
    // The store's own peaks: while a contiguous sequence moves, and before samples write, there is more than after.
    void note_peak() {
        if (!counted()) return;
        const SequenceStats& s = store().stats();
        uint64_t most = std::max(store().used_blocks(), s.peak_used_blocks);
        result_->peak_active_blocks = std::max(result_->peak_active_blocks, most);
        result_->peak_resident_blocks = result_->peak_active_blocks;
        result_->shared_blocks_peak = std::max({result_->shared_blocks_peak, store().shared_blocks(), s.peak_shared_blocks});
    }
    // Once per sequence, and by whose wait it is: a sequence of the warm-up may wait after its end.
    void note_waited(uint32_t id) {
        if (has_waited_[id]) return;
        has_waited_[id] = true;
        ++result_->total.waited;
        if (counted() && id < options_.warmup_requests) ++result_->warmup.waited;
    }
    void note_rejected(uint32_t id) {
        result_->rejected.resize(trace_->requests());
        result_->rejected[id] = true;
    }

    SequenceCache<Store> cache_;
    SequenceRules rules_;
    const Trace* trace_ = nullptr;
    RunOptions options_;
    RunResult* result_ = nullptr;

  private:
    uint32_t request_ = 0;  ///< the latest that began
    std::vector<bool> has_waited_;
};

}  // namespace kvsim
