#include <kvsim/layout/layouts.h>

#include <algorithm>

namespace kvsim {

const std::vector<CacheOption>& cache_options() {
    static const std::vector<CacheOption> all = {{"--eviction", &CacheConfig::eviction},
                                                 {"--accounting", &CacheConfig::accounting},
                                                 {"--match", &CacheConfig::match},
                                                 {"--evict-threshold", &CacheConfig::evict_threshold},
                                                 {"--evict-target", &CacheConfig::evict_target},
                                                 {"--reserve", &CacheConfig::reserve},
                                                 {"--on-full", &CacheConfig::on_full},
                                                 {"--preempt", &CacheConfig::preempt}};
    return all;
}

Registry<LayoutRow>& layouts() {
    static Registry<LayoutRow> registry = [] {
        Registry<LayoutRow> r("layout");
        r.add(prefix_layout());
        r.add(paged_layout());
        r.add(contiguous_layout());
        r.add(quantized_layout());
        return r;
    }();
    return registry;
}

void resolve_cache(CacheConfig& config) {
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
    const LayoutRow& row = layouts().get(config.layout);
    return row.effective ? row.effective(config, trace) : config;
}

}  // namespace kvsim
