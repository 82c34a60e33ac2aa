// SnapshotCache and its replay twin against lists: every question is a scan over all entries.
#include <doctest/doctest.h>
#include <kvsim/core/error.h>
#include <kvsim/layout/prefix_snapshots.h>
#include <kvsim/layout/snapshot_cache.h>
#include "support/random_check.h"

#include <algorithm>
#include <random>

#include "property/naive_cache.h"

namespace snapshot_cache_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

using Tokens = std::vector<uint32_t>;
using Random = std::mt19937_64;

template <class T>
uint64_t common(const std::vector<T>& a, const std::vector<T>& b) {
    uint64_t n = 0;
    while (n < a.size() && n < b.size() && a[n] == b[n]) ++n;
    return n;
}

/// A list of keys with costs in order of use, oldest first; pinned ones lie apart.
template <class T>
struct NaiveSnapshots {
    struct Entry {
        std::vector<T> key;
        uint64_t cost = 0;
        uint64_t stamp = 0;  ///< which store it is from
        int pins = 0;
    };
    uint64_t max_entries, max_cost, min_len;
    std::vector<Entry> list;
    uint64_t hits = 0, misses = 0, skipped = 0, rejected = 0, evictions = 0, replaced = 0, evicted_cost = 0;

    uint64_t cost() const {
        uint64_t sum = 0;
        for (const Entry& e : list) sum += e.cost;
        return sum;
    }
    void to_end(size_t i) {
        auto at = list.begin() + static_cast<long>(i);
        std::rotate(at, at + 1, list.end());
    }

    /// Tokens that may be reused, 0 = miss.
    uint64_t match(const std::vector<T>& key, bool exact) {
        uint64_t best = 0;
        for (const Entry& e : list) {
            uint64_t n = common(e.key, key);
            if (!exact || n == e.key.size()) best = std::max(best, n);
        }
        if (best < min_len) best = 0;
        ++(best == 0 ? misses : hits);
        return best;
    }
    /// The one whose key ends at `depth`, or list.size().
    size_t boundary(const std::vector<T>& key, uint64_t depth) const {
        size_t i = 0;
        while (i < list.size() && !(list[i].key.size() == depth && common(list[i].key, key) == depth)) ++i;
        return i;
    }
    StoreOutcome store(const std::vector<T>& key, uint64_t cost, uint64_t stamp) {
        if (key.size() < min_len) return ++skipped, StoreOutcome::skipped;
        uint64_t pinned = 0, pinned_cost = 0;
        for (const Entry& e : list) {
            pinned += e.pins > 0;
            pinned_cost += e.pins > 0 ? e.cost : 0;
        }
        size_t same = 0;
        while (same < list.size() && list[same].key != key) ++same;
        bool known = same < list.size();
        if (pinned + 1 > max_entries || pinned_cost + cost > max_cost || (known && list[same].pins > 0))
            return ++rejected, StoreOutcome::rejected;
        if (known) list.erase(list.begin() + static_cast<long>(same));
        replaced += known;
        while (list.size() + 1 > max_entries || this->cost() + cost > max_cost) {
            size_t victim = 0;
            while (list[victim].pins > 0) ++victim;
            evicted_cost += list[victim].cost;
            ++evictions;
            list.erase(list.begin() + static_cast<long>(victim));
        }
        list.push_back({key, cost, stamp, 0});
        return known ? StoreOutcome::replaced : StoreOutcome::stored;
    }
};

constexpr KvShape kShape{2, 3};

/// Floats that tell store, layer, side and place apart.
float value_of(uint64_t stamp, uint32_t layer, bool key, uint64_t i) {
    return static_cast<float>(stamp * 1000 + i * 4 + layer * 2 + (key ? 1 : 0));
}

KvBuffer buffer_of(uint64_t stamp, uint32_t tokens) {
    KvBuffer buffer(kShape, std::max(tokens, 1u));
    for (uint32_t t = 0; t < tokens; ++t) {
        for (uint32_t layer = 0; layer < kShape.layers; ++layer) {
            float k[3], v[3];
            for (uint64_t d = 0; d < 3; ++d) {
                k[d] = value_of(stamp, layer, true, t * uint64_t{3} + d);
                v[d] = value_of(stamp, layer, false, t * uint64_t{3} + d);
            }
            buffer.store(layer, k, v);
        }
        buffer.advance();
    }
    return buffer;
}

void check_content(const KvBuffer& buffer, uint64_t stamp, uint64_t tokens) {
    RC_ASSERT(buffer.seq_len() == tokens);
    for (uint32_t layer = 0; layer < kShape.layers; ++layer)
        for (uint64_t i = 0; i < tokens * 3; ++i) {
            RC_ASSERT(buffer.keys(layer)[i] == value_of(stamp, layer, true, i));
            RC_ASSERT(buffer.values(layer)[i] == value_of(stamp, layer, false, i));
        }
}

