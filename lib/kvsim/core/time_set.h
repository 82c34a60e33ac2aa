// A set of points in time with its latest one, as bits under summaries of 64 each: all in one block of memory, which
// for a hundred thousand times is 13 KB.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvsim {

class TimeSet {
  public:
    /// For times 0 .. times - 1.
    explicit TimeSet(uint64_t times) {
        uint64_t words = times;
        do {
            words = (words + 63) / 64;
            begin_[depth_++] = size_;
            size_ += words > 0 ? words : 1;
        } while (words > 1);
        words_.resize(size_);
    }
    bool has(uint64_t time) const { return (words_[time >> 6] >> (time & 63) & 1) != 0; }
    void insert(uint64_t time) {
        for (int level = 0; level < depth_; ++level) {
            uint64_t& word = words_[begin_[level] + (time >> 6)];
            uint64_t before = word;
            word = before | uint64_t{1} << (time & 63);
            if (before != 0) return;
            time >>= 6;
        }
    }
    void erase(uint64_t time) {
        for (int level = 0; level < depth_; ++level) {
            uint64_t& word = words_[begin_[level] + (time >> 6)];
            word &= ~(uint64_t{1} << (time & 63));
            if (word != 0) return;
            time >>= 6;
        }
    }
    /// The set is not empty.
    uint64_t latest() const {
        uint64_t i = 0;
        for (int level = depth_; level-- > 0;)
            i = i * 64 + 63 - static_cast<uint64_t>(std::countl_zero(words_[begin_[level] + i]));
        return i;
    }
    /// Removes all times in [from, to), earliest first, calling f(time) for each.
    template <class F>
    void take(uint64_t from, uint64_t to, F&& f) {
        while (from < to) {
            uint64_t word = words_[from >> 6] >> (from & 63);
            if (word == 0) {
                from = (from | 63) + 1;
                continue;
            }
            from += static_cast<uint64_t>(std::countr_zero(word));
            if (from >= to) return;
            erase(from);
            f(from++);
        }
    }

  private:
    static constexpr int kLevels = 11;  ///< 64^11 > 2^64
    std::array<size_t, kLevels> begin_{};
    int depth_ = 0;
    size_t size_ = 0;
    std::vector<uint64_t> words_;
};

}  // namespace kvsim
