#include <kvsim/core/error.h>
#include <kvsim/eviction/next_requests.h>

#include <algorithm>

namespace kvsim {

void NextRequests::reset(const Trace& trace, bool decode) {
    trace_ = &trace;
    rows_.clear();
    requests_.clear();
    if (!trace.has_named_output()) {
        uses_ = NextUse(trace.chains).next_uses();
        return;
    }
    std::vector<uint32_t> order, limit;
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        rows_.push_back(static_cast<uint32_t>(order.size()));
        order.push_back(trace.lookup_row(r));
        limit.push_back(kNone);
        if (uint32_t stored = trace.stored_row(r, decode); stored != order.back()) {
            order.push_back(stored);
            limit.push_back(0);
        }
        requests_.resize(order.size(), r);
    }
    rows_.push_back(static_cast<uint32_t>(order.size()));
    uses_ = NextUse(trace.chains.reordered(order)).next_uses(limit);
}

void NextRequests::tell(uint32_t request, HugeVector<uint32_t>& next) {
    if (rows_.empty()) return tell_row(trace_->lookup_row(request), request, next);
    tell_row(trace_->lookup_row(request), rows_[request], next);
    // What is stored is used after the lookup, so what it says holds for the blocks of both.
    if (rows_[request + 1] - rows_[request] > 1) tell_row(trace_->stored_row(request, true), rows_[request] + 1, next);
}

void NextRequests::tell_row(uint32_t row, uint32_t use, HugeVector<uint32_t>& next) {
    trace_->chains.segments(row, trace_->chains[row].length, segments_);
    std::span<const UseRun> runs = uses_[use];
    size_t run = 0;
    uint32_t position = 0;
    for (const Segment& s : segments_) {
        uint32_t segment_end = position + s.count;
        BlockId* to = next.data() + s.begin;
        while (position < segment_end) {
            while (run < runs.size() && runs[run].high <= position) ++run;
            uint32_t end = segment_end, value = kNone;
            if (run < runs.size() && position < runs[run].low) {
                end = std::min(end, runs[run].low);
            } else if (run < runs.size()) {
                end = std::min(end, runs[run].high);
                value = requests_.empty() ? runs[run].row : requests_[runs[run].row];
            }
            std::fill(to, to + (end - position), value);
            to += end - position;
            position = end;
        }
    }
}

std::vector<uint32_t> next_references(const ContentColumn& content) {
    if (content.ids.size() >= kNone) throw_input("more than 4,294,967,294 chunk references; use --limit");
    std::vector<uint32_t> next(content.ids.size());
    std::vector<uint32_t> seen(content.unique, kNone);
    for (size_t i = content.ids.size(); i-- > 0;) {
        next[i] = seen[content.ids[i]];
        seen[content.ids[i]] = static_cast<uint32_t>(i);
    }
    return next;
}

}  // namespace kvsim
