// One trace, one configuration: run it, check it if asked, measure it.
#pragma once

#include <kvsim/layout/prefix.h>
#include <kvsim/sim/metrics.h>

#include <optional>
#include <string>

namespace kvsim {

struct ReplayOptions {
    CacheConfig cache;
    RunOptions run;
    GroupBy by = GroupBy::none;
    bool verify = false;
};

struct ReplayOutcome {
    RunResult run;
    Metrics metrics;
    std::optional<UnlimitedHits> unlimited;  ///< of layouts with prefix hits
    double simulate_ms = 0;
    double bounds_ms = 0;
};

/// `options.cache` need not be resolved. Throws Error(input) on a configuration that makes no sense, Error(failed) if --verify finds a difference.
ReplayOutcome replay(const Trace& trace, const ReplayOptions& options);

/// `N`, `P%` (floor of P percent of `whole`) of --blocks and --warmup. Throws Error(input) naming `option`.
uint64_t parse_share(const std::string& text, uint64_t whole, const std::string& option);

}  // namespace kvsim
