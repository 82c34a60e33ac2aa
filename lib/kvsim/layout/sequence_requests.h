// Replays a trace of requests over a store of sequences.
//
// A request is admitted with its prompt and its whole output, and freed when it is released (--concurrency). There is
// nobody idle to evict, so evict and wait both release the oldest running request (the one admitted first) early;
// preempt takes the blocks of a running one, which is admitted again, before the next request is, once there is room
// without preempting, the earliest first; every admission, also an again, counts for --concurrency N, and under trace
// one whose end has passed stays until the next arrival. Samples (n) are forks of the request between its prompt and
// its output, and live and go with it; the victim is the request one of whose sequences has the smallest key, ties to the
// earliest request. Requests share nothing, so what a running one's keys are made from stays as it was at its
// admission: they are kept in order. O(log n) per request that is admitted, released or preempted, beside its blocks.
#pragma once

#include <kvsim/layout/sequence_replay.h>

#include <map>
#include <queue>
#include <set>

namespace kvsim {

template <class Store>
class SequenceRequestReplay : public SequenceReplay<Store> {
  public:
    using Base = SequenceReplay<Store>;
    SequenceRequestReplay(SequenceCache<Store> cache, const SequenceRules& rules)
        : Base(std::move(cache), rules), empty_(Base::store()) {}  // NOLINT(cppcoreguidelines-slicing): the store alone

  private:
    using Base::cache_, Base::note_peak, Base::options_, Base::priority, Base::result_, Base::rules_, Base::sample,
        Base::store, Base::trace_;

    enum class State : uint8_t { none, held, preempted, freed };
    struct Request {
        uint32_t first = 0;    ///< sequence of the request itself
        uint32_t samples = 0;  ///< first of the ids of its other samples
        uint32_t more = 0;     ///< how many
        SequenceKey key;       ///< preempt: the smallest of its sequences
        SequenceId sequence(uint32_t i) const { return i == 0 ? first : samples + i - 1; }
    };
    uint64_t samples_of(uint32_t r) const {
        return trace_->samples.has(r) ? static_cast<uint64_t>(trace_->samples[r]) : 1;
    }

    void replay() override {
        state_.resize(trace_->requests());
        admitted_.resize(trace_->requests());
        next_sample_ = trace_->requests();
        for (uint32_t r = 0; r < trace_->requests(); ++r) {
            this->begin(r);
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
            if (state_[r] == State::held) release(r);
        }
    }
    // The one admitted first.
    void release_oldest() { release(running_.begin()->second.first); }
    // When no more requests arrive: under trace the one that ends first, else the oldest.
    void release_next() {
        if (options_.concurrency != kByTrace) return release_oldest();
        while (state_[by_end_.top().request] != State::held) by_end_.pop();
        uint32_t r = by_end_.top().request;
        by_end_.pop();
        release(r);
    }
    void release(uint32_t r) {
        take_out(r);
        state_[r] = State::freed;
    }
    void take_out(uint32_t r) {
        auto found = running_.find(admitted_[r]);
        const Request& q = found->second;
        for (uint32_t i = 0; i <= q.more; ++i) cache_.free(q.sequence(i));
        if (rules_.on_full == OnFull::preempt) by_key_.erase({q.key, r});
        running_.erase(found);
    }

    void admit(uint32_t r) {
        if (!fits_alone(r)) return this->note_rejected(r);
        do {
            while (!has_slot()) release_oldest();
        } while (admit_again());
        while (!try_admit(r)) {
            if (rules_.on_full == OnFull::fail || running_.empty()) return this->note_rejected(r);
            if (rules_.on_full == OnFull::preempt) {
                preempt_one();
                continue;
            }
            this->note_waited(r);
            release_oldest();
        }
        sample(r);
    }

    uint64_t output(uint32_t r) const { return options_.decode ? trace_->output_tokens[r] : 0; }
    uint64_t room_of(uint32_t r) const {
        return store().room_of_samples(trace_->prompt_tokens[r], output(r), samples_of(r));
    }
    // Tried only where it depends on how runs are placed; then it has no more samples than the capacity has blocks.
    bool fits_alone(uint32_t r) {
        uint64_t room = room_of(r);
        if (room > store().capacity()) return false;
        if (Store::kRoomIsEnough || samples_of(r) == 1 || room <= store().capacity() / 2) return true;
        Request q{0, 1, 0, {}};
        bool fits = store_all(empty_, q, r);
        if (fits) for (uint32_t i = 0; i <= q.more; ++i) empty_.free(q.sequence(i));
        empty_.risen().clear();
        return fits;
    }

    void preempt_one() {
        uint32_t r = by_key_.begin()->second;
        uint64_t before = store().used_blocks();
        uint64_t tokens = store().held_tokens();
        take_out(r);
        result_->total.evicted_blocks += before - store().used_blocks();
        result_->total.evicted_tokens += tokens - store().held_tokens();
        ++result_->total.preempted;
        state_[r] = State::preempted;
        preempted_.insert(r);
    }

    // The earliest preempted request, if there is one and it fits.
    bool admit_again() {
        if (preempted_.empty()) return false;
        uint64_t before = store().held_tokens();
        if (!try_admit(*preempted_.begin())) return false;
        result_->total.recomputed_tokens += store().held_tokens() - before;
        preempted_.erase(preempted_.begin());
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
        for (uint32_t i = 0; ok && output(r) > 0 && i <= q.more; ++i)
            ok = !to.append(q.sequence(i), output(r));
        for (uint32_t i = 0; !ok && i <= q.more; ++i) to.free(q.sequence(i));
        return ok;
    }

    bool try_admit(uint32_t r) {
        if (room_of(r) > store().free_blocks()) return false;
        SequenceStats before = store().stats();
        Request q{r, next_sample_, 0, {}};
        if (!store_all(cache_, q, r)) {
            before.failed_allocations = store().stats().failed_allocations;
            cache_.store().restore_stats(before);
            return false;
        }
        next_sample_ += q.more;
        if (rules_.on_full == OnFull::preempt) {
            q.key = key_of(q);
            by_key_.insert({q.key, r});
        }
        admitted_[r] = admissions_;
        running_.emplace(admissions_++, q);
        if (options_.concurrency == kByTrace) by_end_.push({trace_->end_s[r], r});
        state_[r] = State::held;
        note_peak();
        return true;
    }

    SequenceKey key_of(const Request& q) const {
        SequenceKey key = cache_.strategy().key(store().facts(q.first));
        for (uint32_t i = 1; i <= q.more; ++i)
            key = std::min(key, cache_.strategy().key(store().facts(q.sequence(i))));
        return key;
    }

    struct End {
        double end;
        uint32_t request;
        bool operator<(const End& o) const { return end != o.end ? end > o.end : request > o.request; }
    };

    typename Store::Bookkeeping empty_;  ///< to see whether a request fits alone
    std::vector<State> state_;
    uint64_t admissions_ = 0;
    std::vector<uint64_t> admitted_;       ///< per request: the number of its latest admission
    std::map<uint64_t, Request> running_;  ///< by that number
    std::set<std::pair<SequenceKey, uint32_t>> by_key_;  ///< preempt: the running ones
    std::priority_queue<End> by_end_;
    std::set<uint32_t> preempted_;
    uint32_t next_sample_ = 0;
};

}  // namespace kvsim
