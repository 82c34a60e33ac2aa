// What stands on the edges of a radix tree (radix_tree.h): two kinds of keys behind one set of static functions, and
// the store that owns the labels.
//
// TokenLabels: a key is a list of token ids, an item is a token; comparing is memcmp. RunLabels: a key is a list of
// runs of consecutive ids, an item is a run; comparing is one subtraction per run, whatever its length. A label is a
// stretch of items of which the first may be entered late (`skip`) and the last left early (`length` says when), so
// splitting an edge never copies: both halves point into the same stretch, if need be into the same run.
#pragma once

#include <kvsim/core/huge_vector.h>
#include <kvsim/trace/prefix_index.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace kvsim {

/// A place in a list of items: token `offset` of item `item`; offset < the item's tokens, or {items, 0} at the end.
struct LabelPlace {
    uint64_t item = 0;
    uint32_t offset = 0;
};

struct TokenLabels {
    using Item = uint32_t;
    static uint64_t length(std::span<const Item> key) { return key.size(); }
    static uint32_t token(const Item* items, LabelPlace at) { return items[at.item]; }
    static LabelPlace advanced(const Item*, LabelPlace at, uint64_t tokens) { return {at.item + tokens, 0}; }
    /// Leading tokens that both have in common, at most `limit`; the places are moved behind them.
    static uint64_t common(const Item* a, LabelPlace& a_at, const Item* b, LabelPlace& b_at, uint64_t limit) {
        // memcmp tells that a chunk differs, not where: small chunks keep the search that follows short.
        static constexpr uint64_t kChunk = 256;
        a += a_at.item;
        b += b_at.item;
        uint64_t n = 0;
        while (limit - n >= kChunk && std::memcmp(a + n, b + n, kChunk * sizeof(Item)) == 0) n += kChunk;
        uint64_t end = std::min(limit, n + kChunk);
        while (n < end && a[n] == b[n]) ++n;
        a_at.item += n;
        b_at.item += n;
        return n;
    }
    /// Appends `length` tokens from `at` on.
    template <class Out>
    static void copy(const Item* items, LabelPlace at, uint64_t length, Out& out) {
        out.insert(out.end(), items + at.item, items + at.item + length);
    }
};

/// Runs have at least one id each.
struct RunLabels {
    using Item = Segment;
    static uint64_t length(std::span<const Item> key) {
        uint64_t n = 0;
        for (const Segment& s : key) n += s.count;
        return n;
    }
    static uint32_t token(const Item* items, LabelPlace at) { return items[at.item].begin + at.offset; }
    static LabelPlace advanced(const Item* items, LabelPlace at, uint64_t tokens) {
        while (tokens > 0) {
            uint64_t n = std::min<uint64_t>(tokens, items[at.item].count - at.offset);
            step(items, at, n);
            tokens -= n;
        }
        return at;
    }
    static uint64_t common(const Item* a, LabelPlace& a_at, const Item* b, LabelPlace& b_at, uint64_t limit) {
        uint64_t n = 0;
        while (n < limit && token(a, a_at) == token(b, b_at)) {
            uint64_t both = std::min(a[a_at.item].count - a_at.offset, b[b_at.item].count - b_at.offset);
            both = std::min(both, limit - n);
            step(a, a_at, both);
            step(b, b_at, both);
            n += both;
        }
        return n;
    }
    template <class Out>
    static void copy(const Item* items, LabelPlace at, uint64_t length, Out& out) {
        while (length > 0) {
            const Segment& s = items[at.item];
            auto n = static_cast<uint32_t>(std::min<uint64_t>(length, s.count - at.offset));
            out.push_back({s.begin + at.offset, n});
            at = {at.item + 1, 0};
            length -= n;
        }
    }

  private:
    static void step(const Item* items, LabelPlace& at, uint64_t tokens) {
        at.offset += static_cast<uint32_t>(tokens);
        if (at.offset == items[at.item].count) at = {at.item + 1, 0};
    }
};

