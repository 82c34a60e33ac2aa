// The order in which SGLang's leaves go, and where its nodes are found by their first page.
//
// The engine builds a heap of all evictable leaves each time it needs room; here one order is kept all the time. An
// entry holds the key that its leaf had when it entered, and who takes entries out compares: keys of all policies but
// mru only grow, so an entry is a lower bound and goes back with the present key if that has grown. Whoever enters with a
// key no smaller than the last in line stands in line, a plain FIFO, and never sees the heap unless its key grows:
// under lru and fifo that is nearly everyone, and then taking the next one costs the same whatever the number of leaves.
// Cost: O(1) for those in line, O(log n) for others. (lfu, slru, priority: new leaves mostly stand in line too.)
#pragma once

#include <kvsim/core/huge_vector.h>
#include <kvsim/trace/prefix_index.h>

#include <algorithm>
#include <cstdint>

namespace kvsim {

class SglangLeaves {
  public:
    struct Entry {
        uint64_t key;   ///< what the policy orders by
        uint64_t last;  ///< ties: the one touched longest ago first
        uint32_t node;
    };
    static bool before(const Entry& a, const Entry& b) { return a.key != b.key ? a.key < b.key : a.last < b.last; }

    void clear() {
        heap_.clear();
        line_.clear();
        first_ = 0;
    }
    bool empty() const { return heap_.empty() && first_ == line_.size(); }
    size_t size() const { return heap_.size() + line_.size() - first_; }
    void push(const Entry& e) {
        heap_.push_back(e);
        std::push_heap(heap_.begin(), heap_.end(), later);
    }
    /// For one that is probably no smaller than all there are.
    void push_last(const Entry& e) {
        if (first_ != line_.size() && before(e, line_.back())) return push(e);
        if (first_ != 0 && line_.size() == line_.capacity()) shift();
        line_.push_back(e);
    }
    /// Takes the smallest entry out; there is one.
    Entry pop() {
        if (first_ != line_.size() && (heap_.empty() || before(line_[first_], heap_.front()))) return line_[first_++];
        std::pop_heap(heap_.begin(), heap_.end(), later);
        Entry e = heap_.back();
        heap_.pop_back();
        return e;
    }
    /// Only entries that are to be kept stay in the heap. O(n).
    template <class Keep>
    void sweep(Keep&& keep) {
        heap_.erase(std::remove_if(heap_.begin(), heap_.end(), [&](const Entry& e) { return !keep(e); }), heap_.end());
        std::make_heap(heap_.begin(), heap_.end(), later);
    }
    uint64_t state_bytes() const { return (heap_.capacity() + line_.capacity()) * sizeof(Entry); }

  private:
    static bool later(const Entry& a, const Entry& b) { return before(b, a); }
    void shift() {
        if (first_ < line_.size() / 2) return;  // the vector grows instead: amortized O(1)
        line_.erase(line_.begin(), line_.begin() + static_cast<ptrdiff_t>(first_));
        first_ = 0;
    }

    HugeVector<Entry> heap_;
    HugeVector<Entry> line_;
    size_t first_ = 0;  ///< in line
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
