// Naive twins of the layouts of whole sequences: a replay of events and one of requests over naive_room.h.
#pragma once

#include <deque>

#include "property/naive_room.h"

namespace kvsim_test {

struct NaiveCounts {
    uint64_t admissions = 0, active_blocks = 0, resident_tokens = 0;
    uint64_t waited = 0, preempted = 0, recomputed_tokens = 0;
    uint64_t evicted_blocks = 0, evicted_sequences = 0, evicted_tokens = 0;
    uint64_t trim_requested = 0, trim_dropped = 0;
    uint64_t forks = 0, cow = 0, copied = 0;
};

struct NaiveResult {
    NaiveCounts total, warmup;
    uint64_t peak_blocks = 0, peak_shared = 0;
    std::vector<bool> rejected;
    std::map<uint32_t, uint64_t> admitted;  ///< blocks in use behind the first admission of each that had one
};

struct NaiveEvent {
    char kind;  ///< p f d x
    uint32_t sequence, parent;
    uint64_t tokens;
};

struct NaiveAsk {
    uint64_t in = 1, out = 0, samples = 1;
    double priority = 0, arrival = 0, end = 0;
};

/// How long the longest of them ever gets. `events`: empty for a trace of requests.
inline uint64_t longest_of(const std::vector<NaiveAsk>& asks, const std::vector<NaiveEvent>& events, bool decode) {
    std::vector<uint64_t> tokens(asks.size(), 0);
    uint64_t longest = 0;
    for (size_t r = 0; r < asks.size() && events.empty(); ++r) tokens[r] = asks[r].in + (decode ? asks[r].out : 0);
    for (const NaiveEvent& e : events) {
        if (e.kind == 'p') tokens[e.sequence] = e.tokens;
        if (e.kind == 'f') tokens[e.sequence] = tokens[e.parent];
        if (e.kind == 'd' && decode) tokens[e.sequence] += e.tokens;
    }
    for (uint64_t t : tokens) longest = std::max(longest, t);
    return longest;
}

/// What both kinds of replay share: the room, what is counted, and the warm-up's end.
class NaiveReplay {
  public:
    NaiveReplay(const NaiveSetup& s, const std::vector<NaiveAsk>& asks) : s_(s), asks_(asks), room_(s) {
        result_.rejected.resize(asks.size());
    }

  protected:
    NaiveCounts counts() const {
        NaiveCounts c = c_;
        c.forks = room_.forks;
        c.cow = room_.cow;
        c.copied = room_.copied;
        return c;
    }
    void begin(uint32_t request) {
        current_ = request;
        if (request != s_.warmup) return;
        result_.warmup = counts();
        room_.most_used = room_.most_shared = 0;
    }
    void note() {
        if (current_ < s_.warmup) return;
        result_.peak_blocks = std::max({result_.peak_blocks, room_.used(), room_.most_used});
        result_.peak_shared = std::max({result_.peak_shared, room_.shared(), room_.most_shared});
    }
    void sample(uint32_t request) {
        result_.admitted.emplace(request, room_.used());
        ++c_.admissions;
        c_.active_blocks += room_.used();
        c_.resident_tokens += room_.tokens();
        note();
    }
    NaiveResult finish() {
        c_.waited = waited_.size();
        result_.total = counts();
        if (s_.warmup >= asks_.size()) result_.warmup = counts();
        // Whoever waited belongs to the warm-up or not, whenever it was.
        result_.warmup.waited = 0;
        for (uint32_t id : waited_) result_.warmup.waited += id < s_.warmup;
        return result_;
    }

    NaiveSetup s_;
    std::vector<NaiveAsk> asks_;
    NaiveRoom room_;
    NaiveCounts c_;
    NaiveResult result_;
    std::set<uint32_t> waited_;
    uint64_t current_ = 0;
};

/// A trace of events.
class NaiveEventReplay : NaiveReplay {
  public:
    using NaiveReplay::NaiveReplay;

