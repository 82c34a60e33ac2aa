// From ranks to a curve: a block at rank x of the recency order is a hit at every capacity from x on. Ranks come in
// stretches, a curve needs only where these begin and end, so what is kept and sorted is one or two marks per run.
#pragma once

#include <kvsim/sim/curve.h>

#include <vector>

namespace kvsim {

class CurveMarks {
  public:
    /// Blocks at ranks first + 1, first + 2, ...: `tokens` in each.
    void add_stretch(uint64_t first, uint64_t blocks, uint64_t tokens) {
        bends_.push_back({first + 1, static_cast<int64_t>(tokens)});
        bends_.push_back({first + blocks + 1, -static_cast<int64_t>(tokens)});
    }
    /// `blocks` blocks with `tokens` tokens in all at one rank. No blocks and less than no tokens: a correction.
    void add_step(uint64_t rank, uint64_t blocks, int64_t tokens) {
        steps_.push_back({rank, blocks, tokens});
        if (steps_.size() >= merge_at_) merge_steps();
    }
    /// Sorts and forgets the marks.
    std::vector<Curve::Knot> knots();

  private:
    /// From rank `at` on each rank has one block more with `tokens` tokens, or, below 0, one less.
    struct Bend {
        uint64_t at;
        int64_t tokens;
    };
    struct Step {
        uint64_t at;
        uint64_t blocks;
        int64_t tokens;
    };
    void merge_steps();

    std::vector<Bend> bends_;
    std::vector<Step> steps_;
    size_t merge_at_ = size_t{1} << 20;
};

}  // namespace kvsim
