// The loops of kernels/common's formats in the vectors of the processor at hand (chosen when first called); where there
// are none, the definitions themselves. The same bits either way. Values are finite.
#pragma once

#include <kernels/common/affine.h>
#include <kernels/common/blocks.h>

#include <string>
#include <vector>

namespace kv::cpu {

/// `units` units one after the other, values and bytes.
void encode_affine(const AffineUnit& unit, size_t units, const float* values, uint8_t* out);
void decode_affine(const AffineUnit& unit, size_t units, const uint8_t* in, float* values);

void encode_blocks(BlockFormat format, size_t blocks, const float* values, uint8_t* out);
void decode_blocks(BlockFormat format, size_t blocks, const uint8_t* in, float* values);

enum class Narrow : uint8_t { f16, bf16, e4m3 };
void encode_narrow(Narrow type, size_t count, const float* values, uint8_t* out);
void decode_narrow(Narrow type, size_t count, const uint8_t* in, float* values);

/// kv::hadamard_rotate on each run of `width` of `count` values.
void rotate(float* values, size_t count, size_t width);

/// Instruction sets that can be used here, best first, and the choice of one (empty: the best), for tests and
/// measurements; not while another thread computes.
std::vector<std::string> vector_targets();
void use_vector_target(const std::string& name);

}  // namespace kv::cpu
