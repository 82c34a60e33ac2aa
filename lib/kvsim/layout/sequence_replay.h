// Replays a trace over a store of sequences, and decides what happens when one does not fit (--on-full).
//
// A trace of events says itself who is there: a sequence lives from its prompt or fork to its free, and each event
// serves one sequence. evict and preempt take all blocks of another living sequence; when that is served again its
// tokens are stored again (recomputed). wait puts the sequence and its later events off until a free makes room; who
// waits is served in the order of waiting, while others that fit go ahead. fail rejects the sequence: its later events,
// and forks of it, are skipped. A rejected sequence gives its blocks back. What would not fit even alone is rejected at
// once, whatever the rule, and nobody makes room for it.
//
// A trace of requests: a request is admitted with its prompt and its whole output, and freed when it is released
// (--concurrency). There is nobody idle to evict, so evict and wait both release the oldest running request (the
// one admitted first) early;
// preempt takes the blocks of a running one, which is admitted again, before the next request is, once there is room
// without preempting, the earliest first; every admission, also an again, counts for --concurrency N, and under trace
// one whose end has passed stays until the next arrival. Samples (n) are forks of the request between its prompt and
// its output, and live and go with it; the victim is the request one of whose sequences has the smallest key.
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
    SequenceReplay(SequenceCache<Store> cache, const SequenceRules& rules)
        : cache_(std::move(cache)), rules_(rules), empty_(cache_.store()) {}

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
        if (request == options_.warmup_requests) cache_.store().forget_peaks();
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
        if (put_[id].has_waited) return;
        put_[id].has_waited = true;
        ++result_->total.waited;
        if (counted() && id < options_.warmup_requests) ++result_->warmup.waited;
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
                case EventKind::fork: on_fork(e.other, e.sequence); break;
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
        if (fit(id, kNone, extent, [&] { return cache_.allocate(id, extent, priority(id)); })) {
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
        if (p.state == State::waiting) return wait_for_more(id, tokens);
        if (p.state == State::evicted && !store_again(id)) return put_off(id, tokens);
        if (p.state != State::held) return;
        if (!cache_.append(id, tokens)) {
            if (rules_.threshold <= 1) keep_below_threshold(id);
        } else if (fit(id, kNone, longer(id, tokens), [&] { return cache_.append(id, tokens); })) {
            keep_below_threshold(id);
        } else {
            put_off(id, tokens);
        }
    }

    void on_fork(uint32_t parent, uint32_t child) {
        Put& p = put_[parent];
        if (p.state == State::evicted && !store_again(parent)) put_off(parent, 0);
        if (p.state == State::rejected) return reject(child);
        if (p.state != State::held) return on_prompt(child, longer(parent, p.pending));  // waiting: stored on its own
        put_[child].extent = store().extent(parent);
        if (fit(parent, child, put_[child].extent, [&] { return cache_.fork(parent, child); })) {
            put_[child].state = State::held;
            sample();
            keep_below_threshold(parent);  // the child has no block of its own yet
        } else {
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
        if (!fit(id, kNone, p.extent, [&] { return cache_.allocate(id, p.extent, priority(id)); })) return false;
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
        if (rules_.on_full != OnFull::wait || never_fits(longer(id, tokens))) return give_up(id);
        bool held = store().contains(id);
        p.state = State::waiting;
        p.stored = held;
        p.pending = tokens;
        note_waited(id);
        waiting_.push_back(id);
    }

    void wait_for_more(uint32_t id, uint64_t tokens) {
        put_[id].pending += tokens;
        if (never_fits(longer(id, put_[id].pending))) give_up(id);
    }
    void give_up(uint32_t id) {
        reject(id);
        if (store().contains(id)) cache_.free(id);
        serve_waiting();  // in its room, or in its place in the line
    }
    /// What it holds, or waits to store, and `tokens` more.
    Extent longer(uint32_t id, uint64_t tokens) const {
        Extent e = store().contains(id) ? store().extent(id) : put_[id].extent;
        e.tokens += tokens;
        return e;
    }
    bool never_fits(const Extent& e) const { return store().room_of(e) > store().capacity(); }

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

    // Does `operation`, which stores or grows `id` (or `other`) to `whole`, making room for it. False if there is no
    // way.
    template <class Operation>
    bool fit(uint32_t id, uint32_t other, Extent whole, Operation&& operation) {
        if (!operation()) return true;
        const SequenceStrategy& strategy = cache_.strategy();
        if (strategy.trims && store().contains(id)) {
            uint64_t before = store().held_tokens();
            Trimmed t = cache_.trim(id, strategy.sink, strategy.window);
            result_->total.trim_requested_tokens += t.requested_tokens;
            result_->total.trim_dropped_tokens += t.dropped_tokens;
            result_->total.evicted_tokens += before - store().held_tokens();
            result_->total.evicted_blocks += t.freed_blocks;
            if (t.freed_blocks > 0 && !operation()) return true;
            whole.hole_begin = store().extent(id).hole_begin;
            whole.hole_end = store().extent(id).hole_end;
        }
        if (never_fits(whole) || (rules_.on_full != OnFull::evict && rules_.on_full != OnFull::preempt)) return false;
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
        SequenceId sequence(uint32_t i) const { return i == 0 ? first : samples + i - 1; }
    };
    uint64_t samples_of(uint32_t r) const {
        return trace_->samples.has(r) ? static_cast<uint64_t>(trace_->samples[r]) : 1;
    }

    void run_requests() {
        put_.resize(trace_->requests());
        next_sample_ = trace_->requests();
        for (uint32_t r = 0; r < trace_->requests(); ++r) {
            begin(r);
            if (options_.concurrency == kByTrace) release_ended(r);
            admit(r);
            note_peak();
        }
        while (!preempted_.empty() && !running_.empty()) {
            release_next();
            while (has_slot() && admit_again()) {}
        }
    }

    bool has_slot() const { return options_.concurrency == kByTrace || running_.size() < options_.concurrency; }
    void release_ended(uint32_t arriving) {
        while (!by_end_.empty() && by_end_.top().end <= trace_->arrival_s[arriving]) {
            uint32_t r = by_end_.top().request;
            by_end_.pop();
            if (put_[r].state == State::held) release(r);
        }
    }
    // The one admitted first.
    void release_oldest() { release(running_.front().first); }
    // When no more requests arrive: under trace the one that ends first, else the oldest.
    void release_next() {
        if (options_.concurrency != kByTrace) return release_oldest();
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
        for (uint32_t i = 0; i <= found->more; ++i) cache_.free(found->sequence(i));
        running_.erase(found);
    }

    void admit(uint32_t r) {
        if (!fits_alone(r)) return reject(r);
        do {
            while (!has_slot()) release_oldest();
        } while (admit_again());
        while (!try_admit(r)) {
            if (rules_.on_full == OnFull::fail || running_.empty()) return reject(r);
            if (rules_.on_full == OnFull::preempt) {
                preempt_one();
                continue;
            }
            note_waited(r);
            release_oldest();
        }
        sample();
    }

    // Two final runs per sample are room enough however they are placed: then nothing need be tried.
    bool fits_alone(uint32_t r) {
        uint64_t output = options_.decode ? trace_->output_tokens[r] : 0;
        uint64_t room = empty_.room_of({trace_->prompt_tokens[r] + output, 0, 0});
        uint64_t samples = samples_of(r);
        if (samples == 1) return room <= empty_.capacity();
        if (room <= empty_.capacity() / 2 / samples) return true;
        Request q{0, 1, 0};
        bool fits = store_all(empty_, q, r);
        if (fits) for (uint32_t i = 0; i <= q.more; ++i) empty_.free(q.sequence(i));
        empty_.risen().clear();
        return fits;
    }

    void preempt_one() {
        uint32_t r = victim_request();
        uint64_t before = store().used_blocks();
        uint64_t tokens = store().held_tokens();
        take_out(r);
        result_->total.evicted_blocks += before - store().used_blocks();
        result_->total.evicted_tokens += tokens - store().held_tokens();
        ++result_->total.preempted;
        put_[r].state = State::evicted;
        preempted_.insert(std::lower_bound(preempted_.begin(), preempted_.end(), r), r);
    }
    // A linear walk, as taking one out is. Requests share nothing, so whoever is named gives blocks back.
    uint32_t victim_request() const {
        std::optional<std::pair<SequenceKey, uint32_t>> best;  // ties to the earliest request
        uint32_t victim = running_.back().first;
        for (const Request& q : running_)
            for (uint32_t i = 0; i <= q.more && cache_.strategy().key; ++i) {
                std::pair<SequenceKey, uint32_t> here{cache_.strategy().key(store().facts(q.sequence(i))), q.first};
                if (best && !(here < *best)) continue;
                best = here;
                victim = q.first;
            }
        return victim;
    }

    // The earliest preempted request, if there is one and it fits.
    bool admit_again() {
        if (preempted_.empty()) return false;
        uint64_t before = store().held_tokens();
        if (!try_admit(preempted_.front())) return false;
        result_->total.recomputed_tokens += store().held_tokens() - before;
        preempted_.pop_front();
        return true;
    }

    // Prompt, forks for parallel samples, outputs; all or nothing.
    template <class To>
    bool store_all(To& to, Request& q, uint32_t r) {
        if (to.allocate(q.first, trace_->prompt_tokens[r], priority(r))) return false;
        bool ok = true;
        for (uint64_t i = 1, samples = samples_of(r); ok && i < samples; ++i) {
            ok = !to.fork(q.first, q.samples + q.more);
            q.more += ok;
        }
        for (uint32_t i = 0; ok && options_.decode && trace_->output_tokens[r] > 0 && i <= q.more; ++i)
            ok = !to.append(q.sequence(i), trace_->output_tokens[r]);
        for (uint32_t i = 0; !ok && i <= q.more; ++i) to.free(q.sequence(i));
        return ok;
    }

    bool try_admit(uint32_t r) {
        SequenceStats before = store().stats();
        Request q{r, next_sample_, 0};
        if (!store_all(cache_, q, r)) {
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
    Store empty_;  ///< to see whether a request fits alone
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
