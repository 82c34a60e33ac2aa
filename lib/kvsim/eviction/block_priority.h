// Priorities (the block manager of TensorRT-LLM, version 1): the block with the lowest priority goes, among equals the
// one used longest ago.
//
// A request gives its priority to all blocks it uses, over what they had; a request without one leaves them as they
// are, and stores new ones with `default`. With `duration` a priority other than the default holds for so many seconds
// after the block's last use; when they are over, the block drops (or rises) to the default and counts as just used,
// that is, it enters the default level at its most recently used end. In a trace no request can say how long, so one
// duration serves all; the source lets each request, and each part of its prompt, have its own. Now is the arrival of
// the request being served; whose time is over by then moves first, those that began first before the others. With
// --concurrency the time begins when the last running request that holds the block is released. Cost: O(1) per use,
// O(log n) per victim and lower priority; see key_heap.h and trace_clock.h.
#pragma once

#include <kvsim/eviction/key_heap.h>
#include <kvsim/eviction/trace_clock.h>

namespace kvsim {

template <bool kLeaves>
class BlockPriority : public BlockStrategyBase {
  public:
    static StrategyInfo info() {
        return {"priority", "the request's lowest priority first, then the least recently used", "TensorRT-LLM V1",
                "pinned flat tree", "a naive twin", "default=35 duration=none"};
    }
    explicit BlockPriority(Spec& spec)
        : default_(spec.number("default", 35, -1e15, 1e15)), lasts_(spec.text("duration", "none") != "none") {
        if (lasts_) seconds_ = spec.number("duration", 0, 0, 1e12);
    }

    void reset(const StrategyContext& context) {
        trace_ = context.trace;
        heap_.reset(context.blocks, context.capacity_blocks);
        time_.reset(context);
        find_levels();
        at_release_ = context.concurrent;
        if (!lasts_) return;
        clock_.reset(*trace_, "priority:duration");
        lives_.reset(seconds_);
    }
    void on_lookup(const RequestView& view) {
        heap_.begin_request();
        has_ = trace_->priority.has(view.request);
        if (has_) level_ = level_of(trace_->priority[view.request]);
        if (!lasts_) return;
        clock_.on_lookup(view.request);
        lives_.arrive(clock_.now());
        lives_.end(clock_.now(), alive(), [this](BlockId block) { heap_.change(block, default_level_, time_.next()); });
    }
    void on_insert(BlockId block) {
        uint32_t time = time_.next();
        uint64_t level = has_ ? level_ : default_level_;
        heap_.insert_if_last(block, level, time);
        if (ends(level) && !at_release_) lives_.begin(block, time, clock_.now(), alive());
    }
    void on_hit(BlockId block) {
        uint32_t time = time_.next();
        uint64_t level = has_ ? level_ : heap_.key(block);
        heap_.change(block, level, time);
        if (ends(level) && !at_release_) lives_.begin(block, time, clock_.now(), alive());
    }
    void on_release(BlockId block) {
        uint32_t time = time_.next();
        heap_.raise(block, heap_.key(block), time);
        if (ends(heap_.key(block))) lives_.begin_next(block, time, alive());
    }
    template <EligibleBlocks E>
    BlockId pick_victim(BlockId, const E& eligible) {
        return heap_.smallest(eligible);
    }
    void on_evict(BlockId block) { heap_.erase(block); }
    void on_leaf(BlockId block) { heap_.on_leaf(block); }
    void on_inner(BlockId block) { heap_.on_inner(block); }
    bool contains(BlockId block) const { return heap_.contains(block); }
    uint64_t state_bytes() const {
        return heap_.state_bytes() + (lasts_ ? lives_.bytes() : 0) + levels_.size() * 8;
    }

  private:
    void find_levels() {
        levels_ = {default_};
        for (uint32_t r = 0; r < trace_->requests(); ++r)
            if (trace_->priority.has(r)) levels_.push_back(trace_->priority[r]);
        std::sort(levels_.begin(), levels_.end());
        levels_.erase(std::unique(levels_.begin(), levels_.end()), levels_.end());
        default_level_ = level_of(default_);
    }
    uint64_t level_of(double priority) const {
        return static_cast<uint64_t>(std::lower_bound(levels_.begin(), levels_.end(), priority) - levels_.begin());
    }
    // A life is known by the use that began it.
    auto alive() const {
        return [this](BlockId block, uint32_t stamp) {
            return heap_.contains(block) && heap_.tie(block) == stamp && heap_.key(block) != default_level_;
        };
    }
    bool ends(uint64_t level) const { return lasts_ && level != default_level_; }

    double default_;
    bool lasts_;
    double seconds_ = 0;
    const Trace* trace_ = nullptr;
    std::vector<double> levels_;  ///< the trace's priorities and the default, ascending
    uint64_t default_level_ = 0;
    uint64_t level_ = 0;  ///< of the request being served,
    bool has_ = false;    ///< if it has one
    bool at_release_ = false;  ///< when lives begin
    KeyHeap<kLeaves> heap_;
    UseTime time_;
    TraceClock clock_;
    Lives lives_;
};

static_assert(BlockStrategy<BlockPriority<false>> && BlockStrategy<BlockPriority<true>>);

}  // namespace kvsim
