// Block strategies that belong nowhere else.
#include <kvsim/eviction/block_random.h>
#include <kvsim/layout/block_row.h>
#include <kvsim/layout/block_rows.h>

namespace kvsim {

void add_other_strategies(BlockStrategies& to) {
    to.add(block_row<BlockRandom>());
}

}  // namespace kvsim
