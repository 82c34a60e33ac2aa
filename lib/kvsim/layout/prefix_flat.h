// The prefix layout under flat accounting, in runs. See prefix_blocks.h.
//
// A request is a few runs of consecutive ids, which the policy (FlatPolicy) takes one after the other in loops of its
// own. Three things keep what is done per request small. Ids are given in order of first appearance, so that a run
// whose first id is larger than any seen so far is absent as a whole and nobody need look. Runs are cut only where hits
// behind the first miss count in another way, which is hardly ever before the end of the lookup. What is resident and
// evicted is counted by the policy, as a rule from the number of misses alone.
// The definition, block by block: prefix_flat_blocks.h.
#pragma once

#include <kvsim/layout/last_blocks.h>
#include <kvsim/layout/prefix_flat_blocks.h>

#include <span>

namespace kvsim {

template <FlatPolicy P>
class FlatPrefix : public PrefixBlocks<P> {
  public:
    using PrefixBlocks<P>::PrefixBlocks;

    void run(const Trace& trace, const RunOptions& options, RunResult& result) override {
        result.any_hits_from(trace.requests(), options.bound_hits != nullptr);
        this->replay(trace, options, result, [&](uint32_t r, uint32_t stored) {
            return plain_ ? serve_plain(r, stored, result) : serve_runs(r, stored, result);
        });
    }

    void check_invariants() const override {
        PrefixBlocks<P>::check_invariants();
        uint64_t missing = 0;
        last_blocks_.for_each([&](BlockId block, uint32_t places) {
            if (!this->strategy_.contains(block)) throw_failed("prefix: a last block that is not resident has tokens");
            if (this->partial_.has(block)) throw_failed("prefix: empty token places are counted twice");
            missing += places;
        });
        if (missing != this->missing_elsewhere_) throw_failed("prefix: token places of last blocks do not add up");
    }

  protected:
    bool counts_content() const override { return true; }
    bool can_strand() const override { return true; }

    void prepare() override {
        names_output_ = this->trace_->has_named_output();
        runs_.resize(64);
        plain_ = !names_output_ && !this->flat_content_;
        last_blocks_.reset();
        block_size_ = this->trace_->block_size;
    }
    uint64_t own_bytes() const override { return runs_.size() * sizeof(Segment) + last_blocks_.bytes(); }

    uint64_t serve(uint32_t r, uint32_t stored, RunResult& result) override { return serve_runs(r, stored, result); }

