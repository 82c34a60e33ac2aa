// A log of blocks that nobody leaves, with a bit per place that says whether its block still stands there: what queues
// under flat accounting are made of, where the oldest go in whole runs.
//
// Entering appends a run of blocks; whoever owns the log notes the place in the block's stamp. Leaving from the middle
// clears the bit. Passing the oldest ones reads bits only, a word at a time, and neither blocks nor stamps. Places are
// numbered on and on, while the log is a ring; when it is full those that still stand are written anew. A second bit
// per place says who must be told of.
// Cost: O(1) amortized per block, a few words of bits per run; 4 and a quarter bytes per place, of which there are 2 to
// 4 per block that can stand in it.
#pragma once

#include <kvsim/core/huge_vector.h>
#include <kvsim/eviction/block_bits.h>
#include <kvsim/eviction/consecutive.h>

#include <algorithm>
#include <bit>
#include <utility>
#include <vector>

namespace kvsim {

/// Place of each block in the log it is in.
using BlockStamps = HugeVector<uint32_t>;

class FlatLog {
  public:
    /// No more than `live` blocks will stand in it when a run enters. Places get numbers from `first` on, none above
    /// `last`.
    void reset(uint64_t live, uint32_t first, uint32_t last) {
        first_place_ = first;
        last_place_ = last;
        size_ = static_cast<uint32_t>(std::bit_ceil(2 * live + 8));
        most_ = static_cast<uint32_t>(size_ - live);
        log_.assign(size_, 0);
        live_.reset(size_);
        marks_.reset(size_);
        head_ = first;
    }
    /// The place that the next block gets.
    uint32_t head() const { return head_; }
    /// How long a run may be.
    uint32_t longest_run() const { return most_; }
    /// Whether a run finds room; `tail`: the oldest place that counts. If not, renew() comes first.
    bool fits(uint32_t count, uint32_t tail) const {
        return head_ - tail + count <= size_ && head_ <= last_place_ - count;
    }
    void push_run(BlockStamps& stamps, BlockId begin, uint32_t count) {
        uint32_t at = head_ & mask(), here = std::min(count, size_ - at);
        write_consecutive(stamps.data() + begin, head_, log_.data() + at, begin, here);
        live_.set_run(at, here);
        head_ += here;
        if (here < count) [[unlikely]] push_run(stamps, begin + here, count - here);
    }
    /// The blocks of these places have left.
    void drop(uint32_t place, uint32_t count) {
        uint32_t at = place & mask(), here = std::min(count, size_ - at);
        live_.clear_run(at, here);
        if (here < count) [[unlikely]] live_.clear_run(0, count - here);
    }
    void mark(uint32_t place) { marks_.set(place & mask()); }
    BlockId block(uint32_t place) const { return log_[place & mask()]; }

    /// The place behind the next `count` blocks that still stand there, from `place` on. So many there must be.
    uint32_t pass(uint32_t place, uint32_t count) const {
        for (;;) {
            uint32_t at = place & mask(), most = size_ - at;
            uint32_t n = live_.leading(at, std::min(count, most));
            place += n;
            count -= n;
            if (count == 0) return place;
            if (n < most) place += live_.leading_absent(at + n, most - n);
        }
    }
    /// Calls f(place) for whoever still stands in [from, to) and is marked, and takes the marks away; f may drop it.
    template <class F>
    void tell(uint32_t from, uint32_t to, const F& f) {
        while (from != to) {
            uint32_t at = from & mask(), here = std::min(to - from, size_ - at);
            if (marks_.any(at, here)) {
                marks_.for_each(at, here, [&](uint32_t place) {
                    marks_.clear(place);
                    if (live_.has(place)) f(from + (place - at));
                });
            }
            from += here;
        }
    }
    /// Writes those who still stand anew. `tail` and `edge` name the same blocks before and after.
    [[gnu::noinline]] void renew(BlockStamps& stamps, uint32_t& tail, uint32_t& edge) {
        std::vector<BlockId> those;
        std::vector<uint32_t> marked;  // their numbers among those
        uint32_t before_edge = 0;
        for (uint32_t place = tail; place != head_;) {
            uint32_t at = place & mask(), most = std::min(head_ - place, size_ - at);
            if (place < edge) most = std::min(most, edge - place);
            uint32_t n = live_.leading(at, most), count = static_cast<uint32_t>(those.size());
            marks_.for_each(at, n, [&](uint32_t mark) { marked.push_back(count + (mark - at)); });
            those.insert(those.end(), log_.begin() + at, log_.begin() + (at + n));
            if (n < most) n += live_.leading_absent(at + n, most - n);
            if (place < edge) before_edge = static_cast<uint32_t>(those.size());
            place += n;
        }
        if (head_ > last_place_ - std::min<uint64_t>(last_place_, 2 * uint64_t{size_})) {
            for (uint32_t& stamp : stamps)
                if (stamp >= first_place_ && stamp < head_) stamp = 0;
            head_ = first_place_;
        }
        tail = head_;
        edge = head_ + before_edge;
        live_.reset(size_);
        marks_.reset(size_);
        for (size_t i = 0; i < those.size();) {
            size_t from = i;
            do ++i;
            while (i < those.size() && those[i] == those[i - 1] + 1);
            push_run(stamps, those[from], static_cast<uint32_t>(i - from));
        }
        for (uint32_t number : marked) mark(tail + number);
    }
    uint64_t state_bytes() const { return log_.size() * 4 + live_.bytes() + marks_.bytes(); }

  private:
    uint32_t mask() const { return size_ - 1; }

    HugeVector<BlockId> log_;  ///< a ring
    BlockBits live_, marks_;
    uint32_t size_ = 0;  ///< of the ring
    uint32_t most_ = 0;
    uint32_t first_place_ = 1, last_place_ = 0;
    uint32_t head_ = 1;
};

}  // namespace kvsim
