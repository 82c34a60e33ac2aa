// The contiguous layout: every sequence in one run of its own (block/contiguous_store.h): what paging saves.
#include <kvsim/core/suggest.h>
#include <kvsim/layout/sequence_layouts.h>

namespace kvsim {

// --reserve max: the room of the longest sequence of the trace, declared limits included. A fork's prompt counts what
// its parent had decoded; without decode that is never stored, and a child is as long as the prompt it goes back to.
static uint64_t longest_sequence(const Trace& trace, bool decode) {
    uint64_t longest = 1;
    if (!decode && !trace.events.empty()) {
        for (const Event& e : trace.events)
            if (e.kind == EventKind::prompt) longest = std::max<uint64_t>(longest, e.tokens);
        return longest;
    }
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        uint64_t output = decode ? trace.output_tokens[r] : 0;
        if (decode && trace.max_tokens.has(r)) output = std::max(output, static_cast<uint64_t>(trace.max_tokens[r]));
        longest = std::max(longest, trace.prompt_tokens[r] + output);
    }
    return longest;
}

static void resolve_contiguous(CacheConfig& c) {
    resolve_sequences(c, "none");
    if (c.on_full == "evict" && victim_strategy(c).trims)
        throw_input("--eviction " + c.eviction + ": a contiguous sequence cannot be trimmed; it is for --layout paged");
    if (c.reserve.empty()) c.reserve = "max";
    if (c.reserve != "max" && c.reserve != "grow")
        throw_input("--reserve " + c.reserve + ": expected max or grow" + did_you_mean(c.reserve, {"max", "grow"}));
}

ContiguousConfig contiguous_config(const CacheConfig& c, const Trace& trace, const RunOptions& options) {
    ContiguousConfig config;
    config.blocks = options.capacity_blocks;
    config.block_size = trace.block_size;
    if (c.reserve == "max") config.reserve_tokens = longest_sequence(trace, options.decode);
    return config;
}

static std::unique_ptr<Cache> make_contiguous(const CacheConfig& c, const Trace& trace, const RunOptions& options, RunPath) {
    return sequence_replay(ContiguousCache(contiguous_config(c, trace, options), victim_strategy(c)), c, trace, options);
}

static Definitions contiguous_definitions(const CacheConfig& c, const Trace& trace, const RunOptions& options) {
    Definitions d = sequence_definitions(c, trace, options);
    d.emplace_back("reserve", c.reserve == "max"
                                  ? "max: every sequence gets the room of the longest of the trace (" +
                                        std::string(options.decode ? "prompt and output, or declared max_tokens" : "prompt") +
                                        "), " + std::to_string(longest_sequence(trace, options.decode)) + " tokens"
                                  : "grow: the smallest power of two of blocks that holds the sequence; when full the next one "
                                    "that does, in place or by moving while both runs exist; copied_tokens counts what moved");
    d.emplace_back("forks", "forks: children, n - 1 for n samples of a request, again when it is stored again; nothing is "
                            "shared (shared_blocks_peak and cow_copies are 0): a fork copies its parent's tokens; "
                            "copied_tokens: by forks, and by growth that moves a run");
    d.emplace_back("placement", "best fit: the smallest hole that is large enough, the lowest of equal ones; a sequence cannot "
                                "use several; so where sizes differ (grow) a capacity of peak_active_blocks may still lack a hole"
                                " large enough");
    return d;
}

LayoutRow contiguous_layout() {
    LayoutRow row;
    row.id = "contiguous";
    row.summary = "every sequence in one run of reserved room, nothing shared: the baseline that shows what paging saves";
    row.options = {{"--eviction", "none"}, {"--reserve", "max"}, {"--on-full", "evict"}, {"--preempt", "latest"}};
    row.resolve = resolve_contiguous;
    row.make = make_contiguous;
    row.effective = effective_sequences;
    row.title = [](const CacheConfig& c) { return "contiguous layout, reserve " + c.reserve + ", " + sequence_title(c); };
    row.definitions = contiguous_definitions;
    return row;
}

}  // namespace kvsim
