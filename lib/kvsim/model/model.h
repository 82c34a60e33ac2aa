// What a model keeps per token and per sequence, in bytes. Everything is exact 64-bit integer arithmetic; a
// result that does not fit, or a shape that makes no sense, is an Error(input).
//
// Three amounts that must not be mixed:
//   bytes_per_token      the layers that grow with every token (full attention and MLA), nothing else. This
//   is
//                        what turns `--memory` into blocks.
//   bytes_per_token_all  every attention layer as if all of them kept every token: what an engine without
//                        hybrid groups allocates for a model with windows.
//   window and state     amounts per sequence, in bytes_per_sequence_at: window layers hold min(tokens,
//   window)
//                        tokens, state layers a fixed number of bytes.
// Hits are never affected by the model: notes() says so where a model has window or state layers.
//
// All bytes are those of one replica: the sum over its `tp` ranks. Key-value heads are sharded, ceil(heads /
// tp) on a rank, so they are replicated once tp exceeds them; an MLA latent is replicated on every rank;
// states are split. tp must divide the number of heads or be divided by it.
#pragma once

#include <kvsim/core/registry.h>
#include <kvsim/quant/codec.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kvsim {

enum class LayerKind : uint8_t {
    full,    ///< keys and values of every token
    window,  ///< keys and values of the last window_tokens tokens
    mla,     ///< one latent per token instead of keys and values
    state,   ///< a state of fixed size per sequence (Mamba, linear attention, convolution)
};

/// Layers of one kind and size; a field that the kind does not use is 0.
struct LayerGroup {
    LayerKind kind = LayerKind::full;
    uint64_t count = 0;
    uint64_t kv_heads = 0;        ///< full, window
    uint64_t head_dim = 0;        ///< full, window: of a key; mla: of an uncompressed key, 0 = not known
    uint64_t value_head_dim = 0;  ///< full, window: of a value, 0 = head_dim; mla: of an uncompressed value
    uint64_t latent_dim = 0;      ///< mla: rank + rope dimensions
    uint64_t window_tokens = 0;   ///< window
    uint64_t state_bytes = 0;     ///< state: of one layer for one sequence; 0 = not known, not counted
};

LayerGroup full_layers(uint64_t count, uint64_t kv_heads, uint64_t head_dim);
LayerGroup window_layers(uint64_t count, uint64_t window_tokens, uint64_t kv_heads, uint64_t head_dim);
/// The widths of uncompressed heads do not change bytes, only FLOPs.
LayerGroup mla_layers(uint64_t count, uint64_t latent_dim, uint64_t head_dim = 0, uint64_t value_head_dim = 0);
LayerGroup state_layers(uint64_t count, uint64_t state_bytes);

struct ModelShape {
    std::string id;    ///< what the user wrote: preset id or path
    std::string name;  ///< for people
    std::string default_dtype = "bf16";
    std::vector<LayerGroup> groups;
    std::optional<uint64_t> query_heads;
    std::optional<uint64_t> active_params;  ///< parameters a token passes through, rounded as published
    std::vector<std::string> caveats;       ///< what the bytes leave out or assume, one line each
};

/// An empty dtype means the shape's default. With MLA both dtypes must be the same. 0 if no layer grows.
uint64_t bytes_per_token(const ModelShape& shape, std::string_view k_dtype = {},
                         std::string_view v_dtype = {}, uint64_t tp = 1);
uint64_t bytes_per_token_all(const ModelShape& shape, std::string_view k_dtype = {},
                             std::string_view v_dtype = {}, uint64_t tp = 1);
/// What `tokens` tokens of the growing layers of one rank are stored in: the fewest that fill whole units of the dtypes.
struct TokenStorage {
    StoredBytes bytes;
    uint64_t values = 0;
    uint64_t tokens = 1;
};
TokenStorage token_storage(const ModelShape& shape, std::string_view k_dtype = {}, std::string_view v_dtype = {},
                           uint64_t tp = 1);
/// Layers that grow with every token.
uint32_t growing_layers(const ModelShape& shape);
/// Growing layers x tokens + window layers x min(tokens, window) + states (which no dtype changes).
uint64_t bytes_per_sequence_at(const ModelShape& shape, uint64_t tokens, std::string_view k_dtype = {},
                               std::string_view v_dtype = {}, uint64_t tp = 1);
/// bytes_per_token x block_size. Never 0: a model without growing layers is an Error(input).
uint64_t bytes_per_block(const ModelShape& shape, uint64_t block_size, std::string_view k_dtype = {},
                         std::string_view v_dtype = {}, uint64_t tp = 1);

/// What a table must say beside the numbers, one line each; empty for plain attention.
std::vector<std::string> notes(const ModelShape& shape);

/// "12 full (8 kv heads x 64), 12 window of 128 (8 kv heads x 64)"
std::string describe(const ModelShape& shape);

struct ModelRow {
    std::string id;
    std::string summary;
    ModelShape shape;
};

Registry<ModelRow>& models();

}  // namespace kvsim
