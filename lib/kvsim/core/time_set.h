// A set of points in time with its latest one, as bits under summaries of 64 each: all in one block of memory, which
// for a hundred thousand times is 13 KB.
#pragma once

#include <algorithm>
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
        uint64_t at = time >> 6;
        uint64_t before = words_[at];
        words_[at] = before | uint64_t{1} << (time & 63);
        if (at > top_) top_ = at;
        if (before == 0) insert_above(at);
    }
    void erase(uint64_t time) {
        uint64_t at = time >> 6;
        uint64_t left = words_[at] & ~(uint64_t{1} << (time & 63));
        words_[at] = left;
        if (left == 0) erase_above(at);
    }
    /// All of from, from + 1, ... count of them.
    void insert_range(uint64_t from, uint64_t count) {
        for_words(from, count, [this](uint64_t at, uint64_t mask) {
            uint64_t before = words_[at];
            words_[at] = before | mask;
            if (at > top_) top_ = at;
            if (before == 0) insert_above(at);
        });
    }
    void erase_range(uint64_t from, uint64_t count) {
        for_words(from, count, [this](uint64_t at, uint64_t mask) {
            if (words_[at] == 0) return;
            words_[at] &= ~mask;
            if (words_[at] == 0) erase_above(at);
        });
    }
    /// How many of from, from + 1, ... are there (`present`) or are not, up to the first that differs; at most `most`.
    uint64_t alike(uint64_t from, uint64_t most, bool present) const {
        uint64_t flip = present ? ~uint64_t{0} : 0;
        uint64_t n = 0;
        while (n < most) {
            uint64_t time = from + n;
            uint64_t differs = (words_[time >> 6] ^ flip) >> (time & 63);
            if (differs != 0) return std::min(most, n + static_cast<uint64_t>(std::countr_zero(differs)));
            n += 64 - (time & 63);
        }
        return most;
    }
    /// The set is not empty.
    uint64_t latest() {
        if (words_[top_] == 0) top_ = latest_word();
        return top_ * 64 + 63 - static_cast<uint64_t>(std::countl_zero(words_[top_]));
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
    template <class F>
    static void for_words(uint64_t from, uint64_t count, F&& f) {
        while (count > 0) {
            uint64_t in_word = std::min<uint64_t>(count, 64 - (from & 63));
            f(from >> 6, (~uint64_t{0} >> (64 - in_word)) << (from & 63));
            from += in_word;
            count -= in_word;
        }
    }
    // The word at `at` is no longer empty, or has become so.
    void insert_above(uint64_t at) {
        for (int level = 1; level < depth_; ++level) {
            uint64_t& word = words_[begin_[level] + (at >> 6)];
            uint64_t before = word;
            word = before | uint64_t{1} << (at & 63);
            if (before != 0) return;
            at >>= 6;
        }
    }
    void erase_above(uint64_t at) {
        for (int level = 1; level < depth_; ++level) {
            uint64_t& word = words_[begin_[level] + (at >> 6)];
            word &= ~(uint64_t{1} << (at & 63));
            if (word != 0) return;
            at >>= 6;
        }
    }
    uint64_t latest_word() const {
        uint64_t i = 0;
        for (int level = depth_; --level > 0;)
            i = i * 64 + 63 - static_cast<uint64_t>(std::countl_zero(words_[begin_[level] + i]));
        return i;
    }

    static constexpr int kLevels = 11;  ///< 64^11 > 2^64
    std::array<size_t, kLevels> begin_{};
    int depth_ = 0;
    size_t size_ = 0;
    uint64_t top_ = 0;  ///< no word above this one has times
    std::vector<uint64_t> words_;
};

}  // namespace kvsim
