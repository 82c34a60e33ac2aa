// What all KV dtypes share: the parameters that each of them takes, units one after the other, the rotation.
#pragma once

#include <kvsim/core/spec.h>
#include <kvsim/quant/codec.h>

#include <functional>
#include <memory>
#include <string>

namespace kvsim {

/// `residual` and `hadamard`, which every dtype takes.
struct CommonParameters {
    uint32_t residual = 0;
    bool hadamard = false;

    static CommonParameters ask(Spec& spec);
};
inline constexpr const char* kCommonParameters = "hadamard=off|on residual=0";

/// As heads_of_whole_groups(), and refuses units whose values 32 bits cannot count.
uint32_t unit_heads_of(const std::string& dtype, RowShape shape, uint64_t group);

/// The codec itself, or with hadamard=on the codec behind a rotation of max(head_dim, group) values along the row.
/// Throws Error(input) where that is not a power of two or does not divide the row.
std::unique_ptr<Codec> with_rotation(const std::string& dtype, const CommonParameters& common, uint64_t group,
                                     std::unique_ptr<Codec> codec);

/// The codec for values that are divided by `scale` (positive, finite) first.
std::unique_ptr<Codec> with_scale(std::unique_ptr<Codec> codec, float scale);

}  // namespace kvsim
