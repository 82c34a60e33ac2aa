// The types a KV cache can be stored in: one row per family, its parameters written `int4:group=64,axis=channel`.
#pragma once

#include <kvsim/core/registry.h>
#include <kvsim/core/spec.h>
#include <kvsim/quant/codec.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace kvsim {

struct KvDtypeRow {
    std::string id;
    std::string summary;
    std::string parameters;       ///< "group=head_dim scale=f16|f32": name=default, for people
    uint32_t bits_per_value = 0;  ///< of the payload, without scales
    /// Asks for the parameters it knows; the caller finishes the spec. Throws Error(input), also where the dtype does not
    /// suit the shape.
    std::function<std::unique_ptr<Codec>(Spec& spec, RowShape shape)> make;
    bool tensor_scale = false;  ///< takes tensor_amax=A, the largest value there will be
};

Registry<KvDtypeRow>& kv_dtypes();

/// Throws Error(input) on an unknown dtype or parameter, a wrong value, or a shape the dtype cannot store.
std::unique_ptr<Codec> make_codec(std::string_view dtype, RowShape shape);

/// Bytes of one row, with everything that is stored beside its values; where scales run along tokens a token's share
/// of a full unit, rounded up. Throws Error(input) as make_codec() and where the result does not fit 64 bits.
uint64_t row_bytes(std::string_view dtype, RowShape shape);

/// The dtype with the largest value of the data it is going to store, where it takes that and was not given one.
std::string calibrated(const std::string& dtype, float largest);

}  // namespace kvsim
