// Block strategies that remember what has gone.
#include <kvsim/eviction/block_two_q.h>
#include <kvsim/layout/block_row.h>
#include <kvsim/layout/block_rows.h>

namespace kvsim {

void add_ghost_strategies(BlockStrategies& to) {
    to.add(block_row<BlockTwoQ>());
}

}  // namespace kvsim