Tokens random_key(const NaiveSnapshots<uint32_t>& naive, Random& random) {
    Tokens key;
    if (!naive.list.empty() && random() % 3 != 0) {
        key = naive.list[random() % naive.list.size()].key;
        if (random() % 2 == 0) key.resize(random() % (key.size() + 1));
    }
    for (uint64_t more = random() % 4; more > 0; --more) key.push_back(static_cast<uint32_t>(random() % 3));
    if (key.size() > 20) key.resize(20);
    return key;
}

struct Pinned {
    SnapshotHandle handle;
    uint64_t stamp;
};

class Twin {
  public:
    Twin(const SnapshotConfig& config, uint64_t seed)
        : cache_(config),
          naive_{config.max_entries, config.max_memory_bytes, config.min_prefix_len, {}},
          random_(seed) {}

    void step(uint64_t stamp) {
        switch (random_() % 5) {
            case 0:
            case 1: store(stamp); break;
            case 2:
            case 3: look_up(); break;
            default: pin_or_unpin();
        }
        cache_.check_invariants();
        RC_ASSERT(cache_.len() == naive_.list.size());
        RC_ASSERT(cache_.is_empty() == naive_.list.empty());
        RC_ASSERT(cache_.memory_usage() == naive_.cost());
        RC_ASSERT(cache_.memory_usage() <= cache_.config().max_memory_bytes);
        RC_ASSERT(cache_.hits() == naive_.hits);
        RC_ASSERT(cache_.misses() == naive_.misses);
        RC_ASSERT(cache_.skipped() == naive_.skipped);
        RC_ASSERT(cache_.rejected() == naive_.rejected);
        RC_ASSERT(cache_.evictions() == naive_.evictions);
        RC_ASSERT(cache_.replaced() == naive_.replaced);
        RC_ASSERT(cache_.prompt_tokens() == prompt_);
        RC_ASSERT(cache_.reused_tokens() == reused_);
        RC_ASSERT(cache_.shared_bytes() == shared() * kShape.bytes_per_token());
    }

  private:
    uint64_t shared() const {
        std::vector<Tokens> keys;
        for (const auto& e : naive_.list) keys.push_back(e.key);
        std::sort(keys.begin(), keys.end());
        uint64_t tokens = 0;
        for (size_t i = 0; i < keys.size(); ++i) tokens += keys[i].size() - (i ? common(keys[i - 1], keys[i]) : 0);
        return tokens;
    }
    void store(uint64_t stamp) {
        Tokens key = random_key(naive_, random_);
        KvBuffer state = buffer_of(stamp, static_cast<uint32_t>(key.size()));
        StoreOutcome expected = naive_.store(key, key.size() * kShape.bytes_per_token(), stamp);
        bool by_snapshot = random_() % 2 == 0;
        StoreOutcome got = by_snapshot ? cache_.store_snapshot(key, state.snapshot()) : cache_.store(key, state);
        RC_ASSERT(got == expected);
    }
    void look_up() {
        Tokens query = random_key(naive_, random_);
        bool exact = random_() % 2 == 0;
        uint64_t expected = naive_.match(query, exact);
        SnapshotHit hit = cache_.lookup(query, exact ? SnapshotMatch::exact : SnapshotMatch::token);
        RC_ASSERT(hit.hit == (expected > 0));
        RC_ASSERT(hit.matched == expected);
        RC_ASSERT(hit.reusable == (expected == 0 ? 0 : std::min<uint64_t>(expected, query.size() - 1)));
        prompt_ += query.size();
        reused_ += hit.reusable;
        if (!hit.hit) return;
        // Which entry served is told by its content; a boundary goes before a slice.
        auto stamp = static_cast<uint64_t>(cache_.snapshot(hit.handle).keys(0)[0]) / 1000;
        size_t served = naive_.boundary(query, expected);
        if (served == naive_.list.size()) {
            RC_ASSERT(!exact);
            served = 0;
            while (served < naive_.list.size() && naive_.list[served].stamp != stamp) ++served;
            RC_ASSERT(served < naive_.list.size());
            RC_ASSERT(common(naive_.list[served].key, query) == expected);
        }
        RC_ASSERT(naive_.list[served].stamp == stamp);
        KvBuffer target(kShape, 32);
        cache_.restore(hit.handle, hit.matched, target);
        check_content(target, stamp, hit.matched);
        cache_.restore(hit.handle, target);
        check_content(target, stamp, naive_.list[served].key.size());
        handles_.push_back({hit.handle, stamp});
        if (naive_.list[served].pins == 0) naive_.to_end(served);
    }
    void pin_or_unpin() {
        if (handles_.empty()) return;
        Pinned p = handles_[random_() % handles_.size()];
        size_t at = 0;
        while (at < naive_.list.size() && naive_.list[at].stamp != p.stamp) ++at;
        bool valid = at < naive_.list.size();
        RC_ASSERT(cache_.is_valid(p.handle) == valid);
        if (!valid) {
            RC_ASSERT_THROWS_AS(cache_.pin(p.handle), Error);
            RC_ASSERT_THROWS_AS(cache_.unpin(p.handle), Error);
        } else if (random_() % 2 == 0) {
            cache_.pin(p.handle);
            ++naive_.list[at].pins;
        } else if (naive_.list[at].pins == 0) {
            RC_ASSERT_THROWS_AS(cache_.unpin(p.handle), Error);
        } else {
            cache_.unpin(p.handle);
            if (--naive_.list[at].pins == 0) naive_.to_end(at);
        }
    }

