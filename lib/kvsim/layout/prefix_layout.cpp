// The prefix layout's row: options, definitions.
#include <kvsim/core/error.h>
#include <kvsim/core/spec.h>
#include <kvsim/core/suggest.h>
#include <kvsim/layout/layouts.h>
#include <kvsim/layout/prefix.h>
#include <kvsim/layout/prefix_snapshots.h>

#include <algorithm>

namespace kvsim {

static bool by_snapshot(const CacheConfig& c) { return c.match.rfind("snapshot", 0) == 0; }

bool matches_tokens(const CacheConfig& c) { return c.match == "token" || by_snapshot(c); }

// Whole snapshots have an order of their own (least recently used); there is nothing else to choose.
static void resolve_snapshot(CacheConfig& c) {
    c.match = SnapshotMatchOptions::parse(c.match).text();
    const std::pair<const char*, std::string*> others[] = {{"--eviction", &c.eviction}, {"--accounting", &c.accounting}};
    for (const auto& [option, value] : others)
        if (!value->empty())
            throw_input(std::string(option) + " has no effect with --match snapshot: whole snapshots, the one used longest "
                                              "ago goes");
}

static void resolve_prefix(CacheConfig& c) {
    if (c.match.empty()) c.match = "block";
    static const std::vector<std::string> known = {"block", "token", "snapshot"};
    std::string id = c.match.substr(0, c.match.find(':'));
    if (id == "snapshot") return resolve_snapshot(c);
    if (std::find(known.begin(), known.end(), id) == known.end())
        throw_input("--match " + c.match + ": expected " + join(known) + did_you_mean(id, known));
    Spec::parse(c.match).finish();
    if (c.eviction.empty()) c.eviction = "lru";
    if (c.accounting.empty()) c.accounting = "pinned";
    Accounting accounting = Accounting::parse(c.accounting);
    c.accounting = accounting.text();
    check_block_strategy(c.eviction, accounting);
    if (c.eviction.rfind("block/", 0) == 0) c.eviction.erase(0, 6);
}

static std::unique_ptr<Cache> make_prefix(const CacheConfig& c, const Trace& trace, const RunOptions& options, RunPath path) {
    if (trace.objects && c.match != "block") trace.refuse_objects("--match " + c.match, "expected --match block");
    if (trace.objects && c.accounting != "flat") trace.refuse_objects("--accounting " + c.accounting);
    if (by_snapshot(c)) {
        if (options.concurrency != 1) throw_input("--concurrency has no effect with --match snapshot: hits are copied out");
        if (!options.decode) throw_input("--decode off has no effect with --match snapshot: output is never stored");
        return make_snapshot_cache(c.match);
    }
    if (c.match == "token" && trace.block_size != 1)
        throw_input("--match token: expected a trace that was re-blocked to blocks of one token");
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

static std::string prefix_title(const CacheConfig& c) {
    if (by_snapshot(c)) return "prefix layout, match " + c.match;
    return "prefix layout, " + c.eviction + ", " + c.accounting + (c.match == "block" ? "" : ", match " + c.match);
}

static std::string lookup_definition(const CacheConfig& c, const Trace& trace) {
    if (c.match == "token") return "every token of a request's prompt that the trace names; a block is one token";
    if (trace.objects) return "the one object of each request; every object takes one block, which counts as one token";
    if (trace.content)
        return "every content chunk of a request's prompt, each weighing floor(prompt tokens / chunks + 0.5) tokens, "
               "at least 1 and at most block_size";
    return "every entry of a request's chain of prompt blocks, a partial last block included where the trace names it; "
           "block i holds max(1, min(block_size, prompt - i * block_size)) tokens";
}

static std::string hit_definition(const CacheConfig& c) {
    if (c.match == "token")
        return "a looked-up token that is resident, but at most prompt - 1 tokens of a request: the last one is computed "
               "to get an output; hit_blocks counts the leading run of them, any_hit_blocks all";
    return "a looked-up block that is resident; hit_blocks counts the leading run of them, any_hit_blocks all";
}

static std::string decode_definition(const Trace& trace, const RunOptions& options) {
    if (!options.decode) return "off: only prompt blocks are stored";
    std::string stored = "a request holds ceil((prompt + output) / block_size) blocks; those the trace does not name "
                         "are stored but never looked up and never hit";
    if (trace.linked_outputs == kNone) return "on: " + stored;
    return "linked: " + stored + "; what the next turn's prompt holds beyond a request's own is taken to be its output "
           "(an assumption): " + std::to_string(trace.linked_outputs) + " of " + std::to_string(trace.requests()) +
           " requests got names that way";
}

static std::string concurrency_definition(const RunOptions& options) {
    if (options.concurrency == 1) return "1: each request completes before the next is looked up";
    std::string rule = options.concurrency == kByTrace
                           ? "trace: a request runs until its recorded end; whoever ends at or before an arrival is "
                             "released first, by end"
                           : std::to_string(options.concurrency) +
                                 ": at most so many requests run; before one more is admitted the oldest is released";
    return rule + ". A running request's blocks are pinned; release touches them from last to first. Where a request "
                  "and the running ones do not fit together, the oldest end early and it counts as waited";
}

static void define_requests(Definitions& d, const Trace& trace, const RunOptions& options) {
    d.emplace_back("requests", std::string("total: requests past the warm-up; all are completed, none rejected") +
                                   (options.concurrency == 1 ? "" : "; waited: those for which an older one ended early, "
                                                                    "each once") +
                                   (trace.lengths_only ? "" : "; with_hit: at least one leading block hit"));
}

// What the rates are made of.
static void define_hits(Definitions& d) {
    d.emplace_back("hits", "lookup_blocks, lookup_tokens: all that counted requests looked up; hit_blocks, hit_tokens: their "
                           "leading hits; any_hit_blocks, any_hit_tokens: all their hits; a block hits with the tokens it "
                           "holds");
    d.emplace_back("token_hit_rate", "hit_tokens / lookup_tokens over counted requests");
    d.emplace_back("block_hit_rate", "hit_blocks / lookup_blocks over counted requests");
    d.emplace_back("per_request", "p10, p50, p90: token hit rates of counted requests with a lookup, sorted[min(n - 1, "
                                  "floor(p * n))]; zero_hit: how many of these had no leading hit");
}

// What follows "sampled ...: " in every accounting.
static std::string means_definition() {
    return "mean_active_fraction, mean_evictable_fraction: these / capacity_blocks, mean_free_fraction: the rest; "
           "peak_active_blocks, peak_resident_blocks: the largest sample, resident being both; mean_token_fill = tokens held "
           "/ room of resident blocks, summed over samples; internal_fragmentation = 1 - mean_token_fill";
}

static void define_usage(Definitions& d, const CacheConfig& c, const Trace& trace, const RunOptions& options) {
    d.emplace_back("accounting", accounting_definition(Accounting::parse(c.accounting)));
    d.emplace_back("decode", decode_definition(trace, options));
    d.emplace_back("concurrency", concurrency_definition(options));
    define_requests(d, trace, options);
    d.emplace_back("evictions", "blocks removed to make room while counted requests were admitted, unnamed ones included; "
                                "stranded_blocks: named blocks resident at the end behind a missing ancestor");
    const char* active = Accounting::parse(c.accounting).kind == AccountingKind::flat
                             ? "the blocks that the request accessed, at most the capacity, though flat accounting may have "
                               "evicted some of them again, evictable = resident beyond that number; "
                         : options.concurrency == 1 ? "held by the running request, evictable = resident but not held; "
                                                    : "held by running requests, each block once, evictable = resident but "
                                                      "not held; ";
    d.emplace_back("utilization", std::string("sampled after each counted admission: active = ") + active + means_definition());
}

static Definitions snapshot_definitions(const CacheConfig& c, const Trace& trace, const RunOptions& options) {
    SnapshotMatchOptions o = SnapshotMatchOptions::parse(c.match);
    Definitions d;
    d.emplace_back("lookup", "every token of a request's prompt that the trace names; a block is one token");
    d.emplace_back("hit", "snapshot: the longest stored prompt, of at least " + std::to_string(o.min_prefix_len) +
                              " tokens, that is a prefix of the request's own, and of it at most prompt - 1 tokens; never a "
                              "part of a snapshot. On traces of block names a prompt that ends inside a block is not "
                              "found by a longer one: a lower bound there");
    d.emplace_back("snapshots", "after its lookup a request's prompt is stored as one snapshot that takes its whole length; "
                                "the one used longest ago goes, for room and beyond " + std::to_string(o.max_entries) +
                                " of them; one larger than the capacity is not stored");
    d.emplace_back("decode", "no effect: output is never stored");
    d.emplace_back("concurrency", "1: each request completes before the next is looked up");
    define_requests(d, trace, options);
    define_hits(d);
    d.emplace_back("evictions", "blocks (single tokens) of snapshots that went to make room; sequences: the snapshots; "
                                "stranded_blocks: 0, a snapshot goes as a whole");
    d.emplace_back("utilization", "sampled after each counted request: active = its own snapshot, evictable = the others; " +
                                      means_definition());
    d.emplace_back("bounds.unlimited", "the same lookups with every token of every prompt kept: what is missed then was never "
                                       "seen before");
    return d;
}

static Definitions prefix_definitions(const CacheConfig& c, const Trace& trace, const RunOptions& options) {
    if (by_snapshot(c) && !trace.lengths_only) return snapshot_definitions(c, trace, options);
    Definitions d;
    if (trace.lengths_only) {
        d.emplace_back("hit", kNoNames);
        define_usage(d, c, trace, options);
        return d;
    }
    d.emplace_back("lookup", lookup_definition(c, trace));
    d.emplace_back("hit", hit_definition(c));
    define_usage(d, c, trace, options);
    define_hits(d);
    d.emplace_back("bounds.unlimited", "the same lookups with nothing ever evicted: what is missed then was never seen before");
    return d;
}

LayoutRow prefix_layout() {
    LayoutRow row;
    row.id = "prefix";
    row.summary = "blocks shared by common prefix and kept after a request ends, to be hit by later ones";
    row.options = {{"--eviction", "lru"}, {"--accounting", "pinned"}, {"--match", "block"}};
    row.prefix_hits = true;
    row.resolve = resolve_prefix;
    row.make = make_prefix;
    row.title = prefix_title;
    row.definitions = prefix_definitions;
    return row;
}

}  // namespace kvsim
