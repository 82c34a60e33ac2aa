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
    bool can_strand() const override { return !S::kKeepsPrefixes; }
    bool last_to_first() const override { return true; }

    void prepare() override {
        HoldingPrefix<S>::prepare();
        if constexpr (!BulkStrategy<S>) kept_.reset(this->blocks_);
    }
    uint64_t own_bytes() const override { return HoldingPrefix<S>::own_bytes() + kept_.bytes(); }

    uint64_t serve(uint32_t r, uint32_t stored, RunResult& result) override {
        const Trace& t = *this->trace_;
        this->chain(t.lookup_row(r), t.lookup_blocks(r));
        result.hit_blocks[r] = this->leading_hits();
        if constexpr (!S::kKeepsPrefixes) this->count_behind(r, result.hit_blocks[r], result);
        auto keep = static_cast<uint32_t>(std::min<uint64_t>(stored, this->capacity()));
        uint32_t row = t.stored_row(r, this->options_.decode);
        uint32_t named = std::min(keep, t.chains[row].length);
        if (row != t.lookup_row(r) || named != t.lookup_blocks(r)) this->chain(row, named);
        if constexpr (!BulkStrategy<S>) {
            store(r, stored, keep, named);
        } else if (this->concurrent()) {
            hold(r, stored, keep, named);
        } else {
            touch(r, stored, keep, named);
        }
        if (named == stored && named > 0)
            this->fill_last(r, stored, this->segments_.back().begin + this->segments_.back().count - 1);
        if constexpr (BulkStrategy<S>)
            if (this->resident_ > this->capacity()) make_room(this->resident_ - this->capacity());
        return this->concurrent() ? this->active() : keep;
    }

    void release(RunningRequest& running) override {
        for (BlockId block : running.unnamed) let_go(block);
        this->held_.release(running.named, [this](BlockId begin, uint32_t count) {
            if constexpr (BulkStrategy<S>) {
                this->strategy_.touch_run(begin, count);
            } else {
                for (uint32_t i = count; i-- > 0;) let_go(begin + i);
            }
        });
    }

  private:
    void let_go(BlockId block) {
        if constexpr (!BulkStrategy<S>) kept_.clear(block);
        this->strategy_.on_release(block);
    }

    // ---- strategies that ask who is eligible ----

    // Marks what the request keeps, makes room among the others, stores from last to first.
    void store(uint32_t r, uint32_t stored, uint32_t keep, uint32_t named) {
        RunningRequest alone;
        RunningRequest& running = this->concurrent() ? this->start(r) : alone;
        running.named = this->segments_;
        uint32_t resident = 0;
        for (const Segment& s : running.named)
            for (uint32_t i = 0; i < s.count; ++i) resident += this->strategy_.contains(s.begin + i);
        if (this->concurrent()) {
            this->held_.hold(running.named, [this](BlockId begin, uint32_t count) { kept_.set_run(begin, count); });
        } else {
            for (const Segment& s : running.named) kept_.set_run(s.begin, s.count);
        }
        if constexpr (RunStrategy<S>) {
            uint64_t after = this->resident_ + keep - resident;
            if (after > this->capacity()) evict_run(after - this->capacity());
        } else if constexpr (S::kKeyed) {
            while (this->resident_ + keep - resident > this->capacity()) this->evict(victim_for(kNone));
        }
        for (uint32_t i = keep; i > named; --i) {
            BlockId block = this->take_unnamed(i - 1);
            admit(block);
            kept_.set(block);
            running.unnamed.push_back(block);
            if (i == stored) this->fill_last(r, stored, block);
        }
        for (size_t k = running.named.size(); k-- > 0;) {
            const Segment& s = running.named[k];
            if constexpr (RunStrategy<S>) {
                this->resident_ += this->strategy_.use_run(s.begin, s.count);
            } else {
                for (uint32_t i = s.count; i-- > 0;) admit(s.begin + i);
            }
        }
        for (const Segment& s : running.named) this->partial_.clear_run(s.begin, s.count);
        if (this->concurrent()) {
            this->unnamed_held_ += running.unnamed.size();
            return;
        }
        for (const Segment& s : running.named) kept_.clear_run(s.begin, s.count);
        for (BlockId block : running.unnamed) kept_.clear(block);
    }

    void admit(BlockId block) {
        if (this->strategy_.contains(block)) return this->strategy_.on_hit(block);
        this->strategy_.on_miss(block);
        if constexpr (!S::kKeyed) {
            if (this->full()) this->evict(victim_for(block));
            while (this->strategy_.wants_room()) {
                BlockId victim = pick(block);
                if (victim == kNone) break;
                this->evict(victim);
            }
        }
        this->insert(block);
    }

    BlockId pick(BlockId incoming) {
        return this->strategy_.pick_victim(incoming, [this](BlockId b) { return !kept_.has(b); });
    }
    BlockId victim_for(BlockId incoming) {
        BlockId victim = pick(incoming);
        if (victim == kNone) throw_failed("prefix pinned: the strategy names nobody to evict");
        return victim;
    }

    void evict_run(uint64_t blocks) {
        this->strategy_.evict_smallest(
            blocks, [this](BlockId b) { return !kept_.has(b); }, [this](BlockId victim) { this->leave(victim); });
        this->resident_ -= blocks;
        this->evicted_ += blocks;
    }

    // ---- strategies that work in bulk ----

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
        this->strategy_.evict_oldest(blocks, [this](BlockId victim) { this->leave(victim); });
        this->resident_ -= blocks;
        this->evicted_ += blocks;
    }

    BlockBits kept_;  ///< held by running requests, where the strategy asks
};

}  // namespace kvsim
