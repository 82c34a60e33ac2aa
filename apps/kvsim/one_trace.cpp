#include "one_trace.h"

#include <kvsim/core/error.h>
#include <kvsim/core/suggest.h>

#include <algorithm>
#include <filesystem>

namespace kvsim::app {

void OneTrace::add_to(Command& c) {
    trace_options.add_to(c, true);
    c.option("--warmup", warmup, "requests replayed first but not counted: N or P% (rounded down)", "Trace", "N|P%");
    cache.add_to(c);
    model.add_to(c);
    work.add_to(c);
    c.option("--bounds", bounds, "all (default) or none: what a cache that knows the future could hit", "Analysis",
             "all|none");
}

void OneTrace::load(Command& command, const std::string& what, bool digest) {
    console_ = &command.common.console;
    options.cache = cache.resolve();
    if (!cache_row(options.cache).prefix_hits)
        throw_input("--layout " + options.cache.layout + " looks nothing up, so there is no " + what);
    if (options.cache.match.rfind("snapshot", 0) == 0)
        throw_input("--match snapshot has no " + what + " yet; use compare");
    if (bounds != "all" && bounds != "none") throw_input("--bounds " + bounds + ": expected all or none" + did_you_mean(bounds, {"all", "none"}));
    options.bounds = bounds == "all";
    work.resolve(options.run);
    tokens_ = matches_tokens(options.cache);
    options.run.compute_last_token = tokens_;
    trace = trace_options.load(*console_, digest, &report.load_ms, work.linked(),
                               tokens_ ? &block_size_ : nullptr);
    if (trace.lengths_only) throw_input("the trace names no blocks, so there is no " + what);
    if (trace.expand_samples()) console_->say("note: parallel samples (n) are replayed as requests of their own");
    report.memory = model.resolve(tokens_ ? 1 : trace.block_size, report.notes);
    flops = model.flops(report.notes);
    if (flops) options.flops = &*flops;
    report.cost = model.cost();
    if (tokens_) {
        in_blocks_ = std::make_unique<Trace>(trace);
        trace.reblock_to(1);
    }
    if (!warmup.empty()) options.run.warmup_requests = parse_share(warmup, trace.requests(), "--warmup");
    if (options.run.warmup_requests >= trace.requests())
        throw_input("--warmup " + warmup + " leaves none of " + std::to_string(trace.requests()) +
                    " requests to count");
    model.explain(report.memory, *console_);
    cache.explain_defaults(options.cache, *console_);
    report.trace = &trace;
    report.options = &options;
}

uint64_t OneTrace::capacity(const std::string& blocks, const std::string& option) const {
    CapacityOptions one;
    one.blocks = blocks;
    one.blocks_option = option;
    if (!tokens_) return one.resolve(trace, report.memory, *console_);
    Trace copy = *in_blocks_;
    return one.resolve_tokens(copy, block_size_, report.memory, *console_);
}

ConfigEntries OneTrace::resolved() const {
    ConfigEntries c;
    std::string name = std::filesystem::path(trace_options.path).filename().string();
    c.emplace_back("trace", name.empty() ? trace_options.path : name);
    c.emplace_back("format", trace_options.format.find(':') == std::string::npos ? trace.format : trace_options.format);
    if (!trace_options.limit.empty()) c.emplace_back("limit", trace_options.load_options().limit);
    if (options.run.warmup_requests != 0) c.emplace_back("warmup", options.run.warmup_requests);
    if (!trace.content) c.emplace_back("block_size", uint64_t{tokens_ ? block_size_ : trace.block_size});
    c.emplace_back("layout", options.cache.layout);
    for (const CacheOption& option : cache_options()) {
        std::string key = option.name + 2;
        std::replace(key.begin(), key.end(), '-', '_');
        const std::string& value = options.cache.*option.value;
        if (!value.empty()) c.emplace_back(key, value);
    }
    const std::pair<const char*, const std::string*> of_model[] = {
        {"model", &model.model},     {"kv_dtype", &model.kv_dtype},
        {"k_dtype", &model.k_dtype}, {"v_dtype", &model.v_dtype},
        {"tp", &model.tp},           {"gpu", &model.gpu}};
    for (const auto& [key, value] : of_model)
        if (!value->empty()) c.emplace_back(key, *value);
    c.emplace_back("decode", work.decode);
    c.emplace_back("concurrency", work.concurrency);
    c.emplace_back("bounds", bounds);
    return c;
}

}  // namespace kvsim::app
