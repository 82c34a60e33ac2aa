// Which snapshots a prefix cache holds, and which go: the bookkeeping behind SnapshotCache (snapshot_cache.h, real
// buffers, tokens) and PrefixSnapshots (prefix_snapshots.h, replay of traces, runs of ids). No data here, only costs.
//
// Entries are slots of a vector, found by key through a radix tree whose payload is the slot, and kept in order of use
// by a doubly linked list of slots. Only the entry that served a hit is refreshed: what lies on the way to it is not.
// Pinned entries are off the list, so evicting never steps over them; what is unpinned last comes back as most
// recently used. Whether a new entry can fit is known before anything is touched: it must fit beside the pinned ones.
//
// Cost: the tree's per operation (radix_tree.h) and O(1) per entry that leaves.
#pragma once

#include <kvsim/cache/radix_tree.h>

#include <cstdint>
#include <vector>

namespace kvsim {

struct SnapshotLimits {
    uint64_t max_entries;
    uint64_t max_cost;        ///< bytes, blocks: whatever costs are counted in
    uint64_t min_prefix_len;  ///< shorter keys are not stored, shorter matches are no hits
};

/// Sums since the last clear().
struct SnapshotCounts {
    uint64_t hits = 0;
    uint64_t misses = 0;
    uint64_t stored = 0;     ///< new entries
    uint64_t replaced = 0;   ///< stores under a key that was there
    uint64_t skipped = 0;    ///< stores under a key shorter than min_prefix_len
    uint64_t rejected = 0;   ///< stores that could not fit beside the pinned entries, or under a pinned key
    uint64_t evictions = 0;  ///< entries that went to make room
    uint64_t evicted_cost = 0;
};

enum class StoreOutcome : uint8_t { stored, replaced, skipped, rejected };

template <class Labels>
class SnapshotIndex {
  public:
    using Tree = RadixTree<Labels, uint32_t>;
    using Key = typename Tree::Key;
    static constexpr uint32_t kNoSlot = 0xFFFFFFFFu;

    struct Found {
        uint32_t slot = kNoSlot;
        uint64_t matched = 0;  ///< leading tokens of the key that the slot's snapshot holds
    };

    explicit SnapshotIndex(const SnapshotLimits& limits) : limits_(limits) {}

    /// The longest stored key that is a prefix of `key`. Counts, and refreshes what it found.
    Found lookup_boundary(Key key) {
        auto m = tree_.longest_prefix(key);
        return served(m.node, m.depth);
    }
    /// An entry that shares the most leading tokens with `key`: of several the one that ends there, else the one in
    /// the newest branch. Counts, and refreshes what it found.
    Found lookup_token(Key key) {
        auto m = tree_.longest_prefix(key);
        return served(m.matched == 0 ? Tree::kNoNode : tree_.any_entry(m.below), m.matched);
    }

    /// What store() would answer to a key of this many tokens, whatever the key; `stored` may turn out `replaced`, or
    /// `rejected` if the key is there and pinned. Changes and counts nothing.
    StoreOutcome outlook(uint64_t key_tokens, uint64_t cost) const {
        if (key_tokens < limits_.min_prefix_len) return StoreOutcome::skipped;
        bool fits = pinned_ < limits_.max_entries && pinned_cost_ <= limits_.max_cost &&
                    cost <= limits_.max_cost - pinned_cost_;
        return fits ? StoreOutcome::stored : StoreOutcome::rejected;
    }
    /// Makes room (`on_evict(slot)` for each entry that goes) and stores. The slot, if any, is last_slot().
    template <class OnEvict>
    StoreOutcome store(Key key, uint64_t cost, OnEvict&& on_evict) {
        last_ = kNoSlot;
        StoreOutcome outcome = outlook(Labels::length(key), cost);
        auto node = Tree::kNoNode;
        if (outcome == StoreOutcome::stored) {
            node = tree_.find(key);
            if (node != Tree::kNoNode)
                outcome = slots_[tree_.payload(node)].pins > 0 ? StoreOutcome::rejected : StoreOutcome::replaced;
        }
        switch (outcome) {
            case StoreOutcome::skipped: ++counts_.skipped; return outcome;
            case StoreOutcome::rejected: ++counts_.rejected; return outcome;
            case StoreOutcome::replaced: ++counts_.replaced; break;
            case StoreOutcome::stored: ++counts_.stored; break;
        }
        if (node != Tree::kNoNode) {  // off the list: it must not go to make room for itself
            last_ = tree_.payload(node);
            unlink(last_);
            cost_ -= slots_[last_].cost;
        }
        uint64_t others = node == Tree::kNoNode ? limits_.max_entries - 1 : limits_.max_entries;
        while (tree_.entries() > others || cost_ > limits_.max_cost - cost) {
            uint32_t victim = oldest_;
            ++counts_.evictions;
            counts_.evicted_cost += slots_[victim].cost;
            remove(victim);
            on_evict(victim);
        }
        if (last_ == kNoSlot) {
            last_ = take_slot();
            slots_[last_].node = tree_.insert(key, last_);
        }
        slots_[last_].cost = cost;
        cost_ += cost;
        link_newest(last_);
        return outcome;
    }
    uint32_t last_slot() const { return last_; }

