// H2O, heavy-hitter oracle (Zhang et al. 2023): the token that got the least attention in its life leaves; the newest
// are protected, since nobody could look at them yet.
//
// Score: the sum of the weights of all queries that saw the token (score=sum), `decay` taken from it at each step, or
// that sum divided by their number (score=mean): the plain sum favours age. Half of the budget is recent tokens.
// Difference from the authors' code: it scores each query head on keys repeated for it; here the query heads of a KV
// head are averaged, so that no key is held twice. Cost: one pass over the tokens of a head to add the weights, one to
// find the lowest.
#include <kvsim/core/error.h>
#include <kvsim/eviction/token_base.h>

namespace kvsim {

namespace {

TokenRoom h2o_room(Spec& spec, const TokenContext& context) {
    TokenRoom room = ask_token_room(spec, context, 0);
    room.recent = ask_recent(spec, room.budget - room.budget / 2);
    return room;
}

class TokenH2o final : public ScoredTokens {
  public:
    TokenH2o(Spec& spec, const TokenContext& context)
        : ScoredTokens(spec, context, h2o_room(spec, context)),
          mean_(spec.choice("score", "sum", {"sum", "mean"}) == "mean"),
          decay_(spec.number("decay", 1, 0, 1)),
          sums_(context.kv_heads) {
        if (mean_ && decay_ != 1) throw_input("h2o: parameter decay: score=mean takes none");
    }
    void on_step(const LayerStep& step) override {
        for (uint32_t head = 0; head < sums_.size(); ++head) {
            const std::vector<float>& row = weights(step, head);
            std::vector<double>& sums = sums_[head];
            sums.resize(row.size());
            double* sum = sums.data();
            if (decay_ == 1)
                for (size_t i = 0; i < row.size(); ++i) sum[i] += row[i];
            else
                for (size_t i = 0; i < row.size(); ++i) sum[i] = sum[i] * decay_ + row[i];
        }
    }
    void on_evict(TokenVictim victim, uint32_t last) override { take_place(sums_[victim.head], victim.slot, last); }

  protected:
    const double* rate(const LayerStep& step, uint32_t head) override {
        if (!mean_) return sums_[head].data();
        const std::vector<uint32_t>& ids = (*step.heads)[head].ids;
        means_.resize(ids.size());
        for (size_t i = 0; i < ids.size(); ++i) means_[i] = sums_[head][i] / (step.token - ids[i] + 1.0);
        return means_.data();
    }

  private:
    bool mean_;
    double decay_;
    std::vector<std::vector<double>> sums_;  ///< [head][slot]
    std::vector<double> means_;
};

}  // namespace

TokenStrategyRow token_h2o() {
    TokenStrategyRow row = token_row<TokenH2o>("h2o", "least attention so far", "Zhang et al. 2023",
                                               "budget=0.2 sinks=0 recent=budget-budget/2 score=sum decay=1");
    row.needs_weights = true;
    row.rule = [](Spec& spec, const TokenContext& context) {
        TokenRoom room = h2o_room(spec, context);
        if (spec.choice("score", "sum", {"sum", "mean"}) == "mean" || spec.number("decay", 1, 0, 1) != 1)
            throw_input("h2o: kernels add weights up; expected score=sum and decay=1");
        return token_rule_of(room, TokenRule::Scores::sum);
    };
    return row;
}

}  // namespace kvsim
