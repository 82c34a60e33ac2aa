// The order in which SGLang's leaves go, and where its nodes are found by their first page.
//
// The engine builds a heap of all evictable leaves each time it needs room; here one order is kept all the time. An
// entry holds the key that its leaf had when it entered, and who takes entries out compares: keys of all policies but
// mru only grow, so an entry is a lower bound and goes back with the present key if that has grown.
// Most leaves enter in order: under lru and fifo each is the last one of all, under mru and filo the first, and a
// parent that becomes a leaf is about where its child was. So entries stand in lines, sorted, and whoever is no smaller
// than the last or no larger than the first in line joins there; only who would stand in between goes to a heap. Policies
// with few different keys (hits, priorities) have a line for each of the first sixteen of them.
// Cost: O(1) in lines, whatever the number of leaves; O(log n) for others.
#pragma once

#include <kvsim/core/huge_vector.h>
#include <kvsim/trace/prefix_index.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace kvsim {

class SglangLeaves {
  public:
    struct Entry {
        uint64_t key;   ///< what the policy orders by
        uint64_t last;  ///< ties: the one touched longest ago first
        uint32_t node;
    };
    static bool before(const Entry& a, const Entry& b) { return a.key != b.key ? a.key < b.key : a.last < b.last; }

    /// `line_per_key`: many leaves have the same key.
    void reset(bool line_per_key) {
        line_per_key_ = line_per_key;
        heap_.clear();
        lines_.clear();
        size_ = 0;
    }
    bool empty() const { return size_ == 0; }
    size_t size() const { return size_; }
    void push(const Entry& e) {
        ++size_;
        if (Line* line = line_of(e.key); line && line->join(e)) return;
        heap_.push_back(e);
        std::push_heap(heap_.begin(), heap_.end(), later);
    }
    /// Takes the smallest entry out; there is one.
    Entry pop() {
        --size_;
        // Lines stand in the order of their keys.
        auto line = std::find_if(lines_.begin(), lines_.end(), [](const Line& l) { return !l.empty(); });
        if (line != lines_.end() && (heap_.empty() || before(line->front(), heap_.front()))) return line->pop();
        std::pop_heap(heap_.begin(), heap_.end(), later);
        Entry e = heap_.back();
        heap_.pop_back();
        return e;
    }
    /// Only entries that are to be kept stay. O(n).
    template <class Keep>
    void sweep(const Keep& keep) {
        auto gone = [&](const Entry& e) { return !keep(e); };
        heap_.erase(std::remove_if(heap_.begin(), heap_.end(), gone), heap_.end());
        std::make_heap(heap_.begin(), heap_.end(), later);
        size_ = heap_.size();
        for (Line& line : lines_) size_ += line.sweep(keep);
    }
    uint64_t state_bytes() const {
        uint64_t bytes = heap_.capacity() * sizeof(Entry);
        for (const Line& line : lines_) bytes += line.state_bytes();
        return bytes;
    }

  private:
    static constexpr size_t kMostLines = 16;

    /// Sorted entries in a ring, open at both ends.
    class Line {
      public:
        explicit Line(uint64_t key) : key_(key), ring_(64) {}
        uint64_t key() const { return key_; }
        bool empty() const { return first_ == end_; }
        const Entry& front() const { return ring_[first_ & (ring_.size() - 1)]; }
        /// False: it would stand between others.
        bool join(const Entry& e) {
            bool last = empty() || !before(e, ring_[(end_ - 1) & (ring_.size() - 1)]);
            if (!last && before(front(), e)) return false;
            if (end_ - first_ == ring_.size()) lengthen();
            ring_[(last ? end_++ : --first_) & (ring_.size() - 1)] = e;
            return true;
        }
        Entry pop() { return ring_[first_++ & (ring_.size() - 1)]; }
        template <class Keep>
        size_t sweep(const Keep& keep) {
            uint64_t to = first_;
            for (uint64_t i = first_; i != end_; ++i)
                if (Entry e = ring_[i & (ring_.size() - 1)]; keep(e)) ring_[to++ & (ring_.size() - 1)] = e;
            end_ = to;
            return end_ - first_;
        }
        uint64_t state_bytes() const { return ring_.size() * sizeof(Entry); }

      private:
        void lengthen() {
            HugeVector<Entry> longer(2 * ring_.size());
            for (uint64_t i = first_; i != end_; ++i) longer[i & (longer.size() - 1)] = ring_[i & (ring_.size() - 1)];
            ring_.swap(longer);
        }
        uint64_t key_;
        HugeVector<Entry> ring_;
        uint64_t first_ = uint64_t{1} << 63, end_ = first_;  ///< far from either end of the numbers
    };

    static bool later(const Entry& a, const Entry& b) { return before(b, a); }
    Line* line_of(uint64_t key) {
        if (!line_per_key_) key = 0;
        auto at = std::find_if(lines_.begin(), lines_.end(), [&](const Line& l) { return l.key() >= key; });
        if (at != lines_.end() && at->key() == key) return &*at;
        if (lines_.size() == kMostLines) return nullptr;
        return &*lines_.insert(at, Line(key));
    }

    bool line_per_key_ = false;
    HugeVector<Entry> heap_;
    std::vector<Line> lines_;
    size_t size_ = 0;
};

/// Numbers of first pages to nodes: open addressing, half full at most, nothing left behind by erasing.
class SglangFirstPages {
  public:
    void clear() {
        slots_.assign(64, {0, kNone});
        count_ = 0;
        shift_ = 58;
    }
    /// kNone: no node begins with the page.
    uint32_t find(uint64_t page) const {
        for (size_t at = home(page);; at = next(at))
            if (slots_[at].node == kNone || slots_[at].page == page) return slots_[at].node;
    }
    /// The page may be known: then it gets another node.
    void set(uint64_t page, uint32_t node) {
        if (2 * (count_ + 1) > slots_.size()) grow();
        size_t at = home(page);
        while (slots_[at].node != kNone && slots_[at].page != page) at = next(at);
        count_ += slots_[at].node == kNone;
        slots_[at] = {page, node};
    }
    /// A known page.
    void erase(uint64_t page) {
        size_t gap = home(page);
        while (slots_[gap].page != page || slots_[gap].node == kNone) gap = next(gap);
        --count_;
        // Whoever would not be found behind the gap moves into it.
        for (size_t at = next(gap); slots_[at].node != kNone; at = next(at)) {
            size_t from_home = (at - home(slots_[at].page)) & (slots_.size() - 1);
            if (from_home < ((at - gap) & (slots_.size() - 1))) continue;
            slots_[gap] = slots_[at];
            gap = at;
        }
        slots_[gap].node = kNone;
    }
    size_t size() const { return count_; }
    uint64_t state_bytes() const { return slots_.capacity() * sizeof(Slot); }

  private:
    struct Slot {
        uint64_t page;
        uint32_t node;
    };
    size_t home(uint64_t page) const { return static_cast<size_t>(page * 0x9E3779B97F4A7C15ull >> shift_); }
    size_t next(size_t at) const { return (at + 1) & (slots_.size() - 1); }
    void grow() {
        HugeVector<Slot> old(slots_.size() * 2, Slot{0, kNone});
        old.swap(slots_);
        --shift_;
        count_ = 0;
        for (const Slot& s : old)
            if (s.node != kNone) set(s.page, s.node);
    }

    HugeVector<Slot> slots_;
    size_t count_ = 0;
    int shift_ = 58;
};

}  // namespace kvsim
