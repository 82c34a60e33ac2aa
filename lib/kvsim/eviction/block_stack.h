// A stack of blocks, as a log that grows downwards: for strategies whose victim is the newest block, not the oldest.
//
// The mirror of BlockQueue (block_queue.h): entering puts the block at the next lower place, leaving clears its place,
// and the newest block is the first place that is not empty. Room at the newest end is used again at once, so a cache
// that always gives up its newest block never moves anything; else the blocks are moved to the old end when the log is
// full, which happens at most once in as many steps as it holds blocks. With leaves the places of blocks that may go
// are bits in a bitmap. Places are 1 and up, 0 = not in the stack.
// Cost: O(1) amortized per step, and per request one step over each pinned block; 4 bytes per block of the trace, 8 per
// block of the stack at its largest.
#pragma once

#include <kvsim/core/huge_vector.h>
#include <kvsim/eviction/bitmap_min.h>
#include <kvsim/eviction/block_policy.h>

#include <algorithm>

namespace kvsim {

template <bool kLeaves>
class BlockStack {
  public:
    /// At most `largest` of `blocks` blocks will be in the stack at once.
    void reset(uint64_t blocks, uint64_t largest) {
        place_.assign(blocks, 0);
        log_.assign(2 * largest + 64, kNone);
        top_ = log_.size();
        from_ = 0;
        if (kLeaves) leaves_.reset(log_.size());
    }
    bool contains(BlockId block) const { return place_[block] != 0; }

    /// Newest from now on. With leaves: as no leaf, until on_leaf().
    void push(BlockId block) {
        if (top_ == 1) compact();
        log_[--top_] = block;
        place_[block] = static_cast<uint32_t>(top_);
        from_ = 0;
    }
    void erase(BlockId block) {
        uint64_t place = place_[block];
        log_[place] = kNone;
        place_[block] = 0;
        if (kLeaves) leaves_.erase(place);
        while (top_ < log_.size() && log_[top_] == kNone) ++top_;
    }
    /// To the newest end. With leaves: as the leaf or inner node it was.
    void renew(BlockId block) {
        if (place_[block] == top_) return;
        bool leaf = kLeaves && leaves_.contains(place_[block]);
        erase(block);
        push(block);
        if (leaf) on_leaf(block);
    }
    void on_leaf(BlockId block) {
        if (kLeaves) leaves_.insert(place_[block]);
    }
    void on_inner(BlockId block) {
        if (kLeaves) leaves_.erase(place_[block]);
    }

    /// Newest eligible block; kNone if there is none. Without leaves walks begin where the last one found everything
    /// newer ineligible: under pinned room is made for all that is then entered, and whoever enters is new.
    template <EligibleBlocks E>
    BlockId newest(const E& eligible) {
        if constexpr (kLeaves) {
            for (size_t at = leaves_.next(top_); at != BitmapMin::kEnd; at = leaves_.next(at + 1))
                if (eligible(log_[at])) return log_[at];
            return kNone;
        }
        for (uint64_t at = std::max(top_, from_); at < log_.size(); ++at) {
            if (log_[at] == kNone || !eligible(log_[at])) continue;
            from_ = at;
            return log_[at];
        }
        return kNone;
    }

    uint64_t state_bytes() const { return place_.size() * 4 + log_.size() * 4 + (kLeaves ? leaves_.bytes() : 0); }

  private:
    // From the old end on, so that nobody is overwritten.
    void compact() {
        uint64_t to = log_.size();
        for (uint64_t from = log_.size(); from-- > top_;) {
            BlockId block = log_[from];
            if (block == kNone) continue;
            bool leaf = kLeaves && leaves_.contains(from);
            log_[from] = kNone;
            if (leaf) leaves_.erase(from);
            log_[--to] = block;
            place_[block] = static_cast<uint32_t>(to);
            if (leaf) leaves_.insert(to);
        }
        top_ = to;
        from_ = 0;
    }

    HugeVector<uint32_t> place_;
    HugeVector<BlockId> log_;  ///< kNone where nobody is (any more)
    BitmapMin leaves_;
    uint64_t top_ = 1;   ///< place of the newest block; the log's size if there is none
    uint64_t from_ = 0;  ///< nobody newer is eligible, until the next push()
};

}  // namespace kvsim
