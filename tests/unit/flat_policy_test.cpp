// Policies of flat accounting where nothing but they can be asked: numbers that run out, runs longer than words.
#include <doctest/doctest.h>
#include <kvsim/eviction/block_bits.h>
#include <kvsim/eviction/consecutive.h>
#include <kvsim/eviction/flat_lru.h>

#include <algorithm>
#include <list>
#include <random>
#include <vector>

namespace flat_policy_test {

using namespace kvsim;

namespace {

struct Told {
    std::vector<BlockId>& gone;
    void operator()(BlockId block) const { gone.push_back(block); }
    void run(BlockId, uint32_t) const {}
};

/// Least recently used, as a list.
struct ListLru {
    std::list<BlockId> order;
    bool use(BlockId block, size_t capacity) {
        size_t before = order.size();
        order.remove(block);
        bool hit = order.size() < before;
        if (order.size() == capacity) order.pop_front();
        order.push_back(block);
        return hit;
    }
};

uint32_t below(std::mt19937& random, uint32_t limit) { return static_cast<uint32_t>(random() % limit); }

}  // namespace

TEST_CASE("flat lru: places are numbered from 1 again before the numbers run out") {
    std::mt19937 random(1);
    for (uint64_t last_place : {uint64_t{70}, uint64_t{200}, uint64_t{kNone}}) {
        FlatLru lru(last_place);
        StrategyContext context;
        context.capacity_blocks = 7;
        context.blocks = 40;
        context.references = 1000000;
        lru.reset(context);
        ListLru naive;
        std::vector<BlockId> gone;
        uint64_t hits = 0, expected = 0;
        for (int step = 0; step < 2000; ++step) {
            uint32_t begin = below(random, 40), count = 1 + below(random, std::min(12u, 40 - begin));
            hits += lru.use(begin, count, Told{gone}).count;
            for (uint32_t i = 0; i < count; ++i) expected += naive.use(begin + i, 7);
            REQUIRE(hits == expected);
            for (BlockId block = 0; block < 40; ++block)
                REQUIRE(lru.contains(block) == (std::find(naive.order.begin(), naive.order.end(), block) != naive.order.end()));
        }
    }
}

TEST_CASE("block bits: runs at any place and of any length") {
    std::mt19937 random(2);
    BlockBits bits;
    bits.reset(400);
    std::vector<bool> naive(400);
    for (int step = 0; step < 3000; ++step) {
        uint32_t begin = below(random, 400), count = 1 + below(random, 400 - begin);
        if (step % 2 == 0) count = std::min(count, 20u);
        bool set = random() % 2 == 0;
        if (set) {
            bits.set_run(begin, count);
        } else {
            bits.clear_run(begin, count);
        }
        for (uint32_t i = 0; i < count; ++i) naive[begin + i] = set;
        uint32_t at = below(random, 400), most = below(random, 401 - at), same = 0;
        while (same < most && naive[at + same] == naive[at]) ++same;
        CHECK((naive[at] ? bits.leading(at, most) : bits.leading_absent(at, most)) == same);
        CHECK((naive[at] ? bits.leading_absent(at, most) : bits.leading(at, most)) == 0);
        uint32_t seen = 0, expected = 0;
        bits.for_each(at, most, [&](BlockId block) { seen += naive[block] ? block + 1 : 100000; });
        for (uint32_t i = at; i < at + most; ++i) expected += naive[i] ? i + 1 : 0;
        CHECK(seen == expected);
        if (most <= 57) CHECK(bits.any(at, most) == (expected > 0));
        if (expected > 0) CHECK(bits.any(at, most));
    }
}

TEST_CASE("consecutive numbers: no more than asked for") {
    for (uint32_t count = 0; count < 40; ++count) {
        std::vector<uint32_t> a(60, 7), b(60, 7);
        write_consecutive(a.data() + 10, 100, b.data() + 10, 500, count);
        for (uint32_t i = 0; i < 60; ++i) {
            bool inside = i >= 10 && i < 10 + count;
            CHECK(a[i] == (inside ? 100 + i - 10 : 7));
            CHECK(b[i] == (inside ? 500 + i - 10 : 7));
        }
    }
}

}  // namespace flat_policy_test
