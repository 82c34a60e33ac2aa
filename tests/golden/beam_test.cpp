// The sample traces/beam.jsonl (beams, samples, frees) under the layouts of whole sequences, integer by integer. The
// numbers are those of the naive twin, which runs beside; unlimited paged is worked out below.
#include <doctest/doctest.h>
#include <kvsim/engine/engines.h>
#include <kvsim/trace/format.h>

#include <numeric>

#include "property/naive_sequences.h"
#include "support/process.h"

namespace beam_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

const Trace& beam() {
    static const Trace trace = [] {
        LoadOptions options;
        options.path = source_file("traces/beam.jsonl");
        return load_trace(options);
    }();
    return trace;
}

struct Row {
    const char* layout;  ///< paged, max, grow
    uint64_t blocks;     ///< 0 = unlimited
    const char* on_full;
    const char* strategy;
    /// rejected, waited, preempted, evicted sequences, blocks and tokens, recomputed, forks, copies on write, copied
    /// tokens, peak used, peak shared, admissions, their used blocks and held tokens
    std::vector<uint64_t> expected;
};

RunResult ours(const Row& row) {
    CacheConfig config;
    bool paged = std::string(row.layout) == "paged";
    config.layout = paged ? "paged" : "contiguous";
    if (!paged) config.reserve = row.layout;
    config.on_full = row.on_full;
    if (config.on_full == "evict") config.eviction = row.strategy;
    if (config.on_full == "preempt") config.preempt = row.strategy;
    resolve_cache(config);
    RunOptions options;
    if (row.blocks != 0) options.capacity_blocks = row.blocks;
    auto cache = layouts().get(config.layout).make(config, beam(), options, RunPath::fastest);
    RunResult run;
    cache->run(beam(), options, run);
    cache->check_invariants();
    return run;
}

NaiveResult naive(const Row& row) {
    NaiveSetup s;
    s.paged = std::string(row.layout) == "paged";
    s.reserve_max = std::string(row.layout) == "max";
    s.block_size = 4;
    if (row.blocks != 0) s.capacity = row.blocks;
    s.on_full = row.on_full;
    s.strategy = std::string(row.strategy) == "streaming_llm:sink=2,window=4" ? "streaming_llm" : row.strategy;
    s.sink = 2;
    s.window = 4;
    s.reserve_tokens = 25;  // q2: 17, and max_tokens 8
    std::vector<NaiveAsk> asks(beam().requests());
    for (uint32_t r = 0; r < beam().requests(); ++r)
        if (beam().priority.has(r)) asks[r].priority = beam().priority[r];
    std::vector<NaiveEvent> events;
    for (const Event& e : beam().events) {
        char kind = e.kind == EventKind::prompt   ? 'p'
                    : e.kind == EventKind::fork   ? 'f'
                    : e.kind == EventKind::decode ? 'd'
                                                  : 'x';
        events.push_back({kind, e.sequence, e.other, e.tokens});
    }
    return NaiveEventReplay(s, asks).run(events);
}

std::vector<uint64_t> numbers(const RunResult& run) {
    const Tally& t = run.total;
    return {run.rejected_from(0),
            t.waited,
            t.preempted,
            t.evicted_sequences,
            t.evicted_blocks,
            t.evicted_tokens,
            t.recomputed_tokens,
            t.forks,
            t.cow_copies,
            t.copied_tokens,
            run.peak_active_blocks,
            run.shared_blocks_peak,
            t.admissions,
            t.active_blocks,
            static_cast<uint64_t>(t.resident_tokens)};
}
std::vector<uint64_t> numbers(const NaiveResult& run) {
    const NaiveCounts& t = run.total;
    return {static_cast<uint64_t>(std::count(run.rejected.begin(), run.rejected.end(), true)),
            t.waited,
            t.preempted,
            t.evicted_sequences,
            t.evicted_blocks,
            t.evicted_tokens,
            t.recomputed_tokens,
            t.forks,
            t.cow,
            t.copied,
            run.peak_blocks,
            run.peak_shared,
            t.admissions,
            t.active_blocks,
            t.resident_tokens};
}

std::string text(const std::vector<uint64_t>& numbers) {
    std::string s;
    for (uint64_t n : numbers) s += (s.empty() ? "" : ", ") + std::to_string(n);
    return s;
}

}  // namespace

