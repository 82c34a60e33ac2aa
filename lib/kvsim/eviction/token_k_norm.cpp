// Knorm (Devoto et al. 2024): the token with the longest key leaves; keys that get much attention tend to be short. The
// newest token is protected, or a long key would never be seen by a second query.
//
// The length is that of the key as it is read back when it is appended. Cost: head_dim per token, and one pass over the
// tokens of a head to find the longest.
#include <kvsim/eviction/token_base.h>

#include <cmath>

namespace kvsim {

namespace {

class TokenKNorm final : public ScoredTokens {
  public:
    TokenKNorm(Spec& spec, const TokenContext& context)
        : ScoredTokens(spec, context, ask_token_room(spec, context, 0, 1)), scores_(context.kv_heads) {}
    void on_step(const LayerStep& step) override {
        for (uint32_t head = 0; head < scores_.size(); ++head) {
            const HeadTokens& held = (*step.heads)[head];
            for (size_t slot = scores_[head].size(); slot < held.count(); ++slot) {
                const float* key = held.keys.data() + slot * context_.head_dim;
                double squares = 0;
                for (uint32_t d = 0; d < context_.head_dim; ++d) squares += double{key[d]} * key[d];
                scores_[head].push_back(-squares);  // as the lengths are ordered
            }
        }
    }
    void on_evict(TokenVictim victim, uint32_t last) override { take_place(scores_[victim.head], victim.slot, last); }

  protected:
    const double* rate(const LayerStep&, uint32_t head) override { return scores_[head].data(); }

  private:
    std::vector<std::vector<double>> scores_;  ///< [head][slot]
};

}  // namespace

TokenStrategyRow token_k_norm() {
    TokenStrategyRow row = token_row<TokenKNorm>("k_norm", "longest key", "Devoto et al. 2024", "budget=0.2 sinks=0 recent=1");
    row.needs_keys = true;
    return row;
}

}  // namespace kvsim
