// LFU under flat accounting. The rule is block_lfu.h's.
//
// Blocks used once are most of what comes and goes: they stand in line, a ring in the order in which they came, with
// one number per block of the trace that says so. A block that is hit gets a seat among those used more often, where
// its uses and the time of the last one are counted; a heap keeps the seats in that order, lazily: an entry is a
// lower bound that sinks when it comes to the top. Its place in line is left as it is and passed over later. Nobody
// is taken from the heap while somebody stands in line, so such a place has been passed before its block can come
// again.
// Cost: O(1) per hit and for those in line, O(log n) amortized for others; 4 bytes per block of the trace, 4 per
// block of the capacity, 24 per block used more than once.
#pragma once

#include <kvsim/core/huge_vector.h>
#include <kvsim/eviction/block_policy.h>
#include <kvsim/eviction/use_time.h>

#include <algorithm>

namespace kvsim {

class FlatLfu : public FlatPolicyBase {
  public:
    void reset(const StrategyContext& context) {
        time_.reset(context);
        most_ = std::min(context.capacity_blocks, context.blocks);
        where_.assign(context.blocks, kAbsent);
        line_.assign(most_, kNone);
    }
    uint32_t lead(BlockId begin, uint32_t count) {
        uint32_t n = 0;
        for (; n < count && where_[begin + n] != kAbsent; ++n) hit(begin + n);
        return n;
    }
    template <class L>
    RunHits use(BlockId begin, uint32_t count, const L& leave) {
        RunHits hits;
        while (count > 0) {
            // Whoever goes meanwhile is not among the absent, so a stretch of them enters at once.
            uint32_t n = 0;
            while (n < count && where_[begin + n] == kAbsent) ++n;
            if (n > 0) add(begin, n, leave);
            begin += n;
            count -= n;
            hits.last = count > 0;
            n = lead(begin, count);
            hits.count += n;
            begin += n;
            count -= n;
        }
        return hits;
    }
    template <class L>
    void add(BlockId begin, uint32_t count, const L& leave) {
        uint32_t* where = where_.data();
        BlockId* line = line_.data();
        uint64_t first = first_, size = size_;
        for (BlockId block = begin, end = begin + count; block < end; ++block) {
            if (used_ < most_) {
                ++used_;
            } else {
                ++evicted_;
                BlockId victim = kNone;
                while (size > 0 && victim == kNone) {
                    BlockId at = line[first];
                    first = first + 1 == most_ ? 0 : first + 1;
                    --size;
                    if (where[at] <= kMarked) victim = at;
                }
                if (victim == kNone) victim = take_least(leave);
                if (where[victim] == kMarked) leave(victim);
                where[victim] = kAbsent;
            }
            uint64_t last = first + size;
            line[last < most_ ? last : last - most_] = block;
            ++size;
            where[block] = kOnce;
        }
        first_ = first;
        size_ = size;
    }
    void mark(BlockId block) {
        if (where_[block] == kOnce) where_[block] = kMarked;
    }
    bool contains_any(BlockId begin, uint32_t count) const {
        bool any = false;
        for (uint32_t i = 0; i < count; ++i) any |= where_[begin + i] != kAbsent;
        return any;
    }
    bool contains(BlockId block) const { return where_[block] != kAbsent; }
    uint64_t resident() const { return used_; }
    uint64_t evicted() const { return evicted_; }
    uint64_t state_bytes() const {
        return (where_.size() + line_.size()) * 4 + seats_.capacity() * sizeof(Seat) + heap_.capacity() * sizeof(Entry);
    }

  private:
    static constexpr uint32_t kAbsent = 0, kOnce = 1, kMarked = 2, kSeats = 3;  ///< from there on: a seat's number
    struct Seat {
        uint32_t uses, time;
        BlockId block;
    };
    struct Entry {
        uint32_t uses, time, seat;
    };
    static uint64_t rank(uint32_t uses, uint32_t time) { return uint64_t{uses} << 32 | time; }
    static bool before(const Entry& a, const Entry& b) { return rank(a.uses, a.time) < rank(b.uses, b.time); }

    void hit(BlockId block) {
        uint32_t where = where_[block];
        if (where >= kSeats) {
            Seat& seat = seats_[where - kSeats];
            ++seat.uses;
            seat.time = time_.next();
            return;
        }
        Seat seat{2, time_.next(), block};
        uint32_t number = free_;
        if (number == kNone) {
            number = static_cast<uint32_t>(seats_.size());
            reserve(seats_);
            seats_.push_back(seat);
        } else {
            free_ = seats_[number].block;
            seats_[number] = seat;
        }
        where_[block] = number + kSeats;
        reserve(heap_);
        heap_.push_back({});
        rise(heap_.size() - 1, {seat.uses, seat.time, number});
    }
    // Twice the room, but no more than the cache has.
    template <class T>
    void reserve(std::vector<T>& room) const {
        if (room.size() == room.capacity()) room.reserve(std::min<uint64_t>(2 * room.size() + 64, most_));
    }
    // The block that is least of those used more than once; there is one.
    template <class L>
    BlockId take_least(const L& leave) {
        for (;;) {
            Entry top = heap_[0];
            const Seat& seat = seats_[top.seat];
            if (seat.time == top.time) break;
            sink({seat.uses, seat.time, top.seat});
        }
        uint32_t number = heap_[0].seat;
        Entry last = heap_.back();
        heap_.pop_back();
        if (!heap_.empty()) sink(last);
        BlockId victim = seats_[number].block;
        seats_[number].block = free_;
        free_ = number;
        leave(victim);
        return victim;
    }
    void rise(size_t at, Entry e) {
        for (; at > 0 && before(e, heap_[(at - 1) / 4]); at = (at - 1) / 4) heap_[at] = heap_[(at - 1) / 4];
        heap_[at] = e;
    }
    // From the top.
    void sink(Entry e) {
        size_t at = 0, size = heap_.size();
        for (size_t child = 1; child < size; child = 4 * at + 1) {
            size_t least = child, end = std::min(child + 4, size);
            for (size_t i = child + 1; i < end; ++i) least = before(heap_[i], heap_[least]) ? i : least;
            if (!before(heap_[least], e)) break;
            heap_[at] = heap_[least];
            at = least;
        }
        heap_[at] = e;
    }

    UseTime time_;
    uint64_t most_ = 0;  ///< blocks resident at once
    uint64_t used_ = 0;
    uint64_t evicted_ = 0;
    HugeVector<uint32_t> where_;
    HugeVector<BlockId> line_;  ///< a ring of size_ places from first_ on
    uint64_t first_ = 0, size_ = 0;
    std::vector<Seat> seats_;
    uint32_t free_ = kNone;  ///< a seat that nobody has; its block is the number of the next one
    std::vector<Entry> heap_;
};

static_assert(FlatPolicy<FlatLfu>);

}  // namespace kvsim
