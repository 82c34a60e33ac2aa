// Sums over the first cells of a row of numbers that change: a Fenwick tree. Both steps cost log2(cells).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvsim {

template <class Sum>
class PrefixSums {
  public:
    PrefixSums() : tree_(1) {}
    explicit PrefixSums(size_t cells) : tree_(cells + 1) {}
    void reserve(size_t cells) { tree_.reserve(cells + 1); }
    /// One cell more. Amortized O(1).
    void push_back(Sum value) {
        size_t i = tree_.size();
        for (size_t below = 1; (i & below) == 0; below *= 2) value += tree_[i - below];
        tree_.push_back(value);
    }
    /// Of cells 0 .. count - 1.
    Sum first(size_t count) const {
        Sum sum = 0;
        for (size_t i = count; i > 0; i &= i - 1) sum += tree_[i];
        return sum;
    }
    void add(size_t cell, Sum more) {
        for (size_t i = cell + 1; i < tree_.size(); i += i & (~i + 1)) tree_[i] += more;
    }
    void subtract(size_t cell, Sum less) {
        for (size_t i = cell + 1; i < tree_.size(); i += i & (~i + 1)) tree_[i] -= less;
    }

  private:
    std::vector<Sum> tree_;
};

}  // namespace kvsim
