#include <kvsim/quant/dtype.h>
#include <kvsim/quant/rows.h>

namespace kvsim {

bool Codec::error_bounds(const uint8_t*, uint32_t, float*) const { return false; }

uint32_t heads_of_whole_groups(const std::string& dtype, RowShape shape, uint32_t group) {
    if (group == 0 || shape.values() % group != 0)
        throw_input("KV dtype '" + dtype + "': groups of " + std::to_string(group) + " values do not divide a row of " +
                    std::to_string(shape.heads) + " heads x " + std::to_string(shape.head_dim));
    for (uint32_t heads = 1; heads < shape.heads; ++heads)
        if (shape.heads % heads == 0 && uint64_t{heads} * shape.head_dim % group == 0) return heads;
    return shape.heads;
}

Registry<KvDtypeRow>& kv_dtypes() {
    static Registry<KvDtypeRow> registry = [] {
        Registry<KvDtypeRow> r("KV dtype");
        add_plain_dtypes(r);
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

uint64_t row_bytes(std::string_view dtype, RowShape shape) {
    std::unique_ptr<Codec> codec = make_codec(dtype, shape);
    uint64_t unit = codec->unit_bytes(codec->unit_tokens()).total();
    uint64_t row = unit * codec->row_units();
    return (row - 1) / codec->unit_tokens() + 1;
}

}  // namespace kvsim