  private:
    // Every request is a row of its own, and what it looks up is stored.
    uint64_t serve_plain(uint32_t r, uint32_t stored, RunResult& result) {
        const ChainRecord own = this->trace_->chains[r];
        look_up_plain(r, own, result);
        uint32_t missing = 0;
        BlockId last = own.first_new + (own.length - own.shared) - 1;
        if (stored == own.length && own.shared < own.length && in_order_) [[likely]] {
            if (this->strategy_.contains(last)) missing = static_cast<uint32_t>(this->empty_places(r, stored));
        } else {
            remember_other(r, stored, own);
        }
        last_blocks_.push(last, missing);
        last_blocks_.settle([this](BlockId block) { return this->strategy_.contains(block); });
        this->missing_elsewhere_ = last_blocks_.total();
        this->resident_ = this->strategy_.resident();
        this->evicted_ = this->strategy_.evicted();
        return std::min<uint64_t>(stored, this->capacity());
    }
    // A last block that is not this request's alone, or has no name, or does not leave in order.
    [[gnu::noinline]] void remember_other(uint32_t r, uint32_t stored, const ChainRecord& own) {
        BlockId last = kNone;
        if (stored > own.length) {
            last = take_output(own.length, stored);
        } else if (own.length > 0) {
            last = this->trace_->chains.block_at(r, own.length - 1);
        }
        if (last != kNone && this->strategy_.contains(last)) remember(r, stored, last);
    }
    void look_up_plain(uint32_t r, const ChainRecord& own, RunResult& result) {
        in_order_ = this->strategy_.in_order();
        uint32_t lead = 0;
        Segment* s = old_runs(own);
        for (Segment* const end = runs_.data() + runs_.size(); s != end; ++s) {
            uint32_t n = this->strategy_.lead(s->begin, s->count);
            this->partial_.clear_run(s->begin, n);
            lead += n;
            if (n == s->count) continue;
            *s = {s->begin + n, s->count - n};
            return look_behind_plain(r, own, lead, {s, end}, result);
        }
        if (own.shared < own.length) this->strategy_.add(own.first_new, own.length - own.shared, Leave{*this});
        if (this->options_.bound_hits) result.stranded_in_bound[r] = 0;
        result.hit_blocks[r] = lead;
        result.any_hit_blocks[r] = lead;
        result.any_hit_tokens[r] = std::min<uint64_t>(uint64_t{lead} * block_size_, this->trace_->prompt_tokens[r]);
    }
    void look_behind_plain(uint32_t r, const ChainRecord& own, uint32_t lead, std::span<Segment> runs, RunResult& result) {
        seen_ = own.first_new;
        Behind behind = look_behind(r, own.length, own.length, lead, runs);
        if (own.shared < own.length) this->strategy_.add(own.first_new, own.length - own.shared, Leave{*this});
        if (this->options_.bound_hits) result.stranded_in_bound[r] = behind.in_bound;
        result.hit_blocks[r] = lead;
        result.any_hit_blocks[r] = lead + behind.blocks;
        result.any_hit_tokens[r] = this->trace_->leading_tokens(r, lead) + behind.tokens;
    }
    // The runs of what the request shares, written from the end. Whoever ends where another goes on, or ends as well, is
    // not used once.
    Segment* old_runs(const ChainRecord& own) {
        const PrefixIndex& chains = this->trace_->chains;
        Segment* begin = runs_.data() + runs_.size();
        uint32_t length = own.shared, row = own.owner;
        while (length > 0) {
            const ChainRecord& c = chains[row];
            if (length == c.length) [[unlikely]] last_blocks_.used_again(row);
            row = c.owner;
            if (length <= c.shared) [[unlikely]] continue;
            if (begin == runs_.data()) [[unlikely]] begin = make_room_for_runs();
            *--begin = {c.first_new, length - c.shared};
            length = c.shared;
        }
        return begin;
    }
    // There is room for twice as many runs, before those that stand there. Returns where they begin.
    [[gnu::noinline]] Segment* make_room_for_runs() {
        size_t before = runs_.size();
        std::vector<Segment> longer(2 * before);
        std::copy(runs_.begin(), runs_.end(), longer.begin() + static_cast<ptrdiff_t>(before));
        runs_.swap(longer);
        return runs_.data() + before;
    }

    uint64_t serve_runs(uint32_t r, uint32_t stored, RunResult& result) {
        const Trace& t = *this->trace_;
        uint32_t lookup_row = names_output_ ? t.lookup_row(r) : r;
        uint32_t row = names_output_ ? t.stored_row(r, this->options_.decode) : r;
        uint32_t lookup = t.chains[lookup_row].length, named = t.chains[row].length;
        uint32_t kept = row == lookup_row ? lookup : t.chains.common_prefix(row, lookup_row);
        std::span<Segment> runs = this->flat_content_ ? content_runs(r, lookup) : chain_runs(lookup_row, lookup);
        BlockId last = lookup > 0 ? runs.back().begin + runs.back().count - 1 : kNone;
        look_up(r, lookup, kept, runs, result);
        if (row != lookup_row) last = store_behind(row, named, kept);
        if (stored > named) last = take_output(named, stored);
        if (last != kNone && this->strategy_.contains(last)) remember(r, stored, last);
        this->resident_ = this->strategy_.resident();
        this->evicted_ = this->strategy_.evicted();
        uint32_t repeats = this->flat_content_ ? repeated_content(t, r) : 0;
        return std::min<uint64_t>(stored - repeats, this->capacity());
    }

