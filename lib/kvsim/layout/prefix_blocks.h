// The prefix layout block by block, for any block strategy: the definition, and the check of every faster path.
// Cost: O(1) strategy calls per block of each request; 4 bytes per block beside the strategy's own under tree.
#pragma once

#include <kvsim/core/error.h>
#include <kvsim/core/huge_vector.h>
#include <kvsim/layout/prefix.h>

#include <algorithm>
#include <bit>
#include <vector>

namespace kvsim {

/// Blocks without a name get ids behind the named ones, recycled.
class UnnamedBlocks {
  public:
    void reset(uint64_t named) { next_ = named_ = static_cast<BlockId>(named); }
    BlockId take() {
        if (free_.empty()) return next_++;
        BlockId block = free_.back();
        free_.pop_back();
        return block;
    }
    void give_back(BlockId block) {
        if (block >= named_) free_.push_back(block);
    }
    BlockId begin() const { return named_; }

  private:
    BlockId named_ = 0;
    BlockId next_ = 0;
    std::vector<BlockId> free_;
};

/// Empty token places in partly filled blocks: a number per block, and a bit that says whether it is there.
class PartialBlocks {
  public:
    void reset(uint64_t blocks) {
        bits_.assign((blocks + 63) / 64, 0);
        missing_.assign(blocks, 0);
        total_ = 0;
    }
    bool has(BlockId block) const { return (bits_[block >> 6] >> (block & 63) & 1) != 0; }
    void clear(BlockId block) {
        if (!has(block)) return;
        bits_[block >> 6] &= ~(uint64_t{1} << (block & 63));
        total_ -= missing_[block];
    }
    void clear_run(BlockId begin, uint32_t count) {
        for (uint64_t word = begin >> 6; word <= (uint64_t{begin} + count - 1) >> 6; ++word)
            for (uint64_t left = bits_[word]; left != 0; left &= left - 1) {
                auto block = static_cast<BlockId>(word * 64 + static_cast<uint64_t>(std::countr_zero(left)));
                if (block >= begin && block - begin < count) clear(block);
            }
    }
    void set(BlockId block, uint64_t missing) {
        clear(block);
        if (missing == 0) return;
        bits_[block >> 6] |= uint64_t{1} << (block & 63);
        missing_[block] = static_cast<uint32_t>(missing);
        total_ += missing;
    }
    uint64_t total() const { return total_; }
    /// Recounted.
    uint64_t sum() const {
        uint64_t n = 0;
        for (BlockId block = 0; block < missing_.size(); ++block) n += has(block) ? missing_[block] : 0;
        return n;
    }
    uint64_t bytes() const { return bits_.size() * 8 + missing_.size() * 4; }

  private:
    std::vector<uint64_t> bits_;
    HugeVector<uint32_t> missing_;
    uint64_t total_ = 0;
};

/// What all three accountings share: the strategy, residency counts, partial blocks, chains as ids.
template <BlockStrategy S>
class PrefixBlocks : public Cache {
  public:
    explicit PrefixBlocks(S strategy) : strategy_(std::move(strategy)) {}

    void run(const Trace& trace, const RunOptions& options, RunResult& result) final {
        trace_ = &trace;
        options_ = options;
        uint32_t requests = trace.requests();
        start();
        result.hit_blocks.resize(requests);
        for (uint32_t r = 0; r < requests; ++r) {
            begin_request(r, options, result);
            uint32_t stored = trace.stored_blocks(r, options.decode);
            strategy_.on_lookup({r, trace.lookup_blocks(r), stored});
            uint64_t active = serve(r, stored, result);
            result.total.evicted_blocks = evicted_;
            result.admitted(r >= options.warmup_requests, active, resident_,
                            resident_ * trace.block_size - partial_.total());
        }
        end_run(requests, options, result);
        result.stranded_blocks = can_strand() ? count_stranded() : 0;
        result.state_bytes = strategy_.state_bytes() + partial_.bytes() + own_bytes();
    }

