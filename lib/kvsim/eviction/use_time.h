// The time of strategies that order blocks by their last use: the number of uses so far.
#pragma once

#include <kvsim/core/error.h>
#include <kvsim/eviction/block_policy.h>

#include <cstdint>

namespace kvsim {

/// Numbers the uses of blocks in a run, the first one 1.
class UseTime {
  public:
    /// Throws Error(input) if the run may have more uses than there are numbers.
    void reset(const StrategyContext& context) {
        if (context.references >= ~uint32_t{0})
            throw_input("more than 4,294,967,294 block references; use --limit or a larger --block-size");
        now_ = 0;
    }
    uint32_t next() { return ++now_; }
    /// The first of `count` in a row.
    uint32_t next(uint32_t count) {
        now_ += count;
        return now_ - count + 1;
    }

  private:
    uint32_t now_ = 0;
};

}  // namespace kvsim
