// SGLang's managers on the conversation trace: the hit tokens that the engine's own radix cache had in the same memory, in
// the printed digits (7,880,418 and 25,648,477 tokens), and counts of ours that must not move.
#include <doctest/doctest.h>
#include <kvsim/engine/sglang.h>
#include <kvsim/sim/metrics.h>

#include <cmath>

#include "golden/shared_trace.h"
#include "property/naive_sglang.h"

namespace sglang_engine_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

struct Row {
    const char* spec;
    uint64_t tokens;
    bool decode;
    double rate;  ///< of the engine's own run; 0: there is none
    uint64_t hit_tokens, evicted_nodes;
};

void check(const Row& row) {
    SglangConfig config = SglangConfig::parse(row.spec);
    const Trace& trace = shared_trace(kConversation, config.page);
    if (trace.requests() == 0) return;
    CAPTURE(row.spec);
    CAPTURE(row.tokens);
    RunOptions options;
    options.capacity_blocks = row.tokens / config.page;
    options.decode = row.decode;
    RunResult run;
    SglangCache cache(config);
    cache.run(trace, options, run);
    cache.check_invariants();
    HitCounts hits = measure(trace, run, options, GroupBy::none).hits;
    CHECK(hits.lookup_tokens == 144793823);
    CHECK(hits.hit_tokens == row.hit_tokens);
    uint64_t nodes = 0;
    for (const EngineNumber& n : run.engine->numbers)
        if (n.key == "evicted_nodes") nodes = std::get<uint64_t>(n.value);
    CHECK(nodes == row.evicted_nodes);
    double rate = static_cast<double>(hits.hit_tokens) / static_cast<double>(hits.lookup_tokens);
    if (row.rate != 0) CHECK(std::round(rate * 1e4) == std::round(row.rate * 1e4));
}

}  // namespace

TEST_CASE("sglang: conversation trace") {
    const Row rows[] = {
        {"sglang:page=1,policy=lru", 1024000, true, .0544, 7880418, 23986},
        {"sglang:page=1,policy=lru", 4096000, true, .1771, 25648477, 24857},
        {"sglang_unified:page=1,policy=lru", 4096000, true, .1771, 25648477, 24857},
        {"sglang:page=1,policy=lru", 4096000, false, 0, 26290525, 13311},
        {"sglang:page=1,policy=lfu,chunk=8192", 4096000, true, 0, 17523571, 34488},
        {"sglang:page=1,policy=slru", 4096000, true, 0, 25911133, 25258},
        {"sglang_unified:page=1,policy=fifo", 4096000, true, 0, 26023261, 24906},
        {"sglang:page=16,policy=lru,chunk=8192", 4096000, true, 0, 25920384, 34166},
        {"sglang:page=64,policy=mru", 1024000, true, 0, 7422144, 22578},
    };
    for (const Row& row : rows) check(row);
}

// The same with real tokens, request by request (property/naive_sglang.h).
TEST_CASE("long: sglang: conversation trace with real tokens") {
    const Trace& whole = shared_trace(kConversation, 1, 3000);
    if (whole.requests() == 0) return;
    struct Case {
        const char* policy;
        uint32_t page;
        uint64_t chunk, tokens;
        bool unified;
    };
    const Case cases[] = {{"lru", 1, 0, 1024000, false}, {"slru", 1, 8192, 1024000, false}, {"filo", 1, 0, 512000, true},
                          {"lfu", 16, 4096, 1024000, false}, {"mru", 64, 0, 512000, true}};
    for (const Case& c : cases) {
        CAPTURE(c.policy);
        Trace trace = whole;
        trace.reblock_to(c.page);
        RunOptions options;
        options.capacity_blocks = c.tokens / c.page;
        RunResult run;
        SglangConfig config = SglangConfig::parse(std::string(c.unified ? "sglang_unified" : "sglang") + ":page=" +
                                                  std::to_string(c.page) + ",policy=" + c.policy + ",chunk=" +
                                                  std::to_string(c.chunk));
        SglangCache(config).run(trace, options, run);
        NaiveSglang naive(static_cast<int64_t>(c.tokens), c.page, c.policy, static_cast<int64_t>(c.chunk), c.unified);
        uint32_t different = 0;
        std::vector<Segment> runs;
        NaiveSglangStep step;
        for (uint32_t r = 0; r < whole.requests(); ++r) {
            NaiveSglangRequest q;
            q.prompt = whole.prompt_tokens[r];
            q.outputs = whole.output_tokens[r];
            whole.chains.segments(r, whole.chains[r].length, runs);
            for (const Segment& s : runs)
                for (uint32_t i = 0; i < s.count; ++i) q.tokens.push_back(s.begin + i);
            while (static_cast<int64_t>(q.tokens.size()) < q.prompt + q.outputs)
                q.tokens.push_back((uint64_t{r} + 1) << 32 | q.tokens.size());
            step = naive.serve(q, r);
            naive.events.clear();
            different += step.hit != int64_t{run.hit_blocks[r]} * c.page || step.rejected != run.is_rejected(r);
        }
        CHECK(different == 0);
        CHECK(run.total.evicted_tokens == static_cast<uint64_t>(step.evicted_tokens));
    }
}

}  // namespace sglang_engine_test
