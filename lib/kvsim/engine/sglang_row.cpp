// The rows of `sglang` and `sglang_unified`: parameters, which traces they can serve, what their numbers are.
#include <kvsim/core/error.h>
#include <kvsim/core/spec.h>
#include <kvsim/engine/sglang.h>
#include <kvsim/engine/sglang_row.h>
#include <kvsim/trace/format.h>

#include <algorithm>

namespace kvsim {

static constexpr const char* kUnified = "sglang_unified";

SglangConfig SglangConfig::parse(const std::string& engine) {
    Spec spec = Spec::parse(engine);
    SglangConfig c;
    c.unified = spec.id() == kUnified;
    c.page = static_cast<uint32_t>(spec.whole("page", c.page, 1, kMaxBlockSize));
    const std::vector<std::string>& policies = sglang_policies();
    std::string policy = spec.choice("policy", policies.front(), policies);
    c.policy = static_cast<SglangPolicy>(std::find(policies.begin(), policies.end(), policy) - policies.begin());
    c.chunk = spec.whole("chunk", c.chunk, 0, ~uint32_t{0});
    spec.finish();
    if (c.chunk != 0 && c.chunk < c.page)
        throw_input("--engine " + engine + ": chunk: expected 0 or at least a page (" + std::to_string(c.page) +
                    " tokens), else a prompt would never get on");
    return c;
}

std::string SglangConfig::text() const {
    return std::string(unified ? kUnified : "sglang") + ":page=" + std::to_string(page) + ",policy=" +
           sglang_policies()[static_cast<size_t>(policy)] + ",chunk=" + std::to_string(chunk);
}

static void resolve_sglang(CacheConfig& c) { c.engine = SglangConfig::parse(c.engine).text(); }

static std::unique_ptr<Cache> make_sglang(const CacheConfig& c, const Trace& trace, const RunOptions&, RunPath) {
    SglangConfig config = SglangConfig::parse(c.engine);
    if (trace.objects) trace.refuse_objects("--engine " + c.engine, "expected a trace of prompts");
    if (trace.content)
        throw_input("--engine " + c.engine + ": ids of format " + trace.format +
                    " name chunks of content wherever they stand, not prefixes, which is what a radix tree holds");
    if (trace.block_size != config.page)
        throw_input("--engine " + c.engine + ": expected a trace in blocks of " + std::to_string(config.page) +
                    " tokens, found blocks of " + std::to_string(trace.block_size));
    return std::make_unique<SglangCache>(config);
}

static std::string sglang_title(const CacheConfig& c) {
    SglangConfig s = SglangConfig::parse(c.engine);
    return std::string(s.unified ? "SGLang's unified radix cache, " : "SGLang's radix cache, ") +
           sglang_policies()[static_cast<size_t>(s.policy)] + ", pages of " + std::to_string(s.page) +
           (s.chunk == 0 ? "" : ", prefill in chunks of " + std::to_string(s.chunk));
}

static void define_flow(Definitions& d, const SglangConfig& c, const RunOptions& options) {
    d.emplace_back("concurrency", "1: each request is admitted, prefilled, decoded and inserted before the next is looked "
                                  "up; SGLang's scheduler, which runs many at once, is not modelled");
    d.emplace_back("admission", "prompt - hit + min(output, 4096) + page must be less than free and evictable tokens "
                                "together, before and after the hit is locked; a request that fails is rejected, and what "
                                "its lookup touched and split stays touched and split");
    d.emplace_back("prefill", c.chunk == 0 ? std::string("in one piece")
                                           : "in pieces of at most " + std::to_string(c.chunk) +
                                                 " tokens, each inserted before the next is computed");
    d.emplace_back("decode", options.decode
                                 ? "on: output is inserted with its prompt when the request ends, without its last token; "
                                   "what the trace does not name is nobody else's; output 0 counts as one token"
                                 : "off: one output token, which is never stored");
    d.emplace_back("requests", "total: requests past the warm-up; rejected: those whose budget did not fit, which hit "
                               "nothing; completed: the others; with_hit: at least one page hit");
}

static void define_counts(Definitions& d) {
    d.emplace_back("hits", "lookup_blocks, lookup_tokens: all full and partly filled pages that counted prompts name; "
                           "hit_blocks, hit_tokens: what they hit; any_hit_blocks, any_hit_tokens: the same, hits always "
                           "lead");
    d.emplace_back("token_hit_rate", "hit_tokens / lookup_tokens over counted requests");
    d.emplace_back("block_hit_rate", "hit_blocks / lookup_blocks over counted requests");
    d.emplace_back("per_request", "p10, p50, p90: token hit rates of counted requests with a lookup, sorted[min(n - 1, "
                                  "floor(p * n))]; zero_hit: how many of these had no hit");
    d.emplace_back("evictions", "blocks: pages of nodes that were evicted while counted requests were served; a node goes as "
                                "a whole, an unlocked leaf with the smallest key, until as many tokens as are needed (not "
                                "as are missing) were freed; stranded_blocks: 0, leaves go first");
    d.emplace_back("utilization", "sampled when a counted request has made its last token: active = pages it holds, copies "
                                  "that it will free included, evictable = the tree's other pages; mean_active_fraction, "
                                  "mean_evictable_fraction: these / capacity_blocks, mean_free_fraction: the rest; "
                                  "peak_active_blocks, peak_resident_blocks: the largest sample, resident being both; "
                                  "mean_token_fill = tokens held / room of resident pages, summed over samples; "
                                  "internal_fragmentation = 1 - mean_token_fill");
}

static Definitions sglang_definitions(const CacheConfig& config, const Trace& trace, const RunOptions& options) {
    SglangConfig c = SglangConfig::parse(config.engine);
    std::string page = std::to_string(c.page);
    Definitions d;
    if (trace.lengths_only) {
        d.emplace_back("hit", kNoNames);
    } else {
        d.emplace_back("lookup", "the first prompt - 1 tokens of a request, cut to whole pages (blocks) of " + page +
                                     ", one after the other down the radix tree; where output is named and completes the page "
                                     "of the prompt's tail, that page has the output's name from the start");
        d.emplace_back("hit", "a token of the looked-up prefix that the tree holds: the longest such prefix in whole pages. "
                              "The lookup touches all nodes on its way, the partly matched one before it is split");
    }
    define_flow(d, c, options);
    define_counts(d);
    if (!trace.lengths_only)
        d.emplace_back("bounds.unlimited", "the hits of the same engine with room for everything: nothing is evicted, "
                                           "nobody rejected");
    return d;
}

static EngineRow row_of(const char* id, const char* summary) {
    EngineRow row;
    row.id = row.cache.id = id;
    row.cache.summary = summary;
    row.cache.prefix_hits = true;
    row.cache.resolve = resolve_sglang;
    row.cache.make = make_sglang;
    row.cache.title = sglang_title;
    row.cache.definitions = sglang_definitions;
    row.upstream_commit = "sgl-project/sglang d4801be447738522d2c62b49857c83787293be6f";
    row.rules_date = "2026-07-19";
    row.verified = "recorded runs";
    row.parameters = {{"page=1", "tokens per page"},
                      {"policy=lru", "which leaf goes first: lru, lfu, fifo, mru, filo, priority or slru"},
                      {"chunk=0", "most tokens prefilled at once; 0: whole prompts"}};
    row.block_parameter = "page";
    row.default_block = 1;
    return row;
}

EngineRow sglang_engine() { return row_of("sglang", "SGLang's RadixCache: a radix tree of tokens, whole leaves evicted"); }
EngineRow sglang_unified_engine() {
    return row_of(kUnified, "SGLang's UnifiedRadixCache: the same, but a split node keeps its time of making");
}

}  // namespace kvsim
