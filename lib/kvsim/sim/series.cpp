#include <kvsim/engine/engines.h>
#include <kvsim/sim/metrics.h>
#include <kvsim/sim/series.h>

#include <algorithm>
#include <bit>
#include <numeric>

namespace kvsim {

namespace {

/// Bins of one, two, four ... : where the i-th begins, and which one a number is in.
uint64_t bin_begin(size_t bin) { return bin == 0 ? 0 : uint64_t{1} << (bin - 1); }
size_t bin_of(uint64_t number) { return static_cast<size_t>(std::bit_width(number)); }

/// Tokens looked up and hit by the requests behind the latest point.
class Window {
  public:
    Window(const Trace& trace, const RunResult& run, uint64_t requests) : trace_(trace), run_(run), requests_(requests) {}

    void add(uint32_t r) {
        lookup_ += lookup(r);
        hit_ += hit_tokens_of(trace_, run_, r);
        if (r < requests_) return;
        auto left = static_cast<uint32_t>(r - requests_);
        lookup_ -= lookup(left);
        hit_ -= hit_tokens_of(trace_, run_, left);
    }
    double rate() const { return lookup_ == 0 ? -1 : static_cast<double>(hit_) / static_cast<double>(lookup_); }

  private:
    uint64_t lookup(uint32_t r) const { return trace_.leading_tokens(r, trace_.lookup_blocks(r)); }

    const Trace& trace_;
    const RunResult& run_;
    uint64_t requests_, lookup_ = 0, hit_ = 0;
};

}  // namespace

Timeline make_timeline(const Trace& trace, const RunResult& run, const RunOptions& options, uint64_t points, bool hits) {
    constexpr uint64_t kFewestWindows = 50;
    Timeline t;
    uint64_t requests = trace.requests(), capacity = options.capacity_blocks;
    points = std::min(points, requests);
    if (points == 0) return t;
    uint64_t windows = std::min(points, kFewestWindows);
    if (hits) t.window_requests = (requests + windows - 1) / windows;
    Window window(trace, run, t.window_requests);
    AdmissionSample now{0, 0};
    uint64_t r = 0;
    for (uint64_t k = 1; k <= points; ++k) {
        for (uint64_t end = k * requests / points; r < end; ++r) {
            if (hits) window.add(static_cast<uint32_t>(r));
            if (run.samples[r].resident != AdmissionSample::kNever) now = run.samples[r];
        }
        uint64_t active = std::min(now.active, now.resident);
        t.requests.push_back(r - 1);
        t.active_blocks.push_back(active);
        t.evictable_blocks.push_back(now.resident - active);
        if (capacity != kUnlimited) t.free_blocks.push_back(capacity - std::min(capacity, now.resident));
        if (hits) t.window_hit_rate.push_back(window.rate());
    }
    return t;
}

HitDepth hit_depth(const Trace& trace, const RunResult& run, uint64_t warmup_requests) {
    HitDepth d;
    const uint64_t unit = trace.block_size;
    auto add = [&](std::vector<uint64_t>& bins, uint64_t tokens) {
        for (size_t bin = 0; bin_begin(bin) * unit < tokens; ++bin) {
            if (bin == bins.size()) bins.push_back(0);
            bins[bin] += std::min(tokens, bin_begin(bin + 1) * unit) - bin_begin(bin) * unit;
        }
    };
    for (uint64_t i = warmup_requests; i < trace.requests(); ++i) {
        auto r = static_cast<uint32_t>(i);
        add(d.lookup_tokens, trace.leading_tokens(r, trace.lookup_blocks(r)));
        add(d.hit_tokens, hit_tokens_of(trace, run, r));
    }
    if (d.lookup_tokens.empty()) d.lookup_tokens.push_back(0);
    d.hit_tokens.resize(d.lookup_tokens.size());
    for (size_t bin = 0; bin < d.lookup_tokens.size(); ++bin) d.from_tokens.push_back(bin_begin(bin) * unit);
    return d;
}

uint64_t EvictionAge::sum() const { return std::accumulate(blocks.begin(), blocks.end(), uint64_t{0}); }

bool tells_blocks(const CacheConfig& cache) {
    return cache.engine.empty() && cache_row(cache).prefix_hits && cache.match.rfind("snapshot", 0) != 0;
}

void EvictionAges::served(const Served& s, const std::function<bool(BlockId)>&) {
    for (const BlockEvent& e : s.events) {
        if (e.block >= last_use_.size()) last_use_.resize(std::max<size_t>(e.block + 1, 2 * last_use_.size()), kNone);
        uint32_t& last = last_use_[e.block];
        if (!e.evicted) {
            last = s.request;
            continue;
        }
        size_t bin = bin_of(last == kNone ? 0 : s.request - last);
        last = kNone;
        if (s.request < warmup_) continue;
        if (bin >= bins_.size()) bins_.resize(bin + 1);
        ++bins_[bin];
    }
}

EvictionAge EvictionAges::histogram() const {
    EvictionAge age;
    age.blocks = bins_;
    if (age.blocks.empty()) age.blocks.push_back(0);
    for (size_t bin = 0; bin < age.blocks.size(); ++bin) age.from_requests.push_back(bin_begin(bin));
    return age;
}

}  // namespace kvsim
