#include <kvsim/layout/layouts.h>

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

}  // namespace kvsim
