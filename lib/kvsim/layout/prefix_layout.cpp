// The prefix layout's row: options, definitions.
#include <kvsim/core/error.h>
#include <kvsim/layout/layouts.h>
#include <kvsim/layout/prefix.h>

namespace kvsim {

static void resolve(CacheConfig& c) {
    Accounting accounting = Accounting::parse(c.accounting);
    c.accounting = accounting.text();
    check_block_strategy(c.eviction, accounting);
    if (c.eviction.rfind("block/", 0) == 0) c.eviction.erase(0, 6);
    if (c.match != "block") throw_input("--match " + c.match + ": expected block" + did_you_mean(c.match, {"block"}));
}

static std::unique_ptr<Cache> make(const CacheConfig& c, const Trace& trace, const RunOptions& options, RunPath path) {
    return make_prefix_cache(c.eviction, Accounting::parse(c.accounting), trace, options, path);
}

static std::string accounting_definition(const Accounting& a) {
    switch (a.kind) {
        case AccountingKind::pinned:
            return "pinned: look the whole request up; its first min(n, capacity) blocks are pinned; room is made "
                   "among the others; then they are touched or inserted from last to first";
        case AccountingKind::flat:
            return "flat: blocks one by one from first to last; a hit is touched at once, a miss evicts any resident "
                   "block if full and is inserted";
        default:
            return a.protect_chain
                       ? "tree: only leaves are evicted, never a block of the running request's chain; missing blocks "
                         "enter front to back and stop when no leaf is left"
                       : "tree: only leaves are evicted, never a block the running request found resident; missing "
                         "blocks enter front to back and stop when no leaf is left or the parent has gone";
    }
}

static std::string title(const CacheConfig& c) {
    return "prefix layout, " + c.eviction + ", " + c.accounting + (c.match == "block" ? "" : ", match " + c.match);
}

static void define_usage(Definitions& d, const CacheConfig& c, const RunOptions& options) {
    d.emplace_back("accounting", accounting_definition(Accounting::parse(c.accounting)));
    d.emplace_back("decode", options.decode
                                 ? "on: a request holds ceil((prompt + output) / block_size) blocks; those the trace does not "
                                   "name are stored but never looked up and never hit"
                                 : "off: only prompt blocks are stored");
    d.emplace_back("concurrency", "1: each request completes before the next is looked up");
    d.emplace_back("evictions", "blocks removed to make room while counted requests were admitted, unnamed ones included; "
                                "stranded_blocks: named blocks resident at the end behind a missing ancestor");
    d.emplace_back("utilization", "sampled after each counted admission: active = held by the running request, evictable = "
                                  "resident but not held; mean_token_fill = tokens held / room of resident blocks, summed over "
                                  "samples");
}

static Definitions definitions(const CacheConfig& c, const Trace& trace, const RunOptions& options) {
    Definitions d;
    if (trace.lengths_only) {
        d.emplace_back("hit", kNoNames);
        define_usage(d, c, options);
        return d;
    }
    d.emplace_back("lookup",
                   trace.content ? "every content chunk of a request's prompt, each weighing floor(prompt tokens / chunks + "
                                   "0.5) tokens, at least 1 and at most block_size"
                                 : "every entry of a request's chain of prompt blocks, a partial last block included where "
                                   "the trace names it; block i holds max(1, min(block_size, prompt - i * block_size)) "
                                   "tokens");
    d.emplace_back("hit", "a looked-up block that is resident; hit_blocks counts the leading run of them, any_hit_blocks all");
    define_usage(d, c, options);
    d.emplace_back("token_hit_rate", "hit_tokens / lookup_tokens over counted requests");
    d.emplace_back("per_request", "token hit rates of counted requests with a lookup: sorted[min(n - 1, floor(p * n))]");
    d.emplace_back("bounds.unlimited", "the same lookups with nothing ever evicted: what is missed then was never seen before");
    return d;
}

LayoutRow prefix_layout() {
    LayoutRow row;
    row.id = "prefix";
    row.summary = "blocks shared by common prefix and kept after a request ends, to be hit by later ones";
    row.options = {{"--eviction", "lru"}, {"--accounting", "pinned"}, {"--match", "block"}};
    row.prefix_hits = true;
    row.resolve = resolve;
    row.make = make;
    row.title = title;
    row.definitions = definitions;
    return row;
}

}  // namespace kvsim
