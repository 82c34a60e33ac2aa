#include <kvsim/core/spec.h>
#include <kvsim/layout/prefix_snapshots.h>

#include <algorithm>

namespace kvsim {

SnapshotMatchOptions SnapshotMatchOptions::parse(const std::string& text) {
    Spec spec = Spec::parse(text);
    if (spec.id() != "snapshot") throw_input("unknown match '" + spec.id() + "', expected snapshot");
    SnapshotMatchOptions o;
    o.max_entries = spec.whole("max_entries", o.max_entries, 1, kMaxBlocks);
    o.min_prefix_len = spec.whole("min_prefix_len", o.min_prefix_len, 1, kMaxBlocks);
    spec.finish();
    return o;
}

std::string SnapshotMatchOptions::text() const {
    return "snapshot:max_entries=" + std::to_string(max_entries) + ",min_prefix_len=" + std::to_string(min_prefix_len);
}

std::unique_ptr<PrefixSnapshots> make_snapshot_cache(const std::string& spec) {
    return std::make_unique<PrefixSnapshots>(SnapshotMatchOptions::parse(spec));
}

void PrefixSnapshots::run(const Trace& trace, const RunOptions& options, RunResult& result) {
    if (trace.lengths_only) throw_input("--match snapshot: the trace names no blocks, so there is nothing to match");
    if (trace.content || trace.block_size != 1)
        throw_input("--match snapshot: the trace must name prefixes in blocks of 1 token, " +
                    std::string(trace.content ? "its ids name content"
                                              : "it has " + std::to_string(trace.block_size) + " tokens per block"));
    index_ = SnapshotIndex<RunLabels>({match_.max_entries, options.capacity_blocks, match_.min_prefix_len});
    uint32_t requests = trace.requests();
    result.hit_blocks.resize(requests);
    std::vector<Segment> key;
    for (uint32_t r = 0; r < requests; ++r) {
        begin_request(r, options, result);
        uint32_t named = trace.lookup_blocks(r);
        trace.chains.segments(trace.lookup_row(r), named, key);
        auto found = index_.lookup_boundary(key);
        uint32_t prompt = std::max<uint32_t>(trace.prompt_tokens[r], 1);
        result.hit_blocks[r] = static_cast<uint32_t>(std::min<uint64_t>(found.matched, prompt - 1));
        index_.store(key, named, [](uint32_t) {});
        uint64_t own = index_.last_slot() == index_.kNoSlot ? 0 : named;
        result.total.evicted_blocks = index_.counts().evicted_cost;
        result.total.evicted_sequences = index_.counts().evictions;
        result.sampled(r, own, index_.cost());
        result.admitted(r >= options.warmup_requests, own, index_.cost(), index_.cost());
    }
    end_run(requests, options, result);
    result.state_bytes = index_.state_bytes();
}

}  // namespace kvsim
