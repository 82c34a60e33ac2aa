// TTL over blocks: a block lives for `seconds` on the trace's clock; those whose time is over go first, then the least
// recently used. Among those whose time is over the one inserted longest ago goes first.
//
// from=insert (default): the life begins when the block is stored, and hits do not prolong it; how caches age that must
// not serve anything old. from=use: every use begins it anew, as providers of prompt caches sell it; only idle
// blocks run out of time then. Differs from such caches in that nothing goes before its room is needed: a block that
// is over its time can still be hit. With seconds=0 the order is that of fifo, with no end that of lru.
// Source: textbook. Now is the arrival of the request being served; a running request's blocks age as well.
// Newcomers stand in line. Cost: O(log n) per victim that was used and end of life, O(1) per use; see key_heap.h and
// trace_clock.h.
#pragma once

#include <kvsim/eviction/key_heap.h>
#include <kvsim/eviction/trace_clock.h>

namespace kvsim {

template <bool kLeaves>
class BlockTtl : public BlockStrategyBase {
  public:
    static StrategyInfo info() {
        return {"ttl", "blocks older than a time to live first, then the least recently used", "textbook",
                "pinned flat tree", "a naive twin", "seconds=300 from=insert"};
    }
    explicit BlockTtl(Spec& spec)
        : seconds_(spec.number("seconds", 300, 0, 1e12)),
          from_use_(spec.choice("from", "insert", {"insert", "use"}) == "use") {}

    void reset(const StrategyContext& context) {
        heap_.reset(context.blocks, context.capacity_blocks);
        time_.reset(context);
        clock_.reset(*context.trace, "ttl");
        lives_.reset(seconds_);
        inserted_.assign(context.blocks, 0);
    }
    void on_lookup(const RequestView& view) {
        heap_.begin_request();
        clock_.on_lookup(view.request);
        lives_.arrive(clock_.now());
    }
    void on_insert(BlockId block) {
        uint32_t time = time_.next();
        inserted_[block] = time;
        heap_.insert_last(block, kFresh, time);
        begin_life(block, time);
    }
    void on_hit(BlockId block) {
        use(block);
        if (from_use_) begin_life(block, heap_.tie(block));
    }
    void on_release(BlockId block) {
        use(block);
        if (from_use_) lives_.begin_next(block, heap_.tie(block), alive());
    }
    template <EligibleBlocks E>
    BlockId pick_victim(BlockId, const E& eligible) {
        lives_.end(clock_.now(), alive(), [this](BlockId block) { heap_.change(block, kOver, inserted_[block]); });
        return heap_.smallest(eligible);
    }
    void on_evict(BlockId block) {
        heap_.erase(block);
        inserted_[block] = 0;
    }
    void on_leaf(BlockId block) { heap_.on_leaf(block); }
    void on_inner(BlockId block) { heap_.on_inner(block); }
    bool contains(BlockId block) const { return heap_.contains(block); }
    uint64_t state_bytes() const { return heap_.state_bytes() + inserted_.size() * 4 + lives_.bytes(); }

  private:
    static constexpr uint64_t kOver = 0, kFresh = 1;

    void use(BlockId block) {
        if (!from_use_ && heap_.key(block) == kOver) return heap_.raise(block, kOver, heap_.tie(block));
        heap_.raise(block, kFresh, time_.next());
    }
    // A life is known by the use that began it. One that is over has nothing left to wait for.
    auto alive() const {
        return [this](BlockId block, uint32_t stamp) {
            if (inserted_[block] == 0 || heap_.key(block) == kOver) return false;
            return stamp == (from_use_ ? heap_.tie(block) : inserted_[block]);
        };
    }
    void begin_life(BlockId block, uint32_t time) { lives_.begin(block, time, clock_.now(), alive()); }

    double seconds_;
    bool from_use_;
    KeyHeap<kLeaves> heap_;
    UseTime time_;
    TraceClock clock_;
    Lives lives_;
    HugeVector<uint32_t> inserted_;  ///< number of the use that inserted it; 0: not resident
};

static_assert(BlockStrategy<BlockTtl<false>> && BlockStrategy<BlockTtl<true>>);

}  // namespace kvsim
