// The prefix layout block by block, for any block strategy: the definition, and the check of every faster path.
// Cost: O(1) strategy calls per block of each request; 5 bytes per block beside the strategy's own under tree.
#pragma once

#include <kvsim/core/error.h>
#include <kvsim/core/huge_vector.h>
#include <kvsim/eviction/block_bits.h>
#include <kvsim/layout/partial_blocks.h>
#include <kvsim/layout/prefix.h>

#include <algorithm>
#include <vector>

namespace kvsim {

/// Blocks without a name get ids behind the named ones, recycled.
class UnnamedBlocks {
  public:
    void reset(uint64_t named) { next_ = named_ = static_cast<BlockId>(named); }
    BlockId take() {
        BlockId block = next_;
        if (free_.empty()) {
            ++next_;
        } else {
            block = free_.back();
            free_.pop_back();
        }
        if (taken) taken->push_back(block);
        return block;
    }
    std::vector<BlockId>* taken = nullptr;  ///< where given, all that are taken
    void give_back(BlockId block) {
        if (block >= named_) free_.push_back(block);
    }
    BlockId begin() const { return named_; }

  private:
    BlockId named_ = 0;
    BlockId next_ = 0;
    std::vector<BlockId> free_;
};

/// What all three accountings share: the strategy, residency counts, partial blocks, chains as ids.
template <class S>
class PrefixBlocks : public Cache {
  public:
    explicit PrefixBlocks(S strategy) : strategy_(std::move(strategy)) {}

