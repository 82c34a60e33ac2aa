// Replays a trace of events over a store of sequences.
//
// Such a trace says itself who is there: a sequence lives from its prompt or fork to its free, and each event serves one
// sequence. evict and preempt take all blocks of another living sequence; when that is served again its tokens are
// stored again (recomputed). fail rejects the sequence: its later events, and forks of it, are skipped. A rejected
// sequence gives its blocks back.
//
// wait puts the sequence in a line and its later events off: decodes, its free, its forks, and all events of children
// whose fork was put off. A free makes room; the line is served from its front (others that fit go ahead), and who was
// served does what was put off, in its order, before the next one's turn. Should that not fit, the sequence goes to the
// end of the line with the rest. When everybody who holds blocks waits, no free can come any more: the last in the line
// is rejected, and so are those who still wait at the end of the trace, with the children they never bore.
#pragma once

#include <kvsim/layout/sequence_replay.h>

#include <deque>
#include <map>

namespace kvsim {

template <class Store>
class SequenceEventReplay : public SequenceReplay<Store> {
  public:
    using Base = SequenceReplay<Store>;
    using Base::Base;

  private:
    using Base::cache_, Base::options_, Base::priority, Base::result_, Base::rules_, Base::sample, Base::store, Base::trace_;

    enum class State : uint8_t { none, held, evicted, waiting, unborn, rejected, freed };
    struct Put {  ///< what is known of a sequence that may be off the store
        State state = State::none;
        uint32_t behind = kNone;  ///< unborn: who waits, with its fork among the later events
        Extent extent;            ///< evicted or waiting: what to store
    };
    struct Waiting {
        bool stored = false;  ///< it holds blocks and waits to grow
        uint64_t tokens = 0;  ///< ... by so many
        Extent whole;         ///< what it will have come to when all its decodes are done
        std::vector<Event> later;
    };

    void replay() override {
        put_.resize(trace_->requests());
        for (const Event& e : trace_->events) {
            bool begins = e.kind == EventKind::prompt || e.kind == EventKind::fork;
            if (begins) this->begin(e.sequence);
            serve(e);
            if (begins) this->note_peak();  // what stands there; the store notes every rise after it
        }
        this->note_peak();
        while (!waiting_.empty()) reject(waiting_.begin()->first);
    }

    void serve(const Event& e) {
        if (e.kind == EventKind::decode && !options_.decode) return;
        if (!waiting_.empty() && put_off(e)) return;
        switch (e.kind) {
            case EventKind::prompt: on_prompt(e.sequence, {e.tokens, 0, 0}); break;
            case EventKind::fork: on_fork(e.other, e.sequence); break;
            case EventKind::decode: on_decode(e.sequence, e.tokens); break;
            case EventKind::free: on_free(e.sequence); break;
        }
    }

    void on_prompt(uint32_t id, const Extent& extent) {
        put_[id].extent = extent;
        if (fit(id, kNone, extent, [&] { return cache_.allocate(id, extent, priority(id)); })) {
            put_[id].state = State::held;
            sample(id);
            keep_below_threshold(id);
        } else {
            wait(id, 0);
        }
    }

    void on_decode(uint32_t id, uint64_t tokens) {
        Put& p = put_[id];
        if (p.state == State::evicted && !store_again(id)) return give_up(id);
        if (p.state != State::held) return;
        if (!cache_.append(id, tokens)) {
            if (rules_.threshold <= 1) keep_below_threshold(id);
        } else if (fit(id, kNone, longer(id, tokens), [&] { return cache_.append(id, tokens); })) {
            keep_below_threshold(id);
        } else {
            wait(id, tokens);
        }
    }

    void on_fork(uint32_t parent, uint32_t child) {
        Put& p = put_[parent];
        if (p.state == State::evicted && !store_again(parent)) give_up(parent);
        if (p.state == State::rejected) return reject(child);
        put_[child].extent = store().extent(parent);
        if (fit(parent, child, put_[child].extent, [&] { return cache_.fork(parent, child); })) {
            put_[child].state = State::held;
            sample(child);
            keep_below_threshold(parent);  // the child has no block of its own yet
        } else {
            wait(child, 0);  // to be stored on its own: the parent may not be there by then
        }
    }

