// Offline bounds: worked examples, edges, what they refuse.
#include <doctest/doctest.h>
#include <kvsim/core/time_set.h>
#include <kvsim/sim/bounds.h>

#include <random>
#include <set>

#include "unit/load_text.h"

namespace bounds_test {

using namespace kvsim;
using kvsim_test::load_text;

namespace {

/// One block a token would be too short to read: blocks of 2 tokens, chains by letter, "ab" = block a, then b.
Trace trace_of(const std::vector<std::string>& chains, uint32_t output_tokens = 0) {
    std::string text = "{\"kvsim_trace\":1,\"block_size\":2}\n";
    for (const std::string& chain : chains) {
        std::string ids;
        for (char c : chain) ids += (ids.empty() ? "" : ",") + std::to_string(c - 'a');
        text += "{\"op\":\"request\",\"seq\":\"" + std::to_string(text.size()) +
                "\",\"t\":0,\"length\":" + std::to_string(2 * chain.size()) + ",\"blocks\":[" + ids +
                "],\"output_length\":" + std::to_string(output_tokens) + "}\n";
    }
    return load_text(text);
}

using Hits = std::vector<uint32_t>;

}  // namespace

TEST_CASE("time set: the latest of a set") {
    for (uint64_t size : {1u, 63u, 64u, 65u, 4096u, 4097u, 300000u}) {
        std::mt19937_64 random(size);
        TimeSet times(size);
        std::set<uint64_t> naive;
        for (int step = 0; step < 3000; ++step) {
            uint64_t i = random() % size;
            if (random() % 2 == 0) {
                times.insert(i);
                naive.insert(i);
            } else {
                times.erase(i);
                naive.erase(i);
            }
            REQUIRE(times.has(i) == (naive.count(i) != 0));
            if (!naive.empty()) REQUIRE(times.latest() == *naive.rbegin());
            if (step % 100 != 0) continue;
            uint64_t from = random() % size, to = from + random() % (size - from + 1);
            std::vector<uint64_t> taken, expected(naive.lower_bound(from), naive.lower_bound(to));
            times.take(from, to, [&](uint64_t time) { taken.push_back(time); });
            naive.erase(naive.lower_bound(from), naive.lower_bound(to));
            REQUIRE(taken == expected);
            bool present = random() % 2 == 0;
            uint64_t alike = 0;
            while (alike < to - from && (naive.count(from + alike) != 0) == present) ++alike;
            REQUIRE(times.alike(from, to - from, present) == alike);
            to = std::min(to, from + 200);
            if (step % 200 == 0) {
                times.insert_range(from, to - from);
                for (uint64_t time = from; time < to; ++time) naive.insert(time);
            } else {
                times.erase_range(from, to - from);
                naive.erase(naive.lower_bound(from), naive.lower_bound(to));
            }
        }
    }
}

// Two blocks of room. r0 brings a b c: a and b are used next by r2, c by nobody. r1 = d is never used again: stored or
// not, the optimum keeps a b. r2 hits both. If d must be stored, there is room for one of a and b beside it, and b,
// the deeper one, goes.
TEST_CASE("bounds: worked example") {
    Trace t = trace_of({"abc", "d", "abe"});
    OfflineBounds bounds(t, RunOptions{});
    Bound optimal = bounds.optimal(2), admit = bounds.optimal_admit(2);
    CHECK(optimal.hit_blocks == Hits{0, 0, 2});
    CHECK(optimal.counted_hit_blocks == 2);
    CHECK(optimal.counted_hit_tokens == 4);
    CHECK(admit.hit_blocks == Hits{0, 0, 1});
    CHECK(admit.counted_hit_tokens == 2);
    CHECK(bounds.optimal(1).hit_blocks == Hits{0, 0, 1});
    // With one block of room d takes it.
    CHECK(bounds.optimal_admit(1).hit_blocks == Hits{0, 0, 0});
    CHECK(bounds.optimal_admit(kUnlimited).hit_blocks == Hits{0, 0, 2});
    CHECK(bounds.exact());
}

// Two output tokens are one more block for each request: r1 now needs both places.
TEST_CASE("bounds: output blocks take room only where they must be stored") {
    Trace t = trace_of({"abc", "d", "abe"}, 2);
    OfflineBounds bounds(t, RunOptions{});
    CHECK(bounds.optimal(2).hit_blocks == Hits{0, 0, 2});
    CHECK(bounds.optimal_admit(2).hit_blocks == Hits{0, 0, 0});
    CHECK(bounds.optimal_admit(3).hit_blocks == Hits{0, 0, 1});
}

// Room for one block. b is used at 1, 2 and never again; a at 0 and 3. With all requests counted there is one hit to
// have, of either; Belady takes the nearer one, b at 2. If only r3 counts, that hit is worth nothing, and a can be
// kept.
TEST_CASE("bounds: a hit in the warm-up is worth nothing") {
    Trace t = trace_of({"a", "b", "b", "a"});
    RunOptions options;
    CHECK(OfflineBounds(t, options).optimal(1).hit_blocks == Hits{0, 0, 1, 0});
    options.warmup_requests = 3;
    Bound bound = OfflineBounds(t, options).optimal(1);
    CHECK(bound.hit_blocks == Hits{0, 0, 0, 1});
    CHECK(bound.counted_hit_blocks == 1);
    options.warmup_requests = 9;
    CHECK(OfflineBounds(t, options).optimal(1).counted_hit_blocks == 0);
}

// One token a block, a = a1 a2 and so on. r2 can hit a1 only, since a2 is its last token; r3 can hit all of b1 b2 c1
// c2. With room for four, a1 takes the place of c2 while r2 waits for it. In the second trace [1] comes twice and is
// nothing but a last token: Belady's rule would keep it for r2 in place of 3, a token that r3 can hit.
TEST_CASE("bounds: the last token is computed anyway") {
    Trace t = trace_of({"bc", "a", "a", "bcd"});
    t.reblock_to(1);  // a is two tokens: r2 can hit one of them
    RunOptions options;
    options.decode = false;
    options.compute_last_token = true;
    OfflineBounds bounds(t, options);
    CHECK(bounds.optimal(kUnlimited).hit_blocks == Hits{0, 0, 1, 4});
    CHECK(bounds.optimal(4).hit_blocks == Hits{0, 0, 1, 3});
    CHECK(bounds.optimal(1).hit_blocks == Hits{0, 0, 1, 0});
    Trace single = load_text(
        "{\"kvsim_trace\":1}\n"
        "{\"op\":\"request\",\"seq\":\"0\",\"t\":0,\"tokens\":[2,3],\"output_length\":0}\n"
        "{\"op\":\"request\",\"seq\":\"1\",\"t\":1,\"tokens\":[1],\"output_length\":0}\n"
        "{\"op\":\"request\",\"seq\":\"2\",\"t\":2,\"tokens\":[1],\"output_length\":0}\n"
        "{\"op\":\"request\",\"seq\":\"3\",\"t\":3,\"tokens\":[2,3,4],\"output_length\":0}\n",
        "auto", 1);
    CHECK(OfflineBounds(single, options).optimal(2).hit_blocks == Hits{0, 0, 0, 2});
    CHECK(OfflineBounds(single, options).optimal_admit(2).hit_blocks == Hits{0, 0, 0, 1});
    CHECK(OfflineBounds(single, options).flat_belady(2, true)->hit_blocks == Hits{0, 0, 0, 1});
}

// r0's prompt is one block and a half, its output completes the second one: stored are a and the output block x, which
// r1 begins with. The tail t is looked up by r0 and r2 and stored by neither, unless the bounds let it stay.
TEST_CASE("bounds: named output") {
    std::string head = "{\"kvsim_trace\":1,\"block_size\":2}\n";
    std::string r0 =
        "{\"op\":\"request\",\"seq\":\"0\",\"t\":0,\"length\":3,\"blocks\":[0,9],\"output_length\":1,\"output_blocks\":"
        "[1]}\n";
    std::string r1 = "{\"op\":\"request\",\"seq\":\"1\",\"t\":1,\"length\":6,\"blocks\":[0,1,2],\"output_length\":0}\n";
    Trace t = load_text(head + r0 + r1);
    REQUIRE(t.has_named_output());
    OfflineBounds bounds(t, RunOptions{});
    CHECK(bounds.optimal(2).hit_blocks == Hits{0, 2});
    CHECK(bounds.optimal_admit(2).hit_blocks == Hits{0, 2});
    CHECK_FALSE(bounds.exact());
    CHECK_FALSE(bounds.flat_belady(2, false).has_value());
    RunOptions off;
    off.decode = false;
    OfflineBounds prompts(t, off);
    CHECK(prompts.exact());
    CHECK(prompts.optimal(2).hit_blocks == Hits{0, 1});
    CHECK(prompts.flat_belady(2, false)->hit_blocks == Hits{0, 1});
}

TEST_CASE("bounds: traces of lengths only, and of nothing") {
    Trace lengths = load_text(
        "{\"kvsim_trace\":1}\n"
        "{\"op\":\"request\",\"seq\":\"0\",\"t\":0,\"length\":40,\"output_length\":3}\n"
        "{\"op\":\"request\",\"seq\":\"1\",\"t\":0,\"length\":0,\"output_length\":3}\n");
    OfflineBounds bounds(lengths, RunOptions{});
    CHECK(bounds.optimal(1).hit_blocks == Hits{0, 0});
    CHECK(bounds.optimal_admit(1).hit_blocks == Hits{0, 0});
    CHECK(bounds.flat_belady(1, false)->any_hit_blocks == Hits{0, 0});
    Trace none;
    none.block_size = 16;
    OfflineBounds nothing(none, RunOptions{});
    CHECK(nothing.optimal(1).counted_hit_blocks == 0);
    CHECK(nothing.flat_optimal(1).counted_any_hit_blocks == 0);
    CHECK(nothing.flat_belady(1, true)->counted_any_hit_blocks == 0);
}

}  // namespace bounds_test
