// Random over blocks: every eligible block is as likely to go as any other. The yardstick that a strategy must beat.
//
// Resident blocks stand in a table: a new one at its end, and the last one takes the place of one that goes. A victim
// is drawn by SplitMix64 from `seed`: place = high 64 bits of (number * size of the table), again and again until an
// eligible block stands there. After 4,096 draws in vain (hardly anybody is eligible) the next one behind the last
// place drawn goes, from the end on to the beginning. With leaves, places of blocks that may go are bits, so that a
// draw in vain costs little. Cost: expected table / eligible draws per victim; 8 bytes per block.
#pragma once

#include <kvsim/core/huge_vector.h>
#include <kvsim/core/random.h>
#include <kvsim/eviction/bitmap_min.h>
#include <kvsim/eviction/block_policy.h>

namespace kvsim {

template <bool kLeaves>
class BlockRandom : public BlockStrategyBase {
  public:
    static StrategyInfo info() {
        return {"random", "any block, drawn by a seeded generator", "textbook", "pinned flat tree", "a naive twin",
                "seed=0"};
    }
    explicit BlockRandom(Spec& spec) : seed_(spec.whole("seed", 0, 0, ~uint64_t{0})) {}

    void reset(const StrategyContext& context) {
        random_ = Random(seed_);
        place_.assign(context.blocks, 0);
        table_.clear();
        uint64_t most = std::min(context.capacity_blocks, context.blocks);
        table_.reserve(most);
        if (kLeaves) leaves_.reset(most + 1);
    }
    void on_hit(BlockId) {}
    void on_insert(BlockId block) {
        table_.push_back(block);
        place_[block] = static_cast<uint32_t>(table_.size());
        on_leaf(block);
    }
    template <EligibleBlocks E>
    BlockId pick_victim(BlockId, const E& eligible) {
        if (table_.empty()) return kNone;
        size_t place = 0;
        for (int draws = 0; draws < kDraws; ++draws) {
            place = random_.below(table_.size());
            if (may_go(place, eligible)) return table_[place];
        }
        for (size_t i = 1; i <= table_.size(); ++i) {
            size_t next = (place + i) % table_.size();
            if (may_go(next, eligible)) return table_[next];
        }
        return kNone;
    }
    void on_evict(BlockId block) {
        size_t place = place_[block] - 1;
        BlockId last = table_.back();
        bool leaf = kLeaves && leaves_.contains(table_.size() - 1);
        if (kLeaves) leaves_.erase(table_.size() - 1);
        table_.pop_back();
        if (last != block) {
            table_[place] = last;
            place_[last] = static_cast<uint32_t>(place + 1);
            leaf ? on_leaf(last) : on_inner(last);
        }
        place_[block] = 0;
    }
    void on_leaf(BlockId block) {
        if (kLeaves) leaves_.insert(place_[block] - 1);
    }
    void on_inner(BlockId block) {
        if (kLeaves) leaves_.erase(place_[block] - 1);
    }
    bool contains(BlockId block) const { return place_[block] != 0; }
    uint64_t state_bytes() const {
        return place_.size() * 4 + table_.capacity() * 4 + (kLeaves ? leaves_.bytes() : 0);
    }

  private:
    static constexpr int kDraws = 4096;

    template <EligibleBlocks E>
    bool may_go(size_t place, const E& eligible) const {
        return (!kLeaves || leaves_.contains(place)) && eligible(table_[place]);
    }

    uint64_t seed_;
    Random random_{0};
    HugeVector<uint32_t> place_;  ///< in the table, from 1; 0: not resident
    HugeVector<BlockId> table_;
    BitmapMin leaves_;
};

static_assert(BlockStrategy<BlockRandom<false>> && BlockStrategy<BlockRandom<true>>);

}  // namespace kvsim