    NaiveResult run(const std::vector<NaiveEvent>& events) {
        for (const NaiveEvent& e : events) {
            if (e.kind == 'p' || e.kind == 'f') begin(e.sequence);
            serve(e);
            note();
        }
        for (uint32_t id : queue_) result_.rejected[id] = true;
        for (const PutOff& p : put_off_)
            if (p.event.kind == 'f') result_.rejected[p.event.sequence] = true;
        return finish();
    }

  private:
    struct PutOff {
        NaiveEvent event;
        uint32_t behind;  ///< who has to be served first
    };
    void serve(const NaiveEvent& e) {
        if (e.kind == 'd' && !s_.decode) return;
        uint32_t whose = e.kind == 'f' ? e.parent : e.sequence, behind = whose;
        for (const PutOff& p : put_off_)
            if (p.event.kind == 'f' && p.event.sequence == whose) behind = p.behind;
        if (waits(behind)) return postpone(e, behind);
        if (e.kind == 'p') prompt(e.sequence, e.tokens, nullptr);
        if (e.kind == 'f') fork(e.parent, e.sequence);
        if (e.kind == 'd') decode(e.sequence, e.tokens);
        if (e.kind == 'x') end(e.sequence);
    }
    void postpone(const NaiveEvent& e, uint32_t behind) {
        put_off_.push_back({e, behind});
        uint64_t whole = pending_[behind] + (held(behind) ? room_.all.at(behind).tokens : 0);
        for (const PutOff& p : put_off_)
            if (p.event.kind == 'd' && p.event.sequence == behind) whole += p.event.tokens;
        if (e.kind == 'd' && s_.capacity != kNoLimit && room_.room(whole) > s_.capacity) reject(behind);
    }
    bool held(uint32_t id) const { return room_.all.count(id) != 0; }
    bool waits(uint32_t id) const { return std::find(queue_.begin(), queue_.end(), id) != queue_.end(); }

    void prompt(uint32_t id, uint64_t tokens, const NaiveSequence* like) {
        if (store(id, tokens, like)) {
            sample(id);
            watch(id, id);
        } else {
            refuse(id, tokens, 0);
        }
    }
    bool store(uint32_t id, uint64_t tokens, const NaiveSequence* like) {
        uint64_t holes = 0;
        for (size_t i = 0; like && i < like->table.size(); ++i) holes += !like->table[i];
        return make_room(id, id, room_.room(tokens) - (s_.paged ? holes : 0),
                         [&] { return room_.store(id, tokens, asks_[id].priority, like); });
    }
    bool store_again(uint32_t id) {
        NaiveSequence was = gone_.at(id);
        if (!store(id, was.tokens, &was)) return false;
        gone_.erase(id);
        c_.recomputed_tokens += room_.own_tokens(room_.all.at(id));
        return true;
    }

    void decode(uint32_t id, uint64_t tokens) {
        if (result_.rejected[id]) return;
        if (gone_.count(id) != 0 && !store_again(id)) return reject(id);
        uint64_t holes = 0;
        for (const auto& b : room_.all.at(id).table) holes += !b;
        bool done = make_room(id, id, room_.room(room_.all.at(id).tokens + tokens) - holes,
                              [&] { return room_.grow(id, tokens); });
        if (!done) return refuse(id, room_.all.at(id).tokens, tokens);
        watch(id, id);
    }

    void fork(uint32_t parent, uint32_t child) {
        asks_[child].priority = asks_[parent].priority;
        if (gone_.count(parent) != 0 && !store_again(parent)) reject(parent);
        if (result_.rejected[parent]) return reject(child);
        uint64_t tokens = room_.all.at(parent).tokens;
        if (make_room(parent, child, 0, [&] { return room_.fork(parent, child); })) {
            sample(child);
            watch(parent, child);
        } else {
            refuse(child, tokens, 0);
        }
    }

    void end(uint32_t id) {
        gone_.erase(id);
        if (held(id)) room_.drop(id);
        serve_queue();
    }

