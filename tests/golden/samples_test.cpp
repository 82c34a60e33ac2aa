// The generated samples in traces/ under the prefix layout, integer by integer. The numbers were computed from the
// files by a program that shares nothing with this one.
#include <doctest/doctest.h>
#include <kvsim/layout/prefix.h>
#include <kvsim/sim/metrics.h>
#include <kvsim/trace/format.h>

#include "support/process.h"

namespace samples_test {

using namespace kvsim;
using kvsim_test::source_file;

namespace {

struct Cell {
    const char* accounting;
    uint64_t blocks;
    bool decode;
    uint64_t hit_blocks, hit_tokens, evicted;
};

void check_sample(const std::string& file, uint32_t requests, uint64_t lookups, uint64_t unique, uint64_t tokens,
                  const std::vector<Cell>& cells) {
    CAPTURE(file);
    LoadOptions load;
    load.path = source_file("traces/" + file);
    Trace trace = load_trace(load);
    CHECK(trace.requests() == requests);
    CHECK(trace.unique_blocks() == unique);
    uint64_t prompt_tokens = 0;
    for (uint32_t p : trace.prompt_tokens) prompt_tokens += p;
    CHECK(prompt_tokens == tokens);
    for (const Cell& c : cells) {
        for (RunPath path : {RunPath::fastest, RunPath::blocks}) {
            CAPTURE(c.accounting);
            CAPTURE(c.blocks);
            CAPTURE(c.decode);
            RunOptions options;
            options.capacity_blocks = c.blocks;
            options.decode = c.decode;
            auto cache = make_prefix_cache("lru", Accounting::parse(c.accounting), trace, options, path);
            RunResult run;
            cache->run(trace, options, run);
            HitCounts hits = measure(trace, run, options, GroupBy::none).hits;
            CHECK(hits.lookup_blocks == lookups);
            CHECK(hits.hit_blocks == c.hit_blocks);
            CHECK(hits.hit_tokens == c.hit_tokens);
            CHECK(run.total.evicted_blocks == c.evicted);
        }
    }
}

}  // namespace

TEST_CASE("golden: rag sample") {
    check_sample("rag.jsonl", 200, 6618, 3128, 417350,
                 {{"pinned", kUnlimited, true, 3490, 223360, 0},
                  {"pinned", 300, true, 2588, 165632, 4164},
                  {"pinned", 300, false, 2659, 170176, 3659},
                  {"flat", 300, true, 2505, 160320, 4247},
                  {"flat", 300, false, 2597, 166208, 3721}});
}

TEST_CASE("golden: agents sample") {
    check_sample("agents.jsonl", 102, 7451, 1032, 473710,
                 {{"pinned", kUnlimited, true, 6686, 427904, 0},
                  {"pinned", 200, true, 4017, 257088, 3503},
                  {"pinned", 200, false, 4082, 261248, 3169},
                  {"flat", 200, true, 3511, 224704, 4009},
                  {"flat", 200, false, 3518, 225152, 3733}});
}

TEST_CASE("golden: generated beam search sample") {
    check_sample("beam_search.jsonl", 48, 812, 104, 13504,
                 {{"pinned", kUnlimited, true, 708, 11220, 0},
                  {"pinned", 60, true, 698, 11060, 164},
                  {"pinned", 60, false, 708, 11220, 44},
                  {"flat", 60, true, 476, 7508, 386},
                  {"flat", 60, false, 708, 11220, 44}});
}

// Nothing is shared: no hit, and everything that does not fit goes.
TEST_CASE("golden: stream sample") {
    check_sample("stream.jsonl", 3, 114, 114, 1783,
                 {{"pinned", kUnlimited, true, 0, 0, 0},
                  {"pinned", 60, true, 0, 0, 120},
                  {"pinned", 60, false, 0, 0, 54},
                  {"flat", 60, true, 0, 0, 494},
                  {"flat", 60, false, 0, 0, 54}});
}

// Small random traces fill a queue of ghosts or a ring of runs rarely; these have thousands of evictions.
TEST_CASE("golden: flat strategies in runs count as block by block on the samples") {
    for (const char* file : {"chat.jsonl", "agents.jsonl", "rag.jsonl", "uniform.jsonl"}) {
        CAPTURE(file);
        LoadOptions load;
        load.path = source_file(std::string("traces/") + file);
        Trace trace = load_trace(load);
        trace.reblock_to(4);
        for (const char* strategy : {"lru", "fifo", "clock", "sieve", "lfu", "arc", "s3_fifo", "s3_fifo:variant=v0",
                                     "s3_fifo:small=0.3,promote=1,ghost=0.2", "gdsf"})
            for (uint64_t percent : {1, 7, 30})
                for (bool decode : {false, true}) {
                    RunOptions options;
                    options.capacity_blocks = std::max<uint64_t>(1, trace.unique_blocks() * percent / 100);
                    options.decode = decode;
                    CAPTURE(strategy);
                    CAPTURE(options.capacity_blocks);
                    CAPTURE(decode);
                    RunResult runs, blocks;
                    Accounting flat = Accounting::parse("flat");
                    auto fast = make_prefix_cache(strategy, flat, trace, options, RunPath::fastest);
                    fast->run(trace, options, runs);
                    fast->check_invariants();
                    make_prefix_cache(strategy, flat, trace, options, RunPath::blocks)->run(trace, options, blocks);
                    CHECK(runs.hit_blocks == blocks.hit_blocks);
                    CHECK(runs.any_hit_blocks == blocks.any_hit_blocks);
                    CHECK(runs.any_hit_tokens == blocks.any_hit_tokens);
                    CHECK((runs.total == blocks.total));
                    CHECK(runs.peak_resident_blocks == blocks.peak_resident_blocks);
                    CHECK(runs.stranded_blocks == blocks.stranded_blocks);
                }
    }
}

}  // namespace samples_test
