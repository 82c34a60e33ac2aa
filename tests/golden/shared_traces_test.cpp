// The public traces against known counts, integer by integer. Every number was computed by programs that share
// nothing with this one.
#include <doctest/doctest.h>
#include <kvsim/layout/prefix.h>
#include <kvsim/sim/replay.h>

#include <cmath>
#include <numeric>

#include "golden/shared_trace.h"

namespace shared_traces_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

HitCounts hits(const Trace& trace, const char* accounting, uint64_t blocks, bool decode, RunPath path,
               uint64_t warmup = 0) {
    RunOptions options;
    options.capacity_blocks = blocks;
    options.decode = decode;
    options.warmup_requests = warmup;
    auto cache = make_prefix_cache("lru", Accounting::parse(accounting), trace, options, path);
    RunResult run;
    cache->run(trace, options, run);
    return measure(trace, run, options, GroupBy::none).hits;
}

struct Cell {
    const char* accounting;
    uint64_t blocks;
    bool decode;
    uint64_t hits;
};

void check_cells(const Trace& trace, const std::vector<Cell>& cells, uint64_t references, bool block_level) {
    if (trace.requests() == 0) return;
    for (const Cell& c : cells) {
        CAPTURE(c.accounting);
        CAPTURE(c.blocks);
        CAPTURE(c.decode);
        HitCounts fast = hits(trace, c.accounting, c.blocks, c.decode, RunPath::fastest);
        CHECK(fast.hit_blocks == c.hits);
        CHECK(fast.any_hit_blocks == c.hits);  // on prefix ids LRU never strands a block
        CHECK(fast.lookup_blocks == references);
        if (block_level)
            CHECK(hits(trace, c.accounting, c.blocks, c.decode, RunPath::blocks).hit_blocks == c.hits);
    }
}

std::vector<Cell> conversation_cells() {
    std::vector<Cell> cells;
    const uint64_t blocks[] = {1000, 10000, 30000, 50000, 100000};
    const uint64_t flat[] = {12831, 60921, 93967, 102290, 104924};
    const uint64_t pinned[] = {12847, 61046, 93978, 102290, 104924};
    const uint64_t output[] = {12827, 59278, 93256, 102012, 104867};
    for (int i = 0; i < 5; ++i) {
        cells.push_back({"flat", blocks[i], false, flat[i]});
        for (const char* a : {"pinned", "tree", "tree:protect=chain"}) {
            cells.push_back({a, blocks[i], false, pinned[i]});
            cells.push_back({a, blocks[i], true, output[i]});
        }
    }
    cells.push_back({"pinned", 8000, false, 51368});
    cells.push_back({"pinned", 8000, true, 50179});
    cells.push_back({"flat", 1000, true, 12782});
    cells.push_back({"flat", 10000, true, 59092});
    return cells;
}

void check_counts(const Trace& trace, uint32_t requests, uint64_t in, uint64_t out, uint64_t blocks,
                  uint64_t unique) {
    if (trace.requests() == 0) return;
    uint64_t references = 0;
    for (uint32_t r = 0; r < trace.requests(); ++r) references += trace.lookup_blocks(r);
    CHECK(trace.requests() == requests);
    CHECK(std::accumulate(trace.prompt_tokens.begin(), trace.prompt_tokens.end(), uint64_t{0}) == in);
    CHECK(std::accumulate(trace.output_tokens.begin(), trace.output_tokens.end(), uint64_t{0}) == out);
    CHECK(references == blocks);
    CHECK(trace.unique_blocks() == unique);
}

/// Ratio to six decimals, as the reference prints it.
double rounded(uint64_t part, uint64_t whole) {
    return std::round(static_cast<double>(part) / static_cast<double>(whole) * 1e6) / 1e6;
}

}  // namespace

TEST_CASE("golden: sizes of the traces") {
    check_counts(shared_trace(kConversation), 12031, 144793823, 4122048, 288500, 182790);
    check_counts(shared_trace(kSynthetic), 3993, 61194628, 595432, 121877, 43924);
    check_counts(shared_trace(kRag), 7106, 20917099, 2012676, 71583, 21857);
    if (shared_trace(kConversation).requests() == 0) return;
    CHECK(shared_trace(kConversation).block_size == 512);
    CHECK(shared_trace(kSynthetic).block_size == 512);
}