    void reject(uint32_t id) {
        result_.rejected[id] = true;
        queue_.erase(std::remove(queue_.begin(), queue_.end(), id), queue_.end());
        gone_.erase(id);
        std::vector<PutOff> others;
        for (const PutOff& p : put_off_) {
            if (p.behind != id) others.push_back(p);
            if (p.behind == id && p.event.kind == 'f') result_.rejected[p.event.sequence] = true;
        }
        put_off_ = others;
        if (held(id)) room_.drop(id);
        serve_queue();
    }

    // `tokens`: of the sequence now, held or not; `more`: what could not be appended.
    void refuse(uint32_t id, uint64_t tokens, uint64_t more) {
        bool never = s_.capacity != kNoLimit && room_.room(tokens + more) > s_.capacity;
        if (s_.on_full != "wait" || never) return reject(id);
        queue_.push_back(id);
        pending_[id] = held(id) ? more : tokens + more;
        waited_.insert(id);
        serve_queue();
    }
    // The first of the line, then all that was put off behind it, then the next one.
    void serve_queue() {
        if (serving_) return;
        serving_ = true;
        while (!queue_.empty()) {
            uint32_t id = queue_.front();
            bool grows = held(id);
            if (!(grows ? room_.grow(id, pending_[id]) : room_.store(id, pending_[id], asks_[id].priority))) {
                bool somebody_goes_on = false;
                for (const auto& [other, q] : room_.all) somebody_goes_on = somebody_goes_on || !waits(other);
                if (somebody_goes_on) break;
                reject(queue_.back());
                continue;
            }
            queue_.pop_front();
            if (!grows) sample(id);
            std::vector<PutOff> mine, others;
            for (const PutOff& p : put_off_) (p.behind == id ? mine : others).push_back(p);
            put_off_ = others;
            for (const PutOff& p : mine) serve(p.event);
        }
        serving_ = false;
    }

    template <class Operation>
    bool make_room(uint32_t id, uint32_t other, uint64_t alone, Operation&& operation) {
        if (operation()) return true;
        if (s_.strategy == "streaming_llm" && s_.on_full == "evict" && held(id)) {
            uint64_t outside = 0, dropped = 0, freed = 0, before = room_.tokens();
            room_.trim(id, s_.sink, s_.window, outside, dropped, freed);
            c_.trim_requested += outside;
            c_.trim_dropped += dropped;
            c_.evicted_tokens += before - room_.tokens();
            c_.evicted_blocks += freed;
            alone -= std::min(alone, dropped / s_.block_size);
            if (operation()) return true;
        }
        if (alone > s_.capacity || s_.on_full == "wait" || s_.on_full == "fail") return false;
        do {
            if (!evict_one(id, other)) return false;
        } while (!operation());
        return true;
    }
    bool evict_one(uint32_t id, uint32_t other) {
        if (s_.strategy == "none") return false;
        const NaiveSequence* best = nullptr;
        uint32_t victim = 0;
        for (const auto& [candidate, q] : room_.all) {
            if (candidate == id || candidate == other || room_.own_blocks(q) == 0) continue;
            if (best && !goes_before(s_.strategy, room_, q, *best)) continue;
            best = &q;
            victim = candidate;
        }
        if (!best) return false;
        c_.evicted_blocks += room_.own_blocks(*best);
        ++(s_.on_full == "preempt" ? c_.preempted : c_.evicted_sequences);
        gone_[victim] = *best;
        for (auto& b : gone_[victim].table)
            if (b) b = std::make_shared<uint64_t>(*b);  // no holder any more
        uint64_t before = room_.tokens();
        room_.drop(victim);
        c_.evicted_tokens += before - room_.tokens();
        return true;
    }
    // The threshold, after an event that was served.
    void watch(uint32_t id, uint32_t other) {
        note();
        if (s_.threshold > 1 || s_.capacity == kNoLimit) return;
        auto share = [&] { return static_cast<double>(room_.used()) / static_cast<double>(s_.capacity); };
        if (share() < s_.threshold) return;
        while (share() > s_.target && evict_one(id, other)) {}
    }

