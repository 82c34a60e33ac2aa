// Naive twin of the layouts of whole sequences: blocks are shared pointers to their fill, an arena is a row of cells,
// every number is counted anew by looking at everything. Written from the rules, not from the code.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

namespace kvsim_test {

inline constexpr uint64_t kNoLimit = ~uint64_t{0};

struct NaiveSetup {
    bool paged = true;
    bool reserve_max = false;
    uint64_t reserve_tokens = 0;  ///< max: of the longest sequence
    uint64_t capacity = kNoLimit;
    uint64_t block_size = 4;
    std::string on_full = "evict";
    std::string strategy = "lru";
    uint64_t sink = 0, window = 0;
    double threshold = 2, target = 2;
    uint64_t concurrency = 1;  ///< 0 = by the trace
    bool decode = true;
    uint64_t warmup = 0;
};

struct NaiveSequence {
    std::vector<std::shared_ptr<uint64_t>> table;  ///< paged: fill of each block; empty pointer = trimmed
    uint64_t begin = 0, cells = 0;                 ///< contiguous
    uint64_t tokens = 0;
    uint64_t started = 0, last = 0, uses = 0;
    double priority = 0;
};

/// Sequences in room of either kind. Operations that fail change nothing.
class NaiveRoom {
  public:
    explicit NaiveRoom(const NaiveSetup& s) : s_(s) {
        if (!s.paged && s.capacity != kNoLimit) cells_.resize(s.capacity);
    }
    std::map<uint32_t, NaiveSequence> all;
    uint64_t forks = 0, cow = 0, copied = 0;

    uint64_t holders(const std::shared_ptr<uint64_t>& block) const {
        uint64_t n = 0;
        for (const auto& [id, q] : all) n += static_cast<uint64_t>(std::count(q.table.begin(), q.table.end(), block));
        return n;
    }
    std::set<std::shared_ptr<uint64_t>> blocks() const {
        std::set<std::shared_ptr<uint64_t>> out;
        for (const auto& [id, q] : all)
            for (const auto& b : q.table)
                if (b) out.insert(b);
        return out;
    }
    uint64_t used() const {
        return s_.paged ? blocks().size() : static_cast<uint64_t>(std::count(cells_.begin(), cells_.end(), 1));
    }
    uint64_t shared() const {
        uint64_t n = 0;
        for (const auto& b : blocks()) n += holders(b) > 1;
        return n;
    }
    uint64_t tokens() const {
        uint64_t n = 0;
        for (const auto& b : blocks()) n += *b;
        if (!s_.paged)
            for (const auto& [id, q] : all) n += q.tokens;
        return n;
    }
    uint64_t own_blocks(const NaiveSequence& q) const {
        if (!s_.paged) return q.cells;
        uint64_t n = 0;
        for (const auto& b : q.table) n += b && holders(b) == 1;
        return n;
    }
    uint64_t own_tokens(const NaiveSequence& q) const {
        if (!s_.paged) return q.tokens;
        uint64_t n = 0;
        for (const auto& b : q.table) n += b ? *b : 0;
        return n;
    }
    /// Cells of the arena, or blocks, of a sequence so long that shares nothing.
    uint64_t room(uint64_t tokens) const {
        if (!s_.paged && s_.reserve_max) tokens = std::max(tokens, s_.reserve_tokens);
        uint64_t blocks = (tokens + s_.block_size - 1) / s_.block_size;
        if (s_.paged || s_.reserve_max || blocks == 0) return blocks;
        uint64_t power = 1;
        while (power < blocks) power *= 2;
        return power;
    }

    /// `like`: what it looked like before it was evicted.
    bool store(uint32_t id, uint64_t tokens, double priority, const NaiveSequence* like = nullptr) {
        NaiveSequence q;
        q.tokens = tokens;
        q.priority = priority;
        if (s_.paged) {
            uint64_t need = 0;
            for (uint64_t i = 0; i * s_.block_size < tokens; ++i) {
                bool hole = like && i < like->table.size() && !like->table[i];
                need += !hole;
                uint64_t fill = std::min(s_.block_size, tokens - i * s_.block_size);
                q.table.push_back(hole ? nullptr : std::make_shared<uint64_t>(fill));
            }
            if (s_.capacity != kNoLimit && used() + need > s_.capacity) return false;
        } else {
            q.cells = room(tokens);
            if (!place(q.cells, q.begin)) return false;
        }
        q.started = q.last = ++clock_;
        q.uses = 1;
        all[id] = q;
        return true;
    }

