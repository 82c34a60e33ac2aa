// Types that store nothing but their values, each in whole bytes.
#include <kernels/common/convert.h>
#include <kvsim/quant/rows.h>

#include <cstring>

namespace kvsim {

namespace {

struct AsF32 {
    using Code = float;
    static float code(float x) { return x; }
    static float value(float x) { return x; }
};
struct AsF16 {
    using Code = uint16_t;
    static Code code(float x) { return kv::f16_of(x); }
    static float value(Code c) { return kv::f32_of_f16(c); }
};
struct AsBf16 {
    using Code = uint16_t;
    static Code code(float x) { return kv::bf16_of(x); }
    static float value(Code c) { return kv::f32_of_bf16(c); }
};
struct AsE4m3 {
    using Code = uint8_t;
    static Code code(float x) { return kv::e4m3_of(x); }
    static float value(Code c) { return kv::f32_of_e4m3(c); }
};

template <class As>
class Plain final : public Codec {
  public:
    explicit Plain(RowShape shape) : Codec(shape, 1) {}
    StoredBytes unit_bytes(uint32_t tokens) const override {
        return {uint64_t{tokens} * unit_values() * sizeof(typename As::Code), 0, 0};
    }
    void encode(const float* values, uint32_t tokens, uint8_t* out) const override {
        for (size_t i = 0; i < size_t{tokens} * unit_values(); ++i) {
            typename As::Code code = As::code(values[i]);
            std::memcpy(out + i * sizeof code, &code, sizeof code);
        }
    }
    void decode(const uint8_t* in, uint32_t tokens, float* values) const override {
        for (size_t i = 0; i < size_t{tokens} * unit_values(); ++i) {
            typename As::Code code;
            std::memcpy(&code, in + i * sizeof code, sizeof code);
            values[i] = As::value(code);
        }
    }
};

template <class As>
void add_plain(Registry<KvDtypeRow>& r, const char* id, const char* summary) {
    r.add({id, summary, "", static_cast<uint32_t>(8 * sizeof(typename As::Code)),
           [](Spec&, RowShape shape) { return std::make_unique<Plain<As>>(shape); }});
}

}  // namespace

void add_plain_dtypes(Registry<KvDtypeRow>& r) {
    add_plain<AsF32>(r, "f32", "IEEE single precision, 4 bytes a value");
    add_plain<AsF16>(r, "f16", "IEEE half precision, 2 bytes a value");
    add_plain<AsBf16>(r, "bf16", "bfloat16, 2 bytes a value");
    add_plain<AsE4m3>(r, "fp8_e4m3", "8-bit float (4 exponent, 3 mantissa bits), 1 byte a value, no scales");
}

}  // namespace kvsim
