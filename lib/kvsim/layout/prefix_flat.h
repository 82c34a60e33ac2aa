// The prefix layout under flat accounting. See prefix_blocks.h.
//
// A request is served in runs of consecutive ids, cut where the hits behind the first miss are to be counted in another
// way: no counting and no look at partly filled blocks block by block. Within a run hits and misses take turns, each as
// long as they last; strategies may take such a stretch in one step (HitRunStrategy, MissRunStrategy).
#pragma once

#include <kvsim/layout/prefix_flat_blocks.h>

namespace kvsim {

/// flat in runs; `by_block` takes the way of FlatBlocks.
template <BlockStrategy S>
class FlatPrefix : public FlatBlocks<S> {
  public:
    FlatPrefix(S strategy, bool by_block) : FlatBlocks<S>(std::move(strategy)), by_block_(by_block) {}

  protected:
    uint64_t serve(uint32_t r, uint32_t stored, RunResult& result) override {
        if (by_block_) return FlatBlocks<S>::serve(r, stored, result);
        const Trace& t = *this->trace_;
        if (result.any_hit_blocks.empty()) result.any_hits_from(t.requests(), this->options_.bound_hits != nullptr);
        uint32_t lookup = t.lookup_blocks(r), lookup_row = t.lookup_row(r);
        uint32_t row = t.stored_row(r, this->options_.decode);
        uint32_t kept = this->kept_blocks(r, row, lookup);
        uint32_t repeats = 0;
        if (this->flat_content_) {
            repeats = this->count_repeats(r, lookup);
            find_content(r, lookup);
        } else {
            this->chain(lookup_row, lookup);
        }
        look_up(r, lookup, kept, result);
        BlockId last = kept == stored && kept > 0 ? segment_block(kept - 1) : kNone;
        uint32_t named = t.chains[row].length;
        if (named > kept) {
            this->chain(row, named);
            store_behind(kept);
            last = this->segments_.back().begin + this->segments_.back().count - 1;
        }
        for (uint32_t i = named; i < stored; ++i) {
            last = this->take_unnamed(i);
            this->miss(last);
        }
        if (last != kNone && this->strategy_.contains(last)) this->fill_last(r, stored, last);
        return std::min<uint64_t>(stored - repeats, this->capacity());
    }

  private:
    // The lookup: leading hits, then the rest in pieces that count alike.
    void look_up(uint32_t r, uint32_t lookup, uint32_t kept, RunResult& result) {
        const Trace& t = *this->trace_;
        uint32_t bound = this->options_.bound_hits ? (*this->options_.bound_hits)[r] : 0;
        // Every block weighs as much as the first, but the one that ends at `tail`, the prompt's last, and any behind.
        uint32_t tail = t.content ? kNone : lookup;
        if (!t.content && uint64_t{lookup} * t.block_size >= uint64_t{t.prompt_tokens[r]} + t.block_size)
            tail = t.prompt_tokens[r] / t.block_size + 1;
        uint32_t computed = this->computed_token(r);
        uint32_t position = 0, lead = 0, behind = 0, in_bound = 0;
        uint64_t tokens = 0;
        for (Segment s : this->segments_) {
            if (lead == position) {
                uint32_t n = hit_run(s.begin, s.count, kept > position ? kept - position : 0);
                lead += n;
                position += n;
                s = {s.begin + n, s.count - n};
            }
            while (s.count > 0) {
                uint32_t n = s.count;
                for (uint32_t edge : {kept, bound, tail, computed})
                    if (position < edge) n = std::min(n, edge - position);
                if (position >= tail || position == computed) n = 1;
                uint32_t hits = position < kept ? use_run(s.begin, n) : touch_run(s.begin, n);
                if (hits > 0 && position != computed) {
                    uint64_t weight = t.block_tokens(r, 0);
                    tokens += hits * weight;
                    if (last_hit_ && position + n >= tail) tokens -= weight - t.block_tokens(r, position + n - 1);
                    behind += hits;
                    in_bound += position < bound ? hits : 0;
                }
                position += n;
                s = {s.begin + n, s.count - n};
            }
        }
        if (this->options_.bound_hits) result.stranded_in_bound[r] = in_bound;
        result.hit_blocks[r] = lead;
        result.any_hit_blocks[r] = lead + behind;
        result.any_hit_tokens[r] = t.leading_tokens(r, lead) + tokens;
    }

