// The synchronous scheduler of vLLM v1. A step gives tokens to the running requests in order, then admits waiting ones,
// within a budget of tokens; prompts longer than what is left of it are computed in chunks. A running request that
// finds no room preempts another, which loses its blocks, goes back to the front of the line and is later looked up
// again with its output so far. Nobody is admitted in a step that preempted.
//
// Source: the rules of vLLM v1's Scheduler.schedule(). The released engine runs its scheduler one step ahead of the
// computation by default; this is the one that waits for each step. Cost: O(running requests) per step and O(1) per
// block; with the priority policy a preemption is O(running), an admission O(log waiting).
//
// What the engine leaves open: it would wait for ever for a request that can never fit. Here the head of the line goes
// away, rejected (or unfinished, if it was admitted before), when it finds no room while nobody runs; so does a request
// that preempts itself while nobody else runs and had come no further than the last time.
#include <kvsim/core/error.h>
#include <kvsim/engine/vllm_replay.h>

#include <algorithm>
#include <cmath>
#include <deque>
#include <memory>
#include <set>

namespace kvsim {

namespace {

struct Running {
    VllmSequence sequence;
    uint64_t made = 0;        ///< output tokens
    uint64_t scheduled = 0;   ///< tokens in this step
    uint64_t lost = 0;        ///< tokens computed before the last preemption
    uint64_t alone = 0;       ///< 1 + tokens computed when it last preempted itself with nobody else there
    bool was_admitted = false;
    bool waited = false;
};

class Scheduler {
  public:
    explicit Scheduler(VllmReplay& replay)
        : replay_(replay), manager_(replay.manager), options_(replay.options), slots_(replay.trace.requests()) {
        EngineRun& run = *replay.result.engine;
        uint32_t requests = replay.trace.requests();
        run.readmission_hit_tokens.assign(requests, 0);
        run.preemptions.assign(requests, 0);
        run.admit_step.assign(requests, EngineRun::kNever);
        run.finish_step.assign(requests, EngineRun::kNever);
        read_arrivals();
    }

    void run() {
        uint64_t steps = 0;
        for (step_ = 0;; ++step_) {
            if (running_.empty() && waiting_empty()) {
                if (next_ == order_.size()) break;
                step_ = std::max(step_, arrival_[order_[next_]]);
            }
            for (; next_ < order_.size() && arrival_[order_[next_]] <= step_; ++next_) wait(order_[next_], false);
            scheduled_.clear();
            uint64_t budget = options_.max_num_batched_tokens;
            if (!schedule_running(budget)) admit_waiting(budget);
            if (scheduled_.empty()) continue;
            ++steps;
            replay_.sample_usage(replay_.past_warmup());
            compute();
        }
        replay_.finish(steps);
    }

  private:
    void read_arrivals() {
        const Trace& trace = replay_.trace;
        bool by_step = replay_.run.arrivals == Arrivals::step;
        arrival_.resize(trace.requests());
        order_.resize(trace.requests());
        for (uint32_t r = 0; r < trace.requests(); ++r) {
            order_[r] = r;
            arrival_[r] = by_step ? step_of(r) : time_of(r);
        }
        std::stable_sort(order_.begin(), order_.end(),
                         [&](uint32_t a, uint32_t b) { return arrival_[a] < arrival_[b]; });
        rank_.resize(order_.size());
        for (uint32_t i = 0; i < order_.size(); ++i) rank_[order_[i]] = i;
    }

    std::string called(uint32_t r) const {
        return "request " + std::to_string(r) + " (" + replay_.trace.sequence_name(r) + ")";
    }

    uint64_t step_of(uint32_t r) const {
        const Trace& trace = replay_.trace;
        if (!trace.step.has(r))
            throw_input("--arrivals step: " + called(r) +
                        " has no step; expected a trace with \"step\" on every prompt or "
                        "request, or --arrivals sequential or time");
        if (trace.step[r] < 0)
            throw_input("--arrivals step: " + called(r) + " has step " + std::to_string(trace.step[r]) +
                        "; expected 0 or more");
        return static_cast<uint64_t>(trace.step[r]);
    }