    void on_free(uint32_t id) {
        Put& p = put_[id];
        if (p.state == State::held) cache_.free(id);
        if (p.state != State::rejected) p.state = State::freed;
        serve_line();
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
    /// What it holds, or is to store, and `tokens` more.
    Extent longer(uint32_t id, uint64_t tokens) const {
        Extent e = store().contains(id) ? store().extent(id) : put_[id].extent;
        e.tokens += tokens;
        return e;
    }
    bool never_fits(const Extent& e) const { return store().room_of(e) > store().capacity(); }

    // ---- who got no room ----

    // It waits to be stored, or to grow by `tokens`; or it is rejected.
    void wait(uint32_t id, uint64_t tokens) {
        Extent whole = longer(id, tokens);
        if (rules_.on_full != OnFull::wait || never_fits(whole)) return give_up(id);
        bool stored = store().contains(id);
        put_[id].state = State::waiting;
        waiting_[id] = {stored, tokens, whole, {}};
        stored_waiting_ += stored;
        line_.push_back(id);
        this->note_waited(id);
        serve_line();
    }

    // True if the sequence of the event waits, or is not born because its parent does: the event waits with it.
    bool put_off(const Event& e) {
        uint32_t id = e.kind == EventKind::fork ? e.other : e.sequence;
        uint32_t first = put_[id].state == State::unborn ? put_[id].behind : id;
        if (put_[first].state != State::waiting) return false;
        Waiting& w = waiting_.at(first);
        w.later.push_back(e);
        if (e.kind == EventKind::fork) {
            put_[e.sequence].state = State::unborn;
            put_[e.sequence].behind = first;
        }
        if (e.kind != EventKind::decode || id != first) return true;
        w.whole.tokens += e.tokens;
        if (never_fits(w.whole)) give_up(first);
        return true;
    }

    void give_up(uint32_t id) {
        reject(id);
        serve_line();  // in its room, or in its place in the line
    }
    // Gives its blocks back, and takes with it the children it waited to bear.
    void reject(uint32_t id) {
        put_[id].state = State::rejected;
        this->note_rejected(id);
        auto found = waiting_.find(id);
        if (found != waiting_.end()) {
            stored_waiting_ -= found->second.stored;
            for (const Event& e : found->second.later)
                if (e.kind == EventKind::fork) reject(e.sequence);
            waiting_.erase(found);
        }
        if (store().contains(id)) cache_.free(id);
    }

    // What is done meanwhile may free and reject; the loop that is running goes on with that.
    void serve_line() {
        if (serving_) return;
        serving_ = true;
        while (!line_.empty()) {
            uint32_t id = line_.front();
            auto found = waiting_.find(id);
            if (found == waiting_.end()) {
                line_.pop_front();  // it has been rejected
            } else if (start_or_grow(id, found->second)) {
                line_.pop_front();
                go_on(id);
            } else if (store().size() == stored_waiting_) {
                while (waiting_.find(line_.back()) == waiting_.end()) line_.pop_back();
                reject(line_.back());
            } else {
                break;
            }
        }
        serving_ = false;
    }
    bool start_or_grow(uint32_t id, const Waiting& w) {
        if (w.stored) return !cache_.append(id, w.tokens);
        if (cache_.allocate(id, put_[id].extent, priority(id))) return false;
        sample(id);
        return true;
    }
    void go_on(uint32_t id) {
        put_[id].state = State::held;
        Waiting done = std::move(waiting_.at(id));
        waiting_.erase(id);
        stored_waiting_ -= done.stored;
        for (const Event& e : done.later) serve(e);
    }

    // ---- who makes room ----

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

    std::vector<Put> put_;
    std::deque<uint32_t> line_;            ///< in order of asking; some may have been rejected since
    std::map<uint32_t, Waiting> waiting_;  ///< by sequence
    uint64_t stored_waiting_ = 0;          ///< how many of these hold blocks
    bool serving_ = false;
};

}  // namespace kvsim
