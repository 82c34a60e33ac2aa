// The compressed cache of one sequence: keys and values in the bytes of their dtypes, and token eviction that keeps each
// KV head of each layer within its budget. Seed: a quantized cache with token eviction; here the bytes are really packed,
// tokens keep their ids (positions) for ever, every (layer, KV head) is a cache of its own, and scores decide only after
// the token that is new has been attended to.
#pragma once

#include <kvsim/eviction/token_policy.h>
#include <kvsim/layout/encoded_tokens.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace kvsim {

struct QuantizedConfig {
    uint32_t layers = 1, query_heads = 1, kv_heads = 1, head_dim = 1;
    std::string k_dtype = "f32", v_dtype = "f32";
    std::string eviction = "none";
    uint64_t sequence = 0, sequence_tokens = 0;  ///< which one, and how long it will be: shares of it are budgets
    uint64_t capacity_tokens = ~uint64_t{0};     ///< of a head
    uint64_t seed = 0;
};

/// One layer. A step is append(), attend() (or update_attention_scores() with weights from elsewhere), evict().
class QuantizedLayer {
  public:
    /// Throws Error(input) on an unknown dtype, strategy or parameter, or a shape they do not suit.
    QuantizedLayer(const QuantizedConfig& config, uint32_t layer);

    /// See EncodedTokens::foresee(): rows are [tokens, kv_heads, head_dim].
    void foresee(const float* k, const float* v, uint32_t tokens);
    /// Rows [kv_heads, head_dim]; the token's id is the number of those before it. Throws Error(input) on a value that is
    /// not finite, and then has changed nothing.
    uint32_t append(const float* k, const float* v);
    /// `q`, `out`: [query_heads, head_dim]. Softmax(q k / sqrt(head_dim)) v over the tokens held.
    void attend(const float* q, float* out);
    /// Tells the strategy a step's weights: those of attend(), or [kv_heads][count] of the caller in the order of held(),
    /// meaned over the query heads. Throws Error(input) unless there is one for each token held. `q`, `k_pre` may be null.
    void update_attention_scores(const std::vector<std::vector<float>>& weights);
    void step(const float* q, const float* k_pre);
    /// Lets tokens leave until the budget holds; returns how many (of all heads).
    uint64_t evict();

    uint32_t tokens() const { return tokens_; }
    uint64_t budget() const { return strategy_->budget(); }
    /// Ids of the tokens a head holds, ascending.
    std::vector<uint32_t> held(uint32_t head) const;
    bool holds(uint32_t head, uint32_t token) const { return slot_of(head, token) != kNoSlot; }
    const std::vector<HeadTokens>& heads() const { return heads_; }
    /// Values as they read back. Throws Error(input) if the head does not hold the token.
    void get(uint32_t head, uint32_t token, float* k, float* v) const;

    const EncodedTokens& keys() const { return keys_; }
    const EncodedTokens& values() const { return values_; }
    void check_invariants() const;

  private:
    static constexpr uint32_t kNoSlot = ~uint32_t{0};
    uint32_t slot_of(uint32_t head, uint32_t token) const {
        return token < tokens_ ? slots_[size_t{token} * config_.kv_heads + head] : kNoSlot;
    }
    void remove(TokenVictim victim);
    void read_back(uint32_t head, uint32_t token, const float* values, std::vector<float> HeadTokens::* target,
                   uint32_t heads);

    QuantizedConfig config_;
    std::unique_ptr<Codec> k_codec_, v_codec_;
    EncodedTokens keys_, values_;
    std::unique_ptr<TokenStrategy> strategy_;
    std::vector<HeadTokens> heads_;
    std::vector<uint32_t> slots_;  ///< [token, head]
    std::vector<std::vector<float>> weights_;
    std::vector<float> row_;
    std::vector<float> newest_keys_;  ///< as appended
    LayerStep step_;
    uint32_t tokens_ = 0;
};

/// All layers of a sequence: the library's form of the seed's cache manager.
class QuantizedCache {
  public:
    explicit QuantizedCache(const QuantizedConfig& config);

    QuantizedLayer& layer(uint32_t l);
    const QuantizedLayer& layer(uint32_t l) const { return const_cast<QuantizedCache*>(this)->layer(l); }
    uint32_t layers() const { return static_cast<uint32_t>(layers_.size()); }
    /// Tokens that the strategy leaves each head of the layer; the seed calls it pyramid_budget.
    uint64_t budget(uint32_t l) const { return layer(l).budget(); }
    /// Bytes stored for keys and values of all layers.
    StoredBytes memory_bytes() const;
    uint64_t stored_values() const;
    /// The same values in f32 (32) or f16 (16 bits) / the bytes stored; 0 while nothing is.
    double compression_ratio(uint32_t bits) const;

  private:
    std::vector<std::unique_ptr<QuantizedLayer>> layers_;
};

}  // namespace kvsim
