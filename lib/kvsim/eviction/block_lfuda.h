// LFUDA, LFU with dynamic ageing: what is used no longer is overtaken because newcomers start higher and higher.
//
// A block comes in one level above the lowest level of all resident blocks (eligible or not), and a hit lifts it by
// that lowest level; the lowest one goes, among equals the one touched longest ago. The lowest level counts as 0 until
// the first eviction; where nothing is resident it is the last one. Levels end at 2^62: small caches of hot blocks
// double them in every round. This is the variant of libCacheSim; Arlitt et al. 1999 lift by 1 and add the last
// victim's level instead. There a hit that empties the lowest level can leave the level that counts as lowest above
// the block that was hit; here the lowest is always that of a block. A release moves a block behind its equals.
// Newcomers' levels never fall, so they stand in line and the rest in a heap (key_heap.h). The lowest level is found by
// counting blocks on a window of levels at a time: O(1), and a pass over all blocks each time it has risen by more, 16
// steps per level. The window takes a quarter of a byte per block of the trace.
#pragma once

#include <kvsim/eviction/bitmap_min.h>
#include <kvsim/eviction/key_heap.h>

namespace kvsim {

/// How many blocks are on each level, near the lowest one. Levels that are entered are never below the lowest.
class LowestLevel {
  public:
    void reset(uint64_t blocks) {
        window_ = std::max<uint64_t>(4096, blocks / 16);
        counts_.assign(window_, 0);
        used_.reset(window_);
        base_ = lowest_ = 0;
    }
    void enter(uint64_t level) {
        if (level - base_ >= window_) return;
        if (counts_[level - base_]++ == 0) used_.insert(level - base_);
    }
    void leave(uint64_t level) {
        if (level - base_ >= window_) return;
        if (--counts_[level - base_] == 0) used_.erase(level - base_);
    }
    /// `each(f)` calls f(level) for every block there is.
    template <class Each>
    uint64_t lowest(const Each& each) {
        if (lowest_ - base_ < window_ && counts_[lowest_ - base_] != 0) return lowest_;
        size_t at = used_.next(0);
        if (at == BitmapMin::kEnd) {
            move_window(each);
            at = used_.next(0);
        }
        if (at != BitmapMin::kEnd) lowest_ = base_ + at;
        return lowest_;
    }
    uint64_t bytes() const { return counts_.size() * 4 + used_.bytes(); }

  private:
    template <class Each>
    void move_window(const Each& each) {
        uint64_t least = ~uint64_t{0};
        each([&least](uint64_t level) { least = std::min(least, level); });
        if (least == ~uint64_t{0}) return;
        base_ = least;
        each([this](uint64_t level) { enter(level); });
    }

    HugeVector<uint32_t> counts_;
    BitmapMin used_;
    uint64_t window_ = 0;
    uint64_t base_ = 0;
    uint64_t lowest_ = 0;
};

template <bool kLeaves>
class BlockLfuda : public BlockStrategyBase {
  public:
    static StrategyInfo info() {
        return {"lfuda", "LFU whose newcomers start above the lowest level and whose hits lift by it",
                "libCacheSim's LFUDA", "pinned flat tree", "a naive twin"};
    }
    explicit BlockLfuda(Spec&) {}

    void reset(const StrategyContext& context) {
        time_.reset(context);
        heap_.reset(context.blocks, context.capacity_blocks);
        levels_.reset(context.blocks);
        blocks_ = context.blocks;
        ageing_ = false;
    }
    void on_lookup(const RequestView&) { heap_.begin_request(); }
    void on_hit(BlockId block) {
        uint64_t level = heap_.key(block), higher = std::min(kHighest, level + lowest());
        levels_.leave(level);
        levels_.enter(higher);
        heap_.raise(block, higher, time_.next());
    }
    void on_insert(BlockId block) {
        uint64_t level = std::min(kHighest, lowest() + 1);
        levels_.enter(level);
        heap_.insert_last(block, level, time_.next());
    }
    void on_release(BlockId block) { heap_.raise(block, heap_.key(block), time_.next()); }
    template <EligibleBlocks E>
    BlockId pick_victim(BlockId, const E& eligible) {
        return heap_.smallest(eligible);
    }
    void on_evict(BlockId block) {
        ageing_ = true;
        lowest();  // remembered, should this be the only block
        levels_.leave(heap_.key(block));
        heap_.erase(block);
    }
    void on_leaf(BlockId block) { heap_.on_leaf(block); }
    void on_inner(BlockId block) { heap_.on_inner(block); }
    bool contains(BlockId block) const { return heap_.contains(block); }
    uint64_t state_bytes() const { return heap_.state_bytes() + levels_.bytes(); }

  private:
    static constexpr uint64_t kHighest = uint64_t{1} << 62;

    uint64_t lowest() {
        if (!ageing_) return 0;
        return levels_.lowest([this](auto&& f) {
            for (BlockId block = 0; block < blocks_; ++block)
                if (heap_.contains(block)) f(heap_.key(block));
        });
    }

    UseTime time_;
    KeyHeap<kLeaves> heap_;
    LowestLevel levels_;
    uint64_t blocks_ = 0;
    bool ageing_ = false;  ///< something has been evicted
};

static_assert(BlockStrategy<BlockLfuda<false>> && BlockStrategy<BlockLfuda<true>>);

}  // namespace kvsim
