// The prefix layout under tree accounting, block by block. See prefix_blocks.h.
#pragma once

#include <kvsim/layout/byte_counts.h>
#include <kvsim/layout/prefix_holding.h>

namespace kvsim {

/// tree (definition D): the leading resident run is touched front to back and protected; missing blocks enter front
/// to back, each evicting the best unprotected leaf when full; insertion stops when there is none, or when the
/// eviction took the parent. A running request counts as a child of the deepest block it holds, so none of its blocks
/// is a leaf until it ends.
template <BlockStrategy S>
class TreePrefix : public HoldingPrefix<S> {
  public:
    TreePrefix(S strategy, bool protect_chain)
        : HoldingPrefix<S>(std::move(strategy)), protect_chain_(protect_chain) {}

    void check_invariants() const override {
        HoldingPrefix<S>::check_invariants();
        std::vector<uint32_t> children(this->blocks_, 0);
        for (BlockId b = 0; b < this->blocks_; ++b) {
            if (!this->strategy_.contains(b) || parent_[b] == kNone) continue;
            if (!this->strategy_.contains(parent_[b])) throw_failed("prefix tree: a resident block without its parent");
            ++children[parent_[b]];
        }
        for (BlockId b = 0; b < this->blocks_; ++b)
            if (children[b] != children_[b]) throw_failed("prefix tree: child counts do not add up");
    }

  protected:
    void prepare() override {
        HoldingPrefix<S>::prepare();
        parent_ = this->trace_->chains.parents();
        parent_.resize(this->blocks_, kNone);
        children_.reset(this->blocks_);
    }
    uint64_t own_bytes() const override {
        return HoldingPrefix<S>::own_bytes() + parent_.size() * 4 + children_.bytes();
    }
    bool can_strand() const override { return false; }

    uint64_t serve(uint32_t r, uint32_t stored, RunResult& result) override {
        const Trace& t = *this->trace_;
        this->chain(t.lookup_row(r), t.lookup_blocks(r));
        uint32_t hits = this->leading_hits();
        result.hit_blocks[r] = hits;
        uint32_t row = t.stored_row(r, this->options_.decode);
        uint32_t shared = row == t.lookup_row(r) ? hits : std::min(hits, t.chains.common_prefix(row, t.lookup_row(r)));
        BlockId tip = touch_leading(hits, shared);
        protected_lookup_ = tip;
        if (row != t.lookup_row(r)) {
            // Named output: the chain that is stored leaves the looked-up one at the prompt's partial block.
            this->chain(row, t.chains[row].length);
            while (shared < t.chains[row].length && this->strategy_.contains(block(shared))) {
                tip = block(shared++);
                this->strategy_.on_hit(tip);
                this->fill_whole(tip);
            }
            tip = shared > 0 ? block(shared - 1) : kNone;
        }
        protected_ = tip;
        uint32_t position = insert_rest(shared, tip, stored, t.chains[row].length);
        if (position == stored && tip_ != kNone) this->fill_last(r, stored, tip_);
        if (!this->concurrent()) return position;
        hold(r, row, position);
        return this->active();
    }

    void release(RunningRequest& running) override {
        if (running.named.empty() && running.unnamed.empty()) return;
        BlockId deepest = running.unnamed.empty() ? running.named.back().begin + running.named.back().count - 1
                                                  : running.unnamed.front();
        for (BlockId block : running.unnamed) this->strategy_.on_release(block);
        this->held_.release(running.named, [this](BlockId begin, uint32_t count) {
            for (uint32_t i = count; i-- > 0;) this->strategy_.on_release(begin + i);
        });
        if (children_.remove(deepest)) this->strategy_.on_leaf(deepest);
    }

  private:
    // The request holds the first `blocks` of its chain, down to tip_.
    void hold(uint32_t r, uint32_t row, uint32_t blocks) {
        RunningRequest& running = this->start(r);
        if (blocks == 0) return;
        if (children_.add(tip_)) this->strategy_.on_inner(tip_);
        uint32_t named = std::min(blocks, this->trace_->chains[row].length);
        BlockId block = tip_;
        for (uint32_t i = blocks; i > named; --i, block = parent_[block]) running.unnamed.push_back(block);
        this->unnamed_held_ += running.unnamed.size();
        this->trace_->chains.segments(row, named, running.named);
        this->held_.hold(running.named, [](BlockId, uint32_t) {});
    }

    // Touches the first `hits` blocks, of which the first `shared` belong to the chain that will be stored.
    BlockId touch_leading(uint32_t hits, uint32_t shared) {
        BlockId tip = kNone;
        uint32_t position = 0;
        for (const Segment& s : this->segments_) {
            for (uint32_t i = 0; i < s.count && position < hits; ++i, ++position) {
                tip = s.begin + i;
                this->strategy_.on_hit(tip);
                if (position < shared) this->fill_whole(tip);
            }
        }
        return tip;
    }
    BlockId block(uint32_t position) const {
        for (const Segment& s : this->segments_) {
            if (position < s.count) return s.begin + position;
            position -= s.count;
        }
        return kNone;
    }

    // Returns how many leading blocks of the chain are resident afterwards (all inserted, or where it stopped).
    uint32_t insert_rest(uint32_t position, BlockId tip, uint32_t stored, uint32_t named) {
        size_t k = 0;
        uint32_t skip = position;
        while (k < this->segments_.size() && skip >= this->segments_[k].count) skip -= this->segments_[k++].count;
        tip_ = tip;
        for (; position < stored; ++position) {
            BlockId next = position < named ? this->segments_[k].begin + skip : this->take_unnamed(position);
            this->strategy_.on_miss(next);
            while (this->full() || this->strategy_.wants_room()) {
                BlockId victim = this->strategy_.pick_victim(next, [&](BlockId b) {
                    return b != protected_ && b != protected_lookup_ && !(protect_chain_ && b == tip_);
                });
                if (victim == kNone && !this->full()) break;
                if (victim == kNone) {
                    this->unnamed_.give_back(next);
                    return position;
                }
                BlockId above = parent_[victim];
                this->evict(victim);
                parent_of_unnamed_gone(victim);
                if (above != kNone && children_.remove(above)) this->strategy_.on_leaf(above);
                if (victim == tip_) {
                    this->unnamed_.give_back(next);
                    tip_ = above;
                    return position - 1;
                }
            }
            if (position >= named) {
                parent_[next] = tip_;
            } else if (++skip == this->segments_[k].count) {
                ++k;
                skip = 0;
            }
            this->insert(next);
            if (tip_ != kNone && children_.add(tip_)) this->strategy_.on_inner(tip_);
            tip_ = next;
        }
        return position;
    }
    void parent_of_unnamed_gone(BlockId block) {
        if (block >= this->trace_->chains.unique_blocks()) parent_[block] = kNone;
    }

    bool protect_chain_;
    // Of the blocks that were resident at lookup only the deepest can be a leaf (two with named output).
    BlockId protected_ = kNone;
    BlockId protected_lookup_ = kNone;
    BlockId tip_ = kNone;        ///< deepest block of the running chain
    std::vector<BlockId> parent_;
    ByteCounts children_;
};

}  // namespace kvsim
