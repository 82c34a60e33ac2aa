// LRU under flat accounting, as a stamped log that nobody leaves. The rule is block_lru.h's.
//
// A touch appends the block to a log and notes the place in its stamp. Places are numbered on and on, while the log
// is a ring. The oldest place that counts is the tail, and a block is resident if its stamp is not below it. So
// eviction moves the tail over as many live entries as are to go (a block's stamp names its live one), in a loop
// without branches, and writes nothing; who must be told of is found by a bit per place. When the ring is full of
// entries that are not live any more, the others are written anew.
// Cost: O(1) amortized; 4 bytes per block of the trace, 8 to 16 per block of the capacity.
#pragma once

#include <kvsim/core/huge_vector.h>
#include <kvsim/eviction/block_bits.h>
#include <kvsim/eviction/block_policy.h>
#include <kvsim/eviction/consecutive.h>

#include <utility>
#include <vector>

namespace kvsim {

class FlatLru : public FlatPolicyBase {
  public:
    /// `last_place`: no place gets a larger number.
    explicit FlatLru(uint64_t last_place = kNone) : last_place_(last_place) {}
    void reset(const StrategyContext& context) {
        most_ = free_ = std::min(context.capacity_blocks, context.blocks);
        size_ = static_cast<uint32_t>(std::bit_ceil(std::min(2 * most_, context.references + most_) + 8));
        stamp_.assign(context.blocks, 0);
        log_.assign(size_, 0);
        marks_.reset(size_);
    }
    uint32_t lead(BlockId begin, uint32_t count) { return hit(begin, count); }
    template <class L>
    RunHits use(BlockId begin, uint32_t count, const L& leave) {
        RunHits hits;
        while (count > 0) {
            // Whoever goes meanwhile is not among the absent, so a stretch of them enters at once.
            uint32_t n = absent(begin, count);
            if (n > 0) add(begin, n, leave);
            begin += n;
            count -= n;
            hits.last = count > 0;
            n = hit(begin, count);
            hits.count += n;
            begin += n;
            count -= n;
        }
        return hits;
    }
    template <class L>
    void add(BlockId begin, uint32_t count, const L& leave) {
        while (count > 0) {
            auto n = static_cast<uint32_t>(std::min<uint64_t>(count, most_));
            if (n > free_) evict(n - static_cast<uint32_t>(free_), leave);
            free_ -= std::min<uint64_t>(n, free_);
            push_run(begin, n);
            begin += n;
            count -= n;
        }
    }
    RunHits touch(BlockId begin, uint32_t count) {
        RunHits hits;
        for (uint32_t i = 0; i < count; ++i) {
            hits.last = hit(begin + i, 1) > 0;
            hits.count += hits.last;
        }
        return hits;
    }
    void mark(BlockId block) { marks_.set(stamp_[block] & mask()); }
    bool contains(BlockId block) const { return stamp_[block] >= tail_; }
    uint64_t resident() const { return most_ - free_; }
    uint64_t evicted() const { return evicted_; }
    uint64_t state_bytes() const { return stamp_.size() * 4 + log_.size() * 4 + marks_.bytes(); }

  private:
    uint32_t absent(BlockId begin, uint32_t count) const {
        const uint32_t* stamp = stamp_.data() + begin;
        uint32_t n = 0, tail = tail_;
        while (n < count && stamp[n] < tail) ++n;
        return n;
    }
    // Touches the resident blocks that the run begins with; returns how many.
    uint32_t hit(BlockId begin, uint32_t count) {
        make_room(static_cast<uint32_t>(std::min<uint64_t>(count, most_)));  // more cannot be resident
        uint32_t* stamp = stamp_.data() + begin;
        BlockId* log = log_.data();
        const uint32_t tail = tail_, head = head_, mask = this->mask();
        uint32_t n = 0;
        for (; n < count && stamp[n] >= tail; ++n) {
            stamp[n] = head + n;
            log[(head + n) & mask] = begin + n;
        }
        head_ = head + n;
        return n;
    }
    void push_run(BlockId begin, uint32_t count) {
        make_room(count);
        uint32_t at = head_ & mask();
        if (count + at <= size_) {
            write_consecutive(stamp_.data() + begin, head_, log_.data() + at, begin, count);
        } else {
            for (uint32_t i = 0; i < count; ++i) {
                stamp_[begin + i] = head_ + i;
                log_[(head_ + i) & mask()] = begin + i;
            }
        }
        head_ += count;
    }
    void make_room(uint32_t count) {
        if (head_ - tail_ + count > size_ || head_ > last_place_ - size_) [[unlikely]] compact();
    }
    template <class L>
    void evict(uint32_t count, const L& leave) {
        evicted_ += count;
        const uint32_t* stamp = stamp_.data();
        const BlockId* log = log_.data();
        const uint32_t mask = this->mask();
        uint32_t at = tail_;
        auto live = [&](uint32_t place) { return stamp[log[place & mask]] == place ? 1u : 0u; };
        uint32_t left = count;
        for (; left >= 4; at += 4) left -= live(at) + live(at + 1) + live(at + 2) + live(at + 3);
        while (left > 0)
            for (int i = 0; i < 4; ++i) {  // the last ones without a branch that cannot be guessed
                uint32_t more = left > 0 ? 1 : 0;
                left -= more & live(at);
                at += more;
            }
        tell(tail_, at - tail_, leave);
        tail_ = at;
    }
    // `leave` of those in the places from `from` on that are marked, and gone.
    template <class L>
    void tell(uint32_t from, uint32_t count, const L& leave) {
        uint32_t at = from & mask(), here = std::min(count, size_ - at);
        auto gone = [&](uint32_t place) {
            marks_.clear(place);
            if (stamp_[log_[place]] == from + ((place - from) & mask())) leave(log_[place]);
        };
        marks_.for_each(at, here, gone);
        if (here < count) marks_.for_each(0, count - here, gone);
    }
    // The live entries are written anew. Places are numbered on, but from 1 again before the numbers run out.
    [[gnu::noinline]] void compact() {
        std::vector<std::pair<BlockId, bool>> live;
        for (uint32_t place = tail_; place != head_; ++place) {
            BlockId block = log_[place & mask()];
            if (stamp_[block] == place) live.emplace_back(block, marks_.has(place & mask()));
        }
        if (head_ > last_place_ - 2 * uint64_t{size_}) {
            for (uint32_t& stamp : stamp_) stamp = 0;
            head_ = 1;
        }
        tail_ = head_;
        marks_.reset(size_);
        for (auto [block, marked] : live) {
            if (marked) marks_.set(head_ & mask());
            log_[head_ & mask()] = block;
            stamp_[block] = head_++;
        }
    }
    uint32_t mask() const { return size_ - 1; }

    uint64_t last_place_;
    uint64_t most_ = 0;  ///< blocks resident at once
    uint64_t free_ = 0;  ///< places in the cache that nobody has taken yet
    uint64_t evicted_ = 0;
    HugeVector<uint32_t> stamp_;  ///< place of the last touch
    HugeVector<BlockId> log_;     ///< a ring
    BlockBits marks_;             ///< of places in the ring
    uint32_t size_ = 0;           ///< of the ring
    uint32_t tail_ = 1, head_ = 1;
};

static_assert(FlatPolicy<FlatLru>);

}  // namespace kvsim
