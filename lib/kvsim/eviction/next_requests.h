// Which request looks up each block next: trace/next_use.h, told block by block to a strategy that knows the future.
#pragma once

#include <kvsim/core/huge_vector.h>
#include <kvsim/trace/next_use.h>
#include <kvsim/trace/trace.h>

#include <vector>

namespace kvsim {

/// For ids that name prefixes (or the paths of content ids).
///
/// Named output is stored by requests that do not look it up. A block that will be stored again before it is looked up
/// need not be kept until then, so it counts as not used again. In a request the lookup comes before the storing.
class NextRequests {
  public:
    /// O(requests + runs). The trace must outlive this.
    void reset(const Trace& trace, bool decode);
    /// Writes the next request (kNone: none) of every named block that `request` looks up or stores.
    void tell(uint32_t request, HugeVector<uint32_t>& next);
    /// Calls f(block) for blocks that `request` looks up but does not store: the prompt's tail, once output completes
    /// it.
    template <class F>
    void for_tails(uint32_t request, F&& f) const {
        if (rows_.empty() || rows_[request + 1] - rows_[request] < 2) return;
        uint32_t lookup = trace_->lookup_row(request);
        uint32_t kept = trace_->chains.common_prefix(lookup, trace_->stored_row(request, true));
        for (uint32_t i = kept; i < trace_->chains[lookup].length; ++i) f(trace_->chains.block_at(lookup, i));
    }
    /// And for those that it stores but does not look up: named output. They may be there from an earlier request.
    template <class F>
    void for_outputs(uint32_t request, F&& f) const {
        if (rows_.empty() || rows_[request + 1] - rows_[request] < 2) return;
        uint32_t stored = trace_->stored_row(request, true);
        uint32_t kept = trace_->chains.common_prefix(trace_->lookup_row(request), stored);
        for (uint32_t i = kept; i < trace_->chains[stored].length; ++i) f(trace_->chains.block_at(stored, i));
    }
    uint64_t bytes() const {
        return (uses_.begin.size() + rows_.size() + requests_.size()) * 4 + uses_.runs.size() * sizeof(UseRun);
    }

  private:
    void tell_row(uint32_t row, uint32_t use, HugeVector<uint32_t>& next);

    const Trace* trace_ = nullptr;
    UseRuns uses_;
    // Where requests have two rows: the first use of each request and one past the end, and the request of each use.
    std::vector<uint32_t> rows_, requests_;
    std::vector<Segment> segments_;
};

/// For ids that name content: the next reference to the same id, per reference; kNone: none. Throws Error(input) from
/// 2^32 - 1 references on.
std::vector<uint32_t> next_references(const ContentColumn& content);

}  // namespace kvsim
