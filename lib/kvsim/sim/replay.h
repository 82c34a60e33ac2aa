// One trace, one configuration: run it, check it if asked, measure it.
#pragma once

#include <kvsim/layout/prefix.h>
#include <kvsim/model/cost.h>
#include <kvsim/sim/bounds.h>
#include <kvsim/sim/compression.h>
#include <kvsim/sim/data_replay.h>
#include <kvsim/sim/metrics.h>
#include <kvsim/sim/misses.h>
#include <kvsim/sim/score_replay.h>
#include <kvsim/sim/series.h>

#include <optional>
#include <string>

namespace kvsim {

struct ReplayOptions {
    CacheConfig cache;
    RunOptions run;
    GroupBy by = GroupBy::none;
    bool verify = false;
    bool bounds = true;  ///< offline bounds and explained misses, where they are defined
    /// Points of ReplayOutcome::series; 0: none. Under the prefix layout a second run, block by block, tells them.
    uint64_t timeline = 0;
    const PrefillFlops* flops = nullptr;  ///< weigh hits by them
    /// Layout quantized: what its sequences are made of. Request r plays the recorded sequence r mod their number.
    const KvData* kv_data = nullptr;
    std::string k_dtype, v_dtype;  ///< with kv_data; empty: the data's own
    uint64_t seed = 0;             ///< with kv_data: of strategies that draw random numbers
    unsigned jobs = 1;             ///< with kv_data: threads
    std::optional<DataRunOptions> data;  ///< --backend: the same on real keys and values
};

/// Hits of counted requests in prefill FLOPs.
struct PrefillValue {
    double hit_rate = 0;
    double flops_saved = 0;
};

/// The offline bounds at one capacity, as far as they are defined.
struct BoundsAt {
    FlatBound optimal;           ///< any_* only where `any_hits_only`
    std::optional<Bound> admit;  ///< of paths only
    bool any_hits_only = false;  ///< ids name content, under flat
    bool exact = true;           ///< see OfflineBounds
    /// The one that distance, regret and blame refer to.
    const Bound& of(AccountingKind kind) const {
        return kind == AccountingKind::pinned && admit ? *admit : static_cast<const Bound&>(optimal);
    }
};
BoundsAt bounds_at(const OfflineBounds& bounds, const Trace& trace, const Accounting& accounting, uint64_t capacity);

/// Whether bounds are defined for a configuration: prefix hits, named blocks, a limit, no whole snapshots.
bool has_bounds(const Trace& trace, const CacheConfig& cache, const RunOptions& run);

struct ReplayOutcome {
    RunResult run;
    Metrics metrics;
    std::optional<UnlimitedHits> unlimited;  ///< of layouts with prefix hits
    std::optional<BoundsAt> bounds;
    std::optional<Misses> misses;  ///< with bounds, where ids are paths
    std::optional<PrefillValue> value;
    std::optional<Series> series;  ///< with options.timeline
    std::optional<CompressionOutcome> compression;  ///< with kv_data
    std::optional<ScoreOutcome> scores;  ///< layout quantized, without kv_data, on a trace that recorded attention
    std::optional<DataOutcome> data;     ///< with options.data
    double simulate_ms = 0;
    double bounds_ms = 0;
    double compression_ms = 0;
};

/// `options.cache` need not be resolved. Throws Error(input) on a configuration that makes no sense, Error(failed) if --verify finds a difference.
/// What was computed before for the same trace, accounting, decode, warm-up and capacity is not computed again.
ReplayOutcome replay(const Trace& trace, const ReplayOptions& options, const BoundsAt* known_bounds = nullptr,
                     const UnlimitedHits* known_unlimited = nullptr);

/// What the hits of `run` are worth in `options.flops`; nothing where there are none or no prefix hits.
std::optional<PrefillValue> prefill_value(const Trace& trace, const ReplayOptions& options, const RunResult& run);

/// `N`, `P%` (floor of P percent of `whole`) of --blocks and --warmup. Throws Error(input) naming `option`.
uint64_t parse_share(const std::string& text, uint64_t whole, const std::string& option);

}  // namespace kvsim
