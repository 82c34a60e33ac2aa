#include "options.h"

#include <kvsim/core/error.h>
#include <kvsim/model/hf_config.h>

namespace kvsim::app {

void BackendOptions::add_to(Command& c) {
    const std::string group = "Work";
    c.option("--backend", backend,
             "do every event on real keys and values too: none (default), cpu or cuda; cpu:threads=N, order=hnd|nhd. Without "
             "--model 2 layers of 8 KV heads x 128, bf16", group, "ID");
    c.flag("--attend", attend, "with --backend: attention of each decoded token over all before it", group);
}

// The layers whose keys and values grow with every token must be alike.
static void take_shape(const ModelShape& shape, DataRunOptions& o, std::vector<std::string>& lines) {
    uint64_t layers = 0;
    bool others = false;
    for (const LayerGroup& g : shape.groups) {
        if (g.kind != LayerKind::full) {
            others = true;
            continue;
        }
        bool same = g.value_head_dim == 0 || g.value_head_dim == g.head_dim;
        if (layers > 0) same = same && g.kv_heads == o.kv_heads && g.head_dim == o.head_dim;
        if (!same)
            throw_input("--backend with --model " + shape.id + ": " + describe(shape) + "; expected heads of one size in all full layers");
        layers += g.count;
        o.kv_heads = static_cast<uint32_t>(g.kv_heads);
        o.head_dim = static_cast<uint32_t>(g.head_dim);
    }
    if (layers == 0) throw_input("--backend with --model " + shape.id + ": " + describe(shape) + "; expected layers of full attention");
    if (others) lines.push_back("keys and values are stored of the " + std::to_string(layers) + " layers of full attention");
    o.layers = static_cast<uint32_t>(layers);
    uint64_t query_heads = shape.query_heads.value_or(o.kv_heads);
    o.query_heads = static_cast<uint32_t>(query_heads);
    o.k_dtype = o.v_dtype = shape.default_dtype;
}

std::optional<DataRunOptions> BackendOptions::resolve(const ModelOptions& model, const KvData* data,
                                                      std::vector<std::string>& lines) const {
    if (!given()) {
        if (attend) throw_input("--attend has no effect without --backend");
        return std::nullopt;
    }
    DataRunOptions o;
    o.backend = backend;
    o.attend = attend;
    o.kv_data = data;
    if (data) {
        model.layers(data);
        o.layers = data->layers;
        o.kv_heads = data->kv_heads;
        o.query_heads = data->query_heads;
        o.head_dim = data->head_dim;
        o.k_dtype = o.v_dtype = data->dtype;
    } else if (!model.model.empty()) {
        take_shape(resolve_model(model.model), o, lines);
    }
    if (!model.keys().empty()) o.k_dtype = model.keys();
    if (!model.values().empty()) o.v_dtype = model.values();
    return o;
}

}  // namespace kvsim::app
