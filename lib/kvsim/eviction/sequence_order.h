// The sequences that may be evicted, in the order of a strategy's keys: a binary heap with stale entries.
//
// Most keys only rise when a sequence is used (last access, number of accesses), so an entry may wait in the heap
// with the key it had when it was pushed: when it comes to the top and its key has risen since, it goes down to where
// it belongs. A use then costs nothing, and each re-placement is paid by a use before it. A key that may have fallen is
// noted, and pushed again before the next victim is named; the older entry is dropped when it surfaces. So nothing is
// ordered while nobody is evicted. O(log n) per victim and per sequence noted since the last one, amortized.
#pragma once

#include <kvsim/eviction/sequence_policy.h>

#include <algorithm>
#include <optional>
#include <vector>

namespace kvsim {

class SequenceOrder {
  public:
    explicit SequenceOrder(SequenceStrategy strategy) : strategy_(strategy) {}
    const SequenceStrategy& strategy() const { return strategy_; }

    /// The sequence has come to be eligible, or its key may have fallen.
    void changed(SequenceId id) {
        if (!strategy_.key) return;
        if (id >= queued_.size()) queued_.resize(std::max<size_t>(size_t{id} + 1, queued_.size() * 3 / 2));
        if (queued_[id].changed) return;
        queued_[id].changed = true;
        changed_.push_back(id);
    }

    /// The smallest key among the eligible, ties to the smallest id. `eligible(id)` answers for any id that was ever
    /// changed(), `facts(id)` for those that are eligible. Not removed: it goes when it is no longer eligible.
    template <class Eligible, class Facts>
    std::optional<SequenceId> first(Eligible&& eligible, Facts&& facts) {
        for (SequenceId id : changed_) {
            queued_[id].changed = false;
            if (eligible(id)) place(id, strategy_.key(facts(id)));
        }
        changed_.clear();
        while (!heap_.empty()) {
            Entry top = heap_.front();
            Queued& q = queued_[top.id];
            if (!q.there || q.key != top.key) {  // superseded
                pop();
                continue;
            }
            if (!eligible(top.id)) {
                q.there = false;
                --entries_;
                pop();
                continue;
            }
            SequenceKey now = strategy_.key(facts(top.id));
            if (now == top.key) return top.id;
            q.key = now;
            pop();
            push({now, top.id});
        }
        return std::nullopt;
    }
    uint64_t state_bytes() const {
        return heap_.size() * sizeof(Entry) + queued_.size() * sizeof(Queued) + changed_.size() * sizeof(SequenceId);
    }

  private:
    struct Entry {
        SequenceKey key;
        SequenceId id;
        bool operator<(const Entry& other) const {  // the heap's top is the smallest
            return key != other.key ? key > other.key : id > other.id;
        }
    };
    struct Queued {
        SequenceKey key;
        bool there = false;
        bool changed = false;  ///< noted in changed_
    };
    void place(SequenceId id, SequenceKey key) {
        Queued& q = queued_[id];
        if (q.there && q.key <= key) return;
        entries_ += !q.there;
        q.key = key;
        q.there = true;
        push({key, id});
        if (heap_.size() > 2 * entries_ + 64) compact();
    }
    void push(Entry entry) {
        heap_.push_back(entry);
        std::push_heap(heap_.begin(), heap_.end());
    }
    void pop() {
        std::pop_heap(heap_.begin(), heap_.end());
        heap_.pop_back();
    }
    // An id may have superseded entries with the key it has now; keep one of each.
    void compact() {
        std::sort(heap_.begin(), heap_.end(), [](const Entry& a, const Entry& b) { return b < a; });
        auto stale = [this](const Entry& e) { return !queued_[e.id].there || queued_[e.id].key != e.key; };
        heap_.erase(std::remove_if(heap_.begin(), heap_.end(), stale), heap_.end());
        auto same = [](const Entry& a, const Entry& b) { return a.id == b.id && a.key == b.key; };
        heap_.erase(std::unique(heap_.begin(), heap_.end(), same), heap_.end());
        std::make_heap(heap_.begin(), heap_.end());
    }

    SequenceStrategy strategy_;
    std::vector<Entry> heap_;
    std::vector<Queued> queued_;
    std::vector<SequenceId> changed_;  ///< to be looked at before the next victim
    size_t entries_ = 0;  ///< ids that are queued
};

}  // namespace kvsim
