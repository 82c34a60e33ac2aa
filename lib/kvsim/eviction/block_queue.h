// A queue of blocks, as a log: what strategies with queues and hands are made of.
//
// Entering appends the block to the log and notes its place; leaving clears the place. The oldest block is the first
// place that is not empty. When the log is full its blocks are moved to the front, which happens at most once in as
// many steps as it holds blocks. With leaves the places of blocks that may go are bits in a bitmap, so that a walk
// steps over inner nodes 64 at a time. Several queues share one array of places, since a block is in one at a time.
// Cost: O(1) amortized per step; 4 bytes per block of the trace and at most one for room to spare, 8 per block of the
// queue at its largest.
#pragma once

#include <kvsim/core/huge_vector.h>
#include <kvsim/eviction/bitmap_min.h>
#include <kvsim/eviction/block_policy.h>

#include <algorithm>
#include <concepts>

namespace kvsim {

/// Place of each block in the queue it is in; 0: in none.
using BlockPlaces = HugeVector<uint32_t>;

template <bool kLeaves>
class BlockQueue {
  public:
    static constexpr uint64_t kEnd = ~uint64_t{0};

    /// At most `largest` blocks will be in the queue at once. `places` outlives the queue and has a 0 for each block.
    void reset(uint64_t largest, BlockPlaces& places) {
        places_ = places.data();
        // Room to spare makes moving the blocks rare.
        uint64_t spare = kLeaves ? 0 : std::min<uint64_t>(6 * largest, places.size() / 4);
        log_.assign(2 * largest + spare + 64, kNone);
        tail_ = head_ = from_ = hand_ = 1;
        size_ = 0;
        if (kLeaves) leaves_.reset(log_.size());
    }
    uint64_t size() const { return size_; }
    bool empty() const { return size_ == 0; }

    /// Newest from now on. With leaves: as no leaf, until on_leaf().
    void push(BlockId block) {
        if (head_ == log_.size()) compact();
        log_[head_] = block;
        places_[block] = static_cast<uint32_t>(head_++);
        ++size_;
    }
    void erase(BlockId block) {
        uint64_t place = places_[block];
        log_[place] = kNone;
        places_[block] = 0;
        if (kLeaves) leaves_.erase(place);
        --size_;
    }
    /// To the newest end. With leaves: as the leaf or inner node it was.
    void renew(BlockId block) { move_to(*this, block); }
    /// To the newest end of a queue that shares the places. With leaves: as the leaf or inner node it was.
    void move_to(BlockQueue& other, BlockId block) {
        bool leaf = is_leaf(block);
        erase(block);
        other.push(block);
        if (leaf) other.on_leaf(block);
    }
    bool is_leaf(BlockId block) const { return kLeaves && leaves_.contains(places_[block]); }
    /// The oldest block, eligible or not; kNone if there is none.
    BlockId front() {
        skip_empty();
        return tail_ < head_ ? log_[tail_] : kNone;
    }
    void on_leaf(BlockId block) {
        if (kLeaves) leaves_.insert(places_[block]);
    }
    void on_inner(BlockId block) {
        if (kLeaves) leaves_.erase(places_[block]);
    }


    // ---- walks, from the oldest to the newest ----

    /// A new request: whoever was not eligible may be now. Without leaves walks begin where the last one of the same
    /// request found everything older ineligible.
    void begin_request() {
        if (!kLeaves && from_ > tail_) slide();
        from_ = 0;
    }
    /// Oldest eligible block; kNone if there is none.
    template <EligibleBlocks E>
    BlockId oldest(const E& eligible) {
        if constexpr (!kLeaves && std::same_as<E, AnyBlock>) return front();
        uint64_t place = first(eligible);
        if (!kLeaves) from_ = std::min(place, head_);
        return place == kEnd ? kNone : log_[place];
    }
    /// Place of the oldest eligible block, kEnd if there is none.
    template <EligibleBlocks E>
    uint64_t first(const E& eligible) {
        skip_empty();
        return next(kLeaves ? tail_ : std::max(tail_, from_), eligible);
    }
    /// The first place of an eligible block at `from` or newer.
    template <EligibleBlocks E>
    uint64_t next(uint64_t from, const E& eligible) const {
        if constexpr (kLeaves) {
            for (size_t at = leaves_.next(from); at != BitmapMin::kEnd; at = leaves_.next(at + 1))
                if (eligible(log_[at])) return at;
            return kEnd;
        }
        for (uint64_t at = from; at < head_; ++at)
            if (log_[at] != kNone && eligible(log_[at])) return at;
        return kEnd;
    }
    BlockId at(uint64_t place) const { return log_[place]; }
    /// The place that the next block will get.
    uint64_t end() const { return head_; }

    /// A place that stays with its block, or the next newer one, whatever happens to the log.
    uint64_t hand() const { return hand_; }
    void set_hand(uint64_t place) { hand_ = place; }

    uint64_t state_bytes() const { return log_.size() * 4 + (kLeaves ? leaves_.bytes() : 0); }

  private:
    void skip_empty() {
        while (tail_ < head_ && log_[tail_] == kNone) ++tail_;
    }
    // Whoever was stepped over stands before from_ with empty places between: moved together, so that blocks that are
    // always pinned do not keep the log from being used up from its old end.
    void slide() {
        uint64_t to = from_, hand = from_;
        for (uint64_t from = from_; from-- > tail_;) {
            BlockId block = log_[from];
            if (block != kNone && --to != from) {
                log_[to] = block;
                log_[from] = kNone;
                places_[block] = static_cast<uint32_t>(to);
            }
            if (from == hand_) hand = to;
        }
        if (hand_ >= tail_ && hand_ < from_) hand_ = hand;
        tail_ = to;
    }
    // Rare, and out of line so that push() is not.
    [[gnu::noinline]] void compact() {
        BlockId at_hand = block_from(hand_), at_from = block_from(from_);
        uint64_t to = 1;
        for (uint64_t from = tail_; from < head_; ++from) {
            BlockId block = log_[from];
            if (block == kNone) continue;
            bool leaf = kLeaves && leaves_.contains(from);
            log_[from] = kNone;
            if (leaf) leaves_.erase(from);
            log_[to] = block;
            places_[block] = static_cast<uint32_t>(to);
            if (leaf) leaves_.insert(to);
            ++to;
        }
        tail_ = 1;
        head_ = to;
        hand_ = at_hand == kNone ? to : places_[at_hand];
        from_ = at_from == kNone ? to : places_[at_from];
    }
    // The first block at the place or newer.
    BlockId block_from(uint64_t place) const {
        for (uint64_t at = std::max(place, tail_); at < head_; ++at)
            if (log_[at] != kNone) return log_[at];
        return kNone;
    }

    uint32_t* places_ = nullptr;
    HugeVector<BlockId> log_;  ///< kNone where nobody is (any more)
    BitmapMin leaves_;
    uint64_t tail_ = 1, head_ = 1;
    uint64_t from_ = 1;  ///< nobody older is eligible
    uint64_t hand_ = 1;
    uint64_t size_ = 0;
};

}  // namespace kvsim