    SnapshotCache cache_;
    NaiveSnapshots<uint32_t> naive_;
    Random random_;
    std::vector<Pinned> handles_;
    uint64_t prompt_ = 0, reused_ = 0;
};

void check_twin() {
    Random random(*rc::gen::arbitrary<uint64_t>());
    int steps = 1 + static_cast<int>(random() % 150);
    SnapshotConfig config;
    config.max_entries = 1 + random() % 6;
    config.max_memory_bytes = (1 + random() % 40) * kShape.bytes_per_token() + random() % 3;
    config.min_prefix_len = 1 + random() % 5;
    Twin twin(config, random());
    for (int i = 0; i < steps; ++i) twin.step(static_cast<uint64_t>(i) + 1);
}

void check_replay() {
    StoryWishes wishes;
    Random random(*rc::gen::arbitrary<uint64_t>());
    auto requests = static_cast<uint32_t>(1 + random() % 40);
    wishes.ragged = random() % 3 == 0;
    wishes.floor_tails = random() % 2 == 0;
    wishes.named_output = random() % 2 == 0;
    Story story = StoryTeller(random(), wishes).tell(requests);
    Trace trace = make_trace(story);
    trace.reblock_to(1);
    NaiveSnapshots<std::string> naive{1 + random() % 8, 1 + random() % 120, 1 + random() % 6, {}};
    if (random() % 4 == 0) naive.max_cost = kUnlimited;
    auto cache = make_snapshot_cache("snapshot:max_entries=" + std::to_string(naive.max_entries) +
                                     ",min_prefix_len=" + std::to_string(naive.min_len));
    RunOptions options;
    options.capacity_blocks = naive.max_cost;
    options.warmup_requests = random() % (requests + 2);
    options.decode = random() % 2 == 0;
    RunResult run;
    run.samples.resize(trace.requests());
    cache->run(trace, options, run);
    cache->check_invariants();
    RunResult expected;
    expected.samples.resize(trace.requests());
    uint32_t r = 0;
    for (const NaiveRequest& told : naive_requests(story, 1, false, false)) {
        if (r == options.warmup_requests) expected.warmup = expected.total;
        uint64_t match = naive.match(told.lookup, true);
        RC_ASSERT(run.hit_blocks[r] == std::min<uint64_t>(match, story.requests[r].in - 1));
        if (match > 0) naive.to_end(naive.boundary(told.lookup, match));
        StoreOutcome outcome = naive.store(told.lookup, told.lookup.size(), r);
        bool kept = outcome == StoreOutcome::stored || outcome == StoreOutcome::replaced;
        expected.total.evicted_blocks = naive.evicted_cost;
        expected.sampled(r, kept ? told.lookup.size() : 0, naive.cost());
        expected.admitted(r >= options.warmup_requests, kept ? told.lookup.size() : 0, naive.cost(), naive.cost());
        ++r;
    }
    if (options.warmup_requests >= r) expected.warmup = expected.total;
    RC_ASSERT(run.samples == expected.samples);
    for (auto [ours, theirs] : {std::pair{&run.total, &expected.total}, {&run.warmup, &expected.warmup}}) {
        RC_ASSERT(ours->admissions == theirs->admissions);
        RC_ASSERT(ours->evicted_blocks == theirs->evicted_blocks);
        RC_ASSERT(ours->active_blocks == theirs->active_blocks);
        RC_ASSERT(ours->resident_blocks == theirs->resident_blocks);
        RC_ASSERT(ours->resident_tokens == theirs->resident_tokens);
    }
    RC_ASSERT(run.peak_active_blocks == expected.peak_active_blocks);
    RC_ASSERT(run.peak_resident_blocks == expected.peak_resident_blocks);
    RC_ASSERT(cache->counts().hits == naive.hits);
    RC_ASSERT(cache->counts().skipped == naive.skipped);
    RC_ASSERT(cache->counts().rejected == naive.rejected);
    RC_ASSERT(cache->counts().replaced == naive.replaced);
    RC_ASSERT(cache->counts().evictions == naive.evictions);
    RC_ASSERT(cache->entries() == naive.list.size());
    RC_ASSERT(cache->resident_tokens() == naive.cost());
}

}  // namespace

TEST_CASE("snapshot cache: against a list") {
    for (int round = 0; round < 4; ++round) CHECK(kvsim_test::random_check("twin", check_twin));
}

TEST_CASE("replay of snapshots: against a list") {
    for (int round = 0; round < 6; ++round) CHECK(kvsim_test::random_check("twin", check_replay));
}

}  // namespace snapshot_cache_test
