// The first seven requests of the Qwen-Bailian trace A against counts of a program that shares nothing with this one.
#include <doctest/doctest.h>
#include <kvsim/layout/prefix.h>
#include <kvsim/sim/replay.h>

#include <numeric>

#include "golden/shared_trace.h"

namespace bailian_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

const Trace& head() { return shared_trace("samples-other/qwen_bailian_traceA.head7.jsonl"); }

HitCounts hits(const Trace& trace, const char* accounting, uint64_t blocks, bool decode) {
    RunOptions options;
    options.capacity_blocks = blocks;
    options.decode = decode;
    auto cache = make_prefix_cache("lru", Accounting::parse(accounting), trace, options, RunPath::fastest);
    RunResult run;
    cache->run(trace, options, run);
    return measure(trace, run, options, GroupBy::none).hits;
}

}  // namespace

TEST_CASE("golden: Bailian head, sizes") {
    const Trace& t = head();
    if (t.requests() == 0) return;
    CHECK(t.format == "bailian");
    CHECK(t.requests() == 7);
    CHECK(t.block_size == 16);
    CHECK(std::accumulate(t.prompt_tokens.begin(), t.prompt_tokens.end(), uint64_t{0}) == 20582);
    CHECK(std::accumulate(t.output_tokens.begin(), t.output_tokens.end(), uint64_t{0}) == 2035);
    // 50 + 24 + 1047 + 23 + 48 + 51 + 47 references. 50 + 24 + 1002 + 3 + 3 + 6 + 2 paths; the ids are 1,089, as id
    // 418 stands twice in the third request.
    CHECK(t.chains.unique_blocks() == 1090);
    CHECK(t.arrival_s == std::vector<double>{0, 0.206, 0.223, 0.718, 1.073, 1.191, 1.506});
    CHECK(t.category[1] == "image");
    CHECK(t.category[2] == "search");
    CHECK(t.session[6] == "6");
    CHECK(t.turn[6] == 1);
}

TEST_CASE("golden: Bailian head, LRU") {
    const Trace& t = head();
    if (t.requests() == 0) return;
    struct Cell {
        const char* accounting;
        uint64_t blocks;
        bool decode;
        uint64_t hit_blocks, hit_tokens;
    };
    for (Cell c : {Cell{"pinned", kUnlimited, true, 200, 3200}, Cell{"pinned", 40, false, 113, 1808},
                   Cell{"pinned", 60, false, 163, 2608}, Cell{"pinned", 80, false, 180, 2880},
                   Cell{"pinned", 1047, false, 180, 2880}, Cell{"pinned", 40, true, 105, 1680},
                   Cell{"pinned", 60, true, 155, 2480}, Cell{"pinned", 80, true, 180, 2880},
                   Cell{"flat", 40, false, 0, 0}, Cell{"flat", 60, false, 90, 1440},
                   Cell{"flat", 80, false, 135, 2160}, Cell{"flat", 1047, false, 135, 2160}}) {
        CAPTURE(c.accounting);
        CAPTURE(c.blocks);
        CAPTURE(c.decode);
        HitCounts h = hits(t, c.accounting, c.blocks, c.decode);
        CHECK(h.lookup_blocks == 1290);
        CHECK(h.lookup_tokens == 20582);
        CHECK(h.hit_blocks == c.hit_blocks);
        CHECK(h.hit_tokens == c.hit_tokens);
    }
}

}  // namespace bailian_test
