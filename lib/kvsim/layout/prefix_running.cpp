#include <kvsim/core/error.h>
#include <kvsim/layout/prefix_running.h>

#include <algorithm>
#include <bit>
#include <limits>

namespace kvsim {

// ---- who -----------------------------------------------------------------------------------------------------

// Samples of a request stand behind it and have no events of their own: they live as long as it does.
static Lifetimes lifetimes_of_events(const Trace& trace) {
    constexpr double kNever = std::numeric_limits<double>::infinity();
    Lifetimes life;
    life.start.assign(trace.requests(), -1);
    life.end.assign(trace.requests(), kNever);
    for (size_t i = 0; i < trace.events.size(); ++i) {
        const Event& e = trace.events[i];
        if (e.kind == EventKind::prompt || e.kind == EventKind::fork) life.start[e.sequence] = static_cast<double>(i);
        if (e.kind == EventKind::free) life.end[e.sequence] = static_cast<double>(i);
    }
    for (uint32_t r = 1; r < trace.requests(); ++r) {
        if (life.start[r] >= 0) continue;
        life.start[r] = life.start[r - 1];
        life.end[r] = life.end[r - 1];
    }
    return life;
}

Lifetimes recorded_lifetimes(const Trace& trace) {
    if (!trace.events.empty()) return lifetimes_of_events(trace);
    Lifetimes life;
    life.start = trace.arrival_s;
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        if (!trace.end_s.has(r))
            throw_input("--concurrency trace: request " + std::to_string(r) + " ('" + trace.sequence_name(r) +
                        "') has no recorded end; expected one for every request (t_end in format kvsim)");
        life.end.push_back(trace.end_s[r]);
    }
    return life;
}

void RunningOrder::reset(const Trace& trace, uint64_t concurrency) {
    concurrency_ = concurrency;
    running_ = 0;
    first_ = 0;
    runs_.assign(trace.requests(), false);
    if (concurrency == kByTrace) lifetimes_ = recorded_lifetimes(trace);
}

uint32_t RunningOrder::oldest() {
    while (!runs_[first_]) ++first_;
    return first_;
}

uint32_t RunningOrder::due(uint32_t request) {
    if (concurrency_ != kByTrace) return running_ >= concurrency_ ? oldest() : kNone;
    while (!ends_.empty() && ends_.top().first <= lifetimes_.start[request]) {
        uint32_t ended = ends_.top().second;
        ends_.pop();
        if (runs_[ended]) return ended;
    }
    return kNone;
}

void RunningOrder::start(uint32_t request) {
    runs_[request] = true;
    ++running_;
    if (concurrency_ == kByTrace) ends_.emplace(lifetimes_.end[request], request);
}

void RunningOrder::stop(uint32_t request) {
    runs_[request] = false;
    --running_;
}

RunningRequest& RunningRequests::add(uint32_t request) {
    if (free_.empty()) {
        free_.push_back(static_cast<uint32_t>(places_.size()));
        places_.emplace_back();
    }
    place_[request] = free_.back();
    free_.pop_back();
    return places_[place_[request]];
}

void RunningRequests::remove(uint32_t request) {
    RunningRequest& r = (*this)[request];
    r.named.clear();
    r.unnamed.clear();
    free_.push_back(place_[request]);
    place_[request] = kNone;
}

// ---- what ----------------------------------------------------------------------------------------------------

void HeldBlocks::reset(uint64_t blocks) {
    held_.reset(blocks);
    met_.reset(blocks);
    others_.reset(new uint32_t[blocks]);
    blocks_ = blocks;
    size_ = 0;
}

uint32_t HeldBlocks::leading(const std::vector<Segment>& chain) const {
    uint32_t before = 0;
    for (const Segment& s : chain) before += s.count;
    for (size_t k = chain.size(); k-- > 0;) {
        const Segment& s = chain[k];
        before -= s.count;
        if (!held_.has(s.begin)) continue;
        uint32_t low = 1, high = s.count;  // the first `low` are held; more than `high` are not
        while (low < high) {
            uint32_t middle = low + (high - low + 1) / 2;
            if (held_.has(s.begin + middle - 1)) {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        return before + low;
    }
    return 0;
}

void HeldBlocks::meet(BlockId block) {
    if (!met_.has(block)) {
        met_.set(block);
        others_[block] = 0;
    }
    ++others_[block];
}

void HeldBlocks::part(BlockId block) {
    if (--others_[block] == 0) met_.clear(block);
}

}  // namespace kvsim
