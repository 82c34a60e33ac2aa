// KeyDiff (Park et al. 2025): the token whose key points most where all keys point leaves, so that the keys held
// differ as much as they can. Score: minus the cosine between the key and the mean of the normalised keys that are
// held, the new one among them.
//
// Keys are normalised once, as they are read back when they are appended. Their sum is kept in whole multiples of
// 2^-40, so that adding and taking away is exact in any order. The length of the mean is the same for all tokens and
// left out. Two keys are equally like their mean, so under a budget of 1 rounding decides.
//
// The paper evicts in blocks of 128 tokens; here one leaves at each step. Cost: one pass over the normalised keys of a
// head per victim, and a copy of them.
#include <kvsim/eviction/token_base.h>

#include <cmath>

namespace kvsim {

namespace {

class TokenKeyDiff final : public ScoredTokens {
  public:
    TokenKeyDiff(Spec& spec, const TokenContext& context)
        : ScoredTokens(spec, context, ask_token_room(spec, context, 0, 0)),
          heads_(context.kv_heads),
          mean_(context.head_dim) {
        for (Head& head : heads_) head.sum.assign(context.head_dim, 0);
    }
    void on_step(const LayerStep& step) override {
        uint32_t dim = context_.head_dim;
        for (uint32_t h = 0; h < heads_.size(); ++h) {
            const HeadTokens& held = (*step.heads)[h];
            Head& head = heads_[h];
            for (size_t slot = head.keys.size() / dim; slot < held.count(); ++slot) {
                const float* key = held.keys.data() + slot * dim;
                double squares = 0;
                for (uint32_t d = 0; d < dim; ++d) squares += double{key[d]} * key[d];
                double scale = squares > 0 ? 1 / std::sqrt(squares) : 0;  // a key of zeros points nowhere
                for (uint32_t d = 0; d < dim; ++d) {
                    head.keys.push_back(static_cast<float>(key[d] * scale));
                    head.sum[d] += whole(head.keys.back());
                }
            }
        }
    }
    void on_evict(TokenVictim victim, uint32_t last) override {
        uint32_t dim = context_.head_dim;
        Head& head = heads_[victim.head];
        for (uint32_t d = 0; d < dim; ++d) head.sum[d] -= whole(head.keys[size_t{victim.slot} * dim + d]);
        take_place(head.keys, victim.slot, last, dim);
    }

  protected:
    const double* rate(const LayerStep&, uint32_t h) override {
        uint32_t dim = context_.head_dim;
        const Head& head = heads_[h];
        for (uint32_t d = 0; d < dim; ++d) mean_[d] = static_cast<double>(head.sum[d]);
        scores_.resize(head.keys.size() / dim);  // NOLINT(clang-analyzer-core.DivideZero): heads have values
        for (size_t slot = 0; slot < scores_.size(); ++slot) scores_[slot] = -along(head.keys.data() + slot * dim);
        return scores_.data();
    }

  private:
    struct Head {
        std::vector<float> keys;   ///< [slot, head_dim], normalised
        std::vector<int64_t> sum;  ///< of the keys, in 2^-40
    };
    static int64_t whole(float x) { return std::llrint(std::ldexp(double{x}, 40)); }

    /// Key times mean, coordinate d in lane d mod 4.
    double along(const float* key) const {
        double lane[4] = {0, 0, 0, 0};
        uint32_t dim = context_.head_dim, d = 0;
        for (; d + 4 <= dim; d += 4)
            for (uint32_t j = 0; j < 4; ++j) lane[j] += key[d + j] * mean_[d + j];
        for (uint32_t j = 0; d + j < dim; ++j) lane[j] += key[d + j] * mean_[d + j];
        return (lane[0] + lane[1]) + (lane[2] + lane[3]);
    }

    std::vector<Head> heads_;
    std::vector<double> mean_, scores_;
};

}  // namespace

TokenStrategyRow token_key_diff() {
    TokenStrategyRow row = token_row<TokenKeyDiff>("key_diff", "key most like the mean of all keys", "Park et al. 2025",
                                   "budget=0.2 sinks=0 recent=0");
    row.needs_keys = true;
    return row;
}

}  // namespace kvsim
