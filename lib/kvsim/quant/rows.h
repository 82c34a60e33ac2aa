// Who registers KV dtypes: one function per file.
#pragma once

#include <kvsim/quant/dtype.h>

namespace kvsim {

void add_plain_dtypes(Registry<KvDtypeRow>& registry);
void add_affine_dtypes(Registry<KvDtypeRow>& registry);
void add_block_dtypes(Registry<KvDtypeRow>& registry);

}  // namespace kvsim