/// `length` tokens of a stretch of items in a slab, from token `skip` of its first item on.
struct LabelRef {
    uint32_t slab = 0;
    uint32_t begin = 0;
    uint32_t items = 0;
    uint32_t skip = 0;
    uint32_t length = 0;
};

/// Owns items in slabs that never move. A slab without a live item is emptied at once; holes inside slabs stay until
/// the owner finds wasteful() true, makes a new store and copies what lives: amortized O(1) per item.
template <class Item>
class LabelStore {
  public:
    const Item* data(const LabelRef& label) const { return slabs_[label.slab].items.data() + label.begin; }

    /// Makes `fill(slab)` append at most `items` items, which become the label's.
    template <class Fill>
    LabelRef append(uint64_t items, Fill&& fill) {
        Slab& s = slab_with_room(items);
        LabelRef label;
        label.slab = current_;
        label.begin = static_cast<uint32_t>(s.items.size());
        fill(s.items);
        label.items = static_cast<uint32_t>(s.items.size() - label.begin);
        used_ += label.items;
        retain(label.slab, label.items);
        return label;
    }
    /// True if the label's items are the last ones of the open slab and `more` fit behind them.
    bool can_grow(const LabelRef& label, uint64_t more) const {
        if (label.slab != current_) return false;
        const Slab& s = slabs_[current_];
        return label.begin + uint64_t{label.items} == s.items.size() && s.items.capacity() - s.items.size() >= more;
    }
    /// `items` more references to items of the slab.
    void retain(uint32_t slab, uint64_t items) {
        slabs_[slab].live += items;
        live_ += items;
    }
    void release(uint32_t slab, uint64_t items) {
        Slab& s = slabs_[slab];
        s.live -= items;
        live_ -= items;
        if (s.live != 0) return;
        used_ -= s.items.size();
        if (slab == current_) {
            s.items.clear();
        } else {
            allocated_ -= s.items.capacity();
            s.items = HugeVector<Item>();
            free_.push_back(slab);
        }
    }
    bool wasteful() const { return used_ > 2 * live_ + kSmallest; }
    uint64_t live(uint32_t slab) const { return slabs_[slab].live; }
    /// Recounted.
    bool adds_up() const {
        uint64_t live = 0, used = 0, allocated = 0;
        for (const Slab& s : slabs_) {
            live += s.live;
            used += s.items.size();
            allocated += s.items.capacity();
        }
        return live == live_ && used == used_ && allocated == allocated_;
    }
    uint32_t slabs() const { return static_cast<uint32_t>(slabs_.size()); }
    uint64_t bytes() const { return allocated_ * sizeof(Item) + slabs_.size() * sizeof(Slab); }

  private:
    static constexpr uint64_t kSmallest = 1024;
    static constexpr uint64_t kLargest = uint64_t{1} << 22;
    struct Slab {
        HugeVector<Item> items;  ///< capacity is fixed when the slab is made
        uint64_t live = 0;
    };

    // Slabs double until they are large, so that small trees stay small.
    Slab& slab_with_room(uint64_t items) {
        if (!slabs_.empty()) {
            Slab& s = slabs_[current_];
            if (s.items.capacity() - s.items.size() >= items) return s;
            if (s.items.empty()) {  // nothing points into it
                allocated_ -= s.items.capacity();
                s.items = HugeVector<Item>();
                free_.push_back(current_);
            }
        }
        if (free_.empty()) {
            free_.push_back(slabs());
            slabs_.emplace_back();
        }
        current_ = free_.back();
        free_.pop_back();
        Slab& s = slabs_[current_];
        s.items.reserve(std::max(items, std::clamp(allocated_, kSmallest, kLargest)));
        allocated_ += s.items.capacity();
        return s;
    }

    std::vector<Slab> slabs_;
    std::vector<uint32_t> free_;
    uint32_t current_ = 0;
    uint64_t live_ = 0;       ///< references, an item shared by two halves of an edge counted twice
    uint64_t used_ = 0;       ///< items in slabs, dead ones included
    uint64_t allocated_ = 0;  ///< items there is memory for
};

}  // namespace kvsim
