// Token eviction: which tokens of a sequence leave its cache. The interface of token_<id>.h.
//
// Each (sequence, layer, KV head) is a cache of its own; a strategy object serves one layer of one sequence, because some
// rules share a budget over the heads of a layer. A step is: a token is appended to every head, the query attends (so a
// query sees at most budget tokens and itself), the strategy is told the weights, then victims leave until the budget
// holds again. Tokens stand in slots 0 .. count - 1 in no order; a victim's slot is filled by the last slot.
#pragma once

#include <kvsim/core/registry.h>
#include <kvsim/core/spec.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace kvsim {

/// The tokens that a KV head holds.
struct HeadTokens {
    std::vector<uint32_t> ids;  ///< per slot: position in the sequence, 0 = its first token
    std::vector<float> keys;    ///< [slot, head_dim], as read back from the cache
    std::vector<float> values;  ///< [slot, head_dim]
    uint32_t count() const { return static_cast<uint32_t>(ids.size()); }
};

/// What the strategy may look at after a step.
struct LayerStep {
    uint32_t token = 0;                       ///< the one just appended: the newest, in the last slot of every head
    const std::vector<HeadTokens>* heads = nullptr;
    /// [kv head][slot]: attention weights of this step, meaned over the query heads of the KV head; nullptr where nobody
    /// knows them (bookkeeping).
    const std::vector<std::vector<float>>* weights = nullptr;
    /// Queries of this step, [query head, head_dim], and the keys before their rotation, [kv head, head_dim]; nullptr
    /// where they are not known. Query head h reads KV head h / group.
    const float* queries = nullptr;
    const float* keys_before_rotation = nullptr;
    const float* keys = nullptr;  ///< [kv head, head_dim]: of the token just appended, as it was given; with the former
};

/// Facts that hold for a whole sequence.
struct TokenContext {
    uint32_t layer = 0, layers = 1;
    uint32_t kv_heads = 1, head_dim = 1, group = 1;  ///< group: query heads per KV head
    uint64_t sequence = 0;                           ///< tells random strategies apart, with the layer
    uint64_t sequence_tokens = 0;                    ///< what a share of it refers to: all tokens the sequence will have
    uint64_t capacity_tokens = ~uint64_t{0};         ///< no head may hold more, whatever the budget
    uint64_t seed = 0;
};

struct TokenVictim {
    uint32_t head = 0, slot = 0;
};

class TokenStrategy {
  public:
    virtual ~TokenStrategy() = default;
    /// After the query attended. Weights of tokens held, the new one included.
    virtual void on_step(const LayerStep& step) = 0;
    /// Who leaves next; false when the budget holds. The caller removes it and calls on_evict().
    virtual bool next_victim(const LayerStep& step, TokenVictim& victim) = 0;
    /// `victim` left: its slot now has what the slot `last` had.
    virtual void on_evict(TokenVictim victim, uint32_t last) = 0;
    /// Tokens that a head holds between steps, at most; where heads share, their mean rounded up. Measuring begins when
    /// so many are there. ~0: no budget, nothing ever leaves.
    virtual uint64_t budget() const = 0;
};

/// A strategy in the words of kernels (kernels/common/ops.h, TopK), where it can be said so: of more than `keep` tokens
/// the first `sinks` and the newest `window` stay, and those of the rest with the highest scores, the newer of equals.
struct TokenRule {
    enum class Scores : uint8_t {
        none,  ///< nobody competes
        last,  ///< the weights of the last query
        sum,   ///< of all queries that saw the token
    };
    uint64_t keep = ~uint64_t{0};
    uint64_t sinks = 0, window = 0;  ///< sinks + window <= keep
    Scores scores = Scores::none;
};

struct TokenStrategyRow {
    std::string id;
    std::string summary;
    std::string source;
    std::string parameters;  ///< "budget=0.2 sinks=0 recent=budget/2": keys with their defaults
    bool needs_weights = false;
    bool needs_keys = false;  ///< keys or values as read back
    bool needs_keys_before_rotation = false;
    /// Budgets of all layers, in tokens per head, for a sequence of so many tokens; for --layout quantized without data.
    std::function<std::vector<uint64_t>(Spec& spec, uint32_t layers, uint64_t sequence_tokens)> budgets;
    /// The same strategy as kernels decide it; empty where they cannot. Throws Error(input) on parameters that they do not know.
    std::function<TokenRule(Spec& spec, const TokenContext& context)> rule;
    /// Asks for the parameters it knows; the caller finishes the spec. Throws Error(input).
    std::function<std::unique_ptr<TokenStrategy>(Spec& spec, const TokenContext& context)> make;
};

Registry<TokenStrategyRow>& token_strategies();

/// Throws Error(input) on an unknown strategy or parameter.
std::unique_ptr<TokenStrategy> make_token_strategy(const std::string& spec, const TokenContext& context);
/// Throws Error(input) too where kernels cannot decide it, naming those that they can.
TokenRule token_rule(const std::string& spec, const TokenContext& context);
std::vector<uint64_t> token_budgets(const std::string& spec, uint32_t layers, uint64_t sequence_tokens);

}  // namespace kvsim
