// Keys and values of one sequence on the host, f32, position-major: a KvBuffer that is written token by token, and the
// KvSnapshot taken of its first tokens. What does not fit is an error, never a silent drop.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvsim {

/// What both have: layers, and values per token and layer (KV heads x head dim).
struct KvShape {
    uint32_t layers = 0;
    uint32_t kv_dim = 0;
    friend bool operator==(const KvShape&, const KvShape&) = default;
    /// Keys and values of all layers.
    uint64_t bytes_per_token() const { return uint64_t{layers} * kv_dim * 2 * sizeof(float); }
};

/// Immutable keys and values of `seq_len` tokens.
class KvSnapshot {
  public:
    KvSnapshot() = default;
    /// keys[layer], values[layer]: seq_len * kv_dim floats each. Throws Error(input) naming the layer that differs.
    KvSnapshot(std::vector<std::vector<float>> keys, std::vector<std::vector<float>> values, uint32_t seq_len,
               uint32_t kv_dim);

    KvShape shape() const { return shape_; }
    uint32_t seq_len() const { return seq_len_; }
    std::span<const float> keys(uint32_t layer) const { return keys_[layer]; }
    std::span<const float> values(uint32_t layer) const { return values_[layer]; }
    uint64_t bytes() const { return shape_.bytes_per_token() * seq_len_; }

  private:
    std::vector<std::vector<float>> keys_, values_;
    KvShape shape_;
    uint32_t seq_len_ = 0;
};

/// One contiguous buffer of max_seq_len tokens per layer for keys, and one for values. Errors are Error(input).
class KvBuffer {
  public:
    /// Throws if a number is 0 or the buffer would have more than 2^40 floats.
    KvBuffer(KvShape shape, uint32_t max_seq_len);

    KvShape shape() const { return shape_; }
    uint32_t max_seq_len() const { return max_seq_len_; }
    uint32_t seq_len() const { return seq_len_; }
    uint64_t bytes() const { return shape_.bytes_per_token() * max_seq_len_; }

    /// Writes the next token's keys and values of one layer; they can be read at once. Again before advance():
    /// overwritten. Throws on an unknown layer, another length than kv_dim, a full buffer.
    void store(uint32_t layer, std::span<const float> key, std::span<const float> value);
    /// The token is complete. Throws if a layer has not been stored.
    void advance();
    /// Stored tokens of the layer, the one being written included.
    std::span<const float> keys(uint32_t layer) const;
    std::span<const float> values(uint32_t layer) const;

    /// Keeps the first `tokens`. Throws if there are fewer: truncating never extends.
    void truncate(uint32_t tokens);
    /// A copy of the first `tokens`. Throws if there are fewer.
    KvSnapshot snapshot(uint32_t tokens) const;
    KvSnapshot snapshot() const { return snapshot(seq_len_); }
    /// Becomes the first `tokens` of the snapshot, bit for bit. Throws, unchanged, on another shape, more tokens than
    /// the snapshot has or more than fit.
    void load(const KvSnapshot& from, uint32_t tokens);
    void clear();

  private:
    uint32_t checked(uint32_t layer) const;
    uint64_t stored_floats(uint32_t layer) const;

    std::vector<std::vector<float>> keys_, values_;
    std::vector<bool> written_;  ///< per layer: the token after seq_len is stored
    KvShape shape_;
    uint32_t max_seq_len_;
    uint32_t seq_len_ = 0;
};

}  // namespace kvsim
