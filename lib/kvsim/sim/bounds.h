// The most that any cache of a given size could have hit, knowing the future: docs/DESIGN.md section 7, "Bounds".
#pragma once

#include <kvsim/cache/cache.h>
#include <kvsim/trace/next_use.h>
#include <kvsim/trace/trace.h>

#include <optional>
#include <vector>

namespace kvsim {

/// What would be hit. Sums count requests from the warm-up on; hits before it are worth nothing, so an optimum does
/// not seek them, and their cells are 0.
struct Bound {
    std::vector<uint32_t> hit_blocks;  ///< per request: leading hits
    uint64_t counted_hit_blocks = 0;
    uint64_t counted_hit_tokens = 0;  ///< of these blocks; the goal is blocks, so another choice may have more tokens
};

/// The same under flat accounting, where hits may stand behind misses.
struct FlatBound : Bound {
    std::vector<uint32_t> any_hit_blocks;  ///< per request: every hit
    uint64_t counted_any_hit_blocks = 0;
    uint64_t counted_any_hit_tokens = 0;
};

/// Bounds of one trace at any number of capacities, in blocks, at least 1 (kUnlimited is one too). Of the options
/// decode, warmup_requests and compute_last_token count; --concurrency does not (running requests only take choices
/// away). The trace must outlive this. Threads may share it: methods only read.
///
/// Named output (Trace::has_named_output(), with decode): exact where no request looks up a prompt tail that it does
/// not store; where one does, the bounds allow it to be kept, which makes them upper bounds that may be out of reach.
/// exact() says which.
class OfflineBounds {
  public:
    /// O(requests + runs), with named output O(rows).
    OfflineBounds(const Trace& trace, const RunOptions& options);

    bool exact() const { return exact_; }

    /// Definition D's optimum, which may decline to store a block: an upper bound for every accounting on ids that name
    /// prefixes. Does not depend on decode unless output is named. Ids that name content count as their paths
    /// (so under pinned and tree; under flat, see flat_optimal()). O(requests + runs), whatever the block size.
    Bound optimal(uint64_t capacity) const;
    /// Bounds pinned: every request's chain must be stored, output blocks included, cut to the first `capacity`.
    /// O(requests + runs).
    Bound optimal_admit(uint64_t capacity) const;
    /// Bounds flat. On ids that name content: the most hits over the ids themselves, in any_hit_blocks; what leads
    /// among them is only reported. Else the same as optimal(). O(references) on content, else O(requests + runs).
    FlatBound flat_optimal(uint64_t capacity) const;
    /// The strategy belady under flat: blocks one by one, a miss evicts the resident block whose next use is farthest
    /// and is inserted; with `bypass` only if its own next use is nearer. It knows no warm-up: all hits are alike to
    /// it, and cells of the warm-up are filled. With output that has names: nullopt (a block that is looked up
    /// but not stored has no place in the rule). O(references).
    std::optional<FlatBound> flat_belady(uint64_t capacity, bool bypass) const;

  private:
    /// What `chains` is used by, in order: one row per request, or with named output lookup and store one after the
    /// other.
    struct Rows {
        std::vector<uint32_t> order;    ///< rows of the trace's index; empty: one per request as they stand
        std::vector<uint32_t> request;  ///< per row
        bool two = false;               ///< some request has two
        bool tails = false;             ///< some request looks up a tail that it does not store
    };
    static Rows rows_of(const Trace& trace, bool decode);
    static NextUse uses_of(const Trace& trace, const Rows& rows);
    std::vector<uint32_t> limits() const;
    template <bool kAdmit>
    std::vector<uint32_t> hits_by_row(uint64_t capacity) const;
    Bound finish(std::vector<uint32_t> by_row) const;
    void add_up(FlatBound& bound) const;

    const Trace* trace_;
    RunOptions options_;
    Rows rows_;
    NextUse use_;
    UseRuns next_;                  ///< uses that can be counted
    std::vector<uint32_t> stored_;  ///< per row: blocks its request stores there; kNone if the row is looked up only
    bool exact_ = true;
};

}  // namespace kvsim
