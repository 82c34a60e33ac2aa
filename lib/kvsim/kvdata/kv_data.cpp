#include <kvsim/core/error.h>
#include <kvsim/core/suggest.h>
#include <kvsim/kvdata/kv_data.h>
#include <kvsim/kvdata/safetensors.h>
#include <kvsim/kvdata/safetensors_header.h>
#include <kvsim/kvdata/synthetic.h>

#include <filesystem>
#include <limits>
#include <map>

namespace kvsim {

namespace {

enum Axis : size_t { kSequence, kLayer, kToken, kHead, kDim, kAxes };
const char* const kAxisNames[kAxes] = {"sequence", "layer", "token", "head", "dim"};

const SafeTensor& need(const SafeTensors& file, const std::string& name) {
    if (const SafeTensor* found = file.find(name)) return *found;
    std::vector<std::string> names;
    for (const SafeTensor& t : file.tensors())
        if (names.size() < 10) names.push_back(safetensors::shown(t.name));
    file.fail("no tensor " + name + ": expected q, k and v, found " + (names.empty() ? "none" : join(names)));
}

void check_alone(const SafeTensors& file, const SafeTensor& t) {
    std::string shape = "shape " + safetensors::shape_text(t.shape) + ": expected ";
    if (t.shape.size() != kAxes) file.fail(t, shape + "5 axes: sequence, layer, token, head, dim");
    for (size_t axis = 0; axis < kAxes; ++axis)
        if (t.shape[axis] == 0 || t.shape[axis] > std::numeric_limits<uint32_t>::max())
            file.fail(t, shape + "1 to 4294967295 along axis " + kAxisNames[axis]);
    if (t.dtype != "F32" && t.dtype != "F16" && t.dtype != "BF16")
        file.fail(t, "dtype " + t.dtype + ": expected F32, F16 or BF16");
}

// Axes that must be those of the tensor k.
void check_beside(const SafeTensors& file, const SafeTensor& t, const SafeTensor& k, bool heads) {
    for (size_t axis = 0; axis < kAxes; ++axis) {
        if (t.shape[axis] == k.shape[axis] || (axis == kHead && !heads)) continue;
        file.fail(t, "shape " + safetensors::shape_text(t.shape) + ": expected " + std::to_string(k.shape[axis]) +
                         " along axis " + kAxisNames[axis] + ", as tensor 'k' has" +
                         (axis == kDim && t.name == "v" ? "; values narrower or wider than keys are not supported" : ""));
    }
    if (t.dtype != k.dtype) file.fail(t, "dtype " + t.dtype + ": expected " + k.dtype + ", as tensor 'k' has");
}

KvData load_file(const std::string& path) {
    SafeTensors file(path);
    const SafeTensor &q = need(file, "q"), &k = need(file, "k"), &v = need(file, "v");
    const SafeTensor* k_pre = file.find("k_pre");
    for (const SafeTensor* t : {&k, &q, &v, k_pre})
        if (t) check_alone(file, *t);
    check_beside(file, q, k, false);
    check_beside(file, v, k, true);
    if (k_pre) check_beside(file, *k_pre, k, true);
    if (q.shape[kHead] % k.shape[kHead] != 0)
        file.fail(q, std::to_string(q.shape[kHead]) + " query heads: expected a multiple of the " +
                         std::to_string(k.shape[kHead]) + " heads of tensor 'k'");

    static const std::map<std::string, std::string> dtypes = {{"F32", "f32"}, {"F16", "f16"}, {"BF16", "bf16"}};
    KvData data;
    data.name = path.substr(path.rfind('/') + 1);
    data.format = "safetensors";
    data.dtype = dtypes.at(k.dtype);
    data.sequences = static_cast<uint32_t>(k.shape[kSequence]);
    data.layers = static_cast<uint32_t>(k.shape[kLayer]);
    data.tokens = static_cast<uint32_t>(k.shape[kToken]);
    data.query_heads = static_cast<uint32_t>(q.shape[kHead]);
    data.kv_heads = static_cast<uint32_t>(k.shape[kHead]);
    data.head_dim = static_cast<uint32_t>(k.shape[kDim]);
    std::map<std::string, std::vector<float>*> wanted = {{"q", &data.q}, {"k", &data.k}, {"v", &data.v}};
    if (k_pre) wanted["k_pre"] = &data.k_pre;
    data.sha256 = file.read(wanted);
    return data;
}

}  // namespace

KvData load_kv_data(const std::string& text) {
    if (text == "synthetic" || text.rfind("synthetic:", 0) == 0) return make_synthetic(text);
    std::string id = text.substr(0, text.find(':')), hint = did_you_mean(id, {"synthetic"});
    std::error_code ignored;
    if (!hint.empty() && !std::filesystem::exists(text, ignored))
        throw_input("--kv-data " + text + ": expected FILE.safetensors, or synthetic:key=value,..." + hint);
    return load_file(text);
}

}  // namespace kvsim
