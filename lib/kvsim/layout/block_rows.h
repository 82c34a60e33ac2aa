// Which block strategies there are: a line in one of the files block_rows_*.cpp each, so that they compile side by side.
#pragma once

#include <kvsim/layout/prefix.h>

namespace kvsim {

using BlockStrategies = Registry<BlockStrategyRow>;

void add_recency_strategies(BlockStrategies& to);
void add_frequency_strategies(BlockStrategies& to);
void add_queue_strategies(BlockStrategies& to);
void add_ghost_strategies(BlockStrategies& to);
void add_cost_strategies(BlockStrategies& to);
void add_other_strategies(BlockStrategies& to);

}  // namespace kvsim
