// Rates and sums of one run, from its per-request columns. Everything here counts requests past the warm-up only.
#pragma once

#include <kvsim/cache/cache.h>
#include <kvsim/cache/run_result.h>
#include <kvsim/trace/trace.h>

#include <optional>
#include <string>
#include <vector>

namespace kvsim {

struct HitCounts {
    uint64_t requests = 0;
    uint64_t with_hit = 0;  ///< at least one leading block hit
    uint64_t lookup_tokens = 0;
    uint64_t hit_tokens = 0;
    uint64_t lookup_blocks = 0;
    uint64_t hit_blocks = 0;
    uint64_t any_hit_blocks = 0;
    uint64_t any_hit_tokens = 0;
};

/// Token hit rate per request, over requests that look at least one block up.
struct HitSpread {
    double p10 = 0, p50 = 0, p90 = 0;  ///< sorted[min(n - 1, floor(p * n))]
    uint64_t zero_hit = 0;             ///< requests without a hit
};

/// What the source reported for the same requests (cached_tokens), beside what this run found.
struct Observed {
    uint64_t requests = 0;
    uint64_t requests_equal = 0;
    uint64_t hit_tokens = 0;
    uint64_t lookup_tokens = 0;
    uint64_t abs_error_tokens = 0;
    std::optional<uint32_t> first_difference;  ///< rank in replay order
};

struct GroupHits {
    std::string label;
    HitCounts hits;
};

/// Fractions of the capacity and of the room in resident blocks, over counted admissions.
struct Utilization {
    double active = 0, evictable = 0, free = 0;  ///< sum 1; only where the capacity is limited
    double token_fill = 0;                       ///< tokens held / room of resident blocks
};

struct Metrics {
    HitCounts hits;
    std::optional<Utilization> utilization;  ///< absent if nothing was admitted
    std::optional<HitSpread> spread;
    std::optional<Observed> observed;
    std::vector<GroupHits> groups;
};

/// Whose hits to tell apart.
enum class GroupBy : uint8_t { none, category, session, turn, salt, lora };
/// Throws Error(input) on an unknown word, or if the trace has no such column.
GroupBy parse_group_by(const std::string& word, const Trace& trace);

/// Which group each request belongs to.
struct Grouping {
    std::vector<std::string> labels;  ///< in order of first appearance; turns by number
    std::vector<uint32_t> of;         ///< per request; kNone in the warm-up. Empty without groups
};
Grouping group_requests(const Trace& trace, GroupBy by, uint64_t warmup_requests);

/// `capacity_blocks` may be kUnlimited: then the fractions of the capacity stay 0.
Metrics measure(const Trace& trace, const RunResult& run, const RunOptions& options, GroupBy by);

/// Tokens of request r's leading hits.
uint64_t hit_tokens_of(const Trace& trace, const RunResult& run, uint32_t r);

}  // namespace kvsim
