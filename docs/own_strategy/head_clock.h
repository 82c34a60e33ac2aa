// CLOCK for the heads of chains: blocks go in the order they came in, but one among the first `heads` of its chain that
// was hit since gets another round. Heads (system prompts) serve many requests, what is behind them only a few.
// O(1) amortized per step, as the queue. heads=0 is FIFO block by block, a large one is CLOCK.
#pragma once

#include <kvsim/eviction/block_queue.h>

template <bool kLeaves>
class HeadClock : public kvsim::BlockStrategyBase {
  public:
    static constexpr bool kKeyed = false;      // a queue: asked for one victim at a time
    static constexpr bool kNeedsDepth = true;  // context.depth is there

    static kvsim::StrategyInfo info() {
        return {"head_clock", "oldest block first, but a hit one at the head of its chain gets another round",
                "an example", "pinned flat tree", "a naive twin", "heads=16"};
    }
    explicit HeadClock(kvsim::Spec& spec) : heads_(spec.whole("heads", 16, 0, 1'000'000)) {}

    void reset(const kvsim::StrategyContext& context) {
        depth_ = context.depth;
        places_.assign(context.blocks, 0);
        hit_.assign(context.blocks, 0);
        queue_.reset(std::min(context.capacity_blocks, context.blocks), places_);
    }
    void on_lookup(const kvsim::RequestView&) { queue_.begin_request(); }
    void on_hit(kvsim::BlockId block) { hit_[block] = depth_[block] < heads_; }
    void on_insert(kvsim::BlockId block) {
        queue_.push(block);
        queue_.on_leaf(block);
    }
    template <kvsim::EligibleBlocks E>
    kvsim::BlockId pick_victim(kvsim::BlockId, const E& eligible) {
        for (;;) {
            kvsim::BlockId block = queue_.oldest(eligible);
            if (block == kvsim::kNone || hit_[block] == 0) return block;
            hit_[block] = 0;
            queue_.renew(block);
        }
    }
    void on_evict(kvsim::BlockId block) { queue_.erase(block); }
    void on_leaf(kvsim::BlockId block) { queue_.on_leaf(block); }
    void on_inner(kvsim::BlockId block) { queue_.on_inner(block); }
    bool contains(kvsim::BlockId block) const { return places_[block] != 0; }
    uint64_t state_bytes() const { return places_.size() * 4 + hit_.size() + queue_.state_bytes(); }

  private:
    uint64_t heads_;
    const uint32_t* depth_ = nullptr;
    kvsim::BlockPlaces places_;
    kvsim::BlockQueue<kLeaves> queue_;
    kvsim::HugeVector<uint8_t> hit_;
};

// Says at this line what the interface misses.
static_assert(kvsim::BlockStrategy<HeadClock<false>> && kvsim::BlockStrategy<HeadClock<true>>);