    bool grow(uint32_t id, uint64_t tokens) {
        NaiveSequence& q = all.at(id);
        if (!(s_.paged ? grow_paged(q, tokens) : grow_run(q, tokens))) return false;
        q.tokens += tokens;
        q.last = ++clock_;
        ++q.uses;
        return true;
    }

    bool fork(uint32_t parent, uint32_t child) {
        NaiveSequence q = all.at(parent);
        if (!s_.paged) {
            q.cells = room(q.tokens);
            if (!place(q.cells, q.begin)) return false;
            copied += q.tokens;
        }
        all.at(parent).last = ++clock_;
        ++all.at(parent).uses;
        q.started = q.last = ++clock_;
        q.uses = 1;
        all[child] = q;
        ++forks;
        return true;
    }

    void drop(uint32_t id) {
        NaiveSequence q = all.at(id);
        for (uint64_t i = 0; i < q.cells; ++i) cells_[q.begin + i] = 0;
        all.erase(id);
    }

    /// Drops whole blocks of tokens that are neither among the first `sink` nor the last `window`.
    void trim(uint32_t id, uint64_t sink, uint64_t window, uint64_t& outside, uint64_t& dropped, uint64_t& freed) {
        NaiveSequence& q = all.at(id);
        std::vector<bool> goes(q.table.size(), true);
        for (uint64_t t = 0; t < q.tokens; ++t) {
            uint64_t block = t / s_.block_size;
            bool kept = t < sink || t + window >= q.tokens;
            if (kept) goes[block] = false;
            outside += !kept && q.table[block];
        }
        for (uint64_t b = 0; b < q.table.size(); ++b) {
            if (!goes[b] || !q.table[b] || *q.table[b] != s_.block_size) continue;
            freed += holders(q.table[b]) == 1;
            dropped += s_.block_size;
            q.table[b] = nullptr;
        }
    }

  private:
    bool grow_paged(NaiveSequence& q, uint64_t tokens) {
        bool partial = q.tokens % s_.block_size != 0;
        bool copy = tokens > 0 && partial && holders(q.table.back()) > 1;
        uint64_t need = copy + room(q.tokens + tokens) - room(q.tokens);
        if (s_.capacity != kNoLimit && used() + need > s_.capacity) return false;
        if (copy) q.table.back() = std::make_shared<uint64_t>(*q.table.back());
        cow += copy;
        for (uint64_t t = q.tokens; t < q.tokens + tokens; ++t) {
            if (t % s_.block_size == 0) q.table.push_back(std::make_shared<uint64_t>(0));
            ++*q.table.back();
        }
        return true;
    }
    bool grow_run(NaiveSequence& q, uint64_t tokens) {
        if (q.tokens + tokens <= q.cells * s_.block_size) return true;
        uint64_t wanted = room(q.tokens + tokens);
        bool in_place = q.cells > 0;
        for (uint64_t i = q.begin + q.cells; i < q.begin + wanted && in_place; ++i) {
            if (i < cells_.size() && cells_[i]) in_place = false;
            if (i >= cells_.size() && (s_.capacity != kNoLimit || q.begin + q.cells != cells_.size())) in_place = false;
        }
        if (in_place) {
            cells_.resize(std::max<size_t>(cells_.size(), q.begin + wanted));
            for (uint64_t i = q.begin + q.cells; i < q.begin + wanted; ++i) cells_[i] = 1;
            q.cells = wanted;
            return true;
        }
        uint64_t to = 0;
        if (!place(wanted, to)) return false;
        for (uint64_t i = 0; i < q.cells; ++i) cells_[q.begin + i] = 0;
        copied += q.tokens;
        q.begin = to;
        q.cells = wanted;
        return true;
    }
    /// Best fit: the smallest hole that is large enough, the lowest of equal ones.
    bool place(uint64_t count, uint64_t& begin) {
        begin = 0;
        if (count == 0) return true;
        uint64_t best = 0;
        for (uint64_t at = 0; at < cells_.size();) {
            uint64_t end = at;
            while (end < cells_.size() && cells_[end] == 0) ++end;
            if (end - at >= count && (best == 0 || end - at < best)) {
                best = end - at;
                begin = at;
            }
            at = end + 1;
        }
        if (best == 0) {
            if (s_.capacity != kNoLimit) return false;
            begin = cells_.size();
            cells_.resize(begin + count);
        }
        for (uint64_t i = 0; i < count; ++i) cells_[begin + i] = 1;
        return true;
    }

