// The cache managers of serving engines, to the letter of their rules; and the one place that tells which cache a
// configuration means: a layout with its strategy, or an engine, which has rules of its own for everything.
#pragma once

#include <kvsim/layout/layouts.h>

#include <string>
#include <utility>
#include <vector>

namespace kvsim {

struct EngineRow {
    std::string id;
    LayoutRow cache;  ///< its summary, how it is made, titled and defined; `resolve` completes CacheConfig::engine
    std::string upstream_commit;  ///< whose rules these are
    std::string rules_date;       ///< of that commit, YYYY-MM-DD
    std::string verified;         ///< "recorded runs" or "from reading"
    std::vector<std::pair<std::string, std::string>> parameters;  ///< "page=1": what it is
    bool scheduler = false;       ///< knows Arrivals::step and time
    std::string block_parameter;  ///< "page": says how many tokens a block has; empty: the trace or --block-size does
    uint32_t default_block = 0;   ///< with block_parameter: if nobody says
};

Registry<EngineRow>& engines();

/// Nothing unless the configuration names an engine.
const EngineRow* engine_of(const CacheConfig& config);

/// Tokens per block of an engine that is not resolved yet; its own parameter and what was `asked` for (0: nothing) must agree,
/// and either alone sets both. 0: nobody says. Throws Error(input).
uint32_t join_block_size(CacheConfig& config, uint32_t asked);

/// What makes the cache of a configuration: its engine's row, or its layout's. Throws Error(input) on an unknown id.
const LayoutRow& cache_row(const CacheConfig& config);

/// Fills in what was not given and checks everything. Throws Error(input) on an unknown layout or engine, on an option that
/// has no effect under it, or on a wrong value.
void resolve_cache(CacheConfig& config);

/// What of a resolved configuration plays a part in a replay of the trace: what titles, definitions and echoes name.
CacheConfig effective_cache(const CacheConfig& config, const Trace& trace);

}  // namespace kvsim
