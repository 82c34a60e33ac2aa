// The prefix layout under flat accounting, block by block. See prefix_blocks.h.
#pragma once

#include <kvsim/layout/prefix_blocks.h>

namespace kvsim {

/// flat (definition A): blocks one by one from first to last; a hit is touched at once, a miss evicts any resident
/// block if full, also one of the request being served, and is inserted. Output blocks follow, first to last.
template <BlockStrategy S>
class FlatPrefix : public PrefixBlocks<S> {
  public:
    using PrefixBlocks<S>::PrefixBlocks;

  protected:
    bool counts_content() const override { return true; }
    bool can_strand() const override { return true; }

    uint64_t serve(uint32_t r, uint32_t stored, RunResult& result) override {
        const Trace& t = *this->trace_;
        if (result.any_hit_blocks.empty()) result.any_hits_from(t.requests(), this->options_.bound_hits != nullptr);
        uint32_t bound = this->options_.bound_hits ? (*this->options_.bound_hits)[r] : 0, in_bound = 0;
        uint32_t lookup = t.lookup_blocks(r);
        uint32_t row = t.stored_row(r, this->options_.decode);
        // A block that named output completes is known by the new name from then on: look it up, do not store it.
        uint32_t kept = row == t.lookup_row(r) ? lookup : t.chains.common_prefix(row, t.lookup_row(r));
        uint32_t computed = this->computed_token(r);
        lead_ = any_ = 0;
        repeats_ = this->flat_content_ ? count_repeats(r, lookup) : 0;
        tokens_ = 0;
        leading_ = true;
        for_lookup(r, lookup, [&](uint32_t position, BlockId block) {
            bool hit = this->strategy_.contains(block);
            any_ += hit;
            leading_ = leading_ && hit;
            lead_ += leading_;
            if (hit && !leading_ && position == computed) {
                --any_;
            } else if (hit && !leading_) {
                tokens_ += t.block_tokens(r, position);
                in_bound += position < bound;
            }
            if (position < kept) {
                access(block, hit, r, position + 1, stored);
            } else if (hit) {
                this->strategy_.on_hit(block);
            }
        });
        if (this->options_.bound_hits) result.stranded_in_bound[r] = in_bound;
        result.hit_blocks[r] = lead_;
        result.any_hit_blocks[r] = any_;
        result.any_hit_tokens[r] = t.leading_tokens(r, lead_) + tokens_;
        uint32_t named = t.chains[row].length;
        if (row != t.lookup_row(r)) {
            for (uint32_t i = kept; i < named; ++i) {
                BlockId block = t.chains.block_at(row, i);
                access(block, this->strategy_.contains(block), r, i + 1, stored);
            }
        }
        for (uint32_t i = named; i < stored; ++i) access(this->take_unnamed(i), false, r, i + 1, stored);
        return std::min<uint64_t>(stored - repeats_, this->capacity());
    }

  private:
    template <class F>
    void for_lookup(uint32_t r, uint32_t lookup, F&& f) {
        const Trace& t = *this->trace_;
        if (this->flat_content_) {
            uint64_t begin = t.content_ids.begin[r];
            for (uint32_t i = 0; i < lookup; ++i) f(i, t.content_ids.ids[begin + i]);
            return;
        }
        this->chain(t.lookup_row(r), lookup);
        uint32_t position = 0;
        for (const Segment& s : this->segments_)
            for (uint32_t i = 0; i < s.count; ++i) f(position++, s.begin + i);
    }
    void access(BlockId block, bool hit, uint32_t r, uint32_t count, uint32_t stored) {
        if (hit) {
            this->strategy_.on_hit(block);
        } else {
            this->strategy_.on_miss(block);
            if (this->full() && !make_room(block)) {
                this->unnamed_.give_back(block);
                return;
            }
            while (this->strategy_.wants_room() && make_room(block)) {}
            this->insert(block);
        }
        if (count == stored) {
            this->fill_last(r, stored, block);
        } else {
            this->fill_whole(block);
        }
    }

    // False: the strategy names nobody.
    bool make_room(BlockId incoming) {
        BlockId victim = this->strategy_.pick_victim(incoming, AnyBlock{});
        if (victim == kNone) return false;
        this->evict(victim);
        return true;
    }

    // Content ids may stand twice in one request; they are one block.
    uint32_t count_repeats(uint32_t r, uint32_t lookup) {
        const uint32_t* ids = this->trace_->content_ids.ids.data() + this->trace_->content_ids.begin[r];
        std::vector<uint32_t> sorted(ids, ids + lookup);
        std::sort(sorted.begin(), sorted.end());
        auto distinct = std::unique(sorted.begin(), sorted.end()) - sorted.begin();
        return lookup - static_cast<uint32_t>(distinct);
    }

    uint32_t lead_ = 0, any_ = 0, repeats_ = 0;
    uint64_t tokens_ = 0;  ///< of hits behind a miss
    bool leading_ = true;
};

}  // namespace kvsim