    NaiveSetup s_;
    std::vector<char> cells_;
    uint64_t clock_ = 0;
};

/// True if `a` goes before `b`; equal ones go by id.
inline bool goes_before(const std::string& strategy, const NaiveRoom& room, const NaiveSequence& a, const NaiveSequence& b) {
    if (strategy == "lfu") return a.uses < b.uses;
    if (strategy == "fifo") return a.started < b.started;
    if (strategy == "longest_first") return a.tokens > b.tokens;
    if (strategy == "shortest_first") return a.tokens < b.tokens;
    if (strategy == "most_blocks_freed") return room.own_blocks(a) > room.own_blocks(b);
    if (strategy == "priority") return a.priority != b.priority ? a.priority < b.priority : a.last < b.last;
    if (strategy == "latest") return a.priority != b.priority ? a.priority < b.priority : a.started > b.started;
    return a.last < b.last;  // lru, streaming_llm
}

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
        if (request == s_.warmup) result_.warmup = counts();
    }
    void note() {
        if (current_ < s_.warmup) return;
        result_.peak_blocks = std::max(result_.peak_blocks, room_.used());
        result_.peak_shared = std::max(result_.peak_shared, room_.shared());
    }
    void sample() {
        ++c_.admissions;
        c_.active_blocks += room_.used();
        c_.resident_tokens += room_.tokens();
        note();
    }
    NaiveResult finish() {
        result_.total = counts();
        if (s_.warmup >= asks_.size()) result_.warmup = counts();
        return result_;
    }

    NaiveSetup s_;
    std::vector<NaiveAsk> asks_;
    NaiveRoom room_;
    NaiveCounts c_;
    NaiveResult result_;
    uint64_t current_ = 0;
};

/// A trace of events.
class NaiveEventReplay : NaiveReplay {
  public:
    using NaiveReplay::NaiveReplay;

    NaiveResult run(const std::vector<NaiveEvent>& events) {
        for (const NaiveEvent& e : events) {
            if (e.kind == 'p' || e.kind == 'f') begin(e.sequence);
            if (e.kind == 'p') prompt(e.sequence, e.tokens, nullptr);
            if (e.kind == 'f') fork(e.parent, e.sequence);
            if (e.kind == 'd' && s_.decode) decode(e.sequence, e.tokens);
            if (e.kind == 'x') end(e.sequence);
            note();
        }
        for (uint32_t id : queue_) result_.rejected[id] = true;
        return finish();
    }

  private:
    bool held(uint32_t id) const { return room_.all.count(id) != 0; }
    bool waits(uint32_t id) const { return std::find(queue_.begin(), queue_.end(), id) != queue_.end(); }