    uint64_t time_of(uint32_t r) const {
        const Trace& trace = replay_.trace;
        if (r >= trace.arrival_s.size())
            throw_input(
                "--arrivals time: the trace has no arrival times; expected one with them, or --arrivals sequential");
        // In microseconds, so that a border of a step is one, whatever binary fractions make of it.
        double step = std::floor(std::round(trace.arrival_s[r] * 1e6) / (options_.step_ms * 1e3));
        if (!(step >= 0 && step < 9e15))
            throw_input("--arrivals time: " + called(r) + " arrives at " + std::to_string(trace.arrival_s[r]) +
                        " s; expected a time from 0 s on, at most 9e15 steps");
        return static_cast<uint64_t>(step);
    }

    // Smallest first: who is served next; the largest running one is preempted.
    std::pair<double, uint32_t> urgency(uint32_t r) const {
        return {replay_.trace.priority.has(r) ? replay_.trace.priority[r] : 0.0, rank_[r]};
    }

    // --- the line ---

    bool waiting_empty() const { return options_.by_priority ? by_priority_.empty() : line_.empty(); }

    void wait(uint32_t r, bool in_front) {
        if (options_.by_priority) {
            by_priority_.insert({urgency(r), r});
        } else if (in_front) {
            line_.push_front(r);
        } else {
            line_.push_back(r);
        }
    }

    uint32_t head() const { return options_.by_priority ? by_priority_.begin()->second : line_.front(); }

    void leave_line() {
        if (options_.by_priority) {
            by_priority_.erase(by_priority_.begin());
        } else {
            line_.pop_front();
        }
    }

    // --- requests ---

    Running& known(uint32_t r) {
        if (slots_[r]) return *slots_[r];
        if (spare_.empty()) {
            slots_[r] = std::make_unique<Running>();
        } else {
            slots_[r] = std::move(spare_.back());
            spare_.pop_back();
        }
        Running& s = *slots_[r];
        replay_.begin(s.sequence, r);
        s.made = s.scheduled = s.lost = s.alone = 0;
        s.was_admitted = s.waited = false;
        return s;
    }

    void forget(uint32_t r) {
        spare_.push_back(std::move(slots_[r]));
        replay_.done_one();
    }

    // Its own output can be hit by nobody but itself, after a preemption.
    void name_output(VllmSequence& s) {
        uint64_t full = (s.length + replay_.outputs(s.request)) / manager_.block_tokens();
        if (options_.caching && full > s.names.size()) s.own_keys = manager_.add_own_keys(full - s.names.size());
    }

    // --- a step ---

    // True: somebody was preempted.
    bool schedule_running(uint64_t& budget) {
        bool preempted = false;
        for (size_t i = 0; i < running_.size() && budget > 0; ++i) {
            Running& s = *running_[i];
            uint64_t n = std::min(s.sequence.length - s.sequence.computed, budget);
            if (n == 0) continue;
            bool gone = false;
            while (!gone && !manager_.extend(s.sequence, n)) {
                gone = preempt_for(s, i, budget);
                preempted = true;
            }
            if (gone) break;
            schedule(s, n, budget);
        }
        return preempted;
    }

    void schedule(Running& s, uint64_t n, uint64_t& budget) {
        s.scheduled = n;
        scheduled_.push_back(&s);
        budget -= n;
    }

    // Takes the blocks of the least urgent running request; true if that is the one at `index` that needs room.
    bool preempt_for(Running& needy, size_t& index, uint64_t& budget) {
        size_t at = running_.size() - 1;
        if (options_.by_priority)
            for (size_t i = 0; i < running_.size(); ++i)
                if (urgency(running_[i]->sequence.request) > urgency(running_[at]->sequence.request)) at = i;
        Running& victim = *running_[at];
        running_.erase(running_.begin() + static_cast<ptrdiff_t>(at));
        if (victim.scheduled != 0) {
            budget += victim.scheduled;
            victim.scheduled = 0;
            scheduled_.erase(std::find(scheduled_.begin(), scheduled_.end(), &victim));
            --index;
        }
        preempt(victim);
        return &victim == &needy;
    }

