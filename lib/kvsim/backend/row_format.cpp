#include <kvsim/backend/row_format.h>
#include <kvsim/core/error.h>
#include <kvsim/core/spec.h>
#include <kvsim/quant/dtype.h>

namespace kvsim {

namespace {

struct Named {
    const char* dtype;
    kv::RowType type;
};
constexpr Named kTypes[] = {{"f32", kv::RowType::f32},       {"f16", kv::RowType::f16},   {"bf16", kv::RowType::bf16},
                            {"fp8_e4m3", kv::RowType::e4m3}, {"int8", kv::RowType::int8}, {"int4", kv::RowType::int4}};

[[noreturn]] void refuse(const std::string& dtype, const std::string& why) {
    throw_input("KV dtype '" + dtype + "': " + why +
                "; kernels take f32, f16, bf16, fp8_e4m3, and int8 or int4 in groups inside one head");
}

}  // namespace

kv::RowFormat row_format(const std::string& dtype, uint32_t head_dim) {
    auto codec = make_codec(dtype, {1, head_dim});  // whoever is unknown or does not suit one head says so itself
    Spec spec = Spec::parse(dtype);
    const Named* found = nullptr;
    for (const Named& t : kTypes)
        if (spec.id() == t.dtype) found = &t;
    if (!found) refuse(dtype, "has no kernels");
    if (codec->unit_tokens() > 1) refuse(dtype, "groups along tokens");
    if (codec->residual_tokens() > 0) refuse(dtype, "a residual window");
    if (spec.on_off("hadamard", false)) refuse(dtype, "a rotation");
    if (head_dim % 8 != 0) refuse(dtype, "a head of " + std::to_string(head_dim) + " values, which is no multiple of 8");
    kv::RowFormat f;
    f.type = found->type;
    f.dim = head_dim;
    if (kv::is_affine(f.type)) {
        f.group = static_cast<uint32_t>(spec.whole("group", head_dim, 1, head_dim));
        if (f.group < 8) refuse(dtype, "groups of fewer than 8 values");
        f.symmetric = spec.on_off("symmetric", false);
        f.half_metadata = spec.choice("scale", "f16", {"f16", "f32"}) == "f16";
    }
    return f;
}

const char* name_of(kv::RowType type) {
    for (const Named& t : kTypes)
        if (t.type == type) return t.dtype;
    return "";
}

}  // namespace kvsim
