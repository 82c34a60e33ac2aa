// Block strategies that remember what has gone.
#include <kvsim/eviction/block_arc.h>
#include <kvsim/eviction/block_lirs.h>
#include <kvsim/eviction/block_s3_fifo.h>
#include <kvsim/eviction/block_w_tinylfu.h>
#include <kvsim/eviction/block_two_q.h>
#include <kvsim/layout/block_row.h>
#include <kvsim/layout/block_rows.h>

namespace kvsim {

void add_ghost_strategies(BlockStrategies& to) {
    to.add(block_row<BlockArc>());
    to.add(block_row<BlockS3Fifo>());
    to.add(block_row<BlockLirs>());
    to.add(block_row<BlockWTinyLfu>());
    to.add(block_row<BlockTwoQ>());
}

}  // namespace kvsim
