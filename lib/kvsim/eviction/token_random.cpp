// Random: every token that is not protected is as likely to leave as any other. The yardstick that a rule must beat.
//
// At each step every token draws a number from `seed`, the sequence, the layer, the head, the step and its position,
// and the lowest leaves; so the choice depends on no order of the tokens. Drawing anew each time favours the young: a
// token outlives n victims of a head that holds b with probability (1 - 1/b)^n. Cost: one pass over the tokens of a
// head.
#include <kvsim/core/random.h>
#include <kvsim/eviction/token_base.h>

namespace kvsim {

namespace {

class TokenRandom final : public ScoredTokens {
  public:
    TokenRandom(Spec& spec, const TokenContext& context)
        : ScoredTokens(spec, context, ask_token_room(spec, context, 0, 0)),
          seed_(spec.whole("seed", context.seed, 0, ~uint64_t{0})) {}

  protected:
    const double* rate(const LayerStep& step, uint32_t head) override {
        const std::vector<uint32_t>& ids = (*step.heads)[head].ids;
        uint64_t key = seed_;
        for (uint64_t part : {context_.sequence, uint64_t{context_.layer}, uint64_t{head}, uint64_t{step.token}})
            key = Random(key ^ part).next();
        scores_.resize(ids.size());
        for (size_t i = 0; i < ids.size(); ++i)
            scores_[i] = static_cast<double>(Random(key ^ ids[i]).next() >> 11);
        return scores_.data();
    }

  private:
    uint64_t seed_;
    std::vector<double> scores_;
};

}  // namespace

TokenStrategyRow token_random() {
    return token_row<TokenRandom>("random", "any token, drawn by a seeded generator", "textbook",
                                  "budget=0.2 sinks=0 recent=0 seed=0");
}

}  // namespace kvsim