TEST_CASE("golden: infinite capacity") {
    for (const char* accounting : {"pinned", "flat", "tree"}) {
        const Trace& conversation = shared_trace(kConversation);
        const Trace& synthetic = shared_trace(kSynthetic);
        if (conversation.requests() == 0 || synthetic.requests() == 0) return;
        HitCounts c = hits(conversation, accounting, kUnlimited, false, RunPath::fastest);
        CHECK(c.hit_blocks == 105710);
        CHECK(c.hit_tokens == 54098411);
        CHECK(c.lookup_tokens == 144793823);
        HitCounts s = hits(synthetic, accounting, kUnlimited, false, RunPath::fastest);
        CHECK(s.hit_blocks == 77953);
        CHECK(rounded(s.hit_tokens, s.lookup_tokens) == 0.651244);
        // Last half: requests from floor(n / 2) on.
        HitCounts ch =
            hits(conversation, accounting, kUnlimited, false, RunPath::fastest, conversation.requests() / 2);
        CHECK(rounded(ch.hit_blocks, ch.lookup_blocks) == 0.389961);
        CHECK(rounded(ch.hit_tokens, ch.lookup_tokens) == 0.398113);
        HitCounts sh =
            hits(synthetic, accounting, kUnlimited, false, RunPath::fastest, synthetic.requests() / 2);
        CHECK(rounded(sh.hit_tokens, sh.lookup_tokens) == 0.862750);
    }
}

TEST_CASE("golden: unlimited hits are those of a cache of all blocks") {
    for (const char* name : {kConversation, kSynthetic, "ragpulse/0_trace.jsonl.zst"}) {
        const Trace& trace = shared_trace(name);
        if (trace.requests() == 0) return;
        for (const char* accounting : {"pinned", "flat", "tree"}) {
            CAPTURE(name);
            CAPTURE(accounting);
            RunOptions options;
            options.decode = false;
            options.warmup_requests = trace.requests() / 3;
            UnlimitedHits u = unlimited_hits(trace, Accounting::parse(accounting), options);
            HitCounts h =
                hits(trace, accounting, kUnlimited, false, RunPath::blocks, options.warmup_requests);
            CHECK(u.hit_blocks == h.hit_blocks);
            CHECK(u.hit_tokens == h.hit_tokens);
            CHECK(u.any_hit_blocks == h.any_hit_blocks);
        }
    }
}

TEST_CASE("golden: LRU on conversation") {
    check_cells(shared_trace(kConversation), conversation_cells(), 288500, false);
}
TEST_CASE("golden: LRU on synthetic") {
    check_cells(shared_trace(kSynthetic),
                {{"flat", 1000, false, 10050},
                 {"flat", 10000, false, 51614},
                 {"flat", 30000, false, 76077},
                 {"pinned", 1000, false, 10252},
                 {"pinned", 10000, false, 51669},
                 {"pinned", 30000, false, 76077},
                 {"tree", 1000, false, 10252},
                 {"tree", 10000, false, 51669},
                 {"tree", 30000, false, 76077},
                 {"pinned", 50000, false, 77953},
                 {"flat", 50000, false, 77953},
                 {"tree", 50000, false, 77953}},
                121877, true);
}
TEST_CASE("golden: LRU on 40 agent sessions") {
    const Trace& trace = shared_trace(kMerged);
    if (trace.requests() == 0) return;
    CHECK(trace.requests() == 3330);
    CHECK(trace.unique_blocks() == 272354);
    CHECK(trace.block_size == 64);
    check_cells(trace,
                {{"pinned", 10000, false, 4268234},
                 {"pinned", 30000, false, 5170630},
                 {"pinned", 100000, false, 5358307},
                 {"pinned", 200000, false, 5361479},
                 {"tree", 10000, false, 4268234},
                 {"tree", 30000, false, 5170630},
                 {"tree", 100000, false, 5358307},
                 {"tree", 200000, false, 5361479},
                 {"flat", 10000, false, 3986097}},
                5634212, false);
    HitCounts all = hits(trace, "pinned", kUnlimited, false, RunPath::fastest);
    CHECK(rounded(all.hit_blocks, all.lookup_blocks) == rounded(5634212 - 272354, 5634212));
}
TEST_CASE("long: golden: 40 agent sessions block by block") {
    check_cells(shared_trace(kMerged),
                {{"flat", 30000, false, 5149542},
                 {"flat", 100000, false, 5358307},
                 {"flat", 200000, false, 5361479},
                 {"pinned", 10000, false, 4268234},
                 {"tree", 10000, false, 4268234},
                 {"tree", 30000, false, 5170630},
                 {"tree", 100000, false, 5358307}},
                5634212, true);
}
TEST_CASE("long: golden: LRU on conversation block by block") {
    check_cells(shared_trace(kConversation), conversation_cells(), 288500, true);
}

