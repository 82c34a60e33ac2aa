// Which of the blocks that nobody but their request has used are partly filled: as a rule a request's last one.
//
// Whoever is used once leaves in the order of entering, whatever the strategy (FlatPolicy::in_order): they stand in a
// line, and after a request the line's first ones are asked whether they are still there. So nobody need be told who
// leaves. A block that another request uses goes out of the line. PartialBlocks knows all others.
// Cost: O(1) amortized per request; 8 bytes per request since the oldest one whose last block is resident.
#pragma once

#include <kvsim/trace/prefix_index.h>

#include <cstdint>
#include <vector>

namespace kvsim {

class LastBlocks {
  public:
    void reset() {
        line_.assign(64, {kNone, 0});
        first_ = end_ = 0;
        total_ = 0;
    }
    /// Of the next request. `missing`: token places that are empty in it; 0: nothing to remember.
    void push(BlockId block, uint32_t missing) {
        at(end_++) = {block, missing};
        total_ += missing;
        if (end_ - first_ == line_.size()) [[unlikely]] lengthen();
    }
    /// The request's last block is used by another one.
    void used_again(uint32_t request) {
        if (request < first_) return;
        total_ -= at(request).missing;
        at(request).missing = 0;
    }
    /// Forgets who has left; `contains` knows.
    template <class C>
    void settle(const C& contains) {
        for (; first_ != end_; ++first_) {
            const Entry& e = at(first_);
            if (e.missing != 0 && contains(e.block)) return;
            total_ -= e.missing;
        }
    }
    uint64_t total() const { return total_; }
    /// Calls f(block, missing) for each that is remembered.
    template <class F>
    void for_each(const F& f) const {
        for (uint32_t r = first_; r != end_; ++r)
            if (const Entry& e = line_[r & (line_.size() - 1)]; e.missing != 0) f(e.block, e.missing);
    }
    uint64_t bytes() const { return line_.size() * sizeof(Entry); }

  private:
    struct Entry {
        BlockId block;
        uint32_t missing;
    };
    Entry& at(uint32_t request) { return line_[request & (line_.size() - 1)]; }
    [[gnu::noinline]] void lengthen() {
        std::vector<Entry> longer(line_.size() * 2);
        for (uint32_t r = first_; r != end_; ++r) longer[r & (longer.size() - 1)] = at(r);
        line_.swap(longer);
    }

    std::vector<Entry> line_;  ///< a ring; requests [first_, end_)
    uint32_t first_ = 0, end_ = 0;
    uint64_t total_ = 0;
};

}  // namespace kvsim
