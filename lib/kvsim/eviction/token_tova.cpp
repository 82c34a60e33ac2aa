// TOVA, token omission via attention (Oren et al. 2024): the token to which the newest query gave the least weight
// leaves. No memory of older queries, no recent window, no sinks.
//
// The paper averages over all heads of a layer and evicts one set of tokens from all of them (per=layer); per=head
// decides for each KV head on the mean of its query heads. A KV head's weight is the mean over equally many query
// heads, so the mean over KV heads is that over all query heads. Cost: one pass over the tokens of a head.
#include <kvsim/core/error.h>
#include <kvsim/eviction/token_base.h>

namespace kvsim {

namespace {

class TokenTova final : public ScoredTokens {
  public:
    TokenTova(Spec& spec, const TokenContext& context)
        : ScoredTokens(spec, context, ask_token_room(spec, context, 0, 0)),
          per_layer_(spec.choice("per", "head", {"head", "layer"}) == "layer"),
          scores_(per_layer_ ? 1 : context.kv_heads) {}
    void on_step(const LayerStep& step) override {
        for (uint32_t head = 0; head < step.heads->size(); ++head) {
            const std::vector<float>& row = weights(step, head);
            std::vector<double>& scores = scores_[per_layer_ ? 0 : head];
            if (!per_layer_ || head == 0) scores.assign(row.size(), 0);
            for (size_t i = 0; i < row.size(); ++i) scores[i] += row[i];
        }
    }
    /// Per layer all heads hold the same tokens in the same slots: what leaves the first leaves the others next.
    bool next_victim(const LayerStep& step, TokenVictim& victim) override {
        if (!per_layer_) return ScoredTokens::next_victim(step, victim);
        if (left_in_ > 0 && left_in_ < step.heads->size()) {
            victim = {left_in_++, slot_};
            return true;
        }
        left_in_ = 0;
        if (!ScoredTokens::next_victim(step, victim)) return false;
        slot_ = victim.slot;
        left_in_ = 1;
        return true;
    }
    void on_evict(TokenVictim victim, uint32_t last) override {
        if (!per_layer_ || victim.head == 0) take_place(scores_[victim.head], victim.slot, last);
    }

  protected:
    const double* rate(const LayerStep&, uint32_t head) override { return scores_[head].data(); }

  private:
    bool per_layer_;
    std::vector<std::vector<double>> scores_;  ///< [head][slot]; one row for all heads per layer
    uint32_t left_in_ = 0, slot_ = 0;          ///< the victim has left heads below left_in_
};

}  // namespace

TokenStrategyRow token_tova() {
    TokenStrategyRow row = token_row<TokenTova>("tova", "least attention of the newest query", "Oren et al. 2024",
                                                "budget=0.2 sinks=0 recent=0 per=head");
    row.needs_weights = true;
    row.rule = [](Spec& spec, const TokenContext& context) {
        TokenRoom room = ask_token_room(spec, context, 0, 0);
        if (spec.choice("per", "head", {"head", "layer"}) == "layer") throw_input("tova: kernels decide for each head; expected per=head");
        return token_rule_of(room, TokenRule::Scores::last);
    };
    return row;
}

}  // namespace kvsim
