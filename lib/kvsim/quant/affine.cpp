// int8, int4, int3, int2: whole numbers with a scale and a minimum for a group (kernels/common/affine.h). Groups run
// along the row of a token, or along tokens, one group per channel: keys have channels that are large in every token,
// which then share their scale with nobody else (KIVI: keys per channel, values per token, the newest tokens as they
// are).
#include <kernels/cpu/quant.h>
#include <kvsim/quant/family.h>
#include <kvsim/quant/rows.h>

#include <cmath>
#include <limits>

namespace kvsim {

namespace {

constexpr uint64_t kLargestGroup = uint64_t{1} << 24;
constexpr uint64_t kLargestChannelGroup = 1 << 16;  ///< tokens: a unit is in memory as a whole
constexpr uint64_t kTokensOfChannel = 32;

struct AffineParameters {
    kv::AffineFormat format;
    uint64_t group = 0;
    bool by_channel = false;
    CommonParameters common;
};

/// How far apart the numbers are that metadata is rounded to, half of it.
double half_ulp(const kv::AffineFormat& f, double x) {
    return f.half_metadata ? std::max(std::fabs(x) * 0x1p-11, 0x1p-25) : 0;
}

/// Half a step, what the rounding of scale and low leaves, and f32 arithmetic. Infinite where a scale or low stands at
/// the end of its type: it may have been cut off there.
double affine_bound(const kv::AffineFormat& f, const kv::AffineGroup& g) {
    double scale = g.scale, low = std::fabs(static_cast<double>(g.low)), steps = kv::affine_steps(f);
    bool at_end = f.half_metadata ? scale >= kv::kLargestF16 || low >= kv::kLargestF16 : scale * steps >= 0x1p126;
    if (at_end) return std::numeric_limits<double>::infinity();
    double metadata = steps * half_ulp(f, scale) + (f.symmetric ? 0 : half_ulp(f, low));
    return scale / 2 + metadata + (low + steps * scale) * 0x1p-22;
}

class Affine final : public Codec {
  public:
    Affine(RowShape shape, uint32_t heads, const AffineParameters& p)
        : Codec(shape, heads, p.by_channel ? static_cast<uint32_t>(p.group) : 1, p.common.residual), p_(p) {}

    StoredBytes unit_bytes(uint32_t tokens) const override {
        kv::AffineUnit u = unit(tokens);
        return {u.code_bytes(), u.metadata_bytes(), 0};
    }
    void encode(const float* values, uint32_t tokens, uint8_t* out) const override {
        kv::cpu::encode_affine(unit(tokens), 1, values, out);
    }
    void decode(const uint8_t* in, uint32_t tokens, float* values) const override {
        kv::cpu::decode_affine(unit(tokens), 1, in, values);
    }
    void encode_units(const float* values, uint64_t units, uint8_t* out) const override {
        kv::cpu::encode_affine(unit(unit_tokens()), units, values, out);
    }
    void decode_units(const uint8_t* in, uint64_t units, float* values) const override {
        kv::cpu::decode_affine(unit(unit_tokens()), units, in, values);
    }
    bool error_bounds(const uint8_t* in, uint32_t tokens, float* bounds) const override {
        kv::AffineUnit u = unit(tokens);
        for (size_t k = 0; k < u.groups; ++k) {
            auto bound = static_cast<float>(affine_bound(u.format, kv::affine_group_at(u, in, k)));
            for (size_t j = 0; j < u.size; ++j) bounds[k * u.group_stride + j * u.value_stride] = bound;
        }
        return true;
    }

  private:
    kv::AffineUnit unit(uint32_t tokens) const {
        kv::AffineUnit u;
        u.format = p_.format;
        if (p_.by_channel) {
            u.groups = u.value_stride = unit_values();
            u.size = tokens;
        } else {
            u.size = u.group_stride = p_.group;
            u.groups = unit_values() / p_.group;
        }
        return u;
    }
    AffineParameters p_;
};

std::unique_ptr<Codec> make_affine(uint32_t bits, Spec& spec, RowShape shape) {
    AffineParameters p;
    p.format.bits = bits;
    p.by_channel = spec.choice("axis", "token", {"token", "channel"}) == "channel";
    p.group = spec.whole("group", p.by_channel ? kTokensOfChannel : shape.head_dim, 1,
                         p.by_channel ? kLargestChannelGroup : kLargestGroup);
    p.format.half_metadata = spec.choice("scale", "f16", {"f16", "f32"}) == "f16";
    p.format.symmetric = spec.on_off("symmetric", false);
    p.common = CommonParameters::ask(spec);
    uint64_t along_row = p.by_channel ? shape.head_dim : p.group;
    uint32_t heads = unit_heads_of(spec.id(), shape, along_row);
    if (p.by_channel) {
        if (p.common.residual % p.group != 0)
            throw_input("KV dtype '" + spec.id() + "': residual=" + std::to_string(p.common.residual) +
                        ": expected a multiple of the group of " + std::to_string(p.group) + " tokens");
        if (p.group * shape.head_dim > UINT32_MAX)
            throw_input("KV dtype '" + spec.id() + "': a group of " + std::to_string(p.group) + " tokens of " +
                        std::to_string(shape.head_dim) + " values is too large");
    }
    return with_rotation(spec.id(), p.common, along_row, std::make_unique<Affine>(shape, heads, p));
}

void add_affine(Registry<KvDtypeRow>& r, uint32_t bits) {
    std::string b = std::to_string(bits);
    r.add({"int" + b, b + "-bit whole numbers with a scale and a minimum for each group",
           "group=head_dim axis=token|channel (channel: group=32 tokens) scale=f16|f32 symmetric=off|on " +
               std::string(kCommonParameters),
           bits, [bits](Spec& spec, RowShape shape) { return make_affine(bits, spec, shape); }});
}

}  // namespace

void add_affine_dtypes(Registry<KvDtypeRow>& r) {
    for (uint32_t bits : {8u, 4u, 3u, 2u}) add_affine(r, bits);
}

}  // namespace kvsim
