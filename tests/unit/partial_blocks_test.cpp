#include <doctest/doctest.h>
#include <kvsim/layout/last_blocks.h>
#include <kvsim/layout/partial_blocks.h>

#include <map>
#include <random>
#include <vector>

using namespace kvsim;

static uint32_t below(std::mt19937& random, uint32_t limit) { return static_cast<uint32_t>(random() % limit); }

TEST_CASE("partial blocks: a table that is full of neighbours, against a map") {
    std::mt19937 random(5);
    constexpr uint32_t kBlocks = 400, kNamed = 380;
    PartialBlocks partial;
    partial.reset(kNamed, kBlocks);
    std::map<BlockId, uint64_t> naive;
    // Some 30 to 120 of 400 blocks, so that the table of 64 to 256 slots is up to half full and searches run into each other.
    for (int step = 0; step < 60000; ++step) {
        BlockId block = below(random, kBlocks);
        if (below(random, 3) == 0) {
            uint64_t missing = below(random, 5);
            partial.set(block, missing);
            naive.erase(block);
            if (missing > 0) naive[block] = missing;
        } else if (below(random, 8) == 0) {
            uint32_t count = std::min(1 + below(random, 70), kBlocks - block);
            partial.clear_run(block, count);
            naive.erase(naive.lower_bound(block), naive.lower_bound(block + count));
        } else {
            partial.clear(block);
            naive.erase(block);
        }
        uint64_t total = 0;
        for (const auto& [b, missing] : naive) total += missing;
        REQUIRE(partial.total() == total);
        REQUIRE(partial.sum() == total);
        REQUIRE(partial.has(block) == (naive.count(block) > 0));
        if (step % 64 == 0) {
            std::vector<BlockId> special, expected;
            partial.for_special(0, kNamed, [&](BlockId b) { special.push_back(b); });
            for (const auto& [b, missing] : naive)
                if (b < kNamed) expected.push_back(b);
            REQUIRE(special == expected);
        }
    }
}

TEST_CASE("last blocks: they leave in their order, and those used again are not asked for") {
    LastBlocks last;
    last.reset();
    std::vector<bool> here(500, false);
    auto contains = [&](BlockId block) { return here[block]; };
    std::vector<uint64_t> missing(500, 0);
    uint32_t oldest = 0;
    std::mt19937 random(7);
    for (uint32_t r = 0; r < 500; ++r) {
        missing[r] = below(random, 4);  // 0: full
        here[r] = true;
        last.push(r, static_cast<uint32_t>(missing[r]));
        if (uint32_t again = below(random, r + 1); below(random, 3) == 0) {
            last.used_again(again);
            missing[again] = 0;
        }
        // Up to 120 requests stay: the line of 64 gets longer.
        for (uint32_t most = below(random, 120); r + 1 - oldest > most; ++oldest) here[oldest] = false;
        last.settle(contains);
        uint64_t total = 0;
        for (uint32_t q = oldest; q <= r; ++q) total += missing[q];
        REQUIRE(last.total() == total);
        uint64_t listed = 0;
        last.for_each([&](BlockId block, uint32_t places) {
            CHECK(here[block]);
            CHECK(places == missing[block]);
            listed += places;
        });
        REQUIRE(listed == total);
    }
}
