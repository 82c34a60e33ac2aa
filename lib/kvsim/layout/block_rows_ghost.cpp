// Block strategies that remember what has gone.
#include <kvsim/layout/block_row.h>
#include <kvsim/layout/block_rows.h>

namespace kvsim {

void add_ghost_strategies(BlockStrategies& ) {}

}  // namespace kvsim
