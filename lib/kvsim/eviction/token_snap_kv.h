// The score of SnapKV (Li et al. 2024), which pyramid_kv and ada_kv share: what the last `window` queries looked at,
// and its neighbours.
//
// Score of a token: the sum of its weights over the last `window` queries (as their mean, in order), then a pooling of
// `kernel` tokens, maximum or average, over the tokens held in order of position; so what stands beside an important
// token stays with it. The newest tokens (`recent`, default the window itself) are protected and, as in the source, not
// pooled; an average divides by the whole kernel at the ends too.
// Difference from the source: it looks once, at the end of a prompt; here each step has its own last window, and pools
// over what is left by then.
//
// A sum over a moving window is kept, not made anew. Weights are rounded to multiples of 2^-40 for it (in doubles: with
// 1.5 x 2^12 added and taken away again), so that what was added is taken away exactly, in any order. Cost per step: a
// pass over the tokens to keep the sums, one to pool; memory: `window` weights per token.
#pragma once

#include <kvsim/eviction/token_base.h>

namespace kvsim {

class SnapTokens : public ScoredTokens {
  public:
    void on_step(const LayerStep& step) override;
    void on_evict(TokenVictim victim, uint32_t last) override;

  protected:
    /// Reads `window`, `kernel`, `pool`, `recent`.
    SnapTokens(Spec& spec, const TokenContext& context, TokenRoom room);
    const double* rate(const LayerStep& step, uint32_t head) override;
    /// Scores by slot; 0 for the newest.
    void pool(const LayerStep& step, uint32_t head, std::vector<double>& scores);

    static constexpr uint64_t kWindow = 32;  ///< default

  private:
    struct Head {
        std::vector<std::vector<float>> rows;  ///< [query mod window][slot]; shorter where tokens came later
        std::vector<double> sums;              ///< [slot], over the rows
        std::vector<uint32_t> order, ids;      ///< slots by position; position of a slot
    };
    size_t rank(const Head& head, uint32_t slot) const;

    uint64_t window_, kernel_;
    bool average_;
    uint64_t steps_ = 0;
    std::vector<Head> heads_;
    std::vector<double> line_, pooled_, scores_;
};

}  // namespace kvsim
