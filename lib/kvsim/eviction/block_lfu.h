// LFU over blocks: the block used least often since it came in goes first, among equals the one used longest ago.
//
// The count is 1 at insertion, grows by 1 per hit and is forgotten at eviction. Textbooks part equals by who reached
// the count first; that is the same order, because every use but a release changes the count. A release (concurrency)
// is a use that is not counted: it moves the block behind its equals. Blocks used once stand in line by themselves,
// everybody else in a heap (key_heap.h), so that most blocks come, are hit and go at O(1). A chain's block is used
// whenever one behind it is, and later under pinned, so chains go from their ends.
#pragma once

#include <kvsim/eviction/flat_lfu.h>
#include <kvsim/eviction/key_heap.h>

namespace kvsim {

template <bool kLeaves>
class BlockLfu : public BlockStrategyBase {
  public:
    static StrategyInfo info() {
        return {"lfu", "fewest uses since insertion first, then least recently used", "textbook; LMCache, SGLang",
                "pinned flat tree", "published counts and a naive twin"};
    }
    static constexpr bool kKeepsPrefixes = true;
    explicit BlockLfu(Spec&) {}

    void reset(const StrategyContext& context) {
        time_.reset(context);
        heap_.reset(context.blocks, context.capacity_blocks);
    }
    void on_lookup(const RequestView&) { heap_.begin_request(); }
    void on_hit(BlockId block) { heap_.raise(block, heap_.key(block) + 1, time_.next()); }
    void on_insert(BlockId block) { heap_.insert_last(block, 1, time_.next()); }
    void on_release(BlockId block) { heap_.raise(block, heap_.key(block), time_.next()); }
    uint32_t use_run(BlockId begin, uint32_t count) {
        uint32_t left = count;
        uint32_t inserted = 0;
        while (left > 0) {
            uint32_t fresh = heap_.absent_before(begin, left);
            heap_.insert_run_last(begin + left - fresh, fresh, 1, time_.next(fresh));
            inserted += fresh;
            left -= fresh;
            while (left > 0 && heap_.contains(begin + left - 1)) on_hit(begin + --left);
        }
        return inserted;
    }
    template <EligibleBlocks E, class F>
    void evict_smallest(uint64_t count, const E& eligible, const F& f) {
        heap_.take_smallest(count, eligible, f);
    }
    template <EligibleBlocks E>
    BlockId pick_victim(BlockId, const E& eligible) {
        return heap_.smallest(eligible);
    }
    void on_evict(BlockId block) { heap_.erase(block); }
    void on_leaf(BlockId block) { heap_.on_leaf(block); }
    void on_inner(BlockId block) { heap_.on_inner(block); }
    bool contains(BlockId block) const { return heap_.contains(block); }
    uint64_t state_bytes() const { return heap_.state_bytes(); }

  private:
    UseTime time_;
    KeyHeap<kLeaves> heap_;
};

static_assert(RunStrategy<BlockLfu<false>> && BlockStrategy<BlockLfu<true>>);

template <>
struct FlatOf<BlockLfu<false>> {
    static FlatLfu make(const BlockLfu<false>&) { return FlatLfu(); }
};

}  // namespace kvsim