    // The block at a position of segments_.
    BlockId segment_block(uint32_t position) const {
        size_t k = 0;
        for (; position >= this->segments_[k].count; ++k) position -= this->segments_[k].count;
        return this->segments_[k].begin + position;
    }

    // Stores segments_ from position `from` on.
    void store_behind(uint32_t from) {
        uint32_t position = 0;
        for (const Segment& s : this->segments_) {
            uint32_t skip = std::min(s.count, from > position ? from - position : 0);
            if (skip < s.count) use_run(s.begin + skip, s.count - skip);
            position += s.count;
        }
    }

    // ---- runs of blocks ----

    // Accesses all of it; returns how many were hits, and in last_hit_ whether the last one was.
    uint32_t use_run(BlockId begin, uint32_t count) {
        uint32_t hits = 0;
        last_hit_ = false;
        while (count > 0) {
            uint32_t n = miss_run(begin, count);
            begin += n;
            count -= n;
            if (count == 0) break;
            n = hit_run(begin, count, count);
            hits += n;
            begin += n;
            count -= n;
            last_hit_ = count == 0;
        }
        return hits;
    }

    // The same for what is only looked up: touches what is resident, stores nothing.
    uint32_t touch_run(BlockId begin, uint32_t count) {
        uint32_t hits = 0;
        for (BlockId block = begin; block - begin < count; ++block) {
            last_hit_ = this->strategy_.contains(block);
            if (!last_hit_) continue;
            ++hits;
            this->strategy_.on_hit(block);
        }
        return hits;
    }

    // Touches the resident blocks that the run begins with; the first `filled` of them are full from now on.
    uint32_t hit_run(BlockId begin, uint32_t count, uint32_t filled) {
        uint32_t n = 0;
        if constexpr (HitRunStrategy<S>) {
            n = this->strategy_.hit_run(begin, count);
        } else {
            for (; n < count && this->strategy_.contains(begin + n); ++n) this->strategy_.on_hit(begin + n);
        }
        filled = std::min(filled, n);
        if (filled > 0) this->partial_.clear_run(begin, filled);
        return n;
    }

    // Stores the absent blocks that the run begins with.
    uint32_t miss_run(BlockId begin, uint32_t count) {
        uint32_t n = 0;
        if constexpr (MissRunStrategy<S>) {
            while (n < count && !this->strategy_.contains(begin + n)) n += store_run(begin + n, count - n);
        } else {
            for (; n < count && !this->strategy_.contains(begin + n); ++n) this->miss(begin + n);
        }
        return n;
    }

    uint32_t store_run(BlockId begin, uint32_t count) {
        uint64_t room = this->capacity() - this->resident_;
        uint32_t n = this->strategy_.miss_run(begin, count, room, [this](BlockId victim) { this->leave(victim); });
        uint64_t entered = std::min<uint64_t>(n, room);
        this->resident_ += entered;
        this->evicted_ += n - entered;
        return n;
    }

    // ---- ids of content ----

    // Content is numbered in order of first appearance, so that new chunks are runs, too.
    void find_content(uint32_t r, uint32_t lookup) {
        const ContentColumn& content = this->trace_->content_ids;
        const uint32_t* ids = content.ids.data() + content.begin[r];
        this->segments_.clear();
        for (uint32_t i = 0; i < lookup; ++i) {
            if (i > 0 && ids[i] == ids[i - 1] + 1) {
                ++this->segments_.back().count;
            } else {
                this->segments_.push_back({ids[i], 1});
            }
        }
    }

    bool by_block_;
    bool last_hit_ = false;  ///< of the last run
};

}  // namespace kvsim
