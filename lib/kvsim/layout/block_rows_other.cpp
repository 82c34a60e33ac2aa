// Block strategies that belong nowhere else.
#include <kvsim/layout/block_row.h>
#include <kvsim/layout/block_rows.h>

namespace kvsim {

void add_other_strategies(BlockStrategies& ) {}

}  // namespace kvsim