    void run(const Trace& trace, const RunOptions& options, RunResult& result) override {
        replay(trace, options, result, [&](uint32_t r, uint32_t stored) { return serve(r, stored, result); });
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
    /// Looks up, makes room, stores. Returns the blocks that running requests hold now.
    virtual uint64_t serve(uint32_t r, uint32_t stored, RunResult& result) = 0;
    /// The whole run; `serve_one` is serve().
    template <class F>
    void replay(const Trace& trace, const RunOptions& options, RunResult& result, const F& serve_one) {
        trace_ = &trace;
        options_ = options;
        uint32_t requests = trace.requests();
        start();
        result.hit_blocks.resize(requests);
        for (uint32_t r = 0; r < requests; ++r) {
            if (requests - r > kAhead) trace.chains.prefetch(trace.lookup_row(r + kAhead));
            begin_request(r, options, result);
            uint32_t stored = stored_[r];
            if (concurrent()) make_way(r, stored, result);
            strategy_.on_lookup({r, trace.lookup_blocks(r), stored});
            uint64_t active = serve_one(r, stored);
            if (options.observer) observe(r, stored, active, result);
            result.total.evicted_blocks = evicted_;
            result.admitted(r >= options.warmup_requests, active, resident_,
                            resident_ * trace.block_size - partial_.total() - missing_elsewhere_);
        }
        if (concurrent()) release_all();
        end_run(requests, options, result);
        result.stranded_blocks = can_strand() ? count_stranded() : 0;
        result.state_bytes = strategy_.state_bytes() + partial_.bytes() + depth_.size() * 4 + own_bytes();
    }
    virtual void prepare() {}
    /// --concurrency other than 1: releases whoever must end before the request is admitted.
    virtual void make_way(uint32_t /*r*/, uint32_t /*stored*/, RunResult& /*result*/) {}
    /// Ends whoever still runs. No count changes.
    virtual void release_all() {}
    bool concurrent() const { return options_.concurrency != 1; }
    /// Ids of content count as they are instead of as paths from the root.
    virtual bool counts_content() const { return false; }
    virtual bool last_to_first() const { return false; }
    /// Whether serve() itself says used() of every block, in order; else observe() can tell.
    virtual bool notes_uses() const { return false; }
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
    /// Place of the token that is computed even if resident, so it is no hit behind others either. kNone: there is none.
    uint32_t computed_token(uint32_t r) const {
        return options_.compute_last_token ? trace_->prompt_tokens[r] - 1 : kNone;
    }
    /// Resident blocks of segments_ from `from` on, and their tokens; `in_bound` counts those before the bound's end.
    void count_behind(uint32_t r, uint32_t from, RunResult& result) const {
        if (result.any_hit_blocks.empty()) result.any_hits_from(trace_->requests(), options_.bound_hits != nullptr);
        uint32_t position = 0, any = from, computed = computed_token(r);
        uint64_t tokens = trace_->leading_tokens(r, from);
        uint32_t bound = options_.bound_hits ? (*options_.bound_hits)[r] : 0, in_bound = 0;
        for (const Segment& s : segments_)
            for (uint32_t i = 0; i < s.count; ++i, ++position) {
                if (position < from || position == computed || !strategy_.contains(s.begin + i)) continue;
                ++any;
                in_bound += position < bound;
                tokens += trace_->block_tokens(r, position);
            }
        result.any_hit_blocks[r] = any;
        result.any_hit_tokens[r] = tokens;
        if (options_.bound_hits) result.stranded_in_bound[r] = in_bound;
    }
    void insert(BlockId block) {
        strategy_.on_insert(block);
        ++resident_;
    }
    /// A block without a name at `depth` of its chain.
    BlockId take_unnamed(uint32_t depth) {
        BlockId block = unnamed_.take();
        if constexpr (S::kNeedsDepth)
            if (strategy_.needs_depth()) depth_[block] = depth;
        return block;
    }
    void evict(BlockId victim) {
        strategy_.on_evict(victim);
        leave(victim);
        --resident_;
        ++evicted_;
    }
    /// Evicted: its name and its token places.
    void leave(BlockId victim) {
        if (partial_.special(victim)) [[unlikely]] forget(victim);
    }
    [[gnu::noinline]] void forget(BlockId victim) {
        if (options_.observer) events_.push_back({victim, true});
        unnamed_.give_back(victim);
        partial_.clear(victim);
    }
    /// For the observer.
    void used(BlockId block) {
        if (options_.observer) events_.push_back({block, false});
    }
    /// The request's last block of `stored` is `block`: remember how many of its token places are empty.
    void fill_last(uint32_t r, uint32_t stored, BlockId block) {
        partial_.set(block, empty_places(r, stored));
    }
    uint64_t empty_places(uint32_t r, uint32_t stored) const {
        uint64_t tokens = uint64_t{trace_->prompt_tokens[r]} + (options_.decode ? trace_->output_tokens[r] : 0);
        uint64_t room = uint64_t{stored} * trace_->block_size;
        return !trace_->content && room > tokens ? room - tokens : 0;
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
    uint64_t missing_elsewhere_ = 0;  ///< empty token places of blocks that partial_ does not know
    bool flat_content_ = false;  ///< ids are the content's own instead of their paths
    std::vector<uint32_t> stored_;  ///< per request: all blocks it occupies
    std::vector<uint32_t> depth_;  ///< per block, where the strategy needs it

  private:
    void observe(uint32_t r, uint32_t stored, uint64_t active, RunResult& result) {
        std::vector<BlockId> hits, named;
        chain(trace_->lookup_row(r), result.hit_blocks[r]);
        expand(hits);
        uint32_t row = trace_->stored_row(r, options_.decode);
        chain(row, std::min(stored, trace_->chains[row].length));
        expand(named);
        if (last_to_first()) std::reverse(taken_.begin(), taken_.end());
        auto resident = [this](BlockId b) { return strategy_.contains(b); };
        if (!notes_uses()) {
            // What was hit is not evicted while the request is served, nor is what it stores and had been there.
            std::vector<BlockEvent> evictions;
            evictions.swap(events_);
            for (BlockId b : hits) used(b);
            events_.insert(events_.end(), evictions.begin(), evictions.end());
            for (const std::vector<BlockId>* stored_blocks : {&named, &taken_})
                for (BlockId b : *stored_blocks)
                    if (resident(b)) used(b);
        }
        options_.observer->served({r, hits, named, taken_, evicted_, events_}, resident);
        taken_.clear();
        events_.clear();
        result.sampled(r, active, resident_);
    }

    std::vector<BlockId> taken_;      ///< for the observer: unnamed blocks of the request
    std::vector<BlockEvent> events_;  ///< likewise: what happened while it was served
    static constexpr uint32_t kAhead = 16;  ///< requests; matters where chains are short and there are millions

    void start() {
        flat_content_ = trace_->content && counts_content();
        uint64_t named = flat_content_ ? trace_->content_ids.unique : trace_->chains.unique_blocks();
        uint64_t longest = 0, unnamed = 0, references = 0;
        stored_ = trace_->all_stored_blocks(options_.decode);
        bool named_output = trace_->has_named_output();
        for (uint32_t r = 0; r < trace_->requests(); ++r) {
            uint64_t stored = stored_[r];
            uint64_t lookup = trace_->lookup_blocks(r);
            uint64_t known = named_output ? trace_->chains[trace_->stored_row(r, options_.decode)].length : lookup;
            longest = std::max({longest, stored, lookup});
            unnamed += stored > known ? stored - known : 0;
            references += stored + lookup;
        }
        uint64_t alive = std::min(unnamed, std::min(capacity(), kMaxBlocks) + longest);
        blocks_ = named + alive;
        if (blocks_ > kMaxBlocks)
            throw_input("more than " + std::to_string(kMaxBlocks) + " blocks with output; use a larger --block-size");
        unnamed_.reset(named);
        if (options_.observer) unnamed_.taken = &taken_;
        partial_.reset(options_.observer ? 0 : named, blocks_);  // an observer is told of everybody who leaves
        if (concurrent()) references *= 2;  // released blocks are touched once more
        if constexpr (S::kNeedsDepth)
            if (strategy_.needs_depth()) find_depths();
        strategy_.reset({capacity(), blocks_, named, longest, references, trace_, depth_.data(),
                         options_.decode, last_to_first(), concurrent()});
        prepare();
    }

    void find_depths() {
        depth_.assign(blocks_, 0);
        if (flat_content_) {
            const ContentColumn& c = trace_->content_ids;
            for (uint32_t r = trace_->requests(); r-- > 0;)
                for (uint64_t i = c.begin[r + 1]; i-- > c.begin[r];) depth_[c.ids[i]] = static_cast<uint32_t>(i - c.begin[r]);
            return;
        }
        std::vector<BlockId> parent = trace_->chains.parents();
        for (BlockId b = 0; b < parent.size(); ++b) depth_[b] = parent[b] == kNone ? 0 : depth_[parent[b]] + 1;
    }

    // Parents come before their children in the numbering, so one pass over the resident blocks knows who still has all
    // its ancestors: of a run within a row all do if the first one does. Most are young, so they are looked for from the end.
    uint64_t count_stranded() const {
        if (flat_content_) return 0;  // chunks of content have no ancestors
        const PrefixIndex& chains = trace_->chains;
        auto from = static_cast<BlockId>(chains.unique_blocks());
        uint64_t left = resident_;
        for (BlockId b = from; b < blocks_; ++b) left -= strategy_.contains(b);
        std::vector<Segment> runs;  // last to first
        while (left > 0 && from > 0) {
            if constexpr (requires { strategy_.contains_any(BlockId{}, 32); })
                while (from >= 32 && !strategy_.contains_any(from - 32, 32)) from -= 32;
            BlockId end = from;
            while (from > 0 && strategy_.contains(from - 1)) --from;
            if (from < end) runs.push_back({from, end - from});
            left -= end - from;
            from -= from > 0;
        }
        BlockBits reachable;
        reachable.reset(chains.unique_blocks() - from);
        uint64_t stranded = 0;
        RowOfBlock rows(chains);
        for (size_t i = runs.size(); i-- > 0;) {
            for (Segment s = runs[i]; s.count > 0;) {
                const ChainRecord& c = chains[rows.of(s.begin)];
                uint32_t n = std::min(s.count, c.first_new + (c.length - c.shared) - s.begin);
                // Within a row whoever stands before a run is not resident.
                bool whole = s.begin == c.first_new;
                if (whole && c.shared > 0) {
                    BlockId parent = chains.block_at(c.owner, c.shared - 1);
                    whole = parent >= from && reachable.has(parent - from);
                }
                if (whole) reachable.set_run(s.begin - from, n);
                stranded += whole ? 0 : n;
                s = {s.begin + n, s.count - n};
            }
        }
        return stranded;
    }
    /// Which row introduced a block, for blocks in ascending order. O(log rows) where another row did.
    class RowOfBlock {
      public:
        explicit RowOfBlock(const PrefixIndex& chains) : chains_(chains) {}
        uint32_t of(BlockId block) {
            uint32_t rows = chains_.rows(), step = 1;
            while (row_ + step < rows && chains_.first_new(row_ + step) <= block) {
                row_ += step;
                step *= 2;
            }
            for (; step > 0; step /= 2)
                if (row_ + step < rows && chains_.first_new(row_ + step) <= block) row_ += step;
            return row_;
        }

      private:
        const PrefixIndex& chains_;
        uint32_t row_ = 0;
    };
};

}  // namespace kvsim
