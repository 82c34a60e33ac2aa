// The quantized layout: every sequence in rows of a KV dtype, kept within a budget of tokens by a token strategy.
#include <kvsim/eviction/token_policy.h>
#include <kvsim/layout/quantized_replay.h>
#include <kvsim/layout/sequence_layouts.h>
#include <kvsim/layout/strategy_scope.h>

#include <algorithm>

namespace kvsim {

static void resolve_quantized(CacheConfig& c) {
    if (c.eviction.empty()) c.eviction = "none";
    if (c.eviction.rfind("token/", 0) == 0) c.eviction.erase(0, 6);
    refuse_other_scope(c.eviction, "token");
    make_token_strategy(c.eviction, TokenContext{});
}

static std::unique_ptr<Cache> make_quantized(const CacheConfig& c, const Trace& trace, const RunOptions& options, RunPath) {
    if (trace.objects) trace.refuse_objects("--layout quantized", "use --layout prefix --accounting flat");
    check_concurrency(trace, options);
    uint64_t room = options.capacity_blocks == kUnlimited ? kUnlimited : options.capacity_blocks * trace.block_size;
    // The mean over layers, rounded up; with a strategy the capacity is a budget of each.
    return std::make_unique<QuantizedReplay>([eviction = c.eviction, layers = options.layers, room](uint64_t tokens) {
        uint64_t sum = 0;
        for (uint64_t budget : token_budgets(eviction, layers, tokens)) {
            if (budget == kUnlimited) return kUnlimited;
            sum += std::min(budget, std::min(room, tokens));
        }
        return sum / layers + (sum % layers != 0);
    });
}

static Definitions quantized_definitions(const CacheConfig& c, const Trace& trace, const RunOptions& options) {
    bool events = !trace.events.empty();
    Definitions d;
    d.emplace_back("budget", c.eviction == "none"
                                 ? "none: every token stays; a sequence longer than the capacity is rejected"
                                 : c.eviction + ": each KV head of each layer keeps at most its budget of tokens, the capacity at "
                                               "most; here the mean over the layers of the model or the data (one layer without either), "
                                               "rounded up");
    d.emplace_back("decode", options.decode ? "on: output takes room" : "off: prompts only");
    d.emplace_back("concurrency", events ? "the events: a sequence is there from its prompt or fork to its free; one that finds no "
                                           "room is rejected, with its later events and forks"
                                         : "a request takes at once what its prompt and output keep, and gives it back at its "
                                           "release; where there is no room the oldest running one is released early (waited)");
    d.emplace_back("hits", "not applicable: a sequence's tokens are its own; nothing is looked up");
    d.emplace_back("evictions", "tokens: those beyond the mean budget, each counted once however many layers and heads drop it; blocks and "
                                "sequences: 0");
    d.emplace_back("utilization", "blocks that the kept tokens fill, a sequence's own each; sampled after each counted admission; "
                                  "mean_token_fill: kept tokens / room of these blocks");
    return d;
}

LayoutRow quantized_layout() {
    LayoutRow row;
    row.id = "quantized";
    row.summary = "sequences in a compressed KV dtype, each head within a budget of tokens: what fewer bits and fewer tokens "
                  "save, and with --kv-data what they cost";
    row.options = {{"--eviction", "none"}};
    row.resolve = resolve_quantized;
    row.make = make_quantized;
    row.title = [](const CacheConfig& c) { return "quantized layout, eviction " + c.eviction; };
    row.definitions = quantized_definitions;
    return row;
}

}  // namespace kvsim
