// The prefix layout under pinned accounting, block by block. See prefix_blocks.h.
#pragma once

#include <kvsim/layout/prefix_blocks.h>

namespace kvsim {

/// pinned (definition C): look the whole request up; its first min(n, C) blocks are pinned; room is made among the
/// others; then they are touched or inserted from last to first, so that the first ends most recent.
template <BlockStrategy S>
class PinnedPrefix : public PrefixBlocks<S> {
  public:
    using PrefixBlocks<S>::PrefixBlocks;

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
        if (named == stored && named > 0)
            this->fill_last(r, stored, this->segments_.back().begin + this->segments_.back().count - 1);
        if (this->resident_ > this->capacity()) make_room(this->resident_ - this->capacity());
        return keep;
    }

  private:
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
