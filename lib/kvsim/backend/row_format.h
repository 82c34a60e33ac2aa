// KV dtypes as kernels take them.
#pragma once

#include <kernels/common/row.h>

#include <string>

namespace kvsim {

/// Throws Error(input) on an unknown dtype, and on one that kernels have no rows for: they take f32, f16, bf16,
/// fp8_e4m3, int8 and int4 in groups inside one head, without rotation or residual window.
kv::RowFormat row_format(const std::string& dtype, uint32_t head_dim);

/// f32, bf16, int8, ...: the dtype's id.
const char* name_of(kv::RowType type);

}  // namespace kvsim
