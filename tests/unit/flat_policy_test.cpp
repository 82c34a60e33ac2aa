// Policies of flat accounting where nothing but they can be asked: numbers that run out, runs longer than words.
#include <doctest/doctest.h>
#include <kvsim/eviction/block_bits.h>
#include <kvsim/eviction/consecutive.h>
#include <kvsim/eviction/flat_arc.h>
#include <kvsim/eviction/flat_gdsf.h>
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

/// Megiddo's and Modha's lists as lists, oldest first. Ids from `named` on leave no ghost.
struct ListArc {
    size_t room;
    BlockId named;
    double target = 0;
    std::list<BlockId> t1 = {}, t2 = {}, b1 = {}, b2 = {};
    std::vector<BlockId> gone = {};

    static bool take(std::list<BlockId>& from, BlockId block) {
        size_t before = from.size();
        from.remove(block);
        return from.size() < before;
    }
    void replace(bool first, bool ghost) {
        std::list<BlockId>& from = first ? t1 : t2;
        BlockId victim = from.front();
        from.pop_front();
        gone.push_back(victim);
        if (ghost && victim < named) (first ? b1 : b2).push_back(victim);
    }
    bool use(BlockId block) {
        if (take(t1, block) || take(t2, block)) {
            t2.push_back(block);
            return true;
        }
        auto size = [](const std::list<BlockId>& list) { return static_cast<double>(list.size()); };
        bool in_b1 = std::count(b1.begin(), b1.end(), block) > 0, in_b2 = std::count(b2.begin(), b2.end(), block) > 0;
        bool ghost = true;
        if (in_b1) target = std::min(target + std::max(size(b2) / size(b1), 1.0), static_cast<double>(room));
        if (in_b2) target = std::max(target - std::max(size(b1) / size(b2), 1.0), 0.0);
        if (!in_b1 && !in_b2) {
            if (t1.size() + b1.size() >= room) {
                ghost = !b1.empty();
                if (ghost) b1.pop_front();
            } else if (t1.size() + t2.size() + b1.size() + b2.size() >= 2 * room) {
                b2.pop_front();
            }
        }
        take(b1, block);
        take(b2, block);
        if (t1.size() + t2.size() == room) {
            bool first = !t1.empty() && (size(t1) > target || (in_b2 && size(t1) == target));
            replace(first || t2.empty() || !ghost, ghost);
        }
        (in_b1 || in_b2 ? t2 : t1).push_back(block);
        return false;
    }
    bool has(BlockId block) const {
        return std::count(t1.begin(), t1.end(), block) + std::count(t2.begin(), t2.end(), block) > 0;
    }
};

/// Smallest L + uses first, then the one used longest ago; who has none smaller than its own is not stored.
struct ListGdsf {
    struct Block {
        uint64_t rank, time, uses;
        BlockId block;
    };
    size_t room;
    std::vector<Block> blocks = {};
    uint64_t floor = 0, now = 0;
    std::vector<BlockId> gone = {};

    bool use(BlockId block) {
        ++now;
        for (Block& b : blocks) {
            if (b.block != block) continue;
            ++b.uses;
            b.rank = floor + b.uses;
            b.time = now;
            return true;
        }
        uint64_t rank = floor + 1;
        if (blocks.size() == room) {
            auto least = std::min_element(blocks.begin(), blocks.end(), [](const Block& a, const Block& b) {
                return a.rank != b.rank ? a.rank < b.rank : a.time < b.time;
            });
            floor = std::max(floor, std::min(least->rank, rank));
            if (rank < least->rank) return false;
            gone.push_back(least->block);
            blocks.erase(least);
        }
        blocks.push_back({rank, now, 1, block});
        return false;
    }
    bool has(BlockId block) const {
        return std::count_if(blocks.begin(), blocks.end(), [block](const Block& b) { return b.block == block; }) > 0;
    }
};

uint32_t below(std::mt19937& random, uint32_t limit) { return static_cast<uint32_t>(random() % limit); }

}  // namespace

TEST_CASE("flat lru: places are numbered from 1 again before the numbers run out") {
    std::mt19937 random(1);
    for (uint32_t last_place : {90u, 200u, kNone}) {
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

/// Random runs of 60 blocks, of which the last ten have no names: those come alone, and are asked for. `heat` of ten
/// runs begin among the first blocks. Whoever is asked for is told of; nobody is told of who has not gone.
template <class P, class Naive>
static void check_runs(P policy, Naive naive, uint32_t capacity, uint32_t heat, bool unnamed) {
    std::mt19937 random(capacity + heat);
    StrategyContext context;
    context.capacity_blocks = capacity;
    context.blocks = unnamed ? 60 : 50;
    context.named_blocks = 50;
    context.references = 1000000;
    policy.reset(context);
    std::vector<BlockId> gone, asked;
    uint64_t hits = 0, expected = 0;
    for (int step = 0; step < 1000; ++step) {
        bool alone = unnamed && random() % 4 == 0;
        uint32_t begin = alone ? 50 + below(random, 10) : below(random, random() % 10 < heat ? 5 : 50);
        uint32_t count = alone ? 1 : 1 + below(random, std::min(random() % 8 == 0 ? 40u : 6u, 50 - begin));
        if (alone && policy.contains(begin)) continue;  // such ids are given again when they are free
        gone.clear();
        naive.gone.clear();
        hits += policy.use(begin, count, Told{gone}).count;
        for (uint32_t i = 0; i < count; ++i) {
            std::erase(asked, begin + i);
            expected += naive.use(begin + i);
        }
        REQUIRE(hits == expected);
        uint64_t resident = 0, same = 0;
        for (BlockId block = 0; block < context.blocks; ++block) {
            resident += policy.contains(block);
            same += policy.contains(block) == naive.has(block);
        }
        REQUIRE(same == context.blocks);
        REQUIRE(policy.resident() == resident);
        for (BlockId block : std::vector<BlockId>(asked)) {
            if (policy.contains(block)) continue;
            REQUIRE(std::count(gone.begin(), gone.end(), block) == 1);
            std::erase(asked, block);
        }
        BlockId mark = alone ? begin : begin + below(random, count);
        if (!policy.contains(mark) || (!alone && random() % 3 != 0)) continue;
        policy.mark(mark);
        asked.push_back(mark);
    }
}

TEST_CASE("flat arc: as lists, with numbers that run out") {
    for (uint32_t capacity : {1u, 2u, 7u, 20u, 45u})
        for (uint32_t places : {700u, 1500u, 1u << 30})
            for (uint32_t heat : {2u, 8u})
                for (bool unnamed : {false, true}) {
                    CAPTURE(capacity);
                    CAPTURE(places);
                    check_runs(FlatArc(places), ListArc{capacity, 50}, capacity, heat, unnamed);
                }
}

TEST_CASE("flat gdsf: as a list, with few buckets") {
    for (uint32_t capacity : {1u, 2u, 7u, 20u, 45u})
        for (uint32_t buckets : {2u, 8u, 1024u})
            for (uint32_t heat : {2u, 8u})
                for (bool unnamed : {false, true}) {
                    CAPTURE(capacity);
                    CAPTURE(buckets);
                    check_runs(FlatGdsf(buckets), ListGdsf{capacity}, capacity, heat, unnamed);
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
