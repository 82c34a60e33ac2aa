// The reports of `kvsim curve` and `kvsim size`.
#pragma once

#include <kvsim/report/replay_report.h>
#include <kvsim/sim/curve.h>

#include <optional>
#include <string>
#include <vector>

namespace kvsim {

/// One capacity of the table: the curve's hits there, and a replay where more is asked than the curve knows.
struct CurveRow {
    CurvePoint at;
    std::optional<BoundsAt> bounds;  ///< sums only
    std::optional<PrefillValue> value;
};

/// Hits of a fast tier in front of a slow one, read off the same LRU curve.
struct TierHits {
    uint64_t fast_blocks = 0, slow_blocks = 0;
    CurvePoint fast, inclusive, exclusive;
};

struct CurveReport {
    ReplayReport
        base;  ///< trace, options (without a capacity), memory, config, notes; its outcome is that of the unlimited run
    bool exact = true;    ///< one pass; otherwise `curve` holds replays at the rows' capacities
    std::string why_not;  ///< why not
    LruCurve curve;
    uint64_t thin_to = 0;  ///< columns: so many points, log-spaced; 0 = all
    std::vector<CurveRow> rows;
    std::optional<TierHits> tiers;
    double curve_ms = 0, bounds_ms = 0;
};

std::string curve_json(const CurveReport& report);
std::string curve_table(const CurveReport& report);

struct SizeReport {
    ReplayReport base;  ///< the replay at the answer
    std::string goal;   ///< "token_hit_rate", "block_hit_rate" or "ceiling"
    double value = 0;
    uint64_t needed_blocks = 0;       ///< for the goal alone
    uint64_t peak_active_blocks = 0;  ///< never less than this
    bool searched = false;            ///< no one-pass curve: found by bisection
    struct Bytes {
        std::string model, kv_dtype;
        uint64_t bytes_per_block = 0;
    };
    std::vector<Bytes> bytes;
    double curve_ms = 0;
};

std::string size_json(const SizeReport& report);
std::string size_table(const SizeReport& report, bool color);

}  // namespace kvsim