    /// Pins count; an entry is evictable again when each has been taken back.
    void pin(uint32_t slot) {
        if (slots_[slot].pins++ > 0) return;
        unlink(slot);
        ++pinned_;
        pinned_cost_ += slots_[slot].cost;
    }
    /// False if it is not pinned.
    bool unpin(uint32_t slot) {
        if (slots_[slot].pins == 0) return false;
        if (--slots_[slot].pins > 0) return true;
        --pinned_;
        pinned_cost_ -= slots_[slot].cost;
        link_newest(slot);
        return true;
    }
    uint64_t pins(uint32_t slot) const { return slots_[slot].pins; }
    bool holds(uint32_t slot) const { return slot < slots_.size() && slots_[slot].node != Tree::kNoNode; }

    /// Everything goes, pinned entries too, and the counters start again.
    void clear() {
        tree_.clear();
        slots_.clear();
        free_.clear();
        oldest_ = newest_ = last_ = kNoSlot;
        cost_ = pinned_ = pinned_cost_ = 0;
        counts_ = {};
    }

    const Tree& tree() const { return tree_; }
    const SnapshotLimits& limits() const { return limits_; }
    const SnapshotCounts& counts() const { return counts_; }
    uint64_t entries() const { return tree_.entries(); }
    uint64_t cost() const { return cost_; }
    uint64_t pinned() const { return pinned_; }
    uint64_t pinned_cost() const { return pinned_cost_; }
    uint64_t cost(uint32_t slot) const { return slots_[slot].cost; }
    uint64_t key_tokens(uint32_t slot) const { return tree_.depth(slots_[slot].node); }
    uint64_t state_bytes() const {
        return tree_.state_bytes() + slots_.capacity() * sizeof(Slot) + free_.capacity() * 4;
    }

    /// Derives counts, costs and the list from scratch and compares; throws Error(failed) naming what differs.
    void check_invariants() const {
        tree_.check_invariants();
        uint64_t entries = 0, cost = 0, pinned = 0, pinned_cost = 0, listed = 0;
        for (uint32_t s = 0; s < slots_.size(); ++s) {
            if (!holds(s)) continue;
            const Slot& slot = slots_[s];
            expect(tree_.holds(slot.node) && tree_.payload(slot.node) == s, "an entry that its key does not find");
            expect(tree_.depth(slot.node) >= limits_.min_prefix_len, "a key that is too short");
            ++entries;
            cost += slot.cost;
            pinned += slot.pins > 0;
            pinned_cost += slot.pins > 0 ? slot.cost : 0;
        }
        uint32_t before = kNoSlot;
        for (uint32_t s = oldest_; s != kNoSlot; s = slots_[s].newer) {
            expect(holds(s) && slots_[s].pins == 0 && slots_[s].older == before, "the order of use is linked wrongly");
            expect(++listed <= slots_.size(), "the order of use runs in a circle");
            before = s;
        }
        expect(before == newest_ && listed + pinned == entries, "the order of use misses entries");
        expect(entries == tree_.entries() && entries + free_.size() == slots_.size(), "entries do not add up");
        expect(cost == cost_ && pinned == pinned_ && pinned_cost == pinned_cost_, "costs do not add up");
        expect(cost <= limits_.max_cost && entries <= limits_.max_entries, "more than the limits");
    }

  private:
    struct Slot {
        uint64_t cost = 0;
        uint64_t pins = 0;
        typename Tree::NodeId node = Tree::kNoNode;
        uint32_t older = kNoSlot;
        uint32_t newer = kNoSlot;
    };

    static void expect(bool holds, const char* what) {
        if (!holds) throw_failed(std::string("snapshots: ") + what);
    }

    Found served(typename Tree::NodeId node, uint64_t matched) {
        if (node == Tree::kNoNode || matched < limits_.min_prefix_len) {
            ++counts_.misses;
            return {};
        }
        ++counts_.hits;
        uint32_t slot = tree_.payload(node);
        if (slots_[slot].pins == 0) {
            unlink(slot);
            link_newest(slot);
        }
        return {slot, matched};
    }
    void unlink(uint32_t slot) {
        Slot& s = slots_[slot];
        (s.older != kNoSlot ? slots_[s.older].newer : oldest_) = s.newer;
        (s.newer != kNoSlot ? slots_[s.newer].older : newest_) = s.older;
        s.older = s.newer = kNoSlot;
    }
    void link_newest(uint32_t slot) {
        slots_[slot].older = newest_;
        (newest_ != kNoSlot ? slots_[newest_].newer : oldest_) = slot;
        newest_ = slot;
    }
    uint32_t take_slot() {
        if (free_.empty()) {
            slots_.emplace_back();
            return static_cast<uint32_t>(slots_.size() - 1);
        }
        uint32_t slot = free_.back();
        free_.pop_back();
        return slot;
    }
    void remove(uint32_t slot) {
        unlink(slot);
        tree_.erase(slots_[slot].node);
        cost_ -= slots_[slot].cost;
        slots_[slot] = Slot{};
        free_.push_back(slot);
    }

    SnapshotLimits limits_;
    SnapshotCounts counts_;
    Tree tree_;
    std::vector<Slot> slots_;
    std::vector<uint32_t> free_;
    uint32_t oldest_ = kNoSlot;
    uint32_t newest_ = kNoSlot;
    uint32_t last_ = kNoSlot;
    uint64_t cost_ = 0;
    uint64_t pinned_ = 0;
    uint64_t pinned_cost_ = 0;
};

}  // namespace kvsim
