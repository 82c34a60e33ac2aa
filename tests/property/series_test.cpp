// Series for plots against the naive cache: points, depths token by token, ages from the name of each block's last user.
#include "property/twin.h"

#include <kvsim/sim/replay.h>

using namespace kvsim;
using namespace kvsim_test;

namespace series_test {

/// What the bin of a number begins with: 0, unit, 2 units, 4 units, ...
uint64_t begin_of(uint64_t number, uint64_t unit) {
    uint64_t begin = 0;
    for (uint64_t next = unit; next <= number; next *= 2) begin = next;
    return begin;
}

using Bins = std::map<uint64_t, uint64_t>;

Bins bins_of(const std::vector<uint64_t>& from, const std::vector<uint64_t>& counts) {
    Bins bins;
    RC_ASSERT(from.size() == counts.size());
    for (size_t i = 0; i < from.size(); ++i)
        if (counts[i] != 0) bins[from[i]] = counts[i];
    return bins;
}

/// Hit and lookup tokens of one request, position by position.
void add_depth(const NaiveRequest& request, const NaiveStep& step, uint64_t unit, Bins& lookup, Bins& hit) {
    uint64_t position = 0;
    for (size_t i = 0; i < request.lookup.size(); ++i)
        for (uint64_t t = 0; t < request.weight[i]; ++t, ++position) {
            ++lookup[begin_of(position, unit)];
            if (i < step.hit) ++hit[begin_of(position, unit)];
        }
}

void check_timeline(const Timeline& t, const Case& c, const std::vector<NaiveRequest>& requests, const Run& naive,
                    uint64_t asked) {
    uint64_t total = requests.size(), points = std::min(asked, total);
    same("points", t.requests.size(), points);
    uint64_t window = 1;  // the smallest that min(points, 50) of cover all requests
    while (window * std::min<uint64_t>(points, 50) < total) ++window;
    same("window", t.window_requests, window);
    same("free points", t.free_blocks.size(), c.capacity == kUnlimited ? 0 : points);
    for (uint64_t k = 0; k < points; ++k) {
        uint64_t last = (k + 1) * total / points - 1;
        const NaiveStep& s = naive.steps[last];
        std::string at = " of point " + std::to_string(k);
        same(("request" + at).c_str(), t.requests[k], last);
        uint64_t active = std::min(s.active, s.resident);
        same(("active" + at).c_str(), t.active_blocks[k], active);
        same(("evictable" + at).c_str(), t.evictable_blocks[k], s.resident - active);
        if (c.capacity != kUnlimited) same(("free" + at).c_str(), t.free_blocks[k], c.capacity - s.resident);
        uint64_t lookup = 0, hit = 0;
        for (uint64_t r = last + 1 > window ? last + 1 - window : 0; r <= last; ++r)
            for (size_t i = 0; i < requests[r].lookup.size(); ++i) {
                lookup += requests[r].weight[i];
                if (i < naive.steps[r].hit) hit += requests[r].weight[i];
            }
        double rate = lookup == 0 ? -1 : static_cast<double>(hit) / static_cast<double>(lookup);
        RC_ASSERT(t.window_hit_rate[k] == rate);
    }
    same("last request", t.requests.back(), total - 1);
}

void check_series(const Twin& twin, const StoryWishes& wishes, bool reblock) {
    Case c = random_case(twin, wishes, reblock);
    describe(c);
    Trace trace = make_trace(c.story);
    trace.reblock_to(c.block_size);
    trace.arrival_s = c.running.start;
    for (uint32_t i = 0; i < c.requests; ++i) trace.end_s.set(i, c.running.end[i]);
    set_facts(trace, c.facts);
    Run naive = naive_run(c, ~size_t{0});
    std::vector<NaiveRequest> requests = naive_requests(c.story, c.block_size, c.decode, c.setup.kind == NaiveKind::flat);

    std::mt19937_64 random(c.seed);
    ReplayOptions o;
    o.cache.eviction = twin.eviction;
    o.cache.accounting = c.setup.accounting;
    o.run.capacity_blocks = c.capacity;
    o.run.decode = c.decode;
    o.run.warmup_requests = random() % c.requests;
    o.run.concurrency = c.running.requests == 0 ? kByTrace : c.running.requests;
    o.timeline = 2 + random() % 40;
    o.verify = random() % 2 == 0;
    RC_LOG() << "warm-up " << o.run.warmup_requests << ", points " << o.timeline << "\n";
    ReplayOutcome out = replay(trace, o);

    RC_ASSERT(out.series.has_value());
    check_timeline(out.series->timeline, c, requests, naive, o.timeline);
    Bins lookup, hit, ages;
    for (uint64_t r = o.run.warmup_requests; r < requests.size(); ++r) {
        add_depth(requests[r], naive.steps[r], c.block_size, lookup, hit);
        for (uint64_t age : naive.steps[r].ages) ++ages[begin_of(age, 1)];
    }
    RC_ASSERT(out.series->depth.has_value());
    const HitDepth& d = *out.series->depth;
    RC_ASSERT(bins_of(d.from_tokens, d.lookup_tokens) == lookup);
    RC_ASSERT(bins_of(d.from_tokens, d.hit_tokens) == hit);
    RC_ASSERT(out.series->age.has_value() == (c.capacity != kUnlimited));
    if (out.series->age) RC_ASSERT(bins_of(out.series->age->from_requests, out.series->age->blocks) == ages);
}

bool series_hold(const Twin& twin, const char* name, const StoryWishes& wishes, bool reblock) {
    bool ok = true;
    for (int i = 0; i < 5 && ok; ++i) ok = random_check(name, [&] { check_series(twin, wishes, reblock); });
    return ok;
}

void check_all_series(const Twin& twin) {
    INFO(twin.eviction);
    StoryWishes w;
    CHECK(series_hold(twin, "plain", w, false));
    w.max_blocks = 25;
    w.floor_tails = true;
    w.ragged = true;
    CHECK(series_hold(twin, "re-blocked ragged", w, true));
    w = {};
    w.named_output = true;
    w.floor_tails = true;
    CHECK(series_hold(twin, "named output", w, false));
    w = {};
    w.content = true;
    CHECK(series_hold(twin, "content", w, false));
}

/// CLOCK: one bit, a second chance; room is made block by block.
class NaiveChance : public NaiveStrategy {
  public:
    bool keyed() const override { return false; }
    void hit(const std::string& name) override { again_[name] = true; }
    void insert(const std::string& name, size_t) override {
        queue_.push_back(name);
        again_[name] = false;
    }
    void evict(const std::string& name) override { remove(queue_, name); }
    std::string pick(const std::string&, const std::vector<std::string>& eligible) override {
        for (std::string name = first_of(queue_, eligible); !name.empty(); name = first_of(queue_, eligible)) {
            if (!again_[name]) return name;
            again_[name] = false;
            remove(queue_, name);
            queue_.push_back(name);
        }
        return "";
    }

  private:
    std::vector<std::string> queue_;
    std::map<std::string, bool> again_;
};

TEST_CASE("series: lru") { check_all_series(twin_of<NaiveLru>("lru")); }
TEST_CASE("series: clock") { check_all_series(twin_of<NaiveChance>("clock")); }

}  // namespace series_test