    void check_invariants() const override {
        uint64_t resident = 0;
        for (BlockId b = 0; b < blocks_; ++b) {
            if (strategy_.contains(b)) {
                ++resident;
            } else if (partial_.has(b)) {
                throw_failed("prefix: a block that is not resident has tokens");
            }
        }
        if (!can_strand() && count_stranded() != 0) throw_failed("prefix: a resident block without its parent");
        if (resident != resident_) throw_failed("prefix: resident blocks do not add up");
        if (partial_.sum() != partial_.total()) throw_failed("prefix: token places do not add up");
        if (resident > options_.capacity_blocks) throw_failed("prefix: more blocks than the capacity");
    }

  protected:
    /// Looks up, makes room, stores. Returns the blocks the request holds while it runs.
    virtual uint64_t serve(uint32_t r, uint32_t stored, RunResult& result) = 0;
    virtual void prepare() {}
    /// Ids of content count as they are instead of as paths from the root.
    virtual bool counts_content() const { return false; }
    /// Whether a block can outlive an ancestor; where it cannot, check_invariants() sees to it.
    virtual bool can_strand() const = 0;
    virtual uint64_t own_bytes() const { return 0; }

    uint64_t capacity() const { return options_.capacity_blocks; }
    bool full() const { return resident_ >= capacity(); }

    void chain(uint32_t row, uint32_t length) { trace_->chains.segments(row, length, segments_); }

    /// Appends the ids of segments_ to `ids`.
    void expand(std::vector<BlockId>& ids) const {
        for (const Segment& s : segments_)
            for (uint32_t i = 0; i < s.count; ++i) ids.push_back(s.begin + i);
    }
    /// Leading resident blocks of segments_.
    uint32_t leading_hits() const {
        uint32_t hits = 0;
        for (const Segment& s : segments_) {
            uint32_t i = 0;
            while (i < s.count && strategy_.contains(s.begin + i)) ++i;
            hits += i;
            if (i < s.count) break;
        }
        return hits;
    }
    void insert(BlockId block) {
        strategy_.on_insert(block);
        ++resident_;
    }
    void evict(BlockId victim) {
        strategy_.on_evict(victim);
        unnamed_.give_back(victim);
        partial_.clear(victim);
        --resident_;
        ++evicted_;
    }
    /// The request's last block of `stored` is `block`: remember how many of its token places are empty.
    void fill_last(uint32_t r, uint32_t stored, BlockId block) {
        uint64_t tokens = uint64_t{trace_->prompt_tokens[r]} + (options_.decode ? trace_->output_tokens[r] : 0);
        uint64_t room = uint64_t{stored} * trace_->block_size;
        partial_.set(block, !trace_->content && room > tokens ? room - tokens : 0);
    }
    /// A block that another request had partly filled now holds a full block of this one.
    void fill_whole(BlockId block) {
        if (partial_.has(block)) partial_.clear(block);
    }

    const Trace* trace_ = nullptr;
    RunOptions options_;
    S strategy_;
    UnnamedBlocks unnamed_;
    std::vector<Segment> segments_;
    PartialBlocks partial_;
    uint64_t blocks_ = 0;
    uint64_t resident_ = 0;
    uint64_t evicted_ = 0;
    bool flat_content_ = false;  ///< ids are the content's own instead of their paths

  private:
    void start() {
        flat_content_ = trace_->content && counts_content();
        uint64_t named = flat_content_ ? trace_->content_ids.unique : trace_->chains.unique_blocks();
        uint64_t longest = 0, unnamed = 0, references = 0;
        for (uint32_t r = 0; r < trace_->requests(); ++r) {
            uint64_t stored = trace_->stored_blocks(r, options_.decode);
            uint64_t lookup = trace_->lookup_blocks(r);
            uint64_t known = trace_->chains[trace_->stored_row(r, options_.decode)].length;
            longest = std::max({longest, stored, lookup});
            unnamed += stored > known ? stored - known : 0;
            references += stored + lookup;
        }
        uint64_t alive = std::min(unnamed, std::min(capacity(), kMaxBlocks) + longest);
        blocks_ = named + alive;
        if (blocks_ > kMaxBlocks)
            throw_input("more than " + std::to_string(kMaxBlocks) + " blocks with output; use a larger --block-size");
        unnamed_.reset(named);
        partial_.reset(blocks_);
        strategy_.reset({capacity(), blocks_, longest, references});
        prepare();
    }

