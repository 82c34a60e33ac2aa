// The keys and values of a sequence whose tokens are evicted one by one, each KV head of each layer for itself: the
// layout quantized, on a backend.
//
// After every token that makes them one too many: top-k says which stay (kernels/common/ops.h, TokenRule), and
// compaction moves them, in order, to the other half of the room; so a head's tokens are always dense and attention
// reads nothing that left. Weights that the rule needs come from attention itself, added up per KV head. Tokens of a
// prompt come many at once where no weights are needed: positions alone decide, so the same stay.
// Difference to quantized_cache.h: there a victim's place is filled by the last token, here order is kept, as on a GPU
// that must do it for all heads in one launch. Cost: that of the kernels; O(kept) moved per token.
#pragma once

#include <kvsim/backend/cache_handle.h>
#include <kvsim/backend/kv_memory.h>
#include <kvsim/backend/token_values.h>
#include <kvsim/eviction/token_policy.h>

#include <functional>
#include <vector>

namespace kvsim {

class TokenKv : private HandleTarget {
  public:
    using Leaving = std::function<void(const CacheHandle& handle, const KvMemory::Source& original)>;

    /// `check`, where given, is called with every sequence at its end.
    TokenKv(KvMemory& memory, const TokenValues& values, Leaving check);

    /// Blocks that a sequence of so many tokens needs under the rule.
    static uint64_t blocks(const TokenRule& rule, uint64_t tokens, uint32_t block_size);

    /// Stores a sequence from an empty cache, token by token, and forgets it. `attend`: each output token attends over what
    /// is there; rules with scores attend anyway, prompt tokens too.
    void play(SequenceId id, uint64_t prompt_tokens, uint64_t output_tokens, const TokenRule& rule, bool attend);

    /// So far, of one head of one layer.
    uint64_t evicted_tokens() const { return evicted_; }

  private:
    bool scored() const { return competes_ && rule_.scores != TokenRule::Scores::none; }
    void begin(const TokenRule& rule, uint64_t tokens);
    void append(uint64_t position, uint32_t count);
    void look_at(uint64_t position);
    void evict();
    void move_positions(uint32_t layer);

    // Handles: of the sequence that is played.
    std::string backend_name() const override { return memory_.backend().name(); }
    uint32_t num_layers() const override { return memory_.layout().layers; }
    uint32_t kv_heads() const override { return memory_.layout().kv_heads; }
    uint32_t head_dim() const override { return memory_.layout().head_dim; }
    bool alive(SequenceId id, uint64_t generation) const override { return id == id_ && generation == generation_; }
    uint64_t generation_of(SequenceId) const override { return generation_; }
    uint64_t resident_tokens(SequenceId) const override { return place_.tokens; }
    std::vector<uint32_t> table_of(SequenceId) const override;
    CacheHandleStats stats_of(SequenceId) const override;
    void read_layer(SequenceId, uint32_t layer, std::vector<float>& keys, std::vector<float>& values) override {
        memory_.read(place_, layer, keys, values);
    }
    SequenceId clone_of(SequenceId) override;

    KvMemory& memory_;
    const TokenValues& values_;
    Leaving check_;
    SequenceId id_ = ~SequenceId{0};
    uint64_t generation_ = 0, evicted_ = 0;
    TokenRule rule_;
    bool competes_ = false;                ///< the sequence is longer than what is kept
    Place place_;                          ///< the half that is in use
    std::vector<uint32_t> other_;          ///< blocks of the other half
    uint64_t stride_ = 0;                  ///< tokens of a half
    Buffer<float> scores_, kept_scores_;   ///< [layers, kv_heads, stride]
    Buffer<uint32_t> kept_, new_blocks_;   ///< [kv_heads, keep] of one layer
    /// With `check`: [layer * kv_heads + head], positions of the tokens held.
    std::vector<std::vector<uint32_t>> positions_;
    std::vector<uint32_t> host_kept_;
    std::shared_ptr<HandleTarget*> self_;
};

}  // namespace kvsim
