// The report of `kvsim bench`: times of kernels on every backend, and of those that are not there the reason.
#pragma once

#include <kvsim/report/replay_report.h>
#include <kvsim/sim/bench.h>

#include <string>
#include <vector>

namespace kvsim {

struct BenchReport {
    std::vector<BenchRun> runs;  ///< one per backend, of the same cells
    ConfigEntries config;
    double wall_ms = 0;
    bool interrupted = false;
};

std::string bench_json(const BenchReport& report);
std::string bench_table(const BenchReport& report);

}  // namespace kvsim
