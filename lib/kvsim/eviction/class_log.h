// Blocks in the order of their last use, each in one of a few classes: the oldest one of any class.
//
// One log for all, as in block_queue.h: a use appends the block, its place before becomes empty. Per class a bitmap
// over the log says where its candidates are, so the oldest one is the lowest bit. Candidates are all blocks, or with
// leaves the leaves. Under pinned accounting whoever is found not eligible is no candidate any more; a use makes it one
// again, and it is used before it is eligible again. What a request uses can be put in reverse: the later it is used,
// the older it counts. Then a request that uses its blocks first to last leaves them in the order in which one leaves
// them that uses them last to first. Cost: O(log64 n) per step; 5 bytes per block of the trace, 8 + classes / 4 per
// block that can be resident.
#pragma once

#include <kvsim/core/huge_vector.h>
#include <kvsim/eviction/bitmap_min.h>
#include <kvsim/eviction/block_policy.h>

#include <algorithm>

namespace kvsim {

template <bool kLeaves>
class ClassLog {
  public:
    void reset(const StrategyContext& context, uint32_t classes) {
        uint64_t live = std::min(context.capacity_blocks, context.blocks) + 2 * context.longest_chain;
        uint64_t size = std::min(2 * live + 64, context.references + 2);
        place_.assign(context.blocks, 0);
        class_.assign(context.blocks, 0);
        log_.assign(size, kNone);
        candidates_.assign(classes, {});
        for (BitmapMin& c : candidates_) c.reset(size);
        head_ = next_ = 1;
        reverse_ = false;
    }
    bool contains(BlockId block) const { return place_[block] != 0; }
    /// Of its last use, also when it has gone since; 0 before the first.
    uint8_t class_of(BlockId block) const { return class_[block]; }
    /// Smaller: used longer ago.
    uint32_t place(BlockId block) const { return place_[block]; }

    /// A request that makes at most `uses` uses is about to be served.
    void begin_request(uint64_t uses, bool reverse) {
        end_request();
        if (head_ + uses > log_.size()) compact();
        reverse_ = reverse;
        if (!reverse) return;
        head_ += uses;
        next_ = head_;
    }
    /// Uses from now on stand in the order in which they happen.
    void end_request() { reverse_ = false; }

    void insert(BlockId block, uint8_t c) {
        put(block, c);
        candidates_[c].insert(place_[block]);
    }
    void use(BlockId block, uint8_t c) {
        uint32_t before = place_[block];
        bool leaf = kLeaves && candidates_[class_[block]].contains(before);
        take_out(block);
        put(block, c);
        if (!kLeaves || leaf) candidates_[c].insert(place_[block]);
    }
    void erase(BlockId block) {
        take_out(block);
        place_[block] = 0;
    }
    void on_leaf(BlockId block) {
        if (kLeaves) candidates_[class_[block]].insert(place_[block]);
    }
    void on_inner(BlockId block) {
        if (kLeaves) candidates_[class_[block]].erase(place_[block]);
    }
    /// The eligible block of the class that was used longest ago; kNone: there is none.
    template <EligibleBlocks E>
    BlockId oldest(uint32_t c, const E& eligible) {
        BitmapMin& candidates = candidates_[c];
        for (size_t at = candidates.next(0); at != BitmapMin::kEnd; at = candidates.next(at + 1)) {
            if (eligible(log_[at])) return log_[at];
            if (!kLeaves) candidates.erase(at);
        }
        return kNone;
    }

    uint64_t state_bytes() const {
        uint64_t n = place_.size() * 5 + log_.size() * 4;
        for (const BitmapMin& c : candidates_) n += c.bytes();
        return n;
    }

  private:
    void take_out(BlockId block) {
        candidates_[class_[block]].erase(place_[block]);
        log_[place_[block]] = kNone;
    }
    void put(BlockId block, uint8_t c) {
        if (!reverse_ && head_ == log_.size()) compact();
        uint64_t place = reverse_ ? --next_ : head_++;
        log_[place] = block;
        place_[block] = static_cast<uint32_t>(place);
        class_[block] = c;
    }
    void compact() {
        uint64_t to = 1;
        for (uint64_t from = 1; from < head_; ++from) {
            BlockId block = log_[from];
            if (block == kNone) continue;
            BitmapMin& candidates = candidates_[class_[block]];
            bool candidate = candidates.contains(from);
            candidates.erase(from);
            log_[from] = kNone;
            log_[to] = block;
            place_[block] = static_cast<uint32_t>(to);
            if (candidate) candidates.insert(to);
            ++to;
        }
        head_ = to;
    }

    HugeVector<uint32_t> place_;
    HugeVector<uint8_t> class_;
    HugeVector<BlockId> log_;  ///< kNone where nobody is (any more)
    std::vector<BitmapMin> candidates_;
    uint64_t head_ = 1;
    uint64_t next_ = 1;  ///< in reverse: the place used last
    bool reverse_ = false;
};

}  // namespace kvsim