// paged, unlimited, blocks of 4: q0's 10 tokens take 3 blocks, 1 more none; both forks share them. q0's next token
// falls into a shared block: copy 1, 4 blocks; b1's likewise: copy 2, 5; b2 is that block's last holder. Two tokens
// more each for q0 and b1: 7. b2 goes with 1 block: 6. b3 shares b1's. q0 +3: 7; b1 +3: copy 3 and one more, 9; b3
// +3: 10. q1 of 14: 14 blocks, the peak. q1's forks begin at 16 tokens, a full block: no copies. q2 of 17 shares 5
// blocks, the most shared, and writes into the fifth: copy 4. Forks 2 + 1 + 2 + 1 = 6.
TEST_CASE("golden: the beam sample under paged and contiguous") {
    CHECK(beam().requests() == 10);
    const std::vector<Row> rows = {
        {"paged", 0, "evict", "lru", {0, 0, 0, 0, 0, 0, 0, 6, 4, 0, 14, 5, 10, 60, 209}},
        {"paged", 12, "evict", "lru", {0, 0, 0, 1, 3, 9, 0, 6, 4, 0, 12, 5, 10, 57, 200}},
        {"paged", 12, "evict", "most_blocks_freed", {0, 0, 0, 1, 3, 9, 0, 6, 4, 0, 12, 5, 10, 57, 200}},
        {"paged", 12, "evict", "streaming_llm:sink=2,window=4", {0, 0, 0, 1, 3, 9, 0, 6, 4, 0, 12, 5, 10, 57, 200}},
        {"paged", 12, "preempt", "latest", {0, 0, 1, 0, 2, 5, 0, 6, 4, 0, 12, 5, 10, 58, 204}},
        {"paged", 12, "wait", "", {0, 1, 0, 0, 0, 0, 0, 6, 4, 0, 12, 5, 10, 57, 200}},
        {"paged", 12, "fail", "", {3, 0, 0, 0, 0, 0, 0, 4, 4, 0, 10, 5, 7, 28, 98}},
        {"paged", 9, "evict", "lru", {0, 0, 0, 5, 17, 60, 57, 6, 4, 0, 9, 5, 10, 45, 161}},
        {"paged", 9, "evict", "most_blocks_freed", {0, 0, 0, 5, 17, 60, 57, 6, 4, 0, 9, 5, 10, 45, 161}},
        {"paged", 9, "evict", "streaming_llm:sink=2,window=4", {0, 0, 0, 5, 18, 64, 57, 6, 4, 0, 9, 5, 10, 44, 157}},
        {"paged", 9, "preempt", "latest", {0, 0, 5, 0, 17, 60, 57, 6, 4, 0, 9, 5, 10, 45, 161}},
        {"paged", 9, "wait", "", {0, 4, 0, 0, 0, 0, 0, 6, 4, 0, 9, 5, 10, 55, 195}},
        {"paged", 9, "fail", "", {4, 0, 0, 0, 0, 0, 0, 4, 4, 0, 9, 5, 7, 28, 98}},
        {"paged", 6, "evict", "lru", {2, 0, 0, 6, 20, 72, 57, 6, 3, 0, 6, 5, 10, 40, 144}},
        {"paged", 6, "evict", "most_blocks_freed", {2, 0, 0, 6, 21, 74, 57, 6, 3, 0, 6, 5, 10, 38, 138}},
        {"paged", 6, "evict", "streaming_llm:sink=2,window=4", {0, 0, 0, 9, 27, 95, 62, 6, 3, 0, 6, 5, 10, 40, 144}},
        {"paged", 6, "preempt", "latest", {2, 0, 7, 0, 21, 76, 57, 6, 3, 0, 6, 5, 10, 40, 144}},
        {"paged", 6, "wait", "", {4, 7, 0, 0, 0, 0, 0, 6, 2, 0, 6, 5, 10, 40, 144}},
        {"paged", 6, "fail", "", {6, 0, 0, 0, 0, 0, 0, 3, 2, 0, 6, 5, 6, 22, 78}},
        {"paged", 4, "evict", "lru", {8, 0, 0, 4, 9, 34, 24, 5, 2, 0, 4, 4, 8, 28, 104}},
        {"paged", 4, "evict", "most_blocks_freed", {8, 0, 0, 4, 9, 34, 24, 5, 2, 0, 4, 4, 8, 28, 104}},
        {"paged", 4, "evict", "streaming_llm:sink=2,window=4", {4, 0, 0, 10, 29, 108, 79, 5, 2, 0, 4, 4, 8, 28, 104}},
        {"paged", 4, "preempt", "latest", {8, 0, 4, 0, 9, 34, 24, 5, 2, 0, 4, 4, 8, 28, 104}},
        {"paged", 4, "wait", "", {8, 3, 0, 0, 0, 0, 0, 5, 2, 0, 4, 4, 8, 28, 104}},
        {"paged", 4, "fail", "", {8, 0, 0, 0, 0, 0, 0, 4, 1, 0, 4, 4, 7, 24, 90}},
        {"max", 0, "evict", "none", {0, 0, 0, 0, 0, 0, 0, 6, 0, 85, 28, 0, 10, 168, 349}},
        {"max", 21, "evict", "lru", {0, 0, 0, 2, 14, 34, 17, 6, 0, 85, 21, 0, 10, 154, 315}},
        {"max", 21, "evict", "most_blocks_freed", {0, 0, 0, 2, 14, 34, 17, 6, 0, 85, 21, 0, 10, 154, 315}},
        {"max", 21, "evict", "none", {3, 0, 0, 0, 0, 0, 0, 4, 0, 53, 21, 0, 7, 91, 170}},
        {"max", 21, "preempt", "latest", {0, 0, 4, 0, 28, 69, 32, 6, 0, 85, 21, 0, 10, 154, 316}},
        {"max", 21, "wait", "", {0, 2, 0, 0, 0, 0, 0, 5, 0, 69, 21, 0, 10, 154, 320}},
        {"max", 21, "fail", "", {3, 0, 0, 0, 0, 0, 0, 4, 0, 53, 21, 0, 7, 91, 170}},
        {"max", 14, "evict", "lru", {0, 0, 0, 13, 91, 186, 157, 6, 0, 85, 14, 0, 10, 119, 240}},
        {"max", 14, "evict", "most_blocks_freed", {0, 0, 0, 9, 63, 133, 116, 6, 0, 85, 14, 0, 10, 119, 240}},
        {"max", 14, "evict", "none", {5, 0, 0, 0, 0, 0, 0, 2, 0, 28, 14, 0, 5, 49, 95}},
        {"max", 14, "preempt", "latest", {0, 0, 13, 0, 91, 197, 131, 6, 0, 85, 14, 0, 10, 119, 240}},
        {"max", 14, "wait", "", {0, 5, 0, 0, 0, 0, 0, 2, 0, 28, 14, 0, 10, 119, 257}},
        {"max", 14, "fail", "", {5, 0, 0, 0, 0, 0, 0, 2, 0, 28, 14, 0, 5, 49, 95}},
        {"max", 6, "evict", "lru", {10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
        {"max", 6, "evict", "most_blocks_freed", {10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
        {"max", 6, "evict", "none", {10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
        {"max", 6, "preempt", "latest", {10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
        {"max", 6, "wait", "", {10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
        {"max", 6, "fail", "", {10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
        {"grow", 0, "evict", "none", {0, 0, 0, 0, 0, 0, 0, 6, 0, 159, 36, 0, 10, 128, 349}},
        {"grow", 16, "evict", "lru", {0, 0, 0, 7, 40, 114, 97, 6, 0, 115, 16, 0, 10, 96, 281}},
        {"grow", 16, "evict", "most_blocks_freed", {0, 0, 0, 5, 32, 84, 67, 6, 0, 115, 16, 0, 10, 96, 281}},
        {"grow", 16, "evict", "none", {4, 0, 0, 0, 0, 0, 0, 6, 0, 85, 16, 0, 10, 96, 281}},
        {"grow", 16, "preempt", "latest", {0, 0, 5, 0, 32, 84, 67, 6, 0, 131, 16, 0, 10, 96, 281}},
        {"grow", 16, "wait", "", {0, 5, 0, 0, 0, 0, 0, 5, 0, 99, 16, 0, 10, 104, 298}},
        {"grow", 16, "fail", "", {4, 0, 0, 0, 0, 0, 0, 6, 0, 85, 16, 0, 10, 96, 281}},
        {"grow", 10, "evict", "lru", {1, 0, 0, 17, 96, 265, 177, 5, 0, 68, 8, 0, 9, 60, 189}},
        {"grow", 10, "evict", "most_blocks_freed", {1, 0, 0, 15, 88, 242, 166, 5, 0, 68, 8, 0, 9, 60, 189}},
        {"grow", 10, "evict", "none", {8, 0, 0, 0, 0, 0, 0, 2, 0, 27, 8, 0, 6, 36, 107}},
        {"grow", 10, "preempt", "latest", {1, 0, 16, 0, 92, 253, 165, 5, 0, 68, 8, 0, 9, 60, 189}},
        {"grow", 10, "wait", "", {4, 8, 0, 0, 0, 0, 0, 2, 0, 27, 8, 0, 10, 68, 209}},
        {"grow", 10, "fail", "", {8, 0, 0, 0, 0, 0, 0, 2, 0, 27, 8, 0, 6, 36, 107}},
        {"grow", 4, "evict", "lru", {9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 3, 12, 36}},
        {"grow", 4, "evict", "most_blocks_freed", {9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 3, 12, 36}},
        {"grow", 4, "evict", "none", {9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 3, 12, 36}},
        {"grow", 4, "preempt", "latest", {9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 3, 12, 36}},
        {"grow", 4, "wait", "", {8, 5, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 8, 32, 104}},
        {"grow", 4, "fail", "", {9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 3, 12, 36}},
    };
    for (const Row& row : rows) {
        std::string what =
            std::string(row.layout) + " " + std::to_string(row.blocks) + " " + row.on_full + " " + row.strategy;
        CAPTURE(what);
        CHECK(text(numbers(ours(row))) == text(row.expected));
        CHECK(text(numbers(naive(row))) == text(row.expected));
    }
}

}  // namespace beam_test
