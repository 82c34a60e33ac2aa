// Room for sequences, naively: blocks are shared pointers to their fill, an arena is a row of cells, every number is
// counted anew by looking at everything. Written from the rules, not from the code.
#pragma once

#include <algorithm>
#include <cstdint>
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
    uint64_t most_used = 0, most_shared = 0;  ///< ever, since they were last set to 0

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
        look();
        return true;
    }

    bool grow(uint32_t id, uint64_t tokens) {
        NaiveSequence& q = all.at(id);
        if (!(s_.paged ? grow_paged(q, tokens) : grow_run(q, tokens))) return false;
        q.tokens += tokens;
        q.last = ++clock_;
        ++q.uses;
        look();
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
        look();
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
    void look() {
        most_used = std::max(most_used, used());
        most_shared = std::max(most_shared, shared());
    }
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
        look();  // both runs
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
inline bool goes_before(const std::string& strategy, const NaiveRoom& room, const NaiveSequence& a,
                        const NaiveSequence& b) {
    if (strategy == "lfu") return a.uses < b.uses;
    if (strategy == "fifo") return a.started < b.started;
    if (strategy == "longest_first") return a.tokens > b.tokens;
    if (strategy == "shortest_first") return a.tokens < b.tokens;
    if (strategy == "most_blocks_freed") return room.own_blocks(a) > room.own_blocks(b);
    if (strategy == "priority") return a.priority != b.priority ? a.priority < b.priority : a.last < b.last;
    if (strategy == "latest") return a.priority != b.priority ? a.priority < b.priority : a.started > b.started;
    return a.last < b.last;  // lru, streaming_llm
}

}  // namespace kvsim_test
