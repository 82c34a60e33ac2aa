// A set of small numbers with its smallest element: bits under summaries of 64 each. O(log64 n) per step, n/8 bytes.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvsim {

/// Set of numbers below a limit with its smallest element, as bits under summaries of 64 each.
class BitmapMin {
  public:
    void reset(size_t size) {
        levels_.clear();
        do {
            size = (size + 63) / 64;
            levels_.emplace_back(size, 0);
        } while (size > 1);
    }
    void insert(size_t i) {
        for (auto& level : levels_) {
            uint64_t& word = level[i >> 6];
            uint64_t before = word;
            word |= uint64_t{1} << (i & 63);
            if (before != 0) return;
            i >>= 6;
        }
    }
    void erase(size_t i) {
        for (auto& level : levels_) {
            uint64_t& word = level[i >> 6];
            word &= ~(uint64_t{1} << (i & 63));
            if (word != 0) return;
            i >>= 6;
        }
    }
    bool contains(size_t i) const { return (levels_[0][i >> 6] >> (i & 63) & 1) != 0; }
    static constexpr size_t kEnd = ~size_t{0};
    /// Smallest element that is `from` or above; kEnd if there is none.
    size_t next(size_t from) const {
        size_t level = 0;
        size_t i = from;
        for (;;) {
            if ((i >> 6) >= levels_[level].size()) return kEnd;
            uint64_t word = levels_[level][i >> 6] & (~uint64_t{0} << (i & 63));
            if (word != 0) {
                i = (i & ~size_t{63}) + static_cast<size_t>(std::countr_zero(word));
                while (level > 0) i = i * 64 + static_cast<size_t>(std::countr_zero(levels_[--level][i]));
                return i;
            }
            if (++level == levels_.size()) return kEnd;
            i = (i >> 6) + 1;
        }
    }
    uint64_t bytes() const {
        uint64_t n = 0;
        for (const auto& level : levels_) n += level.size() * 8;
        return n;
    }

  private:
    std::vector<std::vector<uint64_t>> levels_;
};

}  // namespace kvsim
