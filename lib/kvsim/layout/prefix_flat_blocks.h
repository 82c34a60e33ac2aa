// The prefix layout under flat accounting, block by block: the definition, and what prefix_flat.h is checked against
// (--verify). See prefix_blocks.h.
#pragma once

#include <kvsim/layout/prefix_blocks.h>

namespace kvsim {

/// How many chunks of the request's lookup stand twice in it: those are one block.
inline uint32_t repeated_content(const Trace& trace, uint32_t request) {
    const ContentColumn& content = trace.content_ids;
    auto first = content.ids.begin() + static_cast<ptrdiff_t>(content.begin[request]);
    std::vector<uint32_t> sorted(first, first + trace.lookup_blocks(request));
    std::sort(sorted.begin(), sorted.end());
    auto distinct = std::unique(sorted.begin(), sorted.end()) - sorted.begin();
    return static_cast<uint32_t>(static_cast<ptrdiff_t>(sorted.size()) - distinct);
}

/// flat (definition A): blocks one by one from first to last; a hit is touched at once, a miss evicts any resident
/// block if full, also one of the request being served, and is inserted. Output blocks follow, first to last.
template <BlockStrategy S>
class FlatBlocks : public PrefixBlocks<S> {
  public:
    using PrefixBlocks<S>::PrefixBlocks;

  protected:
    bool counts_content() const override { return true; }
    bool can_strand() const override { return true; }
    bool notes_uses() const override { return true; }

    uint64_t serve(uint32_t r, uint32_t stored, RunResult& result) override {
        const Trace& t = *this->trace_;
        if (result.any_hit_blocks.empty()) result.any_hits_from(t.requests(), this->options_.bound_hits != nullptr);
        uint32_t lookup = t.lookup_blocks(r);
        uint32_t row = t.stored_row(r, this->options_.decode);
        uint32_t kept = kept_blocks(r, row, lookup);
        uint32_t bound = this->options_.bound_hits ? (*this->options_.bound_hits)[r] : 0;
        uint32_t computed = this->computed_token(r), lead = 0, behind = 0, in_bound = 0;
        uint64_t tokens = 0;
        find_ids(r, t.lookup_row(r), lookup);
        for (uint32_t i = 0; i < lookup; ++i) {
            BlockId block = ids_[i];
            bool hit = this->strategy_.contains(block);
            if (hit && lead == i) {
                ++lead;
            } else if (hit && i != computed) {
                ++behind;
                tokens += t.block_tokens(r, i);
                in_bound += i < bound;
            }
            if (i < kept) {
                access(block, r, i + 1, stored);
            } else if (hit) {
                this->strategy_.on_hit(block);
                this->used(block);
            }
        }
        if (this->options_.bound_hits) result.stranded_in_bound[r] = in_bound;
        result.hit_blocks[r] = lead;
        result.any_hit_blocks[r] = lead + behind;
        result.any_hit_tokens[r] = t.leading_tokens(r, lead) + tokens;
        uint32_t named = t.chains[row].length;
        if (row != t.lookup_row(r)) {
            find_ids(r, row, named);
            for (uint32_t i = kept; i < named; ++i) access(ids_[i], r, i + 1, stored);
        }
        for (uint32_t i = named; i < stored; ++i) access(this->take_unnamed(i), r, i + 1, stored);
        uint32_t repeats = this->flat_content_ ? repeated_content(t, r) : 0;
        return std::min<uint64_t>(stored - repeats, this->capacity());
    }

  private:
    // Looked-up blocks that are stored, too: one that named output completes is known by the new name from then on.
    uint32_t kept_blocks(uint32_t r, uint32_t row, uint32_t lookup) const {
        uint32_t lookup_row = this->trace_->lookup_row(r);
        return row == lookup_row ? lookup : this->trace_->chains.common_prefix(row, lookup_row);
    }

    void miss(BlockId block) {
        this->strategy_.on_miss(block);
        if (this->full() && !make_room(block)) {
            this->unnamed_.give_back(block);
            return;
        }
        while (this->strategy_.wants_room() && make_room(block)) {}
        this->insert(block);
    }

    void find_ids(uint32_t r, uint32_t row, uint32_t length) {
        ids_.clear();
        if (this->flat_content_) {
            const ContentColumn& content = this->trace_->content_ids;
            auto first = content.ids.begin() + static_cast<ptrdiff_t>(content.begin[r]);
            ids_.assign(first, first + length);
        } else {
            this->chain(row, length);
            this->expand(ids_);
        }
    }

    // `count` blocks of the request's `stored` have been accessed with this one.
    void access(BlockId block, uint32_t r, uint32_t count, uint32_t stored) {
        if (this->strategy_.contains(block)) {
            this->strategy_.on_hit(block);
        } else {
            miss(block);
        }
        if (!this->strategy_.contains(block)) return;
        this->used(block);
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

    std::vector<BlockId> ids_;  ///< of the chain that is accessed
};

}  // namespace kvsim
