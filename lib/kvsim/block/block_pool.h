// A pool of blocks with reference counts. Free blocks are handed out in the order they came back (fifo, so that old
// contents survive longest) or the latest first (lifo, warm in the caches of the hardware); blocks that were never
// used come in ascending order, before freed ones under fifo (with a limit only, else after them) and after them under
// lifo. All operations O(1).
//
// Beside its count a block keeps the exclusive or of its holders' ids: when one holder is left, that is its id.
#pragma once

#include <kvsim/cache/cache.h>
#include <kvsim/cache/sequence_facts.h>
#include <kvsim/core/error.h>
#include <kvsim/trace/prefix_index.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace kvsim {

enum class FreeOrder : uint8_t { fifo, lifo };

class BlockPool {
  public:
    /// `blocks` may be kUnlimited; ids stay below kMaxBlocks.
    explicit BlockPool(uint64_t blocks, FreeOrder order = FreeOrder::fifo) : capacity_(blocks), order_(order) {}

    uint64_t capacity() const { return capacity_; }
    uint64_t used() const { return holds_.size() - free_count(); }
    uint64_t available() const { return capacity_ == kUnlimited ? kUnlimited : capacity_ - used(); }
    uint64_t shared() const { return shared_; }
    uint32_t references(BlockId block) const { return holds_[block].count; }
    /// The holder of a block with one reference.
    SequenceId owner(BlockId block) const { return holds_[block].holders; }

    /// Throws Error(input) if so many more blocks would have no ids. Before anything is changed.
    void check_ids(uint64_t more) const {
        if (more > kMaxBlocks - used())
            throw_input("more than " + std::to_string(kMaxBlocks) + " blocks in use; use a larger --block-size");
    }
    /// A block with one reference. The caller has seen to it that one is available, and has an id.
    BlockId take(SequenceId holder) {
        BlockId block;
        bool fresh = holds_.size() < std::min(capacity_, kMaxBlocks);
        if (order_ == FreeOrder::lifo ? free_count() == 0 : fresh && (capacity_ != kUnlimited || free_count() == 0)) {
            block = static_cast<BlockId>(holds_.size());
            holds_.push_back({});
        } else if (order_ == FreeOrder::lifo) {
            block = free_.back();
            free_.pop_back();
        } else {
            block = free_[head_++];
            if (head_ * 2 > free_.size() && head_ > 1024) {
                free_.erase(free_.begin(), free_.begin() + static_cast<ptrdiff_t>(head_));
                head_ = 0;
            }
        }
        holds_[block] = {1, holder};
        return block;
    }
    void acquire(BlockId block, SequenceId holder) {
        Hold& h = holds_[block];
        shared_ += ++h.count == 2;
        h.holders ^= holder;
    }
    /// Drops one reference; true if the block went back to the pool.
    bool release(BlockId block, SequenceId holder) {
        Hold& h = holds_[block];
        h.holders ^= holder;
        if (--h.count == 0) {
            free_.push_back(block);
            return true;
        }
        shared_ -= h.count == 1;
        return false;
    }
    /// References counted anew by the caller, for check_invariants().
    void check(const std::vector<uint32_t>& counted) const {
        uint64_t used_blocks = 0, shared_blocks = 0;
        for (BlockId b = 0; b < holds_.size(); ++b) {
            uint32_t expected = b < counted.size() ? counted[b] : 0;
            if (holds_[b].count != expected) throw_failed("block pool: a reference count does not add up");
            used_blocks += expected > 0;
            shared_blocks += expected > 1;
        }
        if (used_blocks != used() || shared_blocks != shared_) throw_failed("block pool: used or shared blocks do not add up");
        std::vector<bool> seen(holds_.size());
        for (size_t i = head_; i < free_.size(); ++i) {
            if (holds_[free_[i]].count != 0 || seen[free_[i]]) throw_failed("block pool: a used block in the free list");
            seen[free_[i]] = true;
        }
        if (used() > capacity_) throw_failed("block pool: more blocks than the capacity");
    }
    uint64_t state_bytes() const { return holds_.size() * sizeof(Hold) + free_.size() * sizeof(BlockId); }

  private:
    struct Hold {
        uint32_t count = 0;
        SequenceId holders = 0;
    };
    uint64_t free_count() const { return free_.size() - head_; }

    uint64_t capacity_;
    FreeOrder order_;
    std::vector<Hold> holds_;     ///< of every block that was ever used
    std::vector<BlockId> free_;   ///< from head_ on
    size_t head_ = 0;
    uint64_t shared_ = 0;
};

}  // namespace kvsim
