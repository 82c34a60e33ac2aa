// Nothing leaves: every token of the sequence is held. The yardstick: what a query misses, it misses by the codec alone.
// There is no budget.
#include <kvsim/eviction/token_base.h>

namespace kvsim {

namespace {

class TokenNone final : public TokenStrategy {
  public:
    TokenNone(Spec&, const TokenContext&) {}
    void on_step(const LayerStep&) override {}
    bool next_victim(const LayerStep&, TokenVictim&) override { return false; }
    void on_evict(TokenVictim, uint32_t) override {}
    uint64_t budget() const override { return ~uint64_t{0}; }
};

}  // namespace

TokenStrategyRow token_none() {
    TokenStrategyRow row = token_row<TokenNone>("none", "every token is held", "", "");
    row.rule = [](Spec&, const TokenContext&) { return TokenRule{}; };
    return row;
}

}  // namespace kvsim
