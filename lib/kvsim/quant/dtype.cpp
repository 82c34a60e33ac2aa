#include <kvsim/quant/dtype.h>
#include <kvsim/quant/rows.h>

#include <cstdio>

#include <algorithm>
#include <numeric>

namespace kvsim {

bool Codec::error_bounds(const uint8_t*, uint32_t, float*) const { return false; }

void Codec::encode_units(const float* values, uint64_t units, uint8_t* out) const {
    uint64_t bytes = unit_bytes(unit_tokens()).total(), count = uint64_t{unit_tokens()} * unit_values();
    for (uint64_t i = 0; i < units; ++i) encode(values + i * count, unit_tokens(), out + i * bytes);
}
void Codec::decode_units(const uint8_t* in, uint64_t units, float* values) const {
    uint64_t bytes = unit_bytes(unit_tokens()).total(), count = uint64_t{unit_tokens()} * unit_values();
    for (uint64_t i = 0; i < units; ++i) decode(in + i * bytes, unit_tokens(), values + i * count);
}

/// "4 and 8 do": the nearest groups that divide a row.
static std::string nearest_divisors(uint64_t values, uint64_t group) {
    constexpr uint64_t kFar = uint64_t{1} << 24;
    uint64_t low = std::clamp<uint64_t>(group, 1, values), high = group;
    while (values % low != 0) --low;
    while (high < std::min(values, kFar) && (high == 0 || values % high != 0)) ++high;
    if (high == low || high == 0 || values % high != 0) return std::to_string(low) + " does";
    return std::to_string(low) + " and " + std::to_string(high) + " do";
}

uint32_t heads_of_whole_groups(const std::string& dtype, RowShape shape, uint32_t group) {
    if (group == 0 || shape.values() % group != 0)
        throw_input("KV dtype '" + dtype + "': groups of " + std::to_string(group) + " values do not divide a row of " +
                    std::to_string(shape.heads) + " heads x " + std::to_string(shape.head_dim) + " (" +
                    nearest_divisors(shape.values(), group) + ")");
    // The fewest heads whose values are whole groups divide every number of heads that has this property.
    return group / std::gcd(group, shape.head_dim);
}

Registry<KvDtypeRow>& kv_dtypes() {
    static Registry<KvDtypeRow> registry = [] {
        Registry<KvDtypeRow> r("KV dtype");
        add_plain_dtypes(r);
        add_affine_dtypes(r);
        add_block_dtypes(r);
        return r;
    }();
    return registry;
}

std::unique_ptr<Codec> make_codec(std::string_view dtype, RowShape shape) {
    Spec spec = Spec::parse(dtype);
    std::unique_ptr<Codec> codec = kv_dtypes().get(spec.id()).make(spec, shape);
    spec.finish();
    return codec;
}

std::string calibrated(const std::string& dtype, float largest) {
    Spec spec = Spec::parse(dtype);
    if (!kv_dtypes().get(spec.id()).tensor_scale || spec.has("tensor_amax") || !(largest > 0)) return dtype;
    char text[32];
    std::snprintf(text, sizeof text, "%.9g", static_cast<double>(largest));
    return dtype + (dtype.find(':') == std::string::npos ? ":" : ",") + "tensor_amax=" + text;
}

uint64_t row_bytes(std::string_view dtype, RowShape shape) {
    std::unique_ptr<Codec> codec = make_codec(dtype, shape);
    uint64_t unit = codec->unit_bytes(codec->unit_tokens()).total();
    uint64_t row = unit * codec->row_units();
    return (row - 1) / codec->unit_tokens() + 1;
}

}  // namespace kvsim
