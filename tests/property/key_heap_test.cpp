// The heap of blocks against a list that is searched from end to end: everything a strategy may do, in random order,
// under the promises the interface gives (who is dropped as not eligible comes back by a call).
#include <doctest/doctest.h>
#include <kvsim/eviction/key_heap.h>

#include <algorithm>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <tuple>

namespace key_heap_test {

using namespace kvsim;

namespace {

using Place = std::tuple<uint64_t, uint32_t, BlockId>;

struct NaiveHeap {
    std::map<BlockId, Place> blocks;
    std::set<BlockId> leaves;

    template <class E>
    BlockId smallest(const E& eligible) const {
        const Place* best = nullptr;
        for (const auto& [block, place] : blocks)
            if (eligible(block) && leaves.count(block) != 0 && (best == nullptr || place < *best)) best = &place;
        return best == nullptr ? kNone : std::get<2>(*best);
    }
};

template <bool kLeaves>
struct Play {
    explicit Play(uint64_t seed, bool in_line) : random(seed), line(in_line), kinds(1 + seed % 50) {
        heap.reset(kBlocks);
    }

    uint64_t below(uint64_t bound) { return random() % bound; }
    BlockId any(const std::set<BlockId>& from) {
        return from.empty() ? kNone : *std::next(from.begin(), static_cast<long>(below(from.size())));
    }
    std::set<BlockId> resident() const {
        std::set<BlockId> all;
        for (const auto& [block, place] : naive.blocks) all.insert(block);
        return all;
    }

    void enter() {
        auto block = static_cast<BlockId>(below(kBlocks));
        if (naive.blocks.count(block) != 0) return;
        uint64_t key = line ? largest += below(3) : below(kinds);
        if (line) {
            heap.insert_last(block, key, ++now);
        } else if (kinds % 2 == 0) {
            heap.insert_if_last(block, key, ++now);
        } else {
            heap.insert(block, key, ++now);
        }
        naive.blocks[block] = {key, now, block};
        naive.leaves.insert(block);
    }
    // Under pinned a held block may not be picked until it is released; both are uses.
    void use(BlockId block, bool lower) {
        uint64_t key = heap.key(block);
        if (lower) {
            key -= std::min(key, below(3));
            heap.change(block, key, ++now);
        } else {
            key += below(4) == 0 ? below(2 * kinds) : below(2);
            heap.raise(block, key, ++now);
        }
        naive.blocks[block] = {key, now, block};
    }
    void turn() {
        BlockId block = any(resident());
        if (!kLeaves || block == kNone) return;
        if (naive.leaves.erase(block) != 0) return heap.on_inner(block);
        naive.leaves.insert(block);
        heap.on_leaf(block);
    }
    // A request: some are not eligible, several go, and whoever was not eligible is used (pinned) or not (leaves).
    void request() {
        heap.begin_request();
        std::set<BlockId> held;
        for (uint64_t i = below(4); i > 0 && !naive.blocks.empty(); --i) held.insert(any(resident()));
        auto eligible = [&](BlockId block) { return held.count(block) == 0; };
        for (uint64_t i = below(6); i > 0; --i) {
            BlockId victim = heap.smallest(eligible);
            CHECK(victim == naive.smallest(eligible));
            if (victim == kNone) break;
            heap.erase(victim);
            naive.blocks.erase(victim);
            naive.leaves.erase(victim);
            BlockId parent = any(resident());
            if (!kLeaves || parent == kNone || below(2) == 0 || held.count(parent) != 0) continue;
            if (naive.leaves.insert(parent).second) heap.on_leaf(parent);
        }
        if (!kLeaves)
            for (BlockId block : held) use(block, below(3) == 0);
    }

    void run(int steps) {
        for (int i = 0; i < steps; ++i) {
            uint64_t what = below(10);
            if (what < 4) enter();
            if (what >= 4 && what < 7 && !naive.blocks.empty()) use(any(resident()), below(2) == 0);
            if (what == 7) turn();
            if (what > 7) request();
            bool same = true;
            for (BlockId block = 0; block < kBlocks; ++block)
                same = same && heap.contains(block) == (naive.blocks.count(block) != 0);
            REQUIRE(same);
        }
    }

    static constexpr uint64_t kBlocks = 150;
    std::mt19937_64 random;
    bool line;
    uint64_t kinds;
    KeyHeap<kLeaves> heap;
    NaiveHeap naive;
    uint32_t now = 0;
    uint64_t largest = 0;
};

}  // namespace

TEST_CASE("the heap of blocks and a searched list agree") {
    for (uint64_t seed = 0; seed < 60; ++seed) {
        CAPTURE(seed);
        Play<false>(seed, false).run(600);
        Play<false>(seed, true).run(600);
        Play<true>(seed, false).run(600);
    }
}

TEST_CASE("doubles as keys keep their order") {
    const double values[] = {-std::numeric_limits<double>::max(), -2.5, -1.0, -1e-300, 0.0, 1e-300, 1.0, 1.5, 3e9};
    for (double a : values)
        for (double b : values) CHECK((a < b) == (ordered_bits(a) < ordered_bits(b)));
    CHECK(ordered_bits(-0.0) == ordered_bits(0.0));
}

TEST_CASE("more uses than a 32-bit number can count are refused") {
    UseTime time;
    StrategyContext context;
    context.references = 0xFFFFFFFFull;
    CHECK_THROWS_AS(time.reset(context), Error);
    --context.references;
    CHECK_NOTHROW(time.reset(context));
    CHECK(time.next() == 1);
}

}  // namespace key_heap_test
