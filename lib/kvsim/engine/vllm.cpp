#include <kvsim/core/error.h>
#include <kvsim/engine/vllm.h>
#include <kvsim/engine/vllm_replay.h>

namespace kvsim {

VllmCache::VllmCache(const std::string& engine, const Trace& trace, const RunOptions& run)
    : options_(VllmOptions::parse(engine)),
      manager_(options_, run.capacity_blocks, trace.block_size, trace.unique_blocks()) {}

void VllmCache::run(const Trace& trace, const RunOptions& run, RunResult& result) {
    if (run.engine_observer) manager_.pool().watch(run.engine_observer, trace.block_size);
    VllmReplay replay(trace, options_, run, manager_, result);
    if (run.arrivals == Arrivals::sequential) {
        replay_sequentially(replay);
    } else {
        replay_in_steps(replay);
    }
    result.state_bytes = manager_.pool().state_bytes();
}

void VllmCache::check_invariants() const {
    manager_.pool().check();
    if (manager_.pool().used() != 0 || manager_.loose_tokens() != 0)
        throw_failed("engine: blocks are held though no request is there");
}

static std::unique_ptr<Cache> make_vllm(const CacheConfig& c, const Trace& trace, const RunOptions& run, RunPath) {
    const char* id = VllmOptions::parse(c.engine).classic ? "vllm_classic" : "vllm";
    if (trace.objects) trace.refuse_objects(std::string("--engine ") + id);
    if (trace.content)
        throw_input(std::string("--engine ") + id +
                    ": the trace's ids name content; expected token ids or blocks that name prefixes");
    return std::make_unique<VllmCache>(c.engine, trace, run);
}

static std::string vllm_title(const CacheConfig& c) { return "engine " + VllmOptions::parse(c.engine).short_text(); }

static void resolve_vllm(CacheConfig& c) { c.engine = VllmOptions::parse(c.engine).text(); }

static std::string eviction_definition(const VllmOptions& o) {
    std::string line =
        "free blocks stand in one line and the first is taken; one that is published is evicted so. A request "
        "gives its blocks up from last to first; ";
    if (!o.caching || o.classic) return line + "all are appended to the line";
    return line +
           "those that were never published (a partly filled last block) go to the head of the line, the others are "
           "appended to it";
}

static std::string group_definition(const VllmOptions& o) {
    std::string line =
        "groups of layers with block tables of their own on one pool, each block hit per group: a hit is what all "
        "groups accept";
    for (uint32_t window : o.windows)
        if (window != 0)
            return line +
                   "; a window of w tokens needs only its last ceil((w - 1) / block_size) blocks to be there, and "
                   "gives back what has left it. Where the whole prompt must fit, a window counts at most "
                   "ceil((w - 1 + max_num_batched_tokens) / block_size) + 1 blocks";
    return line;
}

static std::string arrivals_definition(const VllmOptions& o, const RunOptions& run) {
    if (run.arrivals == Arrivals::sequential)
        return "sequential: each request completes before the next is looked up; one that does not fit is rejected and "
               "changes nothing, one whose output finds no room ends there";
    std::string when = run.arrivals == Arrivals::step
                           ? "step: a request arrives at the step that the trace names"
                           : "time: a request arrives at step floor(t / step_ms); that every step "
                             "takes as long is an assumption";
    return when +
           ". The synchronous scheduler: a step gives tokens to the running requests, then admits waiting ones, within "
           "max_num_batched_tokens and max_num_seqs; released engines run it one step ahead by default. Who finds no "
           "room preempts " +
           (o.by_priority ? "the running request of the largest (priority, arrival), which is served again by priority"
                          : "the one admitted last, which goes to the front of the line") +
           ", loses its blocks and is looked up again with its output so far. A request at the head of the line that "
           "finds no room though nobody runs is rejected; one that was admitted before ends unfinished";
}

static void define_counts(Definitions& d, const VllmOptions& o) {
    d.emplace_back(
        "hits",
        "lookup_blocks, lookup_tokens: all that counted requests looked up; hit_blocks, hit_tokens: what they hit "
        "at their first admission; any_hit_blocks, any_hit_tokens: the same, hits always lead");
    d.emplace_back("token_hit_rate", "hit_tokens / lookup_tokens over counted requests");
    d.emplace_back("block_hit_rate", "hit_blocks / lookup_blocks over counted requests");
    d.emplace_back(
        "per_request",
        "p10, p50, p90: token hit rates of counted requests with a lookup, sorted[min(n - 1, floor(p * n))]; "
        "zero_hit: how many of these had no hit");
    d.emplace_back("evictions",
                   "blocks: published ones that were taken for something else since the first counted request was "
                   "admitted: " + eviction_definition(o) +
                       ". stranded_blocks: named blocks published at the end behind an ancestor that is not, where the "
                       "first group sees everything");
    d.emplace_back(
        "utilization",
        "sampled after each counted admission: active = held by running requests, evictable = published and "
        "not held; the null block is not counted; mean_active_fraction, mean_evictable_fraction: these / "
        "capacity_blocks, mean_free_fraction: the rest; peak_active_blocks, peak_resident_blocks: the largest "
        "of these samples and of one at the end of each step or request, resident being both; mean_token_fill "
        "= tokens held / room of resident blocks, summed over samples; internal_fragmentation = 1 - "
        "mean_token_fill");
}

static Definitions vllm_definitions(const CacheConfig& c, const Trace& trace, const RunOptions& run) {
    VllmOptions o = VllmOptions::parse(c.engine);
    Definitions d;
    if (trace.lengths_only) {
        d.emplace_back("hit", kNoNames);
    } else {
        d.emplace_back(
            "lookup",
            "every entry of a request's chain of prompt blocks, as under the prefix layout; the engine itself "
            "looks for full blocks only, at most (prompt - 1) / block_size of them (rounded down): the last "
            "token is always computed");
        d.emplace_back("hit",
                       o.caching ? "the leading blocks that are published, at a request's first admission; a block is "
                                   "published when it is allocated to be computed full, and equal blocks are not merged"
                                 : "none: caching is off");
    }
    d.emplace_back("groups", group_definition(o));
    d.emplace_back("decode", run.decode
                                 ? "on: output tokens are computed and stored but for the last one; a request makes at "
                                   "least one. Output without a name is hit by nobody but its own request"
                                 : "off: a request makes one output token, which is never stored");
    d.emplace_back("arrivals", arrivals_definition(o, run));
    d.emplace_back("concurrency", run.arrivals == Arrivals::sequential
                                      ? "1: see arrivals"
                                      : "as many as the scheduler admits: see arrivals");
    d.emplace_back("requests",
                   "total: requests past the warm-up; rejected: never got room; completed: the others (unfinished ones "
                   "too); waited: found no "
                   "room when they were first to be admitted, each once; preempted: times a running request lost its blocks, from "
                   "the first counted admission on; recomputed_tokens: computed before a preemption and not hit when admitted "
                   "again; with_hit: at least one block hit. Rejected requests are in lookup_tokens, too");
    define_counts(d, o);
    if (!trace.lengths_only)
        d.emplace_back("bounds.unlimited",
                       "the hits of the same engine with room for everything: nothing is evicted, nobody rejected");
    return d;
}

static EngineRow row(const char* id, const char* summary, const char* commit, const char* date) {
    EngineRow e;
    e.id = e.cache.id = id;
    e.cache.summary = summary;
    e.cache.prefix_hits = true;
    e.cache.resolve = resolve_vllm;
    e.cache.make = make_vllm;
    e.cache.title = vllm_title;
    e.cache.definitions = vllm_definitions;
    e.upstream_commit = commit;
    e.rules_date = date;
    e.verified = "recorded runs";
    e.parameters = VllmOptions::parameters();
    e.scheduler = true;
    return e;
}

EngineRow vllm_engine() {
    return row("vllm", "vLLM v1 since June 2026: unpublished blocks are reused first",
               "vllm-project/vllm 81be2e09aebfd1c45b3ed9f73d2850da8a72984c", "2026-08-06");
}

EngineRow vllm_classic_engine() {
    return row("vllm_classic", "vLLM v1 until June 2026: all blocks are released to the end of the line",
               "vllm-project/vllm 9aaf83ef502fc37bc647f6e474314d48ba36cd1c", "2026-05-19");
}

}  // namespace kvsim
