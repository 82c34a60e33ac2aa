// How the values of a KV cache are stored: rows of f32 become bytes and come back. A row is what one token has in one
// layer, keys or values: heads x head_dim values, heads side by side.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

namespace kvsim {

struct RowShape {
    uint32_t heads = 1;     ///< at least 1
    uint32_t head_dim = 1;  ///< at least 1
    uint64_t values() const { return uint64_t{heads} * head_dim; }
};

/// Bytes that exist, by what they hold.
struct StoredBytes {
    uint64_t data = 0;      ///< codes of values
    uint64_t metadata = 0;  ///< scales, minima, block exponents
    uint64_t padding = 0;   ///< what packing leaves unused at the end
    uint64_t total() const { return data + metadata + padding; }
    StoredBytes& operator+=(const StoredBytes& other) {
        data += other.data;
        metadata += other.metadata;
        padding += other.padding;
        return *this;
    }
};

/// One KV dtype with its parameters, for rows of one shape. Stored is a *unit*: unit_heads() neighbouring heads of
/// unit_tokens() consecutive tokens, the smallest piece that no scale or byte crosses. A row is row_units() units.
/// encode() and decode() may run at once on several threads.
class Codec {
  public:
    virtual ~Codec() = default;

    const RowShape& shape() const { return shape_; }
    uint32_t unit_heads() const { return unit_heads_; }
    /// 1 where scales run along the row; the group where they run along tokens (axis=channel).
    uint32_t unit_tokens() const { return unit_tokens_; }
    uint32_t row_units() const { return shape_.heads / unit_heads_; }
    uint32_t unit_values() const { return unit_heads_ * shape_.head_dim; }  ///< of one token
    /// Newest tokens that are kept as they are, beside what is encoded (KIVI's residual window); 0: none.
    uint32_t residual_tokens() const { return residual_tokens_; }

    /// Bytes of a unit of so many tokens, 1 to unit_tokens(); fewer than unit_tokens() only at the end of a sequence.
    virtual StoredBytes unit_bytes(uint32_t tokens) const = 0;
    /// `values`: [tokens, unit_values()], finite. Writes unit_bytes(tokens).total() bytes.
    virtual void encode(const float* values, uint32_t tokens, uint8_t* out) const = 0;
    virtual void decode(const uint8_t* in, uint32_t tokens, float* values) const = 0;
    /// Many units of unit_tokens() tokens, one after the other (a row, or rows, where that is 1): the same bytes,
    /// faster.
    virtual void encode_units(const float* values, uint64_t units, uint8_t* out) const;
    virtual void decode_units(const uint8_t* in, uint64_t units, float* values) const;
    /// [tokens, unit_values()]: the error the format allows each stored value, half a step of its group plus the
    /// rounding of its metadata; false (nothing written) where no such bound is known.
    virtual bool error_bounds(const uint8_t* in, uint32_t tokens, float* bounds) const;

  protected:
    Codec(RowShape shape, uint32_t unit_heads, uint32_t unit_tokens = 1, uint32_t residual_tokens = 0)
        : shape_(shape), unit_heads_(unit_heads), unit_tokens_(unit_tokens), residual_tokens_(residual_tokens) {}

  private:
    RowShape shape_;
    uint32_t unit_heads_, unit_tokens_, residual_tokens_;
};

/// Heads of a unit for a format in groups or blocks of so many values along the row: the fewest heads, a divisor of all
/// of them, whose values are whole groups. Throws Error(input) naming `dtype` where the row is not whole groups.
uint32_t heads_of_whole_groups(const std::string& dtype, RowShape shape, uint32_t group);

}  // namespace kvsim
