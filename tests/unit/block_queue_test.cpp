#include <doctest/doctest.h>
#include <kvsim/eviction/block_queue.h>

#include <algorithm>
#include <list>
#include <random>

using namespace kvsim;

// A list, and a hand that is a position in it; end(): nobody is at the hand.
struct NaiveQueue {
    std::list<BlockId> order;
    std::list<BlockId>::iterator hand = order.end();

    std::list<BlockId>::iterator find(BlockId block) { return std::find(order.begin(), order.end(), block); }
    void erase(BlockId block) {
        auto at = find(block);
        if (at == hand) ++hand;
        order.erase(at);
    }
};

TEST_CASE("block queue: the hand stays with its block whatever happens to the log") {
    std::mt19937 random(3);
    constexpr uint32_t kBlocks = 12;
    BlockPlaces places(kBlocks, 0);
    BlockQueue<false> queue;
    queue.reset(kBlocks, places);
    NaiveQueue naive;
    // Some 20,000 pushes into a log of 24 + 3 + 64 places: it is compacted some 300 times.
    for (int step = 0; step < 40000; ++step) {
        auto block = static_cast<BlockId>(random() % kBlocks);
        bool in = naive.find(block) != naive.order.end();
        if (!in) {
            queue.push(block);
            naive.order.push_back(block);
        } else if (random() % 4 == 0) {
            queue.renew(block);
            naive.erase(block);
            naive.order.push_back(block);
        } else if (random() % 3 == 0) {
            queue.erase(block);
            naive.erase(block);
        } else {
            queue.set_hand(places[block]);
            naive.hand = naive.find(block);
        }
        // With nobody there the hand is at the end, where the next newcomer will stand.
        if (naive.hand == naive.order.end()) {
            queue.set_hand(0);
            naive.hand = naive.order.begin();
        }
        REQUIRE(queue.front() == (naive.order.empty() ? kNone : naive.order.front()));
        uint64_t at = queue.next(std::max<uint64_t>(queue.hand(), 1), AnyBlock{});
        BlockId found = at == BlockQueue<false>::kEnd ? kNone : queue.at(at);
        REQUIRE(found == (naive.hand == naive.order.end() ? kNone : *naive.hand));
    }
}
