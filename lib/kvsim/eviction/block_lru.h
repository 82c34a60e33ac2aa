// LRU over blocks, as a stamped log.
//
// Every touch appends the block to a log and stores the place in the block's stamp; older entries of the block go
// stale. The victim is the oldest entry that is not stale, so eviction is a walk of the log's tail. No links, only
// sequential writes and one array indexed by block. When the log is full the live entries are moved to its front.
// With leaves (tree accounting) the places of blocks that may go are bits in a 64-ary bitmap over the log, and the
// victim is the lowest bit: stepping over inner nodes one by one would cost their number each time.
// Cost: O(1) amortized per touch; 4 bytes per block of the trace, at most one more for the log to spare, and 8 per block
// of the capacity. Differs from the textbook's list in nothing but memory traffic.
#pragma once

#include <kvsim/core/huge_vector.h>
#include <kvsim/eviction/bitmap_min.h>
#include <kvsim/eviction/flat_lru.h>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <vector>

namespace kvsim {

template <bool kLeaves>
class BlockLru : public BlockStrategyBase {
  public:
    static StrategyInfo info() {
        return {"lru", "least recently used block first", "textbook; vLLM's free queue under pinned",
                "pinned flat tree", "published counts and a naive twin"};
    }
    static constexpr bool kTouchedLast = true;
    static constexpr bool kKeepsPrefixes = true;
    explicit BlockLru(Spec&) {}

    void reset(const StrategyContext& context) {
        uint64_t live = std::min(context.capacity_blocks, context.blocks) + context.longest_chain;
        // Room to spare makes moving the live entries rare.
        uint64_t spare = kLeaves ? 0 : std::min(6 * live, context.blocks / 4);
        uint64_t size = std::min(2 * live + spare + 64, context.references + 2);
        stamp_.assign(context.blocks, 0);
        log_.assign(size, kNone);
        head_ = tail_ = 1;  // place 0 is never used, so stamp 0 means not resident
        if (kLeaves) leaves_.reset(size);
    }
    void on_hit(BlockId block) {
        bool leaf = kLeaves && leaves_.contains(stamp_[block]);
        if (leaf) leaves_.erase(stamp_[block]);
        push(block);
        if (leaf) leaves_.insert(stamp_[block]);
    }
    void on_insert(BlockId block) {
        push(block);
        if (kLeaves) leaves_.insert(stamp_[block]);
    }
    template <EligibleBlocks E>
    BlockId pick_victim(BlockId, const E& eligible) {
        if constexpr (kLeaves) {
            for (size_t at = leaves_.next(0); at != BitmapMin::kEnd; at = leaves_.next(at + 1))
                if (eligible(log_[at])) return log_[at];
            return kNone;
        }
        while (tail_ < head_ && stamp_[log_[tail_]] != tail_) ++tail_;
        if constexpr (std::same_as<E, AnyBlock>) return tail_ < head_ ? log_[tail_] : kNone;
        for (uint64_t at = tail_; at < head_; ++at)
            if (stamp_[log_[at]] == at && eligible(log_[at])) return log_[at];
        return kNone;
    }
    uint32_t touch_run(BlockId begin, uint32_t count) {
        static_assert(!kLeaves, "leaves are told one by one");
        if (head_ + count > log_.size()) compact();
        // Three plain loops over neighbours, which the compiler turns into vector code.
        uint32_t* stamp = stamp_.data() + begin;
        BlockId* log = log_.data() + head_;
        uint32_t inserted = 0;
        for (uint32_t i = 0; i < count; ++i) inserted += stamp[i] == 0;
        auto last_place = static_cast<uint32_t>(head_ + count - 1);
        for (uint32_t i = 0; i < count; ++i) stamp[i] = last_place - i;
        BlockId last = begin + count - 1;
        for (uint32_t i = 0; i < count; ++i) log[i] = last - i;
        head_ += count;
        return inserted;
    }
    uint32_t hold_run(BlockId begin, uint32_t count) {
        uint32_t* stamp = stamp_.data() + begin;
        uint32_t inserted = 0;
        for (uint32_t i = 0; i < count; ++i) inserted += stamp[i] == 0;
        for (uint32_t i = 0; i < count; ++i) stamp[i] = kHeld;
        return inserted;
    }
    template <class F>
    void evict_oldest(uint64_t count, const F& f) {
        uint32_t* stamp = stamp_.data();
        const BlockId* log = log_.data();
        auto at = static_cast<uint32_t>(tail_);
        for (; count > 0; ++at) {
            BlockId block = log[at];
            if (stamp[block] != at) continue;
            stamp[block] = 0;
            --count;
            f(block);
        }
        tail_ = at;
    }
    void on_release(BlockId block) { push(block); }
    void on_evict(BlockId block) {
        if (kLeaves) leaves_.erase(stamp_[block]);
        stamp_[block] = 0;
    }
    void on_leaf(BlockId block) {
        if (kLeaves) leaves_.insert(stamp_[block]);
    }
    void on_inner(BlockId block) {
        if (kLeaves) leaves_.erase(stamp_[block]);
    }
    bool contains(BlockId block) const { return stamp_[block] != 0; }
    uint64_t state_bytes() const {
        return stamp_.size() * 4 + log_.size() * 4 + (kLeaves ? leaves_.bytes() : 0);
    }

  private:
    static constexpr uint32_t kHeld = kNone;  ///< resident, in no place of the log

    void push(BlockId block) {
        if (head_ == log_.size()) compact();
        log_[head_] = block;
        stamp_[block] = static_cast<uint32_t>(head_++);
    }
    void compact() {
        uint64_t to = 1;
        for (uint64_t from = tail_; from < head_; ++from) {
            BlockId block = log_[from];
            if (stamp_[block] != from) continue;
            if (kLeaves && leaves_.contains(from)) {
                leaves_.erase(from);
                leaves_.insert(to);
            }
            log_[to] = block;
            stamp_[block] = static_cast<uint32_t>(to++);
        }
        tail_ = 1;
        head_ = to;
    }

    HugeVector<uint32_t> stamp_;
    HugeVector<BlockId> log_;
    BitmapMin leaves_;
    // 64 bits wide, unlike what is stored, so that the compiler knows they are not among it and keeps them in registers.
    uint64_t head_ = 1;
    uint64_t tail_ = 1;
};

static_assert(BulkStrategy<BlockLru<false>> && BlockStrategy<BlockLru<true>>);

template <>
struct FlatOf<BlockLru<false>> {
    static FlatLru make(const BlockLru<false>&) { return FlatLru(); }
};

}  // namespace kvsim
