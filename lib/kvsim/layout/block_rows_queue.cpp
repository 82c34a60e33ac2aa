// Block strategies with queues and hands.
#include <kvsim/eviction/block_clock.h>
#include <kvsim/eviction/block_qdlp.h>
#include <kvsim/eviction/block_sieve.h>
#include <kvsim/eviction/block_slru.h>
#include <kvsim/layout/block_row.h>
#include <kvsim/layout/block_rows.h>

namespace kvsim {

void add_queue_strategies(BlockStrategies& to) {
    to.add(block_row<BlockClock>());
    to.add(block_row<BlockSieve>());
    to.add(block_row<BlockSlru>());
    to.add(block_row<BlockQdlp>());
}

}  // namespace kvsim
