#include <kvsim/core/spec.h>
#include <kvsim/engine/engines.h>
#include <kvsim/engine/sglang_row.h>
#include <kvsim/engine/vllm.h>
#include <kvsim/trace/format.h>

#include <algorithm>

namespace kvsim {

Registry<EngineRow>& engines() {
    static Registry<EngineRow> registry = [] {
        Registry<EngineRow> r("engine");
        r.add(vllm_engine());
        r.add(vllm_classic_engine());
        r.add(sglang_engine());
        r.add(sglang_unified_engine());
        return r;
    }();
    return registry;
}

const EngineRow* engine_of(const CacheConfig& config) {
    return config.engine.empty() ? nullptr : &engines().get(Spec::parse(config.engine).id());
}

uint32_t join_block_size(CacheConfig& config, uint32_t asked) {
    const EngineRow* engine = engine_of(config);
    if (!engine || engine->block_parameter.empty()) return asked;
    const std::string& key = engine->block_parameter;
    Spec spec = Spec::parse(config.engine);
    if (!spec.has(key)) {
        uint32_t size = asked != 0 ? asked : engine->default_block;
        config.engine += (config.engine.find(':') == std::string::npos ? ":" : ",") + key + "=" + std::to_string(size);
        return size;
    }
    auto own = static_cast<uint32_t>(spec.whole(key, 0, 1, kMaxBlockSize));
    if (asked != 0 && asked != own)
        throw_input("--block-size " + std::to_string(asked) + ": --engine " + config.engine + " has blocks of " +
                    std::to_string(own) + " tokens; give one of them, or the same");
    return own;
}

const LayoutRow& cache_row(const CacheConfig& config) {
    const EngineRow* engine = engine_of(config);
    return engine ? engine->cache : layouts().get(config.layout.empty() ? kDefaultLayout : config.layout);
}

static void resolve_engine(const EngineRow& engine, CacheConfig& config) {
    if (!config.layout.empty())
        throw_input("--layout " + config.layout + " has no effect with --engine " + engine.id + ": an engine has its own cache");
    for (const CacheOption& option : cache_options())
        if (!(config.*option.value).empty())
            throw_input(std::string(option.name) + " has no effect with --engine " + engine.id + ": an engine has its own rules");
    engine.cache.resolve(config);
}

void resolve_cache(CacheConfig& config) {
    if (const EngineRow* engine = engine_of(config)) return resolve_engine(*engine, config);
    if (config.layout.empty()) config.layout = kDefaultLayout;
    const LayoutRow& row = layouts().get(config.layout);
    for (const CacheOption& option : cache_options()) {
        const std::string& value = config.*option.value;
        auto known = std::find_if(row.options.begin(), row.options.end(),
                                  [&](const auto& o) { return o.first == option.name; });
        if (known != row.options.end() || value.empty()) continue;
        std::string where;
        for (const LayoutRow& other : layouts().rows())
            for (const auto& o : other.options)
                if (o.first == option.name) where += (where.empty() ? "" : ", ") + other.id;
        throw_input(std::string(option.name) + " has no effect under --layout " + config.layout +
                    (where.empty() ? "" : "; it is for " + where));
    }
    row.resolve(config);
}

CacheConfig effective_cache(const CacheConfig& config, const Trace& trace) {
    const LayoutRow& row = cache_row(config);
    return row.effective ? row.effective(config, trace) : config;
}

}  // namespace kvsim
