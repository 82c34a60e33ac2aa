// Types that store nothing but their values, each in whole bytes.
#include <kernels/common/convert.h>
#include <kernels/cpu/quant.h>
#include <kvsim/quant/family.h>
#include <kvsim/quant/rows.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace kvsim {

namespace {

class F32 final : public Codec {
  public:
    F32(RowShape shape, uint32_t heads, uint32_t residual) : Codec(shape, heads, 1, residual) {}
    StoredBytes unit_bytes(uint32_t tokens) const override { return {uint64_t{tokens} * unit_values() * 4, 0, 0}; }
    void encode(const float* values, uint32_t tokens, uint8_t* out) const override {
        std::memcpy(out, values, unit_bytes(tokens).data);
    }
    void decode(const uint8_t* in, uint32_t tokens, float* values) const override {
        std::memcpy(values, in, unit_bytes(tokens).data);
    }
    bool error_bounds(const uint8_t*, uint32_t tokens, float* bounds) const override {
        std::fill_n(bounds, size_t{tokens} * unit_values(), 0.0f);
        return true;
    }
};

/// A narrower float. What its largest number decodes to may have been larger: then there is no bound.
struct NarrowType {
    kv::cpu::Narrow type;
    uint32_t bytes;
    double half_step;  ///< of a normal number, relative to it
    double smallest;   ///< half a step of a subnormal one
    double largest;
};

class Narrow final : public Codec {
  public:
    Narrow(RowShape shape, uint32_t heads, const NarrowType& type, uint32_t residual)
        : Codec(shape, heads, 1, residual), type_(type) {}
    StoredBytes unit_bytes(uint32_t tokens) const override {
        return {uint64_t{tokens} * unit_values() * type_.bytes, 0, 0};
    }
    void encode(const float* values, uint32_t tokens, uint8_t* out) const override {
        kv::cpu::encode_narrow(type_.type, size_t{tokens} * unit_values(), values, out);
    }
    void decode(const uint8_t* in, uint32_t tokens, float* values) const override {
        kv::cpu::decode_narrow(type_.type, size_t{tokens} * unit_values(), in, values);
    }
    void encode_units(const float* values, uint64_t units, uint8_t* out) const override {
        kv::cpu::encode_narrow(type_.type, units * unit_values(), values, out);
    }
    void decode_units(const uint8_t* in, uint64_t units, float* values) const override {
        kv::cpu::decode_narrow(type_.type, units * unit_values(), in, values);
    }
    bool error_bounds(const uint8_t* in, uint32_t tokens, float* bounds) const override {
        decode(in, tokens, bounds);
        for (size_t i = 0; i < size_t{tokens} * unit_values(); ++i) {
            double size = std::fabs(static_cast<double>(bounds[i]));
            double bound = std::max(size * type_.half_step, type_.smallest);
            bounds[i] = static_cast<float>(size < type_.largest ? bound : std::numeric_limits<double>::infinity());
        }
        return true;
    }

  private:
    NarrowType type_;
};

// 448 is the largest e4m3, 65504 the largest f16: below stand their neighbours.
constexpr NarrowType kF16 = {kv::cpu::Narrow::f16, 2, 0x1p-11, 0x1p-25, 65504};
constexpr NarrowType kBf16 = {kv::cpu::Narrow::bf16, 2, 0x1p-8, 0x1p-134, 0x1.FEp127};
constexpr NarrowType kE4m3 = {kv::cpu::Narrow::e4m3, 1, 0x1p-4, 0x1p-10, 448};

void add_narrow(Registry<KvDtypeRow>& r, const char* id, const NarrowType& type, const char* summary) {
    r.add({id, summary, kCommonParameters, 8 * type.bytes, [type](Spec& spec, RowShape shape) {
               CommonParameters common = CommonParameters::ask(spec);
               uint32_t heads = unit_heads_of(spec.id(), shape, 1);
               auto codec = std::make_unique<Narrow>(shape, heads, type, common.residual);
               return with_rotation(spec.id(), common, 1, std::move(codec));
           }});
}

}  // namespace

void add_plain_dtypes(Registry<KvDtypeRow>& r) {
    r.add({"f32", "IEEE single precision, 4 bytes a value", kCommonParameters, 32, [](Spec& spec, RowShape shape) {
               CommonParameters common = CommonParameters::ask(spec);
               uint32_t heads = unit_heads_of(spec.id(), shape, 1);
               return with_rotation(spec.id(), common, 1, std::make_unique<F32>(shape, heads, common.residual));
           }});
    add_narrow(r, "f16", kF16, "IEEE half precision, 2 bytes a value");
    add_narrow(r, "bf16", kBf16, "bfloat16, 2 bytes a value");
    add_narrow(r, "fp8_e4m3", kE4m3, "8-bit float (4 exponent, 3 mantissa bits), 1 byte a value, no scales");
}

}  // namespace kvsim
