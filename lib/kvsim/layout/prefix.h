// The prefix layout: cached blocks form a forest of prefixes; a request hits the leading blocks it finds resident.
// Three accountings (docs/DESIGN.md section 7) say how lookup, eviction and insertion interleave.
#pragma once

#include <kvsim/cache/cache.h>
#include <kvsim/core/registry.h>
#include <kvsim/eviction/block_policy.h>
#include <kvsim/layout/layouts.h>

#include <memory>
#include <string>

namespace kvsim {

enum class AccountingKind : uint8_t { pinned, flat, tree };

struct Accounting {
    AccountingKind kind = AccountingKind::pinned;
    /// tree: also blocks the running request has inserted itself are protected from its own evictions.
    bool protect_chain = false;
    /// flat: block by block, for checks of what is served in runs.
    bool by_block = false;

    /// `pinned`, `flat`, `tree` or `tree:protect=hits|chain`. Throws Error(input).
    static Accounting parse(const std::string& text);
    std::string text() const;
};

/// One block strategy of the prefix layout.
struct BlockStrategyRow {
    std::string id;
    StrategyInfo info;
    /// `spec` is `id` or `id:key=value,...`.
    std::unique_ptr<Cache> (*make)(const std::string& spec, const Accounting& accounting);
};

Registry<BlockStrategyRow>& block_strategies();

/// Throws Error(input) on an unknown strategy or parameter; `block/id` means `id`.
void check_block_strategy(const std::string& eviction, const Accounting& accounting);

/// The cache for a trace. Throws Error(input) on an unknown strategy or parameter.
std::unique_ptr<Cache> make_prefix_cache(const std::string& eviction, const Accounting& accounting,
                                         const Trace& trace, const RunOptions& options,
                                         RunPath path = RunPath::fastest);

/// What would be hit if nothing were ever evicted: leading hits of each request, counted from `warmup` on.
struct UnlimitedHits {
    uint64_t any_hit_blocks = 0;  ///< more than hit_blocks only under flat with ids that name content
    uint64_t hit_blocks = 0;
    uint64_t hit_tokens = 0;
    std::vector<uint32_t> per_request;  ///< leading hits, warm-up included
};
UnlimitedHits unlimited_hits(const Trace& trace, const Accounting& accounting, const RunOptions& options);

}  // namespace kvsim
