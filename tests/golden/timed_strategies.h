// The shared traces under a block strategy, decode off.
#pragma once

#include <doctest/doctest.h>
#include <kvsim/layout/prefix.h>
#include <kvsim/sim/replay.h>

#include <string>

#include "golden/shared_trace.h"

namespace kvsim_test {

using namespace kvsim;

inline HitCounts hits(const Trace& trace, const std::string& eviction, const char* accounting, uint64_t blocks) {
    RunOptions options;
    options.capacity_blocks = blocks;
    options.decode = false;
    auto cache = make_prefix_cache(eviction, Accounting::parse(accounting), trace, options);
    RunResult run;
    cache->run(trace, options, run);
    cache->check_invariants();
    return measure(trace, run, options, GroupBy::none).hits;
}

}  // namespace kvsim_test