    std::map<uint32_t, NaiveSequence> gone_;  ///< evicted, to be stored again
    std::deque<uint32_t> queue_;
    std::vector<PutOff> put_off_;  ///< in order
    bool serving_ = false;
    std::map<uint32_t, uint64_t> pending_;
};

/// A trace of requests. Sequence ids: 1,000 times the request and the sample's number.
class NaiveRequestReplay : NaiveReplay {
  public:
    using NaiveReplay::NaiveReplay;

    NaiveResult run() {
        for (uint32_t r = 0; r < asks_.size(); ++r) {
            begin(r);
            if (s_.concurrency == 0) release_ended(asks_[r].arrival);
            arrive(r);
            note();
        }
        while (!preempted_.empty() && !running_.empty()) {
            release_next();
            while (slot() && again()) {}
        }
        return finish();
    }

  private:
    static uint32_t id(uint32_t r, uint64_t sample) { return r * 1000 + static_cast<uint32_t>(sample); }
    bool slot() const { return s_.concurrency == 0 || running_.size() < s_.concurrency; }

    bool store(NaiveRoom& room, uint32_t r) const {
        NaiveRoom before = room;  // blocks are written only by those who hold them alone, and these are new
        const NaiveAsk& a = asks_[r];
        bool ok = room.store(id(r, 0), a.in, a.priority);
        for (uint64_t i = 1; ok && i < a.samples; ++i) ok = room.fork(id(r, 0), id(r, i));
        for (uint64_t i = 0; ok && s_.decode && a.out > 0 && i < a.samples; ++i) ok = room.grow(id(r, i), a.out);
        if (!ok) room = before;
        return ok;
    }
    void arrive(uint32_t r) {
        NaiveRoom alone(s_);
        if (!store(alone, r)) {
            result_.rejected[r] = true;
            return;
        }
        do {
            while (!slot()) release_oldest();
        } while (again());
        while (!store(room_, r)) {
            if (s_.on_full == "fail") {
                result_.rejected[r] = true;
                return;
            }
            if (s_.on_full == "preempt") {
                preempt();
            } else {
                waited_.insert(r);
                release_oldest();
            }
        }
        running_.push_back(r);
        sample(r);
    }
    bool again() {
        if (preempted_.empty()) return false;
        uint64_t before = room_.tokens();
        if (!store(room_, *preempted_.begin())) return false;
        c_.recomputed_tokens += room_.tokens() - before;
        running_.push_back(*preempted_.begin());
        preempted_.erase(preempted_.begin());
        note();
        return true;
    }
    void preempt() {
        std::vector<uint32_t> order = running_;
        std::sort(order.begin(), order.end());  // ties to the earliest request
        uint32_t victim = order.front();
        uint32_t named = id(victim, 0);
        for (uint32_t r : order)
            for (uint64_t i = 0; i < asks_[r].samples; ++i) {
                if (!goes_before(s_.strategy, room_, room_.all.at(id(r, i)), room_.all.at(named))) continue;
                victim = r;
                named = id(r, i);
            }
        uint64_t blocks = room_.used(), tokens = room_.tokens();
        take_out(victim);
        c_.evicted_blocks += blocks - room_.used();
        c_.evicted_tokens += tokens - room_.tokens();
        ++c_.preempted;
        preempted_.insert(victim);
    }
    void take_out(uint32_t r) {
        for (uint64_t i = 0; i < asks_[r].samples; ++i) room_.drop(id(r, i));
        running_.erase(std::find(running_.begin(), running_.end(), r));
    }
    void release_oldest() { take_out(running_.front()); }
    // After the last arrival time goes on: under trace whoever ends next is released, ties by request.
    void release_next() {
        if (s_.concurrency != 0) return release_oldest();
        uint32_t next = running_.front();
        for (uint32_t r : running_)
            if (asks_[r].end < asks_[next].end || (asks_[r].end == asks_[next].end && r < next)) next = r;
        take_out(next);
    }
    void release_ended(double now) {
        for (uint32_t r : std::vector<uint32_t>(running_))
            if (asks_[r].end <= now) take_out(r);
    }

    std::vector<uint32_t> running_;  ///< in order of admission
    std::set<uint32_t> preempted_;
};

}  // namespace kvsim_test
