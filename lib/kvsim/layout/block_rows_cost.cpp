// Block strategies that weigh value against cost.
#include <kvsim/eviction/block_gdsf.h>
#include <kvsim/eviction/block_hyperbolic.h>
#include <kvsim/layout/block_row.h>
#include <kvsim/layout/block_rows.h>

namespace kvsim {

void add_cost_strategies(BlockStrategies& to) {
    to.add(block_row<BlockGdsf>());
    to.add(block_row<BlockHyperbolic>());
}

}  // namespace kvsim