    // Parents come before their children in the numbering, so one pass knows who still has all its ancestors.
    uint64_t count_stranded() const {
        if (flat_content_) return 0;  // chunks of content have no ancestors
        std::vector<BlockId> parent = trace_->chains.parents();
        std::vector<bool> reachable(parent.size());
        uint64_t stranded = 0;
        for (BlockId b = 0; b < parent.size(); ++b) {
            if (!strategy_.contains(b)) continue;
            reachable[b] = parent[b] == kNone || reachable[parent[b]];
            stranded += !reachable[b];
        }
        return stranded;
    }
};

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
        if (result.any_hit_blocks.empty()) {
            result.any_hit_blocks.resize(t.requests());
            result.any_hit_tokens.resize(t.requests());
        }
        uint32_t lookup = t.lookup_blocks(r);
        uint32_t row = t.stored_row(r, this->options_.decode);
        // A block that named output completes is known by the new name from then on: look it up, do not store it.
        uint32_t kept = row == t.lookup_row(r) ? lookup : t.chains.common_prefix(row, t.lookup_row(r));
        lead_ = any_ = 0;
        repeats_ = this->flat_content_ ? count_repeats(r, lookup) : 0;
        tokens_ = 0;
        leading_ = true;
        for_lookup(r, lookup, [&](uint32_t position, BlockId block) {
            bool hit = this->strategy_.contains(block);
            any_ += hit;
            leading_ = leading_ && hit;
            lead_ += leading_;
            if (hit && !leading_) tokens_ += t.block_tokens(r, position);
            if (position < kept) {
                access(block, hit, r, position + 1, stored);
            } else if (hit) {
                this->strategy_.on_hit(block);
            }
        });
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
        for (uint32_t i = named; i < stored; ++i) access(this->unnamed_.take(), false, r, i + 1, stored);
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
            if (this->full()) this->evict(this->strategy_.pick_victim(block, AnyBlock{}));
            this->insert(block);
        }
        if (count == stored) {
            this->fill_last(r, stored, block);
        } else {
            this->fill_whole(block);
        }
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

/// tree (definition D): the leading resident run is touched front to back and protected; missing blocks enter front
/// to back, each evicting the best unprotected leaf when full; insertion stops when there is none, or when the
/// eviction took the parent.
template <BlockStrategy S>
class TreePrefix : public PrefixBlocks<S> {
  public:
    TreePrefix(S strategy, bool protect_chain) : PrefixBlocks<S>(std::move(strategy)), protect_chain_(protect_chain) {}

    void check_invariants() const override {
        PrefixBlocks<S>::check_invariants();
        std::vector<uint32_t> children(this->blocks_, 0);
        for (BlockId b = 0; b < this->blocks_; ++b) {
            if (!this->strategy_.contains(b) || parent_[b] == kNone) continue;
            if (!this->strategy_.contains(parent_[b])) throw_failed("prefix tree: a resident block without its parent");
            ++children[parent_[b]];
        }
        if (children != children_) throw_failed("prefix tree: child counts do not add up");
    }

  protected:
    void prepare() override {
        parent_ = this->trace_->chains.parents();
        parent_.resize(this->blocks_, kNone);
        children_.assign(this->blocks_, 0);
    }
    uint64_t own_bytes() const override { return parent_.size() * 8; }
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
        return position;
    }

  private:
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
            if (this->full()) {
                BlockId victim = this->strategy_.pick_victim(kNone, [&](BlockId b) {
                    return b != protected_ && b != protected_lookup_ && !(protect_chain_ && b == tip_);
                });
                if (victim == kNone) return position;
                BlockId above = parent_[victim];
                this->evict(victim);
                parent_of_unnamed_gone(victim);
                if (above != kNone && --children_[above] == 0) this->strategy_.on_leaf(above);
                if (victim == tip_) return position - 1;
            }
            BlockId next;
            if (position < named) {
                next = this->segments_[k].begin + skip;
                if (++skip == this->segments_[k].count) {
                    ++k;
                    skip = 0;
                }
            } else {
                next = this->unnamed_.take();
                parent_[next] = tip_;
            }
            this->insert(next);
            if (tip_ != kNone && children_[tip_]++ == 0) this->strategy_.on_inner(tip_);
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
    std::vector<uint32_t> children_;
};

}  // namespace kvsim
