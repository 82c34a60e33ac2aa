// Ghosts: names of blocks that have gone, as strategies remember them. A FIFO queue of bounded length.
//
// A block is either in a queue of the strategy or a ghost, so both share the strategy's array of places, and its array
// that says where a block is. A block without a name leaves no ghost, since its id will mean another block.
#pragma once

#include <kvsim/eviction/block_queue.h>
#include <kvsim/eviction/byte_number.h>

namespace kvsim {

class BlockGhosts {
  public:
    /// What `where` holds for a ghost; 0 means nowhere, anything else is the strategy's own.
    static constexpr ByteNumber kGhost{1};
    static constexpr ByteNumber kNowhere{0};

    /// `places` and `where` outlive the ghosts and have a 0 for each block.
    void reset(uint64_t limit, const StrategyContext& context, BlockPlaces& places, HugeVector<ByteNumber>& where) {
        named_ = context.named_blocks;
        limit_ = std::min(limit, named_);
        where_ = where.data();
        queue_.reset(limit_, places);
    }
    /// A block that has just left its queue; the oldest ghost makes room for it.
    void add(BlockId block) {
        where_[block] = kNowhere;
        if (limit_ == 0 || block >= named_) return;
        if (queue_.size() == limit_) remove(queue_.front());
        queue_.push(block);
        where_[block] = kGhost;
    }
    /// Whether it was a ghost; it is none afterwards.
    bool remove(BlockId block) {
        if (where_[block] != kGhost) return false;
        queue_.erase(block);
        where_[block] = kNowhere;
        return true;
    }
    uint64_t state_bytes() const { return queue_.state_bytes(); }

  private:
    uint64_t named_ = 0, limit_ = 0;
    ByteNumber* where_ = nullptr;
    BlockQueue<false> queue_;
};

}  // namespace kvsim
