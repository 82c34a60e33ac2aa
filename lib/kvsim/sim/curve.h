// Hits of LRU at every capacity at once: docs/DESIGN.md section 6, reports of kind "curve".
#pragma once

#include <kvsim/layout/prefix.h>
#include <kvsim/sim/metrics.h>
#include <kvsim/trace/next_use.h>

#include <optional>
#include <string>
#include <vector>

namespace kvsim {

/// Counted hits of a cache of `blocks` blocks.
struct CurvePoint {
    uint64_t blocks = 0;
    uint64_t hit_blocks = 0;
    uint64_t hit_tokens = 0;

    bool operator==(const CurvePoint&) const = default;
};

/// Hits as a function of the capacity: exact, in pieces that are straight lines, so its size does not depend on the
/// block size. Hits are never fewer with more blocks.
class Curve {
  public:
    /// `more_*` is what each further block of capacity adds, up to the next knot.
    struct Knot {
        CurvePoint at;
        uint64_t more_blocks = 0;
        uint64_t more_tokens = 0;
    };
    struct Columns {
        std::vector<uint64_t> blocks, hit_blocks, hit_tokens;
    };

    uint64_t requests = 0;  ///< counted ones, here and below
    uint64_t lookup_blocks = 0;
    uint64_t lookup_tokens = 0;
    std::vector<Knot> knots;  ///< ascending; before the first one there are no hits, after the last one no more

    /// `capacity` may be kUnlimited.
    CurvePoint at(uint64_t capacity) const;
    /// Every capacity where a value changes; a value holds from its capacity to the next. One row per such
    /// capacity: for small blocks there are millions, and for_each_change() needs no memory.
    Columns columns() const;
    template <class F>
    void for_each_change(F&& f) const {
        CurvePoint before;
        for (size_t i = 0; i < knots.size(); ++i) {
            CurvePoint p = knots[i].at;
            if (p.hit_blocks != before.hit_blocks || p.hit_tokens != before.hit_tokens) f(p);
            if (knots[i].more_blocks != 0)  // the last knot adds nothing
                while (p.blocks + 1 < knots[i + 1].at.blocks) {
                    ++p.blocks;
                    p.hit_blocks += knots[i].more_blocks;
                    p.hit_tokens += knots[i].more_tokens;
                    f(p);
                }
            before = p;
        }
    }
};

struct Knee {
    double share = 0;  ///< of the ceiling's hit tokens
    uint64_t blocks = 0;
};
/// Smallest capacities that reach 90, 95 and 99 % of the most hit tokens the curve has.
std::vector<Knee> knees(const Curve& curve);

struct CurveOptions {
    Accounting accounting;
    GroupBy by = GroupBy::none;
    const NextUse* uses = nullptr;  ///< of the trace's chains, if there is one already; unused with named output
};

struct LruCurve {
    Curve all;  ///< leading hits
    /// Every hit, also behind a miss: only under flat on ids that name content; else it is the same curve.
    std::optional<Curve> any;
    /// Below this capacity the curve is not exact: there it is pinned's. 1 except under tree, where it is the longest
    /// request, output blocks included.
    uint64_t exact_from_blocks = 1;
    struct Group {
        std::string label;
        Curve curve;
    };
    std::vector<Group> groups;  ///< leading hits, in the order of Metrics::groups
};

/// Of `options` decode, warmup_requests and compute_last_token count. A fixed --concurrency changes no hit of LRU.
/// O(runs * log(requests)) on prefixes; on content under flat, and under pinned where a request looks up a named tail
/// that it does not store, O(references * log(references)). Throws Error(input) where LRU has no curve that one pass
/// gives: a trace of lengths only; requests that run until their recorded end (RunOptions::concurrency = kByTrace: who
/// has to wait depends on the capacity); under flat and tree a request that looks up a named tail it does not store
/// (whether it is touched depends on the capacity).
LruCurve lru_curve(const Trace& trace, const RunOptions& options, const CurveOptions& curve);

}  // namespace kvsim
