// What token strategies share: how many tokens a head may hold, which are protected, and the search for the lowest
// score in one pass.
//
// The room of a head: `budget` tokens (a share of the sequence below 1, rounded down, else tokens), never more than the
// capacity. The first `sinks` positions and the newest `recent` tokens are protected. Among the others the lowest score
// leaves, the older of equals. Where protection covers everything the oldest token that is no sink leaves, then the
// highest sink, so that the budget holds whatever was asked for.
#pragma once

#include <kvsim/eviction/token_policy.h>

namespace kvsim {

struct TokenRoom {
    uint64_t budget = 0;    ///< tokens a head holds between steps, at least 1
    uint64_t uncapped = 0;  ///< the same before the capacity
    double exact = 0;       ///< the same before it was rounded down
    bool asked = false;     ///< the spec names a budget
    uint64_t sinks = 0;     ///< positions below it are protected
    uint64_t recent = 0;    ///< newest tokens that are protected
};

/// share x whole, rounded down as if the share were the decimal number that was written: 0.29 of 100 is 29, although
/// the nearest double to 0.29 lies below it.
uint64_t floor_share(double share, uint64_t whole);

/// Reads `budget` (default 0.2) and `sinks`. Throws Error(input) on a budget that is neither a share nor whole, and on
/// sinks that were asked for and leave no room in a budget that was asked for in tokens.
TokenRoom ask_token_room(Spec& spec, const TokenContext& context, uint64_t default_sinks);
/// Reads `recent` too.
TokenRoom ask_token_room(Spec& spec, const TokenContext& context, uint64_t default_sinks, uint64_t default_recent);
uint64_t ask_recent(Spec& spec, uint64_t fallback);

constexpr uint32_t kNoSlot = ~uint32_t{0};

/// The slot with the lowest score, the older of equals, among tokens with first <= id <= last; kNoSlot if there is
/// none.
uint32_t lowest_score(const std::vector<uint32_t>& ids, const double* scores, uint32_t first, uint32_t last);
/// Among tokens that are all protected: the oldest that is no sink, else the highest sink.
uint32_t least_protected(const std::vector<uint32_t>& ids, uint64_t sinks);

/// Strategies that give each token of a head a score.
class ScoredTokens : public TokenStrategy {
  public:
    void on_step(const LayerStep&) override {}
    bool next_victim(const LayerStep& step, TokenVictim& victim) override;
    void on_evict(TokenVictim, uint32_t) override {}
    uint64_t budget() const override { return room_.budget; }

  protected:
    ScoredTokens(const Spec& spec, const TokenContext& context, TokenRoom room)
        : id_(spec.id()), context_(context), room_(room) {}
    /// Scores by slot of the tokens that a head over its budget holds, finite. Asked for once per victim.
    virtual const double* rate(const LayerStep& step, uint32_t head) = 0;

    uint32_t lowest(const LayerStep& step, uint32_t head, const double* scores) const;
    /// Weights of this step. Throws Error(input) where they are not known or not one for each token.
    const std::vector<float>& weights(const LayerStep& step, uint32_t head) const;
    /// What on_evict() does to an array with a value (or `each` values) for each slot.
    template <class T>
    static void take_place(std::vector<T>& values, uint32_t slot, uint32_t last, size_t each = 1) {
        if (slot != last) std::copy_n(values.begin() + last * each, each, values.begin() + slot * each);
        values.resize(last * each);
    }

    std::string id_;
    TokenContext context_;
    TokenRoom room_;
};

/// What is protected as TokenRule says it: where that is everything, the oldest that is no sink leaves, then the highest sink.
TokenRule token_rule_of(const TokenRoom& room, TokenRule::Scores scores);

/// A row whose budgets are those of the strategies themselves.
template <class Strategy>
TokenStrategyRow token_row(std::string id, std::string summary, std::string source, std::string parameters) {
    TokenStrategyRow row;
    row.id = std::move(id);
    row.summary = std::move(summary);
    row.source = std::move(source);
    row.parameters = std::move(parameters);
    row.budgets = [](Spec& spec, uint32_t layers, uint64_t sequence_tokens) {
        std::vector<uint64_t> budgets;
        TokenContext context;
        context.layers = layers;
        context.sequence_tokens = sequence_tokens;
        for (context.layer = 0; context.layer < layers; ++context.layer)
            budgets.push_back(Strategy(spec, context).budget());
        return budgets;
    };
    row.make = [](Spec& spec, const TokenContext& context) { return std::make_unique<Strategy>(spec, context); };
    return row;
}

// One file token_<id>.cpp each.
TokenStrategyRow token_none();
TokenStrategyRow token_sliding_window();
TokenStrategyRow token_streaming_llm();
TokenStrategyRow token_h2o();
TokenStrategyRow token_tova();
TokenStrategyRow token_snap_kv();
TokenStrategyRow token_pyramid_kv();
TokenStrategyRow token_ada_kv();
TokenStrategyRow token_expected_attention();
TokenStrategyRow token_k_norm();
TokenStrategyRow token_key_diff();
TokenStrategyRow token_random();

}  // namespace kvsim
