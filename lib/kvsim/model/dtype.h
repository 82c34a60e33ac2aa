// The types a KV cache can be stored in, as far as their bytes are exact without further parameters.
#pragma once

#include <kvsim/core/registry.h>

#include <cstdint>
#include <functional>
#include <string>

namespace kvsim {

struct KvDtypeRow {
    std::string id;
    std::string summary;
    uint32_t bits_per_value = 0;  ///< of the payload, without scales
    /// Bytes of one row (one token of one head, or of one MLA latent) of so many values, with everything that
    /// is stored beside them. Throws Error(input) where the result does not fit 64 bits.
    std::function<uint64_t(uint64_t values)> bytes_for;
};

Registry<KvDtypeRow>& kv_dtypes();

}  // namespace kvsim
