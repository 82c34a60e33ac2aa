// Any block strategy as what flat accounting runs on (FlatPolicy): its runs, block by block.
#pragma once

#include <kvsim/eviction/block_policy.h>

#include <utility>

namespace kvsim {

template <BlockStrategy S>
class FlatSteps : public S {
  public:
    explicit FlatSteps(S strategy) : S(std::move(strategy)) {}

    void reset(const StrategyContext& context) {
        S::reset(context);
        capacity_ = context.capacity_blocks;
    }
    uint32_t lead(BlockId begin, uint32_t count) {
        uint32_t n = 0;
        for (; n < count && this->contains(begin + n); ++n) this->on_hit(begin + n);
        return n;
    }
    template <class L>
    RunHits use(BlockId begin, uint32_t count, const L& leave) {
        RunHits hits;
        for (BlockId block = begin; block - begin < count; ++block) {
            hits.last = this->contains(block);
            if (hits.last) {
                ++hits.count;
                this->on_hit(block);
            } else {
                miss(block, leave);
            }
        }
        return hits;
    }
    template <class L>
    void add(BlockId begin, uint32_t count, const L& leave) {
        for (BlockId block = begin; block - begin < count; ++block) miss(block, leave);
    }
    void mark(BlockId) {}  // `leave` is told of everybody
    bool in_order() const { return false; }
    uint64_t resident() const { return resident_; }
    uint64_t evicted() const { return evicted_; }

  private:
    template <class L>
    void miss(BlockId block, const L& leave) {
        this->on_miss(block);
        if (resident_ >= capacity_ && !make_room(block, leave)) return leave(block);
        while (this->wants_room() && make_room(block, leave)) {}
        this->on_insert(block);
        ++resident_;
    }
    // False: the strategy names nobody.
    template <class L>
    bool make_room(BlockId incoming, const L& leave) {
        BlockId victim = this->pick_victim(incoming, AnyBlock{});
        if (victim == kNone) return false;
        this->on_evict(victim);
        leave(victim);
        --resident_;
        ++evicted_;
        return true;
    }

    uint64_t capacity_ = 0;
    uint64_t resident_ = 0;
    uint64_t evicted_ = 0;
};

}  // namespace kvsim
