// Series for plots, worked out by hand.
#include <doctest/doctest.h>
#include <kvsim/sim/compare.h>
#include <kvsim/sim/replay.h>

#include <numeric>

#include "unit/load_text.h"

using namespace kvsim;
using namespace kvsim_test;

namespace series_test {

using Numbers = std::vector<uint64_t>;
const std::string kSeriesHead = "{\"kvsim_trace\":1,\"block_size\":4}\n";

/// A request of full blocks; `more` is other keys.
std::string asks(const std::string& seq, double t, const std::string& blocks, int count, const std::string& more = "") {
    return "{\"op\":\"request\",\"seq\":\"" + seq + "\",\"t\":" + std::to_string(t) + ",\"length\":" +
           std::to_string(4 * count) + ",\"blocks\":[" + blocks + "]" + more + "}\n";
}

Trace six_requests() {
    return load_text(kSeriesHead + asks("a", 0, "0,1", 2) + asks("b", 1, "2,3", 2) + asks("c", 2, "0,4", 2) +
                     asks("d", 3, "2,3,5,6", 4) + asks("e", 4, "7", 1) + asks("f", 5, "2", 1));
}

ReplayOptions options_of(const char* eviction, const char* accounting, uint64_t capacity, uint64_t points) {
    ReplayOptions o;
    o.cache.eviction = eviction;
    o.cache.accounting = accounting;
    o.run.capacity_blocks = capacity;
    o.timeline = points;
    return o;
}

uint64_t total(const Numbers& n) { return std::accumulate(n.begin(), n.end(), uint64_t{0}); }

// 4 blocks of 4 tokens, LRU, touched last to first; resident after each request, oldest first:
//   0 a 0 1       1 0
//   1 b 2 3       1 0 3 2
//   2 c 0 4       3 2 4 0   hits 0; 1 goes: used by 0, age 2
//   3 d 2 3 5 6   6 5 3 2   hits 2 and 3; 4 and 0 go: used by 2, age 1 each
//   4 e 7         5 3 2 7   6 goes: used by 3, age 1
//   5 f 2         5 3 7 2   hits 2
// Ages: three of 1, one of 2. Tokens 0 to 3 of six prompts: 24, hits of c, d, f: 12; 4 to 7 of four: 16, hits of d: 4;
// 8 to 15 of d: 8, no hit. Three points end with b, d, f; the window is ceil(6 / 3) = 2 requests: 0 of 16 tokens, (4 + 8)
// of 24, 4 of 8.
TEST_CASE("series: six requests under pinned and tree") {
    Trace t = six_requests();
    for (const char* accounting : {"pinned", "tree", "tree:protect=chain"}) {
        CAPTURE(accounting);
        Series s = *replay(t, options_of("lru", accounting, 4, 3)).series;
        CHECK(s.timeline.requests == Numbers{1, 3, 5});
        CHECK(s.timeline.active_blocks == Numbers{2, 4, 1});
        CHECK(s.timeline.evictable_blocks == Numbers{2, 0, 3});
        CHECK(s.timeline.free_blocks == Numbers{0, 0, 0});
        CHECK(s.timeline.window_requests == 2);
        CHECK(s.timeline.window_hit_rate == std::vector<double>{0, 0.5, 0.5});
        CHECK(s.depth->from_tokens == Numbers{0, 4, 8});
        CHECK(s.depth->lookup_tokens == Numbers{24, 16, 8});
        CHECK(s.depth->hit_tokens == Numbers{12, 4, 0});
        CHECK(s.age->from_requests == Numbers{0, 1, 2});
        CHECK(s.age->blocks == Numbers{0, 3, 1});
    }
}

// The same with 3 requests of warm-up: the eviction of c is not counted, nor are lookups of a, b, c. Points and windows are of
// the whole replay.
TEST_CASE("series: the warm-up is in the timeline alone") {
    Trace t = six_requests();
    ReplayOptions o = options_of("lru", "pinned", 4, 3);
    o.run.warmup_requests = 3;
    Series s = *replay(t, o).series;
    CHECK(s.timeline.requests == Numbers{1, 3, 5});
    CHECK(s.timeline.window_hit_rate == std::vector<double>{0, 0.5, 0.5});
    CHECK(s.depth->lookup_tokens == Numbers{12, 4, 8});
    CHECK(s.depth->hit_tokens == Numbers{8, 4, 0});
    CHECK(s.age->blocks == Numbers{0, 3});
}

// flat touches first to last: 0 1 | 0 1 2 3 | c: 0 is touched, 4 takes the place of 1 (age 2): 2 3 0 4 | d: 5 and 6 take
// those of 0 and 4 (age 1): 2 3 5 6 | e: 7 that of 2 (age 1) | f misses 2, which takes that of 3 (age 2).
TEST_CASE("series: six requests under flat") {
    Series s = *replay(six_requests(), options_of("lru", "flat", 4, 6)).series;
    CHECK(s.age->blocks == Numbers{0, 3, 2});
    CHECK(s.depth->hit_tokens == Numbers{8, 4, 0});
    CHECK(s.timeline.requests == Numbers{0, 1, 2, 3, 4, 5});
    CHECK(s.timeline.active_blocks == Numbers{2, 2, 2, 4, 1, 1});
    CHECK(s.timeline.evictable_blocks == Numbers{0, 2, 2, 0, 3, 3});
    CHECK(s.timeline.free_blocks == Numbers{2, 0, 0, 0, 0, 0});
    CHECK(s.timeline.window_requests == 1);
}

// Room for 2: the third block of a request takes the place of its first. Under tree nobody is a leaf but its own last
// block, which goes, and insertion stops: 0 1, then 2 pushes 1 out.
TEST_CASE("series: age 0 is of the request's own blocks") {
    Trace t = load_text(kSeriesHead + asks("a", 0, "0,1,2", 3));
    CHECK(replay(t, options_of("lru", "flat", 2, 2)).series->age->blocks == Numbers{1});
    CHECK(replay(t, options_of("lru", "tree", 2, 2)).series->age->blocks == Numbers{1});
    CHECK(replay(t, options_of("lru", "pinned", 2, 2)).series->age->blocks == Numbers{0});
}

// A plain queue of 2: a stores 0 1; b hits 0, then 2 pushes 0 out, which b has just hit (age 0); c pushes 1 out (last used
// by a, two requests ago) and then 2 (by b).
TEST_CASE("series: fifo:leaf=off") {
    Trace t = load_text(kSeriesHead + asks("a", 0, "0,1", 2) + asks("b", 1, "0,2", 2) + asks("c", 2, "3,4", 2));
    CHECK(replay(t, options_of("fifo:leaf=off", "tree", 2, 2)).series->age->blocks == Numbers{1, 1, 1});
}

// b hits 0 and a's tail 1, which its output completes to block 2: that pushes 0 out (age 0). c pushes 1 out, which nobody has
// stored since a, but b has hit.
TEST_CASE("series: a hit that is not stored is a use") {
    std::string tail = "{\"op\":\"request\",\"seq\":\"a\",\"t\":0,\"length\":6,\"blocks\":[0,1]}\n"
                       "{\"op\":\"request\",\"seq\":\"b\",\"t\":1,\"length\":6,\"blocks\":[0,1],\"output_length\":2,\"output_blocks\":[2]}\n";
    Trace t = load_text(kSeriesHead + tail + asks("c", 2, "3", 1));
    REQUIRE(t.has_named_output());
    CHECK(replay(t, options_of("fifo:leaf=off", "tree", 2, 2)).series->age->blocks == Numbers{1, 1});
}

TEST_CASE("series: a point per request at most, and no limit") {
    Trace t = six_requests();
    Series s = *replay(t, options_of("lru", "pinned", kUnlimited, 100000)).series;
    CHECK(s.timeline.requests.size() == 6);
    CHECK(s.timeline.free_blocks.empty());
    CHECK_FALSE(s.age);
    CHECK_FALSE(replay(t, options_of("lru", "pinned", 4, 0)).series);
}

// Where every request is admitted, points of single requests sum to what utilization means.
TEST_CASE("series: points of single requests sum to the tally") {
    std::string text = kSeriesHead;
    for (int r = 0; r < 60; ++r)
        text += asks("r" + std::to_string(r), r, std::to_string(r * 7 % 13) + "," + std::to_string(100 + r * 7 % 13 * 3 + r % 3), 2,
                     ",\"output_length\":" + std::to_string(r % 9) + ",\"step\":" + std::to_string(r));
    Trace t = load_text(text);
    ReplayOptions all[] = {options_of("lru", "pinned", 20, 60), options_of("sieve", "flat", 20, 60), {}, {}, {}, {}, {}};
    all[2].cache.layout = "paged";
    all[3].cache.layout = "contiguous";
    all[4].cache.layout = "quantized";
    all[5].cache.engine = "vllm";
    all[6].cache.engine = "sglang:page=4";
    for (ReplayOptions& o : all) {
        CAPTURE(o.cache.layout + o.cache.engine);
        o.run.capacity_blocks = 20;
        o.run.warmup_requests = 10;
        o.timeline = 60;
        ReplayOutcome out = replay(t, o);
        REQUIRE_FALSE(out.run.is_any_rejected());
        const Timeline& line = out.series->timeline;
        Tally sum = out.run.counted();
        Numbers active(line.active_blocks.begin() + 10, line.active_blocks.end());
        Numbers evictable(line.evictable_blocks.begin() + 10, line.evictable_blocks.end());
        CHECK(total(active) == sum.active_blocks);
        CHECK(total(active) + total(evictable) == sum.resident_blocks);
        for (size_t k = 0; k < 60; ++k) CHECK(line.active_blocks[k] + line.evictable_blocks[k] + line.free_blocks[k] == 20);
        bool hits = !out.run.hit_blocks.empty();
        CHECK(out.series->depth.has_value() == hits);
        CHECK(line.window_hit_rate.empty() == !hits);
        CHECK(out.series->age.has_value() == (hits && o.cache.engine.empty()));
        if (!hits) continue;
        CHECK(total(out.series->depth->lookup_tokens) == out.metrics.hits.lookup_tokens);
        CHECK(total(out.series->depth->hit_tokens) == out.metrics.hits.hit_tokens);
        if (out.series->age) CHECK(out.series->age->sum() == sum.evicted_blocks);
    }
}

// 2 blocks; a and c need 3 and are rejected: their points show what was there before them.
TEST_CASE("series: a rejected request shows the state before it") {
    std::string head = "{\"kvsim_trace\":1}\n";
    auto one = [](const char* seq, int t, int length) {
        return "{\"op\":\"request\",\"seq\":\"" + std::string(seq) + "\",\"t\":" + std::to_string(t) + ",\"length\":" +
               std::to_string(length) + "}\n";
    };
    Trace t = load_text(head + one("a", 0, 40) + one("b", 1, 16) + one("c", 2, 40) + one("d", 3, 32), "auto", 16);
    ReplayOptions o = options_of("", "", 2, 4);
    o.cache.layout = "paged";
    Series s = *replay(t, o).series;
    CHECK(s.timeline.active_blocks == Numbers{0, 1, 1, 2});
    CHECK(s.timeline.evictable_blocks == Numbers{0, 0, 0, 0});
    CHECK(s.timeline.free_blocks == Numbers{2, 1, 1, 0});
}

// With several seeds the series are those of the run that is shown; threads change nothing.
TEST_CASE("series: cells of compare") {
    Trace t = six_requests();
    CellSpec cell;
    cell.trace = &t;
    cell.options = options_of("random", "pinned", 4, 3);
    cell.by_seed = {"random:seed=1", "random:seed=2", "random:seed=3"};
    CompareOptions options;
    std::vector<CellResult> results = run_cells({cell, cell}, options);
    options.jobs = 2;
    std::vector<CellResult> again = run_cells({cell, cell}, options);
    for (const CellResult& r : {results[0], results[1], again[0], again[1]}) {
        REQUIRE(r.outcome.series);
        CHECK(r.outcome.series->age->sum() == r.outcome.run.counted().evicted_blocks);
        CHECK(total(r.outcome.series->depth->hit_tokens) == r.outcome.metrics.hits.hit_tokens);
        CHECK(r.outcome.series->age->blocks == results[0].outcome.series->age->blocks);
        CHECK(r.outcome.run.samples.empty());
    }
}

}  // namespace series_test
