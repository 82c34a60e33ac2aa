// The cache layouts there are, and the one description of a cache that the command line, sim/ and report/ share.
// A layout is one file and one row: which options mean something under it, how to make it, what its numbers are.
#pragma once

#include <kvsim/cache/cache.h>
#include <kvsim/core/registry.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace kvsim {

inline constexpr const char* kDefaultLayout = "prefix";

/// Cache options as text, "" = not given; the layout's row reads those that it names.
struct CacheConfig {
    std::string layout;  ///< kDefaultLayout if not given
    std::string eviction, accounting, match, evict_threshold, evict_target, reserve, on_full, preempt;
    std::string engine;  ///< instead of all of these: `id:key=value,...`

    bool operator==(const CacheConfig&) const = default;
};

/// A cache option: its name on the command line and its place in the configuration.
struct CacheOption {
    const char* name;  ///< "--eviction"
    std::string CacheConfig::* value;
};
const std::vector<CacheOption>& cache_options();

/// How a run is computed; the results are the same. Layouts of whole sequences have one way only.
enum class RunPath : uint8_t {
    fastest,  ///< runs of the prefix index where the strategy, the accounting and the trace allow it
    blocks,   ///< block by block, always
};

/// Lines "key: what the number is" of a report.
using Definitions = std::vector<std::pair<std::string, std::string>>;

struct LayoutRow {
    std::string id;
    std::string summary;
    /// Cache options that mean something under it, with what resolve() puts for ones not given: {"--eviction", "lru"}.
    std::vector<std::pair<std::string, std::string>> options;
    bool prefix_hits = false;  ///< requests hit what earlier ones left; otherwise hits are not applicable
    /// Fills in what was not given and rewrites values in their resolved form. Throws Error(input) on one that is wrong.
    void (*resolve)(CacheConfig& config) = nullptr;
    std::unique_ptr<Cache> (*make)(const CacheConfig& config, const Trace& trace, const RunOptions& options,
                                   RunPath path) = nullptr;
    /// The resolved configuration without what plays no part in a replay of the trace; nullptr: all of it does.
    CacheConfig (*effective)(const CacheConfig& config, const Trace& trace) = nullptr;
    std::string (*title)(const CacheConfig& config) = nullptr;  ///< "prefix layout, lru, pinned"
    Definitions (*definitions)(const CacheConfig& config, const Trace& trace, const RunOptions& options) = nullptr;
};

Registry<LayoutRow>& layouts();

LayoutRow prefix_layout();
LayoutRow paged_layout();
LayoutRow contiguous_layout();
LayoutRow quantized_layout();

/// Whether blocks are single tokens (--match token, snapshot): the trace is re-blocked to 1 token, the capacity counted
/// in tokens, and a request's last prompt token is always computed.
bool matches_tokens(const CacheConfig& config);

}  // namespace kvsim
