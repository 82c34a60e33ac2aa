#include <doctest/doctest.h>
#include <kvsim/layout/byte_counts.h>

#include <map>
#include <random>

#include "support/random_check.h"

namespace byte_counts_test {

using namespace kvsim;

TEST_CASE("byte counts: 0, 254, 255 and back") {
    ByteCounts counts;
    counts.reset(3);
    CHECK(counts.add(1));
    for (uint32_t n = 2; n <= 300; ++n) {
        CHECK_FALSE(counts.add(1));
        CHECK(counts[1] == n);
    }
    CHECK(counts.bytes() == 3 + 48);
    for (uint32_t n = 299; n >= 1; --n) {
        CHECK_FALSE(counts.remove(1));
        CHECK(counts[1] == n);
    }
    CHECK(counts.bytes() == 3);
    CHECK(counts.remove(1));
    CHECK(counts[1] == 0);
    CHECK(counts[0] + counts[2] == 0);
    CHECK(counts.add(1));
}

TEST_CASE("byte counts: as a map counts") {
    CHECK(kvsim_test::random_check("byte counts", [] {
        auto seed = *rc::gen::arbitrary<uint32_t>();
        std::mt19937 random(seed);
        auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
        ByteCounts counts;
        counts.reset(4);
        std::map<BlockId, uint32_t> naive;
        uint32_t up = 1 + below(9);  // of 10
        for (int step = 0; step < 3000; ++step) {
            if (step % 1000 == 0) up = 1 + below(9);
            BlockId block = below(4);
            if (below(10) < up) {
                RC_ASSERT(counts.add(block) == (naive[block]++ == 0));
            } else if (naive[block] > 0) {
                RC_ASSERT(counts.remove(block) == (--naive[block] == 0));
            }
            RC_ASSERT(counts[block] == naive[block]);
        }
    }));
}

}  // namespace byte_counts_test
