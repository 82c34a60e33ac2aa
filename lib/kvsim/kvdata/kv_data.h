// Recorded (or made) keys, values and queries of whole sequences: what --kv-data names.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace kvsim {

/// All sequences have the same shape. Values are f32 and finite.
struct KvData {
    std::string name;    ///< file name without folder, or the spec of synthetic data
    std::string format;  ///< "safetensors" or "synthetic"
    std::string sha256;  ///< of the file; of the values for synthetic data
    std::string dtype;   ///< what the file stores: f32, f16, bf16
    uint32_t sequences = 0, layers = 0, tokens = 0;
    uint32_t query_heads = 0, kv_heads = 0, head_dim = 0;  ///< query head h reads KV head h / (query_heads / kv_heads)

    std::vector<float> q;      ///< [sequence, layer, token, query head, head_dim], rotated
    std::vector<float> k, v;   ///< [sequence, layer, token, kv head, head_dim], keys rotated
    std::vector<float> k_pre;  ///< keys before rotation, as k; empty where not recorded

    uint32_t group() const { return query_heads / kv_heads; }
    const float* q_row(uint32_t s, uint32_t layer, uint32_t t) const { return q.data() + row(s, layer, t) * query_heads * head_dim; }
    const float* k_row(uint32_t s, uint32_t layer, uint32_t t) const { return k.data() + row(s, layer, t) * kv_heads * head_dim; }
    const float* v_row(uint32_t s, uint32_t layer, uint32_t t) const { return v.data() + row(s, layer, t) * kv_heads * head_dim; }
    const float* k_pre_row(uint32_t s, uint32_t layer, uint32_t t) const {
        return k_pre.empty() ? nullptr : k_pre.data() + row(s, layer, t) * kv_heads * head_dim;
    }

  private:
    size_t row(uint32_t s, uint32_t layer, uint32_t t) const { return (size_t{s} * layers + layer) * tokens + t; }
};

/// Reads FILE.safetensors (tensors q, k, v, optionally k_pre; axes sequence, layer, token, head, dim), or makes the
/// data of `synthetic:key=value,...`. Throws Error(input) naming file, tensor and what was expected; Error(io).
KvData load_kv_data(const std::string& text);

}  // namespace kvsim
