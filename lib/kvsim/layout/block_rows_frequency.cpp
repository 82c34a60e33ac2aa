// Block strategies that count uses.
#include <kvsim/eviction/block_length_aware.h>
#include <kvsim/eviction/block_lfu.h>
#include <kvsim/eviction/block_lfu_history.h>
#include <kvsim/eviction/block_lfuda.h>
#include <kvsim/layout/block_row.h>
#include <kvsim/layout/block_rows.h>

namespace kvsim {

void add_frequency_strategies(BlockStrategies& to) {
    to.add(block_row<BlockLfu>());
    to.add(block_row<BlockLfuda>());
    to.add(block_row<BlockLfuHistory>());
    to.add(block_row<BlockLengthAware>());
}

}  // namespace kvsim
