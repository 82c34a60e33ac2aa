// LRU curves of the public traces: known counts, and replays at many capacities.
#include <doctest/doctest.h>
#include <kvsim/core/error.h>
#include <kvsim/sim/curve.h>

#include <random>

#include "golden/shared_trace.h"

namespace curve_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

LruCurve curve_of(const Trace& trace, const char* accounting, bool decode, uint64_t warmup = 0) {
    RunOptions options;
    options.decode = decode;
    options.warmup_requests = warmup;
    CurveOptions curve;
    curve.accounting = Accounting::parse(accounting);
    return lru_curve(trace, options, curve);
}

struct Cell {
    uint64_t blocks, hits;
};
void check_cells(const LruCurve& curve, const std::vector<Cell>& cells) {
    for (const Cell& c : cells) {
        CAPTURE(c.blocks);
        CHECK(curve.all.at(c.blocks).hit_blocks == c.hits);
    }
}

/// Replays at random capacities.
void check_replays(const Trace& trace, const char* accounting, bool decode, uint64_t warmup, int count) {
    LruCurve curve = curve_of(trace, accounting, decode, warmup);
    std::mt19937_64 random(count);
    for (int i = 0; i < count; ++i) {
        RunOptions options;
        options.decode = decode;
        options.warmup_requests = warmup;
        uint64_t room = uint64_t{1} << (6 + random() % 12);
        options.capacity_blocks = curve.exact_from_blocks + random() % room;
        RunResult run;
        make_prefix_cache("lru", Accounting::parse(accounting), trace, options)->run(trace, options, run);
        HitCounts hits = measure(trace, run, options, GroupBy::none).hits;
        CAPTURE(options.capacity_blocks);
        CurvePoint p = curve.all.at(options.capacity_blocks);
        CHECK(p.hit_blocks == hits.hit_blocks);
        CHECK(p.hit_tokens == hits.hit_tokens);
        CHECK(curve.all.lookup_tokens == hits.lookup_tokens);
        if (!curve.any) continue;
        CHECK(curve.any->at(options.capacity_blocks).hit_blocks == hits.any_hit_blocks);
        CHECK(curve.any->at(options.capacity_blocks).hit_tokens == hits.any_hit_tokens);
    }
}

}  // namespace

TEST_CASE("golden: LRU curve of conversation") {
    const Trace& trace = shared_trace(kConversation);
    if (trace.requests() == 0) return;
    LruCurve pinned = curve_of(trace, "pinned", false);
    check_cells(pinned,
                {{1000, 12847}, {8000, 51368}, {10000, 61046}, {30000, 93978}, {50000, 102290}, {100000, 104924}});
    check_cells(curve_of(trace, "pinned", true),
                {{1000, 12827}, {8000, 50179}, {10000, 59278}, {30000, 93256}, {50000, 102012}, {100000, 104867}});
    check_cells(curve_of(trace, "flat", false), {{1000, 12831}, {10000, 60921}, {30000, 93967}, {100000, 104924}});
    check_cells(curve_of(trace, "flat", true), {{1000, 12782}, {10000, 59092}});
    CHECK(pinned.all.lookup_blocks == 288500);
    CHECK(pinned.all.lookup_tokens == 144793823);
    CHECK(pinned.all.at(kUnlimited).hit_blocks == 105710);
    CHECK(pinned.all.at(kUnlimited).hit_tokens == 54098411);
    CHECK(pinned.exact_from_blocks == 1);
    CHECK(pinned.all.columns().blocks.size() == 34547);
    LruCurve tree = curve_of(trace, "tree", true);
    CHECK(tree.exact_from_blocks == 248);
    CHECK(tree.all.at(10000).hit_blocks == 59278);
}

TEST_CASE("golden: LRU curves of synthetic and of agent sessions") {
    if (shared_trace(kSynthetic).requests() == 0 || shared_trace(kMerged).requests() == 0) return;
    check_cells(curve_of(shared_trace(kSynthetic), "pinned", false), {{1000, 10252}, {10000, 51669}, {30000, 76077}});
    check_cells(curve_of(shared_trace(kSynthetic), "flat", false), {{1000, 10050}, {10000, 51614}, {30000, 76077}});
    check_cells(curve_of(shared_trace(kMerged), "pinned", false),
                {{10000, 4268234}, {30000, 5170630}, {100000, 5358307}, {200000, 5361479}});
    check_cells(curve_of(shared_trace(kMerged), "flat", false),
                {{10000, 3986097}, {30000, 5149542}, {100000, 5358307}, {200000, 5361479}});
}

TEST_CASE("golden: LRU curves are replays") {
    for (const char* name : {kConversation, kRag})
        for (const char* accounting : {"pinned", "tree", "flat"}) {
            const Trace& trace = shared_trace(name);
            if (trace.requests() == 0) return;
            CAPTURE(name);
            CAPTURE(accounting);
            int count = accounting[0] == 'p' ? 40 : 8;
            check_replays(trace, accounting, false, 0, count);
            check_replays(trace, accounting, true, trace.requests() / 3, count);
        }
}

TEST_CASE("golden: the curve in blocks of 16 tokens, and of one") {
    const Trace& small = shared_trace(kConversation, 16);
    if (small.requests() == 0) return;
    check_cells(curve_of(small, "pinned", false), {{256000, 1673770}});
    check_cells(curve_of(small, "pinned", true), {{256000, 1631118}});
    const Trace& tokens = shared_trace(kConversation, 1);
    check_replays(tokens, "pinned", true, 100, 20);
}

TEST_CASE("long: golden: LRU curve of conversation at every capacity") {
    const Trace& trace = shared_trace(kConversation);
    if (trace.requests() == 0) return;
    for (bool decode : {false, true}) {
        LruCurve curve = curve_of(trace, "pinned", decode, 1000);
        uint64_t wrong = 0;
        for (uint64_t blocks = 1; blocks < 192000; ++blocks) {
            RunOptions options;
            options.decode = decode;
            options.warmup_requests = 1000;
            options.capacity_blocks = blocks;
            RunResult run;
            make_prefix_cache("lru", Accounting{}, trace, options)->run(trace, options, run);
            CurvePoint p;
            for (uint32_t r = 1000; r < trace.requests(); ++r) {
                p.hit_blocks += run.hit_blocks[r];
                p.hit_tokens += trace.leading_tokens(r, run.hit_blocks[r]);
            }
            p.blocks = blocks;
            wrong += p != curve.all.at(blocks);
        }
        CHECK(wrong == 0);
    }
}

}  // namespace curve_test
