// Block strategies with queues and hands.
#include <kvsim/eviction/block_clock.h>
#include <kvsim/layout/block_row.h>
#include <kvsim/layout/block_rows.h>

namespace kvsim {

void add_queue_strategies(BlockStrategies& to) {
    to.add(block_row<BlockClock>());
}

}  // namespace kvsim