    void prompt(uint32_t id, uint64_t tokens, const NaiveSequence* like) {
        if (store(id, tokens, like)) {
            sample();
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
        if (waits(id)) {
            pending_[id] += tokens;
            uint64_t whole = pending_[id] + (held(id) ? room_.all.at(id).tokens : 0);
            if (s_.capacity != kNoLimit && room_.room(whole) > s_.capacity) reject(id);
            return;
        }
        if (gone_.count(id) != 0 && !store_again(id)) return reject(id);
        uint64_t holes = 0;
        for (const auto& b : room_.all.at(id).table) holes += !b;
        bool done = make_room(id, id, room_.room(room_.all.at(id).tokens + tokens) - holes,
                              [&] { return room_.grow(id, tokens); });
        if (!done) return refuse(id, room_.all.at(id).tokens, tokens);
        watch(id, id);
    }

    void fork(uint32_t parent, uint32_t child) {
        if (gone_.count(parent) != 0 && !store_again(parent)) reject(parent);
        if (result_.rejected[parent]) return reject(child);
        if (waits(parent)) {
            uint64_t tokens = pending_[parent] + (held(parent) ? room_.all.at(parent).tokens : 0);
            return prompt(child, tokens, nullptr);
        }
        uint64_t tokens = room_.all.at(parent).tokens;
        if (make_room(parent, child, 0, [&] { return room_.fork(parent, child); })) {
            sample();
            watch(parent, child);
        } else {
            refuse(child, tokens, 0);
        }
    }

    void end(uint32_t id) {
        if (waits(id)) return reject(id);  // and what it held is room for others
        gone_.erase(id);
        if (held(id)) room_.drop(id);
        serve_queue();
    }

    void reject(uint32_t id) {
        result_.rejected[id] = true;
        queue_.erase(std::remove(queue_.begin(), queue_.end(), id), queue_.end());
        gone_.erase(id);
        if (held(id)) room_.drop(id);
        serve_queue();
    }

    // `tokens`: of the sequence now, held or not; `more`: what could not be appended.
    void refuse(uint32_t id, uint64_t tokens, uint64_t more) {
        bool never = s_.capacity != kNoLimit && room_.room(tokens + more) > s_.capacity;
        if (s_.on_full != "wait" || never) return reject(id);
        queue_.push_back(id);
        pending_[id] = held(id) ? more : tokens + more;
        c_.waited += waited_.insert(id).second;
    }
    void serve_queue() {
        while (!queue_.empty()) {
            uint32_t id = queue_.front();
            bool grows = held(id);
            if (!(grows ? room_.grow(id, pending_[id]) : room_.store(id, pending_[id], asks_[id].priority))) return;
            queue_.pop_front();
            if (!grows) sample();
        }
    }

    template <class Operation>
    bool make_room(uint32_t id, uint32_t other, uint64_t alone, Operation&& operation) {
        if (operation()) return true;
        if (s_.strategy == "streaming_llm" && s_.on_full == "evict" && held(id)) {
            uint64_t outside = 0, dropped = 0, freed = 0;
            room_.trim(id, s_.sink, s_.window, outside, dropped, freed);
            c_.trim_requested += outside;
            c_.trim_dropped += dropped;
            c_.evicted_tokens += dropped;
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
        c_.evicted_tokens += room_.own_tokens(*best);
        ++(s_.on_full == "preempt" ? c_.preempted : c_.evicted_sequences);
        gone_[victim] = *best;
        for (auto& b : gone_[victim].table)
            if (b) b = std::make_shared<uint64_t>(*b);  // no holder any more
        room_.drop(victim);
        return true;
    }
    // The threshold, after an event that was served.
    void watch(uint32_t id, uint32_t other) {
        note();
        if (s_.threshold > 1 || s_.capacity == kNoLimit) return;
        auto share = [&] { return static_cast<double>(room_.used()) / static_cast<double>(s_.capacity); };
        if (share() < s_.threshold) return;
        while (share() > s_.target && evict_one(id, other)) {
        }
    }

    std::map<uint32_t, NaiveSequence> gone_;  ///< evicted, to be stored again
    std::deque<uint32_t> queue_;
    std::map<uint32_t, uint64_t> pending_;
    std::set<uint32_t> waited_;
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
            release_oldest();
            while (slot() && again()) {
            }
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
        bool waited = false;
        while (!store(room_, r)) {
            if (s_.on_full == "fail") {
                result_.rejected[r] = true;
                return;
            }
            if (s_.on_full == "preempt") {
                preempt();
            } else {
                waited = true;
                release_oldest();
            }
        }
        c_.waited += waited;
        running_.push_back(r);
        sample();
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
    // The one admitted first; under trace the one that ends first.
    void release_oldest() {
        uint32_t oldest = running_.front();
        if (s_.concurrency == 0) {
            std::vector<uint32_t> order = running_;
            std::sort(order.begin(), order.end());
            oldest = order.front();
            for (uint32_t r : order)
                if (asks_[r].end < asks_[oldest].end) oldest = r;
        }
        take_out(oldest);
    }
    void release_ended(double now) {
        for (uint32_t r : std::vector<uint32_t>(running_))
            if (asks_[r].end <= now) take_out(r);
    }

    std::vector<uint32_t> running_;  ///< in order of admission
    std::set<uint32_t> preempted_;
};

}  // namespace kvsim_test
