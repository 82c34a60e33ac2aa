#include <kvsim/core/error.h>
#include <kvsim/core/spec.h>
#include <kvsim/layout/block_row.h>
#include <kvsim/layout/block_rows.h>
#include <kvsim/layout/prefix.h>
#include <kvsim/layout/prefix_flat_runs.h>
#include <kvsim/layout/prefix_runs.h>
#include <kvsim/layout/strategy_scope.h>

#include <algorithm>

namespace kvsim {

Accounting Accounting::parse(const std::string& text) {
    Spec spec = Spec::parse(text);
    Accounting a;
    if (spec.id() == "pinned") {
        a.kind = AccountingKind::pinned;
    } else if (spec.id() == "flat") {
        a.kind = AccountingKind::flat;
    } else if (spec.id() == "tree") {
        a.kind = AccountingKind::tree;
        a.protect_chain = spec.choice("protect", "hits", {"hits", "chain"}) == "chain";
    } else {
        std::vector<std::string> known = {"pinned", "flat", "tree"};
        throw_input("unknown accounting '" + spec.id() + "'" + did_you_mean(spec.id(), known) +
                    "; known: " + join(known));
    }
    spec.finish();
    return a;
}

std::string Accounting::text() const {
    switch (kind) {
        case AccountingKind::pinned: return "pinned";
        case AccountingKind::flat: return "flat";
        default: return protect_chain ? "tree:protect=chain" : "tree";
    }
}

Registry<BlockStrategyRow>& block_strategies() {
    static Registry<BlockStrategyRow> registry = [] {
        Registry<BlockStrategyRow> r("block strategy (--eviction)");
        add_recency_strategies(r);
        add_frequency_strategies(r);
        add_queue_strategies(r);
        add_ghost_strategies(r);
        add_cost_strategies(r);
        add_other_strategies(r);
        return r;
    }();
    return registry;
}

// Under tree, LRU by runs is exact while every request fits: then no request ever runs out of unprotected leaves.
bool runs_apply(const std::string& eviction, const Accounting& accounting, const Trace& trace, const RunOptions& options) {
    if (options.concurrency == kByTrace) return false;  // requests do not end in the order of their admission
    if (eviction != "lru" || trace.has_named_output()) return false;
    // Content has no paths, and of objects a state per block is less than one per request.
    if (accounting.kind == AccountingKind::flat) return !trace.content && !trace.objects;
    if (accounting.kind == AccountingKind::pinned) return true;
    for (uint32_t r = 0; r < trace.requests(); ++r)
        if (trace.stored_blocks(r, options.decode) > options.capacity_blocks) return false;
    return true;
}

void check_accounting(const StrategyInfo& info, const Accounting& accounting) {
    std::string id = accounting.text().substr(0, accounting.text().find(':'));
    if ((" " + info.accountings + " ").find(" " + id + " ") != std::string::npos) return;
    throw_input("--eviction " + info.id + " does not run under --accounting " + id + "; expected one of " + info.accountings);
}

static std::string bare_id(const std::string& eviction) {
    std::string id = eviction.substr(0, eviction.find(':'));
    return id.rfind("block/", 0) == 0 ? id.substr(6) : id;
}

void check_block_strategy(const std::string& eviction, const Accounting& accounting) {
    if (eviction.find(',') < eviction.find(':'))
        throw_input("--eviction " + eviction + ": expected one strategy; kvsim compare takes several");
    Spec::parse(eviction);
    refuse_other_scope(eviction, "block");
    block_strategies().get(bare_id(eviction)).make(eviction, accounting);
}

std::unique_ptr<Cache> make_prefix_cache(const std::string& eviction, const Accounting& accounting, const Trace& trace,
                                         const RunOptions& options, RunPath path) {
    std::string id = bare_id(eviction);
    if (accounting.kind == AccountingKind::flat && options.concurrency != 1)
        throw_input("--concurrency has no effect under --accounting flat, which never pins a block; expected 1");
    if (path == RunPath::fastest && runs_apply(id, accounting, trace, options)) {
        if (accounting.kind == AccountingKind::flat) return std::make_unique<FlatRunLru>();
        return std::make_unique<PrefixRunLru>();
    }
    Accounting as = accounting;
    as.by_block = path == RunPath::blocks;
    return block_strategies().get(id).make(eviction, as);
}

UnlimitedHits unlimited_hits(const Trace& trace, const Accounting& accounting, const RunOptions& options) {
    UnlimitedHits out;
    bool flat_content = trace.content && accounting.kind == AccountingKind::flat;
    RunResult run;
    if (trace.has_named_output() || flat_content) {
        RunOptions unlimited = options;
        unlimited.capacity_blocks = kUnlimited;
        unlimited.concurrency = 1;
        unlimited.bound_hits = nullptr;
        make_prefix_cache("lru", accounting, trace, unlimited)->run(trace, unlimited, run);
    }
    out.per_request.resize(trace.requests());
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        uint32_t hits = run.hit_blocks.empty() ? trace.chains[r].shared : run.hit_blocks[r];
        uint32_t any = run.any_hit_blocks.empty() ? hits : run.any_hit_blocks[r];
        if (options.compute_last_token) {
            hits = std::min(hits, trace.prompt_tokens[r] - 1);
            any = std::min(any, trace.prompt_tokens[r] - 1);
        }
        out.per_request[r] = hits;
        if (r < options.warmup_requests) continue;
        out.hit_blocks += hits;
        out.hit_tokens += trace.leading_tokens(r, hits);
        out.any_hit_blocks += any;
    }
    return out;
}

}  // namespace kvsim
