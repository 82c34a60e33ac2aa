#include <kvsim/model/dtype.h>

namespace kvsim {

/// A type that stores nothing but its values, each in whole bytes.
static KvDtypeRow plain(const std::string& id, const std::string& summary, uint32_t bytes) {
    return {id, summary, bytes * 8, [id, bytes](uint64_t values) {
                if (values > UINT64_MAX / bytes)
                    throw_input("KV dtype '" + id + "': a row of " + std::to_string(values) +
                                " values does not fit 64 bits");
                return values * bytes;
            }};
}

Registry<KvDtypeRow>& kv_dtypes() {
    static Registry<KvDtypeRow> registry = [] {
        Registry<KvDtypeRow> r("KV dtype");
        r.add(plain("f32", "IEEE single precision, 4 bytes a value", 4));
        r.add(plain("f16", "IEEE half precision, 2 bytes a value", 2));
        r.add(plain("bf16", "bfloat16, 2 bytes a value", 2));
        r.add(plain("fp8_e4m3", "8-bit float (4 exponent, 3 mantissa bits), 1 byte a value, no scales", 1));
        return r;
    }();
    return registry;
}

}  // namespace kvsim