    // Stores the blocks without a name at positions [from, to). Returns the last one.
    BlockId take_output(uint32_t from, uint32_t to) {
        BlockId last = kNone;
        for (uint32_t i = from; i < to; ++i) {
            last = this->take_unnamed(i);
            this->strategy_.use(last, 1, Leave{*this});
            this->strategy_.mark(last);
        }
        return last;
    }
    // How many token places of the request's last block, which is resident, are empty.
    void remember(uint32_t r, uint32_t stored, BlockId last) {
        this->fill_last(r, stored, last);
        if (this->partial_.has(last)) this->strategy_.mark(last);
    }

    /// Who is told that blocks go.
    struct Leave {
        FlatPrefix& cache;
        void operator()(BlockId victim) const { cache.leave(victim); }
        void run(BlockId begin, uint32_t count) const {
            cache.partial_.for_special(begin, count, [this](BlockId victim) { cache.leave(victim); });
        }
    };

    // The lookup: leading hits, then the rest.
    void look_up(uint32_t r, uint32_t lookup, uint32_t kept, std::span<Segment> runs, RunResult& result) {
        uint32_t lead = 0;
        for (; !runs.empty() && runs[0].begin < seen_; runs = runs.subspan(1)) {
            Segment& s = runs[0];
            uint32_t n = this->strategy_.lead(s.begin, s.count);
            if (n > 0) {
                if (lead < kept) this->partial_.clear_run(s.begin, std::min(n, kept - lead));
                if (lead + n > kept) mark(s.begin, n);
            }
            lead += n;
            s = {s.begin + n, s.count - n};
            if (s.count > 0) break;
        }
        Behind behind;
        if (runs.size() == 1 && runs[0].begin >= seen_) {
            if (lead < kept) store(runs[0].begin, std::min(runs[0].count, kept - lead));
        } else if (lead < lookup) {
            behind = look_behind(r, lookup, kept, lead, runs);
        }
        if (this->options_.bound_hits) result.stranded_in_bound[r] = behind.in_bound;
        result.hit_blocks[r] = lead;
        result.any_hit_blocks[r] = lead + behind.blocks;
        result.any_hit_tokens[r] = this->trace_->leading_tokens(r, lead) + behind.tokens;
    }

    /// Hits behind the first miss.
    struct Behind {
        uint32_t blocks = 0, in_bound = 0;
        uint64_t tokens = 0;
    };
    // The lookup from `position` on, which is where `runs` begin, in pieces that count alike.
    Behind look_behind(uint32_t r, uint32_t lookup, uint32_t kept, uint32_t position, std::span<Segment> runs) {
        const Trace& t = *this->trace_;
        Edges edges{kept, this->options_.bound_hits ? (*this->options_.bound_hits)[r] : 0, lookup, this->computed_token(r)};
        // Every block weighs as much as the first, but the one that ends at `tail`, the prompt's last, and any behind.
        if (t.content) {
            edges.tail = kNone;
        } else if (uint64_t{lookup} * t.block_size >= uint64_t{t.prompt_tokens[r]} + t.block_size) {
            edges.tail = t.prompt_tokens[r] / t.block_size + 1;
        }
        Behind behind;
        uint32_t cut = position;
        for (Segment& s : runs) {
            if (s.begin >= seen_) {
                if (position < kept) store(s.begin, std::min(s.count, kept - position));
                position += s.count;
                continue;
            }
            while (s.count > 0) {
                if (position >= cut) cut = edges.next(position);
                uint32_t count = std::min(s.count, cut - position);
                RunHits hits = position < kept ? store(s.begin, count) : touch(s.begin, count);
                position += count;
                s = {s.begin + count, s.count - count};
                if (hits.count == 0 || position == edges.computed + 1) continue;
                uint64_t weight = t.block_tokens(r, 0);
                behind.tokens += hits.count * weight;
                if (hits.last && position >= edges.tail) behind.tokens -= weight - t.block_tokens(r, position - 1);
                behind.blocks += hits.count;
                behind.in_bound += position <= edges.bound ? hits.count : 0;
            }
        }
        return behind;
    }
    /// Positions where the lookup is cut.
    struct Edges {
        uint32_t kept, bound, tail, computed;
        uint32_t next(uint32_t position) const {
            if (position >= tail || position == computed) return position + 1;
            uint32_t cut = tail;
            for (uint32_t edge : {kept, bound, computed})
                if (position < edge) cut = std::min(cut, edge);
            return cut;
        }
    };

