// Block strategies whose order is that of time alone.
#include <kvsim/eviction/block_fifo.h>
#include <kvsim/eviction/block_lru.h>
#include <kvsim/layout/block_row.h>
#include <kvsim/layout/block_rows.h>

namespace kvsim {

void add_recency_strategies(BlockStrategies& to) {
    to.add(block_row<BlockLru>());
    to.add(block_row<BlockFifo>());
}

}  // namespace kvsim