TEST_CASE("golden: RAGPulse chunks by content and by path") {
    const Trace& trace = shared_trace(kRag);
    if (trace.requests() == 0) return;
    CHECK(trace.content);
    HitCounts flat = hits(trace, "flat", kUnlimited, false, RunPath::fastest);
    CHECK(flat.lookup_blocks == 71583);
    // The reference's 49,711 asks the cache as it was before each request; definition A, block by block, also
    // hits the 15 chunks that are new in a request and stand in it twice.
    CHECK(flat.any_hit_blocks == 49711 + 15);
    HitCounts pinned = hits(trace, "pinned", kUnlimited, false, RunPath::fastest);
    CHECK(pinned.hit_blocks == 12856);
    CHECK(hits(trace, "tree", kUnlimited, false, RunPath::fastest).hit_blocks == 12856);
    CHECK(hits(trace, "tree", kUnlimited, false, RunPath::blocks).hit_blocks == 12856);
    CHECK(pinned.lookup_tokens == flat.lookup_tokens);
}

TEST_CASE("golden: conversation in blocks of 16 tokens") {
    const Trace& trace = shared_trace(kConversation, 16);
    if (trace.requests() == 0) return;
    check_cells(trace, {{"pinned", 256000, false, 1673770}, {"pinned", 256000, true, 1631118}}, 9055233,
                false);
}
TEST_CASE("long: golden: conversation in blocks of 16 tokens, block by block") {
    check_cells(shared_trace(kConversation, 16),
                {{"pinned", 256000, false, 1673770}, {"pinned", 256000, true, 1631118}}, 9055233, true);
}

TEST_CASE("golden: heads of the traces agree with the traces limited to them") {
    for (const char* name : {"mooncake/conversation_trace", "mooncake/synthetic_trace", "ragpulse/0_trace"}) {
        const Trace& limited = shared_trace(std::string(name) + ".jsonl.zst", 0, 2000);
        const Trace& part = shared_trace(std::string(name) + ".head2000.jsonl");
        if (limited.requests() == 0 || part.requests() == 0) return;
        CHECK(limited.requests() == 2000);
        CHECK(part.requests() == 2000);
        if (limited.content)
            continue;  // sorted by time: the first 2,000 rows are not the first 2,000 requests
        CHECK(limited.unique_blocks() == part.unique_blocks());
        for (uint64_t blocks : {100, 1000, 5000})
            CHECK(hits(limited, "pinned", blocks, true, RunPath::fastest).hit_tokens ==
                  hits(part, "pinned", blocks, true, RunPath::blocks).hit_tokens);
    }
}

TEST_CASE("golden: four sessions with sub-agents") {
    const Trace& trace = shared_trace("kv-cache-tester/sessions4_small.jsonl");
    if (trace.requests() == 0) return;
    CHECK(trace.format == "kv_cache_tester");
    CHECK(trace.block_size == 64);
    CHECK(std::is_sorted(trace.arrival_s.begin(), trace.arrival_s.end()));
    CHECK(trace.session.names().size() == 4);
    for (uint32_t r = 0; r < trace.requests(); ++r)
        CHECK(trace.lookup_blocks(r) == trace.prompt_tokens[r] / 64);
    // Sessions share nothing, so together they hit what each hits alone.
    HitCounts all = hits(trace, "pinned", kUnlimited, false, RunPath::fastest);
    CHECK(all.hit_blocks == all.lookup_blocks - trace.unique_blocks());
}

TEST_CASE("long: golden: 710 sessions") {
    const Trace& trace = shared_trace("kv-cache-tester/sessions710.jsonl.zst");
    check_counts(trace, 49334, 6037445403, 21709920, 94310647, 3450959);
}

}  // namespace shared_traces_test
