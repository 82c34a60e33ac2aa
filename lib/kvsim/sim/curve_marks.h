// From ranks to a curve: a block at rank x of the recency order is a hit at every capacity from x on. Ranks come in
// stretches, a curve needs only where these begin and end, so what is kept and sorted is one or two marks per run.
#pragma once

#include <kvsim/sim/curve.h>

#include <vector>

namespace kvsim {

/// `Rank`: 32 bits where all ranks fit.
template <class Rank>
class CurveMarks {
  public:
    /// `usual_tokens`: what most blocks hold; stretches of these take less room.
    explicit CurveMarks(uint64_t usual_tokens) : usual_tokens_(usual_tokens) {}
    void expect_stretches(size_t count) {
        begins_.reserve(count + 1);  // and one mark at the end
        ends_.reserve(count + 1);
    }
    void expect_steps(size_t count) { steps_.reserve(count + 1); }
    /// Many steps, at ranks up to `most`: they are counted in a table instead of sorted.
    void expect_ranks(uint64_t most) { table_.resize(most + 1); }
    /// Blocks at ranks first + 1, first + 2, ...: `tokens` in each.
    void add_stretch(uint64_t first, uint64_t blocks, uint64_t tokens) {
        if (tokens == usual_tokens_) {
            begins_.push_back(static_cast<Rank>(first + 1));
            ends_.push_back(static_cast<Rank>(first + blocks + 1));
        } else {
            bends_.push_back({first + 1, 1, static_cast<int64_t>(tokens)});
            bends_.push_back({first + blocks + 1, -1, -static_cast<int64_t>(tokens)});
        }
    }
    /// `blocks` blocks with `tokens` tokens in all at one rank. No blocks and less than no tokens: a correction.
    void add_step(uint64_t rank, uint64_t blocks, int64_t tokens) {
        if (!table_.empty()) {
            table_[rank].blocks += static_cast<int64_t>(blocks);
            table_[rank].tokens += tokens;
            return;
        }
        steps_.push_back({rank, static_cast<int64_t>(blocks), tokens});
        if (steps_.size() >= merge_at_) merge_steps();
    }
    /// Sorts and forgets the marks.
    std::vector<Curve::Knot> knots();

  private:
    struct Sum {
        int64_t blocks = 0;
        int64_t tokens = 0;
    };
    struct Mark {
        uint64_t at;
        int64_t blocks;
        int64_t tokens;
    };
    void merge_steps();

    uint64_t usual_tokens_;
    std::vector<Rank> begins_, ends_;  ///< from this rank on there is one block more, or less, of usual tokens at each
    std::vector<Mark> bends_;          ///< so much more at each rank from here on
    std::vector<Mark> steps_;          ///< so much at this rank
    std::vector<Sum> table_;           ///< steps by rank, if it is used
    size_t merge_at_ = size_t{1} << 20;
};

}  // namespace kvsim