    RunHits store(BlockId begin, uint32_t count) {
        RunHits hits;
        if (begin >= seen_) {
            seen_ = begin + count;
            this->strategy_.add(begin, count, Leave{*this});
        } else {
            seen_ = std::max(seen_, begin + count);  // runs of content may be old and new
            hits = this->strategy_.use(begin, count, Leave{*this});
            this->partial_.clear_run(begin, count);
        }
        return hits;
    }
    // The same for what is looked up and not stored.
    RunHits touch(BlockId begin, uint32_t count) {
        RunHits hits;
        for (uint32_t i = 0; i < count; ++i) {
            hits.last = this->strategy_.lead(begin + i, 1) > 0;
            hits.count += hits.last;
        }
        mark(begin, count);
        return hits;
    }
    // Those of a run that has just been accessed and need care when they go.
    void mark(BlockId begin, uint32_t count) {
        this->partial_.for_special(begin, count, [this](BlockId block) {
            if (this->strategy_.contains(block)) this->strategy_.mark(block);
        });
    }
    // Stores the blocks of a row from position `from` on. Returns the last block of the row.
    BlockId store_behind(uint32_t row, uint32_t length, uint32_t from) {
        uint32_t position = 0;
        BlockId last = kNone;
        for (const Segment& s : chain_runs(row, length)) {
            uint32_t skip = std::min(s.count, from > position ? from - position : 0);
            if (skip < s.count) store(s.begin + skip, s.count - skip);
            position += s.count;
            last = s.begin + s.count - 1;
        }
        return last;
    }

    // The row's first `length` blocks, first to last, written from the end.
    std::span<Segment> chain_runs(uint32_t row, uint32_t length) {
        const PrefixIndex& chains = this->trace_->chains;
        Segment* begin = runs_.data() + runs_.size();
        while (length > 0) {
            const ChainRecord& c = chains[row];
            if (length > c.shared) {
                if (begin == runs_.data()) [[unlikely]] begin = make_room_for_runs();
                *--begin = {c.first_new, length - c.shared};
                length = c.shared;
            }
            row = c.owner;
        }
        return {begin, runs_.data() + runs_.size()};
    }
    // Content is numbered in order of first appearance, so that new chunks are runs, too.
    std::span<Segment> content_runs(uint32_t r, uint32_t length) {
        const ContentColumn& content = this->trace_->content_ids;
        const uint32_t* ids = content.ids.data() + content.begin[r];
        size_t n = 0;
        if (runs_.size() < length) runs_.resize(length);
        for (uint32_t i = 0; i < length; ++i) {
            if (i > 0 && ids[i] == ids[i - 1] + 1) {
                ++runs_[n - 1].count;
            } else {
                runs_[n++] = {ids[i], 1};
            }
        }
        return {runs_.data(), n};
    }

    bool names_output_ = false;
    bool plain_ = false;
    bool in_order_ = false;
    uint32_t block_size_ = 0;
    LastBlocks last_blocks_;
    BlockId seen_ = 0;           ///< no named block from here on has been stored yet
    std::vector<Segment> runs_;  ///< room for those of a request
};

}  // namespace kvsim
