// Who uses a block next, and who used it last, for every block reference of a prefix index: as runs, stored once,
// for all capacities and algorithms that need the past or the future (LRU curves, offline bounds, strategy belady).
#pragma once

#include <kvsim/trace/prefix_index.h>

#include <span>
#include <vector>

namespace kvsim {

/// Blocks (low, high] of a row's chain, 1-based, and the row that uses them before or after it.
struct UseRun {
    uint32_t row;
    uint32_t low;
    uint32_t high;

    bool operator==(const UseRun&) const = default;
};

/// Runs of each row, one after the other.
struct UseRuns {
    std::vector<uint32_t> begin;  ///< per row, and one past the end
    std::vector<UseRun> runs;

    std::span<const UseRun> operator[](uint32_t row) const {
        return {runs.data() + begin[row], begin[row + 1] - begin[row]};
    }
};

/// Rows are uses in order: each row uses all blocks of its chain. That is how requests use blocks where a trace has
/// one row per request. Not so: rows of named output (Trace::has_named_output()), of which a request has two, lookup
/// and store; whoever hands these over says what each row means. Ids that name content (Trace::content) count here
/// as their paths, not as the ids themselves.
class NextUse {
  public:
    /// O(rows + runs).
    explicit NextUse(const PrefixIndex& chains);

    uint32_t rows() const { return static_cast<uint32_t>(last_.begin.size() - 1); }
    /// Of each row: the row that used its shared blocks last before it. The deepest run first; together they are
    /// blocks 1 .. shared, and the shallower a run, the later the row that used it.
    const UseRuns& last_uses() const { return last_; }
    /// Of each row: the row that uses its blocks next. Ascending in position and in row; what lies beyond the last
    /// run is never used again. Only blocks 1 .. limit[user] of a user's chain count as used by it (empty: all): what
    /// is left out is shown as not used again, also if a later row uses it. O(rows + runs).
    UseRuns next_uses(std::span<const uint32_t> limit = {}) const;

  private:
    UseRuns last_;
};

}  // namespace kvsim
