// select_victim() against a scan over the facts of all sequences, for every strategy there is, after random operations
// with ties, pins, shared blocks, exceptions and ids that are used again.
#include <doctest/doctest.h>
#include <kvsim/layout/sequence_cache.h>
#include "support/random_check.h"

#include <random>
#include <set>

namespace sequence_order_test {

using namespace kvsim;

namespace {

template <class Store>
class Walk {
  public:
    template <class Config>
    Walk(uint64_t seed, const std::string& strategy, const Config& config)
        : random_(seed), cache_(config, make_sequence_strategy(strategy)), ids_(2 + below(30)) {}

    void run(int steps) {
        for (int i = 0; i < steps; ++i) {
            step();
            if (below(3) == 0) compare();
        }
        compare();
        evict_all();
    }

  private:
    uint32_t below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }

    void step() {
        SequenceId id = below(ids_);
        uint32_t what = below(16);
        if (!cache_.store().contains(id)) {
            SequenceId parent = below(ids_);
            bool fork = what < 6 && cache_.store().contains(parent);
            if (fork) {
                (void)cache_.fork(parent, id);
            } else {
                (void)cache_.allocate(id, below(12), below(3) - 1.0);
            }
        } else if (what < 8) {
            (void)cache_.append(id, below(7));
        } else if (what < 10) {
            cache_.free(id);
        } else if (what < 12) {
            cache_.trim(id, 2, 3);
        } else if (what < 13) {
            cache_.pin(id);
        } else if (what < 15) {
            if (cache_.store().pinned(id)) cache_.unpin(id);
        } else {
            evict_one();
        }
    }
    void evict_one() {
        std::optional<SequenceId> expected = scan(kNone, kNone);
        uint64_t used = cache_.store().used_blocks();
        std::optional<Evicted> gone = cache_.evict();
        if (gone.has_value() != expected.has_value()) RC_FAIL("somebody goes exactly if somebody may");
        if (!gone) return;
        if (gone->id != *expected)
            RC_FAIL("evicted " + std::to_string(gone->id) + ", scan " + std::to_string(*expected));
        if (gone->freed_blocks == 0 || used - cache_.store().used_blocks() != gone->freed_blocks)
            RC_FAIL("blocks that an eviction gives back");
    }
    void evict_all() {
        while (scan(kNone, kNone)) evict_one();
        evict_one();
    }

    // The smallest key of those that may go, ties to the smallest id.
    std::optional<SequenceId> scan(SequenceId but, SequenceId nor) const {
        std::optional<SequenceId> best;
        auto key = cache_.strategy().key;
        for (SequenceId id = 0; key && id < ids_; ++id) {
            const Store& s = cache_.store();
            if (id == but || id == nor || !s.contains(id) || s.pinned(id) || s.facts(id).freeable_blocks == 0) continue;
            if (!best || key(s.facts(id)) < key(s.facts(*best))) best = id;
        }
        return best;
    }
    void compare() {
        SequenceId but = below(2) == 0 ? kNone : below(ids_), nor = below(3) != 0 ? kNone : below(ids_);
        auto text = [](const std::optional<SequenceId>& id) {
            return id ? std::to_string(*id) : std::string("nobody");
        };
        std::optional<SequenceId> ours = cache_.select_victim(but, nor), expected = scan(but, nor);
        if (ours != expected) RC_FAIL("victim " + text(ours) + ", scan " + text(expected));
    }

    std::mt19937_64 random_;
    SequenceCache<Store> cache_;
    uint32_t ids_;
};

std::vector<std::string> strategies() {
    std::vector<std::string> ids;
    for (const SequenceStrategyRow& row : sequence_strategies().rows()) ids.push_back(row.id);
    return ids;
}

void walk(const std::string& strategy, int steps, uint64_t round) {
    uint64_t seed = *rc::gen::inRange<uint64_t>(0, ~uint64_t{0}) ^ round << 40;
    uint64_t blocks = seed % 3 == 0 ? kUnlimited : 1 + seed / 3 % 60;
    uint64_t reserve = seed % 5 == 0 ? 12 : 0;
    if (seed % 4 != 0) {
        PagedConfig config;
        config.blocks = blocks;
        config.block_size = 1 + static_cast<uint32_t>(seed / 7 % 4);
        Walk<PagedStore>(seed, strategy, config).run(steps);
    } else {
        Walk<ContiguousStore>(seed, strategy, ContiguousConfig{blocks, 3, reserve}).run(steps);
    }
}

}  // namespace

TEST_CASE("sequence order: the victim of every strategy is the one a scan finds") {
    CHECK(strategies().size() >= 10);
    for (const std::string& strategy : strategies()) {
        CAPTURE(strategy);
        for (uint64_t i = 0; i < 2; ++i) CHECK(kvsim_test::random_check(strategy, [&] { walk(strategy, 150, i); }));
    }
}

TEST_CASE("long: sequence order: longer walks") {
    for (const std::string& strategy : strategies())
        for (uint64_t i = 0; i < 20; ++i) CHECK(kvsim_test::random_check(strategy, [&] { walk(strategy, 2000, i); }));
}

}  // namespace sequence_order_test
