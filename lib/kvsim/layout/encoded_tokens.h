// The keys (or the values) of one layer of one sequence, in the bytes of their KV dtype.
//
// Tokens wait in full precision until they are encoded: at once for most dtypes; when they leave the residual window;
// for scales along tokens when a group is full. Encoded units stand in slabs of equal slots and are given back when no
// head holds a token of them any more, so what a dtype that crosses heads or tokens cannot give back is seen.
#pragma once

#include <kvsim/quant/codec.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace kvsim {

/// Sums over values that were stored and read back.
struct StoredError {
    double squared_error = 0, squares = 0;
    double largest_error = 0;     ///< of any value
    double largest_of_bound = 0;  ///< error / what the dtype allows there; stays 0 where it gives no bound
    void add(const StoredError& other);
    double nmse() const { return squares > 0 ? squared_error / squares : 0; }
};

class EncodedTokens {
  public:
    /// `codec` outlives it.
    explicit EncodedTokens(const Codec& codec);

    /// Called with [unit_values()] floats as they read back, for each unit of a token that has just been encoded:
    /// the first head of the unit, the token, its values.
    using Stored = std::function<void(uint32_t head, uint32_t token, const float* values)>;

    /// The next `tokens` rows, [tokens, row values], that will be appended: where scales run along tokens and there is
    /// no residual window, groups are encoded from them as wholes, as a prefill does. They outlive the appends.
    void foresee(const float* rows, uint32_t tokens);
    /// The next token, its row of finite values. Whatever is encoded by this is told to `stored`.
    void append(const float* row, const Stored& stored);
    /// A head holds the token no longer. Each once.
    void release(uint32_t head, uint32_t token);

    uint32_t tokens() const { return tokens_; }
    /// [head_dim] floats as they read back, of a head and token that was not released.
    void read(uint32_t head, uint32_t token, float* values) const;

    /// Of what is stored now; waiting tokens are data.
    StoredBytes bytes() const { return bytes_; }
    /// Values that bytes() hold, of released tokens too where these share a unit with others.
    uint64_t stored_values() const { return stored_values_; }
    /// Buffers that exist: bytes() and free slots.
    uint64_t allocated_bytes() const;
    /// Of every token appended, waiting ones being exact.
    StoredError error() const;
    /// Counts bytes and values anew. Throws Error(failed).
    void check_invariants() const;

  private:
    struct Slab {
        std::vector<uint8_t> bytes;
        std::vector<uint32_t> free;
        std::vector<uint32_t> slot;     ///< per group of tokens; kNoSlot
        std::vector<uint32_t> holding;  ///< per group: (head, token) pairs not released
    };
    static constexpr uint32_t kNoSlot = ~uint32_t{0};

    bool whole_groups() const { return unit_tokens_ > 1 && codec_.residual_tokens() == 0; }
    uint32_t tokens_of(uint32_t group) const;
    uint32_t due() const;
    void encode_group(uint32_t group, const float* rows);
    void tell(uint32_t token, const Stored& stored) const;
    void give_back(Slab& slab, uint32_t group);

    const Codec& codec_;
    uint32_t row_values_, unit_values_, unit_tokens_, units_;
    uint64_t slot_bytes_;
    std::vector<Slab> slabs_;      ///< per unit of a row
    std::vector<float> waiting_;   ///< rows of tokens encoded_ .. tokens_ - 1
    std::vector<uint32_t> held_;   ///< per waiting token: heads that hold it
    std::vector<uint8_t> gone_;    ///< [token, head]: released
    const float* foreseen_ = nullptr;
    uint32_t foreseen_end_ = 0, foreseen_begin_ = 0;
    std::vector<uint32_t> group_tokens_;  ///< per group: tokens encoded in it
    uint32_t tokens_ = 0, encoded_ = 0;
    uint64_t stored_values_ = 0;
    StoredBytes bytes_;
    StoredError error_;
    mutable std::vector<float> unit_, decoded_, bounds_;
};

}  // namespace kvsim
