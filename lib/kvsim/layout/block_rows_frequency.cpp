// Block strategies that count uses.
#include <kvsim/layout/block_row.h>
#include <kvsim/layout/block_rows.h>

namespace kvsim {

void add_frequency_strategies(BlockStrategies& ) {}

}  // namespace kvsim
