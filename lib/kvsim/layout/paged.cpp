// The paged layout: sequences in blocks from one pool, forks share them until they write (block/paged_store.h).
#include <kvsim/layout/sequence_layouts.h>

namespace kvsim {

static void resolve_paged(CacheConfig& c) { resolve_sequences(c, "lru"); }

PagedConfig paged_config(const Trace& trace, const RunOptions& options) {
    PagedConfig config;
    config.blocks = options.capacity_blocks;
    config.block_size = trace.block_size;
    return config;
}

static std::unique_ptr<Cache> make_paged(const CacheConfig& c, const Trace& trace, const RunOptions& options, RunPath) {
    return sequence_replay(PagedCache(paged_config(trace, options), victim_strategy(c)), c, trace, options);
}

static Definitions paged_definitions(const CacheConfig& c, const Trace& trace, const RunOptions& options) {
    Definitions d = sequence_definitions(c, trace, options);
    d.emplace_back("forks", "forks: children, which share their parent's blocks; n - 1 for n samples of a request, again "
                            "when it is stored again; cow_copies: partly filled blocks copied because somebody "
                            "else held them when they were appended to; shared_blocks_peak: the most blocks of more than one "
                            "sequence there ever were at once");
    return d;
}

LayoutRow paged_layout() {
    LayoutRow row;
    row.id = "paged";
    row.summary = "sequences in blocks from one pool; forks share blocks and copy them when they write: what beams, "
                  "samples and preemption cost";
    row.options = {{"--eviction", "lru"}, {"--evict-threshold", ""}, {"--evict-target", ""}, {"--on-full", "evict"}, {"--preempt", "latest"}};
    row.resolve = resolve_paged;
    row.make = make_paged;
    row.effective = effective_sequences;
    row.title = [](const CacheConfig& c) { return "paged layout, " + sequence_title(c); };
    row.definitions = paged_definitions;
    return row;
}

}  // namespace kvsim
