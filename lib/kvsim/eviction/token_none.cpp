// Nothing leaves: every token of the sequence is held. The yardstick: what a query misses, it misses by the codec
// alone. The budget is the sequence itself (no bound where its length is not known).
#include <kvsim/eviction/token_base.h>

namespace kvsim {

namespace {

class TokenNone final : public TokenStrategy {
  public:
    TokenNone(Spec&, const TokenContext& context)
        : budget_(context.sequence_tokens > 0 ? context.sequence_tokens : ~uint64_t{0}) {}
    void on_step(const LayerStep&) override {}
    bool next_victim(const LayerStep&, TokenVictim&) override { return false; }
    void on_evict(TokenVictim, uint32_t) override {}
    uint64_t budget() const override { return budget_; }

  private:
    uint64_t budget_;
};

}  // namespace

TokenStrategyRow token_none() { return token_row<TokenNone>("none", "every token is held", "", ""); }

}  // namespace kvsim
