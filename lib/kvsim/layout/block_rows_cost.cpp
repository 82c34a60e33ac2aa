// Block strategies that weigh value against cost.
#include <kvsim/layout/block_row.h>
#include <kvsim/layout/block_rows.h>

namespace kvsim {

void add_cost_strategies(BlockStrategies& ) {}

}  // namespace kvsim