    void preempt(Running& s) {
        uint32_t r = s.sequence.request;
        uint64_t computed = s.sequence.computed;
        manager_.free(s.sequence);
        replay_.preempted(r);
        s.lost = computed;  // NOLINT(clang-analyzer-unix.Malloc): takes the manager's free() for C's
        if (running_.empty() && scheduled_.empty()) {  // everything was its own
            if (s.alone > computed) return give_up(s);
            s.alone = computed + 1;
        }
        wait(r, true);
    }

    void admit_waiting(uint64_t& budget) {
        while (!waiting_empty() && budget > 0 && running_.size() < options_.max_num_seqs) {
            Running& s = known(head());
            uint64_t hits = manager_.look_up(s.sequence), before = manager_.pool().evictions();
            uint64_t n = std::min(s.sequence.length - hits * manager_.block_tokens(), budget);
            if (!s.was_admitted && s.sequence.own_keys == kNone) name_output(s.sequence);
            VllmManager::Admission admission;
            admission.others_running = !running_.empty();
            admission.batch_tokens = options_.max_num_batched_tokens;
            admission.observer = replay_.run.engine_observer;
            admission.again = s.was_admitted;
            if (!manager_.admit(s.sequence, n, admission)) {
                if (!running_.empty()) {
                    note_waited(s);
                    return;
                }
                leave_line();
                give_up(s);
                continue;
            }
            leave_line();
            admitted(s, hits, before);
            running_.push_back(&s);
            schedule(s, n, budget);
        }
    }

    void note_waited(Running& s) {
        if (!s.waited && !s.was_admitted) ++replay_.result.total.waited;
        s.waited = true;
    }

    void admitted(Running& s, uint64_t hits, uint64_t evictions_before) {
        uint32_t r = s.sequence.request;
        if (s.was_admitted) return replay_.readmitted(s.sequence, hits, s.lost);
        s.was_admitted = true;
        replay_.result.engine->admit_step[r] = step_;
        replay_.admitted(s.sequence, hits, evictions_before);
    }

    // Nothing will ever make room for it.
    void give_up(Running& s) {
        uint32_t r = s.sequence.request;
        if (!s.was_admitted) {
            replay_.reject(r);
        } else if (replay_.counted(r)) {
            ++replay_.unfinished;
        }
        forget(r);
    }

    void compute() {
        for (Running* s : scheduled_) {
            s->sequence.computed += s->scheduled;
            s->scheduled = 0;
            if (s->sequence.computed < s->sequence.length) continue;
            ++s->sequence.length;
            ++s->made;
        }
        auto done = [&](const Running* s) { return s->made == replay_.outputs(s->sequence.request); };
        finished_.clear();
        for (Running* s : scheduled_) {
            if (!done(s)) continue;
            finished_.push_back(s->sequence.request);
            replay_.result.engine->finish_step[s->sequence.request] = step_;
            manager_.free(s->sequence);
        }
        if (finished_.empty()) return;
        running_.erase(std::remove_if(running_.begin(), running_.end(), done), running_.end());
        for (uint32_t r : finished_) forget(r);
    }

    VllmReplay& replay_;
    VllmManager& manager_;
    const VllmOptions& options_;
    uint64_t step_ = 0;
    std::vector<uint64_t> arrival_;  // step
    std::vector<uint32_t> order_, rank_;  // of arrival
    size_t next_ = 0;                // of order_, not here yet
    std::deque<uint32_t> line_;
    std::set<std::pair<std::pair<double, uint32_t>, uint32_t>> by_priority_;
    std::vector<std::unique_ptr<Running>> slots_, spare_;  // of requests that were looked up and are not done
    std::vector<Running*> running_, scheduled_;
    std::vector<uint32_t> finished_;
};

}  // namespace

void replay_in_steps(VllmReplay& replay) { Scheduler(replay).run(); }

}  // namespace kvsim
