// Replays a trace over a store of sequences, and decides what happens when one does not fit (--on-full).
//
// A trace of events says itself who is there: a sequence lives from its prompt or fork to its free, and each event
// serves one sequence. evict and preempt take all blocks of another living sequence; when that is served again its
// tokens are stored again (recomputed). wait puts the sequence and its later events off until a free makes room; who
// waits is served in the order of waiting, while others that fit go ahead. fail rejects the sequence: its later events, and forks of it, are skipped.
//
// A trace of requests: a request is admitted with its prompt and its whole output, and freed when it is released
// (--concurrency). There is nobody idle to evict, so evict and wait both release the oldest running request early;
// preempt takes the blocks of a running one, which is admitted again, before later requests, once there is room
// without preempting. A request that does not fit alone is rejected.
#pragma once

#include <kvsim/core/error.h>
#include <kvsim/layout/sequence_cache.h>

#include <algorithm>
#include <deque>
#include <queue>

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
        if (trace.events.empty()) {
            run_requests();
        } else {
            run_events();
        }
        sync();
        end_run(trace.requests(), options, result);
        result.state_bytes = cache_.state_bytes();
    }
    void check_invariants() const override { store().check_invariants(); }

  private:
    enum class State : uint8_t { none, held, evicted, waiting, rejected, freed };
    struct Put {  ///< what is known of a sequence that may be off the store
        State state = State::none;
        bool has_waited = false;
        bool stored = false;   ///< waiting: it holds blocks and waits to grow
        uint64_t pending = 0;  ///< waiting: tokens to append
        Extent extent;         ///< evicted or waiting: what to store
    };

    const Store& store() const { return cache_.store(); }
    bool counted() const { return request_ >= options_.warmup_requests; }
    double priority(uint32_t r) const { return trace_->priority.has(r) ? trace_->priority[r] : 0; }

    void begin(uint32_t request) {
        request_ = request;
        sync();
        begin_request(request, options_, *result_);
    }
    void sync() {
        const SequenceStats& s = store().stats();
        result_->total.forks = s.forks;
        result_->total.cow_copies = s.cow_copies;
        result_->total.copied_tokens = s.copied_tokens;
    }
    void sample() {
        result_->admitted(counted(), store().used_blocks(), store().used_blocks(), store().held_tokens());
    }
    void note_peak() {
        if (!counted()) return;
        result_->peak_active_blocks = std::max(result_->peak_active_blocks, store().used_blocks());
        result_->peak_resident_blocks = result_->peak_active_blocks;
        result_->shared_blocks_peak = std::max(result_->shared_blocks_peak, store().shared_blocks());
    }
    void reject(uint32_t id) {
        put_[id].state = State::rejected;
        if (id >= trace_->requests()) return;
        result_->rejected.resize(trace_->requests());
        result_->rejected[id] = true;
    }

    // ---- events ----

    void run_events() {
        put_.resize(trace_->requests());
        for (const Event& e : trace_->events) {
            if (e.kind == EventKind::prompt || e.kind == EventKind::fork) begin(e.sequence);
            switch (e.kind) {
                case EventKind::prompt: on_prompt(e.sequence, {e.tokens, 0, 0}); break;
                case EventKind::fork: on_fork(e.other, e.sequence, e.tokens); break;
                case EventKind::decode: on_decode(e.sequence, e.tokens); break;
                case EventKind::free: on_free(e.sequence); break;
            }
            note_peak();
        }
        for (uint32_t id : waiting_)
            if (put_[id].state == State::waiting) reject(id);
    }

    void on_prompt(uint32_t id, const Extent& extent) {
        put_[id].extent = extent;
        if (fit(id, kNone, [&] { return cache_.allocate(id, extent, priority(id)); })) {
            put_[id].state = State::held;
            sample();
            keep_below_threshold(id);
        } else {
            put_off(id, 0);
        }
    }

    void on_decode(uint32_t id, uint64_t tokens) {
        if (!options_.decode) return;
        Put& p = put_[id];
        if (p.state == State::waiting) p.pending += tokens;
        if (p.state == State::evicted && !store_again(id)) return put_off(id, tokens);
        if (p.state != State::held) return;
        if (!cache_.append(id, tokens)) {
            if (rules_.threshold <= 1) keep_below_threshold(id);
        } else if (fit(id, kNone, [&] { return cache_.append(id, tokens); })) {
            keep_below_threshold(id);
        } else {
            put_off(id, tokens);
        }
    }

    void on_fork(uint32_t parent, uint32_t child, uint64_t tokens) {
        Put& p = put_[parent];
        put_[child].extent = {tokens, 0, 0};
        if (p.state == State::evicted && !store_again(parent)) put_off(parent, 0);
        if (p.state == State::rejected) return reject(child);
        if (p.state != State::held) return on_prompt(child, put_[child].extent);  // waiting: stored on its own
        if (fit(parent, child, [&] { return cache_.fork(parent, child); })) {
            put_[child].state = State::held;
            sample();
        } else {
            put_[child].extent = store().extent(parent);
            put_off(child, 0);
        }
    }

    void on_free(uint32_t id) {
        Put& p = put_[id];
        bool held = p.state == State::held || (p.state == State::waiting && p.stored);
        if (held) cache_.free(id);
        if (p.state == State::waiting) reject(id);
        if (p.state != State::rejected) p.state = State::freed;
        serve_waiting();
    }

    bool store_again(uint32_t id) {
        Put& p = put_[id];
        if (!fit(id, kNone, [&] { return cache_.allocate(id, p.extent, priority(id)); })) return false;
        p.state = State::held;
        result_->total.recomputed_tokens += held_tokens(p.extent);
        return true;
    }
    uint64_t held_tokens(const Extent& e) const {
        return e.tokens - uint64_t{e.hole_end - e.hole_begin} * store().block_size();
    }

    // It got no room: it waits, or is rejected.
    void put_off(uint32_t id, uint64_t tokens) {
        Put& p = put_[id];
        bool held = store().contains(id);
        if (rules_.on_full != OnFull::wait) {
            if (held) cache_.free(id);
            return reject(id);
        }
        p.state = State::waiting;
        p.stored = held;
        p.pending = tokens;
        if (!p.has_waited) ++result_->total.waited;
        p.has_waited = true;
        waiting_.push_back(id);
    }

    void serve_waiting() {
        while (!waiting_.empty()) {
            uint32_t id = waiting_.front();
            Put& p = put_[id];
            if (p.state == State::waiting) {
                Extent all = p.extent;
                all.tokens += p.pending;
                auto failure = p.stored ? cache_.append(id, p.pending) : cache_.allocate(id, all, priority(id));
                if (failure) return;
                if (!p.stored) sample();
                p.state = State::held;
            }
            waiting_.pop_front();
        }
    }

    // Does `operation`, which stores or grows `id` (or `other`), making room for it. False if there is no way.
    template <class Operation>
    bool fit(uint32_t id, uint32_t other, Operation&& operation) {
        if (!operation()) return true;
        const SequenceStrategy& strategy = cache_.strategy();
        if (strategy.trims && store().contains(id)) {
            Trimmed t = cache_.trim(id, strategy.sink, strategy.window);
            result_->total.trim_requested_tokens += t.requested_tokens;
            result_->total.trim_dropped_tokens += t.dropped_tokens;
            result_->total.evicted_tokens += t.dropped_tokens;
            result_->total.evicted_blocks += t.freed_blocks;
            if (t.freed_blocks > 0 && !operation()) return true;
        }
        if (rules_.on_full != OnFull::evict && rules_.on_full != OnFull::preempt) return false;
        do {
            std::optional<SequenceId> victim = cache_.select_victim(id, other);
            if (!victim) return false;
            take_blocks(*victim);
        } while (operation());
        return true;
    }

    void take_blocks(SequenceId victim) {
        put_[victim].extent = store().extent(victim);
        put_[victim].state = State::evicted;
        Evicted gone = cache_.evict_sequence(victim);
        result_->total.evicted_blocks += gone.freed_blocks;
        result_->total.evicted_tokens += gone.tokens;
        ++(rules_.on_full == OnFull::preempt ? result_->total.preempted : result_->total.evicted_sequences);
    }

    void keep_below_threshold(uint32_t id) {
        if (!cache_.needs_eviction(rules_.threshold)) return;
        while (cache_.utilization() > rules_.target) {
            std::optional<SequenceId> victim = cache_.select_victim(id);
            if (!victim) return;  // no progress: what is left is shared or being served
            take_blocks(*victim);
        }
    }

    // ---- requests ----

    struct Request {
        uint32_t first = 0;    ///< sequence of the request itself
        uint32_t samples = 0;  ///< first of the ids of its other samples
        uint32_t more = 0;     ///< how many
    };

    void run_requests() {
        put_.resize(trace_->requests());
        next_sample_ = trace_->requests();
        for (uint32_t r = 0; r < trace_->requests(); ++r) {
            begin(r);
            release_finished(r);
            admit_again();
            admit(r);
            note_peak();
        }
        while (!preempted_.empty() && !running_.empty()) {
            release_oldest();
            admit_again();
        }
    }

    void release_finished(uint32_t arriving) {
        if (options_.concurrency != kByTrace) {
            while (running_.size() >= options_.concurrency) release_oldest();
            return;
        }
        while (!by_end_.empty() && by_end_.top().end <= trace_->arrival_s[arriving]) {
            uint32_t r = by_end_.top().request;
            by_end_.pop();
            if (put_[r].state == State::held) release(r);
        }
    }
    // Under --concurrency N the oldest is the one admitted first, under trace the one that ends first.
    void release_oldest() {
        if (options_.concurrency != kByTrace) return release(running_.front().first);
        while (put_[by_end_.top().request].state != State::held) by_end_.pop();
        uint32_t r = by_end_.top().request;
        by_end_.pop();
        release(r);
    }
    void release(uint32_t r) {
        take_out(r);
        put_[r].state = State::freed;
    }
    void take_out(uint32_t r) {
        auto found = std::find_if(running_.begin(), running_.end(), [r](const Request& q) { return q.first == r; });
        cache_.free(found->first);
        for (uint32_t i = 0; i < found->more; ++i) cache_.free(found->samples + i);
        running_.erase(found);
    }

    void admit(uint32_t r) {
        while (!try_admit(r)) {
            bool waits = rules_.on_full == OnFull::evict || rules_.on_full == OnFull::wait;
            if (waits && !running_.empty()) {
                if (!put_[r].has_waited) ++result_->total.waited;
                put_[r].has_waited = true;
                release_oldest();
            } else if (rules_.on_full == OnFull::preempt && !running_.empty()) {
                preempt_one();
            } else {
                return reject(r);
            }
        }
        sample();
    }

    void preempt_one() {
        std::optional<SequenceId> victim = cache_.select_victim();
        uint32_t r = victim ? request_of(*victim) : running_.back().first;
        uint64_t before = store().used_blocks();
        uint64_t tokens = store().held_tokens();
        take_out(r);
        result_->total.evicted_blocks += before - store().used_blocks();
        result_->total.evicted_tokens += tokens - store().held_tokens();
        ++result_->total.preempted;
        put_[r].state = State::evicted;
        preempted_.insert(std::lower_bound(preempted_.begin(), preempted_.end(), r), r);
    }
    uint32_t request_of(SequenceId id) const {
        for (const Request& q : running_)
            if (id == q.first || (id >= q.samples && id - q.samples < q.more)) return q.first;
        return running_.back().first;
    }

    void admit_again() {
        while (!preempted_.empty() && (options_.concurrency == kByTrace || running_.size() < options_.concurrency)) {
            uint32_t r = preempted_.front();
            uint64_t before = store().held_tokens();
            if (!try_admit(r)) return;
            result_->total.recomputed_tokens += store().held_tokens() - before;
            preempted_.pop_front();
        }
    }

    // Prompt, forks for parallel samples, outputs; all or nothing.
    bool try_admit(uint32_t r) {
        SequenceStats before = store().stats();
        Request q{r, next_sample_, 0};
        bool ok = !cache_.allocate(r, trace_->prompt_tokens[r], priority(r));
        bool first = ok;
        auto samples = trace_->samples.has(r) ? static_cast<uint64_t>(trace_->samples[r]) : 1;
        for (uint64_t i = 1; ok && i < samples; ++i) {
            ok = !cache_.fork(r, q.samples + q.more);
            q.more += ok;
        }
        for (uint32_t i = 0; ok && options_.decode && trace_->output_tokens[r] > 0 && i <= q.more; ++i)
            ok = !cache_.append(i == 0 ? r : q.samples + i - 1, trace_->output_tokens[r]);
        if (!ok) {
            if (first) cache_.free(r);
            for (uint32_t i = 0; i < q.more; ++i) cache_.free(q.samples + i);
            before.failed_allocations = store().stats().failed_allocations;
            cache_.store().restore_stats(before);
            return false;
        }
        next_sample_ += q.more;
        running_.push_back(q);
        if (options_.concurrency == kByTrace) by_end_.push({trace_->end_s[r], r});
        put_[r].state = State::held;
        note_peak();
        return true;
    }

    struct End {
        double end;
        uint32_t request;
        bool operator<(const End& o) const { return end != o.end ? end > o.end : request > o.request; }
    };

    SequenceCache<Store> cache_;
    SequenceRules rules_;
    const Trace* trace_ = nullptr;
    RunOptions options_;
    RunResult* result_ = nullptr;
    uint32_t request_ = 0;
    std::vector<Put> put_;
    std::deque<uint32_t> waiting_;
    std::deque<Request> running_;  ///< in order of admission
    std::priority_queue<End> by_end_;
    std::deque<uint32_t> preempted_;  ///< ascending
    uint32_t next_sample_ = 0;
};

}  // namespace kvsim
