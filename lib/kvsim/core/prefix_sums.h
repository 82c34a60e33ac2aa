// Sums over the first cells of a row of numbers that change: a Fenwick tree. Both steps cost log2(cells).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvsim {

template <class Sum>
class PrefixSums {
  public:
    explicit PrefixSums(size_t cells) : tree_(cells + 1) {}
    /// O(cells).
    template <class Number>
    explicit PrefixSums(const std::vector<Number>& cells) : tree_(cells.size() + 1) {
        for (size_t i = 1; i < tree_.size(); ++i) {
            tree_[i] += static_cast<Sum>(cells[i - 1]);
            size_t above = i + (i & (~i + 1));
            if (above < tree_.size()) tree_[above] += tree_[i];
        }
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
