// GDSF under flat accounting with all costs equal. The rule is block_gdsf.h's with cost=one.
//
// A newcomer's rank is L + 1, so whoever goes has rank L or L + 1, or else the newcomer is not stored; then L is the
// rank of whoever lost. So L rises by 1 or not at all, no resident block is below it, and only two ranks need an order.
//   line     Blocks used once have rank L or L + 1, in the order in which they came: a ring, and one number per block
//            of the trace that says so.
//   seats    A block that is hit gets a seat, where its uses, rank and the time of the last use are noted. Its place in
//            line is passed over later: before the block can go, since all places before it are less.
//   buckets  A seat is filed under its rank modulo their number, in no order. When a bucket's next rank is L + 1 it is
//            emptied: seats with a larger rank, or whose rank has grown, are filed anew, the others put in order of
//            time.
// L and all ranks are at most the number of accesses: a use adds 1 to the sum of L and all uses of resident blocks, and
// a victim takes as much from the latter as it can add to the former. So ranks have 32 bits.
// Cost: O(1) per hit and for those in line, O(log n) amortized for others; 4 bytes per block of the trace, 9 to 12 per
// block of the capacity, 28 per block used more than once.
#pragma once

#include <kvsim/core/huge_vector.h>
#include <kvsim/eviction/block_policy.h>
#include <kvsim/eviction/use_time.h>

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

namespace kvsim {

class FlatGdsf : public FlatPolicyBase {
  public:
    /// `buckets`: a power of two, at least 2, how many there are in small caches.
    explicit FlatGdsf(uint32_t buckets = 1024) : fewest_(buckets) {}

    void reset(const StrategyContext& context) {
        time_.reset(context);
        most_ = std::min(context.capacity_blocks, context.blocks);
        where_.assign(context.blocks, kAbsent);
        line_.assign(most_, {});
        buckets_.assign(std::bit_ceil(std::max<uint64_t>(fewest_, most_ / 16)), kNone);
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
        for (BlockId block = begin; block - begin < count; ++block) {
            uint32_t rank = floor_ + 1;
            if (used_ < most_) {
                ++used_;
            } else if (!make_room(leave)) {
                leave(block);
                continue;
            }
            uint64_t last = first_ + size_++;
            line_[last < most_ ? last : last - most_] = {time_.next(), block};
            old_ += rank == floor_;
            where_[block] = kOnce;
        }
    }
    void mark(BlockId block) {
        if (where_[block] == kOnce) where_[block] = kMarked;
    }
    bool contains(BlockId block) const { return where_[block] != kAbsent; }
    uint64_t resident() const { return used_; }
    uint64_t evicted() const { return evicted_; }
    uint64_t state_bytes() const {
        return (where_.size() + buckets_.size()) * 4 + line_.size() * sizeof(Place) + seats_.capacity() * sizeof(Seat) +
               (lower_.seats.capacity() + upper_.seats.capacity()) * sizeof(Waiting);
    }

  private:
    static constexpr uint32_t kAbsent = 0, kOnce = 1, kMarked = 2, kSeats = 3;  ///< from there on: a seat's number
    struct Place {
        uint32_t time;
        BlockId block;
    };
    struct Seat {
        uint32_t uses, rank, time;
        BlockId block;
        uint32_t next;  ///< in the same bucket, or free
    };
    struct Waiting {
        uint32_t time, seat;
    };
    /// Seats of one rank in order of time.
    struct Queue {
        std::vector<Waiting> seats;
        size_t first = 0;

        bool empty() const { return first == seats.size(); }
        const Waiting& front() const { return seats[first]; }
    };

    void hit(BlockId block) {
        uint32_t where = where_[block];
        if (where >= kSeats) {
            Seat& seat = seats_[where - kSeats];
            seat.rank = floor_ + ++seat.uses;
            seat.time = time_.next();
            return;
        }
        uint32_t number = free_;
        if (number == kNone) {
            number = static_cast<uint32_t>(seats_.size());
            if (number == seats_.capacity()) seats_.reserve(std::min<uint64_t>(2 * seats_.size() + 64, most_));
            seats_.push_back({});
        } else {
            free_ = seats_[number].next;
        }
        seats_[number] = {2, floor_ + 2, time_.next(), block, kNone};
        where_[block] = number + kSeats;
        file(number);
    }
    void file(uint32_t number) {
        uint32_t& bucket = buckets_[seats_[number].rank & (buckets_.size() - 1)];
        seats_[number].next = bucket;
        bucket = number;
    }
    // Takes out the least one, if a newcomer is not less than everybody.
    template <class L>
    bool make_room(const L& leave) {
        while (size_ > 0 && where_[line_[first_].block] >= kSeats) pass();
        settle(lower_);
        if (old_ > 0 || !lower_.empty()) {
            evict(old_ > 0, lower_, leave);
            return true;
        }
        settle(upper_);
        bool anybody = size_ > 0 || !upper_.empty();
        if (anybody) evict(size_ > 0, upper_, leave);
        raise();
        return anybody;
    }
    // Whoever was used longer ago: the first in line, where that is asked, or the first of the queue.
    template <class L>
    void evict(bool from_line, Queue& queue, const L& leave) {
        ++evicted_;
        const Place front = line_[first_];
        if (from_line && (queue.empty() || front.time < queue.front().time)) {
            if (where_[front.block] == kMarked) leave(front.block);
            where_[front.block] = kAbsent;
            return pass();
        }
        uint32_t number = queue.seats[queue.first++].seat;
        Seat& seat = seats_[number];
        leave(seat.block);
        where_[seat.block] = kAbsent;
        seat.next = free_;
        free_ = number;
    }
    // The first place in line.
    void pass() {
        first_ = first_ + 1 == most_ ? 0 : first_ + 1;
        --size_;
        old_ -= old_ > 0;
    }
    // Until the first one has not been used since.
    void settle(Queue& queue) {
        while (!queue.empty() && seats_[queue.front().seat].time != queue.front().time)
            file(queue.seats[queue.first++].seat);
    }
    // L grows by 1. Nobody has the present rank.
    void raise() {
        ++floor_;
        old_ = size_;
        std::swap(lower_, upper_);
        upper_.seats.clear();
        upper_.first = 0;
        uint32_t rank = floor_ + 1, next = kNone;
        uint32_t number = std::exchange(buckets_[rank & (buckets_.size() - 1)], kNone);
        for (; number != kNone; number = next) {
            next = seats_[number].next;
            if (seats_[number].rank == rank) {
                upper_.seats.push_back({seats_[number].time, number});
            } else {
                file(number);
            }
        }
        std::sort(upper_.seats.begin(), upper_.seats.end(), [](Waiting a, Waiting b) { return a.time < b.time; });
    }

    uint32_t fewest_;
    UseTime time_;
    uint64_t most_ = 0;  ///< blocks resident at once
    uint64_t used_ = 0;
    uint64_t evicted_ = 0;
    uint32_t floor_ = 0;  ///< L
    HugeVector<uint32_t> where_;
    HugeVector<Place> line_;               ///< a ring of size_ places from first_ on
    uint64_t first_ = 0, size_ = 0, old_ = 0;  ///< the first old_ of them have rank L, the others L + 1
    std::vector<Seat> seats_;
    uint32_t free_ = kNone;  ///< a seat that nobody has; the next one is its `next`
    std::vector<uint32_t> buckets_;  ///< a seat of each
    Queue lower_, upper_;            ///< seats of rank L and L + 1
};

static_assert(FlatPolicy<FlatGdsf>);

}  // namespace kvsim
