// The prefix layout under pinned accounting, block by block. See prefix_blocks.h.
#pragma once

#include <kvsim/layout/prefix_holding.h>

namespace kvsim {

/// pinned (definition C): look the whole request up; its first min(n, C) blocks are pinned; room is made among the
/// others; then they are touched or inserted from last to first, so that the first ends most recent. While several
/// requests run, their blocks stay out of the strategy's order and enter it, from last to first, when the last holder
/// ends.
template <BlockStrategy S>
class PinnedPrefix : public HoldingPrefix<S> {
  public:
    using HoldingPrefix<S>::HoldingPrefix;

  protected:
    bool can_strand() const override { return !S::kTouchedLast; }

    uint64_t serve(uint32_t r, uint32_t stored, RunResult& result) override {
        const Trace& t = *this->trace_;
        this->chain(t.lookup_row(r), t.lookup_blocks(r));
        result.hit_blocks[r] = this->leading_hits();
        auto keep = static_cast<uint32_t>(std::min<uint64_t>(stored, this->capacity()));
        uint32_t row = t.stored_row(r, this->options_.decode);
        uint32_t named = std::min(keep, t.chains[row].length);
        if (row != t.lookup_row(r) || named != t.lookup_blocks(r)) this->chain(row, named);
        static_assert(BulkStrategy<S>, "strategies that do not keep touched blocks need eligibility here");
        if (this->concurrent()) {
            hold(r, stored, keep, named);
        } else {
            touch(r, stored, keep, named);
        }
        if (named == stored && named > 0)
            this->fill_last(r, stored, this->segments_.back().begin + this->segments_.back().count - 1);
        if (this->resident_ > this->capacity()) make_room(this->resident_ - this->capacity());
        return this->concurrent() ? this->active() : keep;
    }

    void release(RunningRequest& running) override {
        for (BlockId block : running.unnamed) this->strategy_.on_release(block);
        this->held_.release(running.named,
                            [this](BlockId begin, uint32_t count) { this->strategy_.touch_run(begin, count); });
    }

  private:
    void touch(uint32_t r, uint32_t stored, uint32_t keep, uint32_t named) {
        for (uint32_t i = keep; i > named; --i) {
            BlockId block = this->unnamed_.take();
            this->insert(block);
            if (i == stored) this->fill_last(r, stored, block);
        }
        for (size_t k = this->segments_.size(); k-- > 0;) {
            const Segment& s = this->segments_[k];
            this->resident_ += this->strategy_.touch_run(s.begin, s.count);
            this->partial_.clear_run(s.begin, s.count);
        }
    }

    void hold(uint32_t r, uint32_t stored, uint32_t keep, uint32_t named) {
        RunningRequest& running = this->start(r);
        for (uint32_t i = keep; i > named; --i) {
            BlockId block = this->unnamed_.take();
            this->resident_ += this->strategy_.hold_run(block, 1);
            running.unnamed.push_back(block);
            if (i == stored) this->fill_last(r, stored, block);
        }
        this->unnamed_held_ += running.unnamed.size();
        running.named = this->segments_;
        this->held_.hold(running.named, [this](BlockId begin, uint32_t count) {
            this->resident_ += this->strategy_.hold_run(begin, count);
        });
        for (const Segment& s : running.named) this->partial_.clear_run(s.begin, s.count);
    }

    void make_room(uint64_t blocks) {
        BlockId named = this->unnamed_.begin();
        this->strategy_.evict_oldest(
            blocks, [&](BlockId victim) { return (victim >= named) | this->partial_.has(victim); },
            [this](BlockId victim) {
                this->unnamed_.give_back(victim);
                this->partial_.clear(victim);
            });
        this->resident_ -= blocks;
        this->evicted_ += blocks;
    }
};

}  // namespace kvsim
