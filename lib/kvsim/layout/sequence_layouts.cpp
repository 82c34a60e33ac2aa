#include <kvsim/core/error.h>
#include <kvsim/core/spec.h>
#include <kvsim/core/suggest.h>
#include <kvsim/layout/sequence_layouts.h>
#include <kvsim/layout/strategy_scope.h>

namespace kvsim {

static const std::vector<std::string> kOnFull = {"evict", "preempt", "wait", "fail"};

static double fraction(const std::string& text, const std::string& option) {
    double value = 0;
    if (!parse_number(text, value) || value < 0 || value > 1)
        throw_input(option + " " + text + ": expected a number from 0 to 1");
    return value;
}

static bool names_victim(const SequenceStrategy& s) { return s.key && !s.trims; }

// Those that say which running sequence goes; trimming is for one that needs room itself.
static void check_preempt(const std::string& text) {
    std::vector<std::string> known;
    for (const SequenceStrategyRow& row : sequence_strategies().rows())
        if (names_victim(make_sequence_strategy(row.id))) known.push_back(row.id);
    std::string id = Spec::parse(text).id();
    if (std::find(known.begin(), known.end(), id) != known.end()) return;
    throw_input("--preempt " + text + ": expected a strategy that names a victim, one of " + join(known) +
                did_you_mean(id, known));
}

void resolve_sequences(CacheConfig& c, const std::string& fallback) {
    if (c.on_full.empty()) c.on_full = "evict";
    if (std::find(kOnFull.begin(), kOnFull.end(), c.on_full) == kOnFull.end())
        throw_input("--on-full " + c.on_full + ": expected one of " + join(kOnFull) + did_you_mean(c.on_full, kOnFull));
    bool evicts = c.on_full == "evict";
    const std::pair<const char*, const std::string*> of_evict[] = {
        {"--eviction", &c.eviction}, {"--evict-threshold", &c.evict_threshold}, {"--evict-target", &c.evict_target}};
    for (const auto& [option, value] : of_evict)
        if (!evicts && !value->empty()) throw_input(std::string(option) + " has no effect with --on-full " + c.on_full);
    if (c.on_full != "preempt" && !c.preempt.empty())
        throw_input("--preempt has no effect without --on-full preempt");
    if (evicts && c.eviction.empty()) c.eviction = fallback;
    if (c.on_full == "preempt" && c.preempt.empty()) c.preempt = "latest";
    for (std::string* id : {&c.eviction, &c.preempt})
        if (id->rfind("sequence/", 0) == 0) id->erase(0, 9);
    if (evicts) refuse_other_scope(c.eviction, "sequence");
    if (c.on_full == "preempt") check_preempt(c.preempt);
    SequenceStrategy strategy = victim_strategy(c);
    if (!c.evict_target.empty() && c.evict_threshold.empty())
        throw_input("--evict-target has no effect without --evict-threshold");
    if (c.evict_threshold.empty()) return;
    double threshold = fraction(c.evict_threshold, "--evict-threshold");
    if (c.evict_target.empty()) c.evict_target = c.evict_threshold;
    if (fraction(c.evict_target, "--evict-target") > threshold)
        throw_input("--evict-target " + c.evict_target + ": expected at most the threshold, " + c.evict_threshold);
    if (!strategy.key) throw_input("--evict-threshold has no effect with --eviction none");
}

SequenceStrategy victim_strategy(const CacheConfig& c) {
    if (c.on_full == "preempt") return make_sequence_strategy(c.preempt);
    if (c.on_full == "evict") return make_sequence_strategy(c.eviction);
    return {};
}

CacheConfig effective_sequences(const CacheConfig& config, const Trace& trace) {
    CacheConfig c = config;
    if (trace.events.empty()) c.eviction.clear();
    return c;
}

// Given in vain. The default may be given: nothing tells it from one that was filled in.
static void check_eviction(const CacheConfig& c, const Trace& trace) {
    if (!trace.events.empty() || c.eviction.empty()) return;
    for (const auto& [option, fallback] : layouts().get(c.layout).options)
        if (option == "--eviction" && c.eviction == fallback) return;
    throw_input("--eviction " + c.eviction +
                " has no effect on a trace of requests: nobody is idle, and who does not fit waits until the oldest "
                "running request is released; --on-full preempt --preempt ID picks victims among running ones");
}

void check_concurrency(const Trace& trace, const RunOptions& options) {
    if (!trace.events.empty()) {
        if (options.concurrency != 1 && options.concurrency != kByTrace)
            throw_input("--concurrency " + std::to_string(options.concurrency) +
                        " has no effect here: the events of the trace say which sequences are there at once");
        for (uint32_t r = 0; r < trace.requests(); ++r)
            if (trace.samples.has(r) && trace.samples[r] > 1)
                throw_input("sequence " + trace.sequence_name(r) + ": n = " + std::to_string(trace.samples[r]) +
                            " parallel samples on a prompt line; expected fork lines, so that their decodes can name them");
        return;
    }
    uint64_t samples = 0;
    for (uint32_t r = 0; r < trace.requests(); ++r)
        samples += trace.samples.has(r) ? static_cast<uint64_t>(trace.samples[r]) : 1;
    if (samples > kMostSamples) throw_input("n: more than " + std::to_string(kMostSamples) + " parallel samples in all");
    if (options.concurrency != kByTrace) return;
    for (uint32_t r = 0; r < trace.requests(); ++r)
        if (!trace.end_s.has(r))
            throw_input("--concurrency trace: request " + std::to_string(r) + " (" + trace.sequence_name(r) +
                        ") has no recorded end");
}

SequenceRules sequence_rules(const CacheConfig& c, const Trace& trace, const RunOptions& options) {
    if (trace.objects) trace.refuse_objects("--layout " + c.layout, "use --layout prefix --accounting flat");
    check_eviction(c, trace);
    check_concurrency(trace, options);
    SequenceRules rules;
    for (size_t i = 0; i < kOnFull.size(); ++i)
        if (c.on_full == kOnFull[i]) rules.on_full = static_cast<OnFull>(i);
    if (c.evict_threshold.empty()) return rules;
    if (options.capacity_blocks == kUnlimited) throw_input("--evict-threshold needs a capacity (--blocks, --tokens or --memory)");
    if (trace.events.empty())
        throw_input("--evict-threshold has no effect on a trace of requests: nobody is idle; it is for traces of events");
    rules.threshold = fraction(c.evict_threshold, "--evict-threshold");
    rules.target = fraction(c.evict_target, "--evict-target");
    return rules;
}

static std::string on_full_definition(const CacheConfig& c, bool events) {
    if (c.on_full == "fail") return "fail: what does not fit is rejected, with all that follows of it";
    if (!events) {
        if (c.on_full != "preempt")
            return c.on_full + ": a request that does not fit waits: the oldest running one (admitted first) is released early; what "
                               "would not fit even alone is rejected at once";
        return "preempt: a running request loses its blocks (" + c.preempt +
               ") and is admitted again, before later ones, once there is room; what would not fit even alone is "
               "rejected at once";
    }
    if (c.on_full == "wait")
        return "wait: the sequence and its later events (decodes, forks and what is of these children, its free) are put "
               "off until a free makes room, first come first served, while others that fit go ahead; where all who hold "
               "blocks wait, the last in the line is rejected, as is who never gets room, and what would not fit even "
               "alone at once";
    std::string victim = c.on_full == "evict" ? c.eviction : c.preempt;
    return c.on_full + ": another living sequence loses all its blocks (" + victim +
           "; only one that gives back a block of its own) and is stored again when it is served again; if nobody can "
           "give any back, or it would not fit even alone, the sequence is rejected";
}

// total to waited go by whose they are, the others by when they happen: from the first counted one on.
static void define_requests(Definitions& d, bool events) {
    d.emplace_back("requests", events ? "total: prompts and forks past the warm-up: sequences, a fork's child being one of its "
                                        "own; rejected: of these, got no room to be stored or to grow, or were forked from "
                                        "one that did not; completed: the others"
                                      : "total: requests past the warm-up, with all their samples (n) one each; rejected: of "
                                        "these, never got room; completed: the others");
    d.emplace_back("waited", events ? "sequences past the warm-up that had to wait for room, each once, rejected ones included"
                                    : "requests past the warm-up for which an older one was released early, each once");
    d.emplace_back("preempted", events ? "times a living sequence lost its blocks to another (--on-full preempt)"
                                       : "times a running request lost its blocks to another (--on-full preempt), a request "
                                         "with all its samples once");
    d.emplace_back("recomputed_tokens", "tokens stored again after their sequence had lost its blocks");
    d.emplace_back("evictions", std::string("blocks given back by ") +
                                    (events ? "sequences that were evicted, preempted or trimmed"
                                            : "requests that were preempted, not by those released early") +
                                    "; tokens: those that left the cache with them, not what others still hold; "
                                    "sequences: evicted ones");
}

static void define_utilization(Definitions& d, bool events) {
    d.emplace_back("utilization",
                   std::string(events ? "sampled after each prompt and fork that was stored past the warm-up"
                                      : "sampled once per request past the warm-up, when it has been admitted with its output "
                                        "and samples; not when it is admitted again") +
                       "; mean_active_fraction: used / capacity_blocks; every block of a sequence is active, so "
                       "mean_evictable_fraction is 0 and mean_free_fraction the rest; peak_active_blocks = "
                       "peak_resident_blocks: the most used at any time from the first counted one on, both runs of one "
                       "that is moved; mean_token_fill: tokens held / room of used blocks, shared ones once, summed over "
                       "samples; internal_fragmentation: 1 - mean_token_fill");
}

Definitions sequence_definitions(const CacheConfig& config, const Trace& trace, const RunOptions& options) {
    CacheConfig c = effective_sequences(config, trace);
    bool events = !trace.events.empty();
    Definitions d;
    d.emplace_back("on_full", on_full_definition(c, events));
    d.emplace_back("decode", options.decode ? "on: output takes room" : "off: prompts only");
    d.emplace_back("concurrency",
                   events ? "the events: a sequence is there from its prompt or fork to its free, which is what --concurrency "
                            "trace asks for"
                   : options.concurrency == kByTrace
                       ? "trace: a request holds its prompt and output from its arrival to its recorded end"
                       : std::to_string(options.concurrency) + ": a request holds its prompt and output until " +
                             std::to_string(options.concurrency) + " later ones have been admitted, again ones too");
    d.emplace_back("hits", "not applicable: a sequence's blocks are its own, and its forks'; nothing is looked up");
    define_requests(d, events);
    if (c.eviction.rfind("streaming_llm", 0) == 0)
        d.emplace_back("trim", "trim_requested_tokens: held tokens outside sinks and window when trimmed; "
                               "trim_dropped_tokens: of these, in whole blocks, and so dropped; positions are kept");
    if (!c.evict_threshold.empty())
        d.emplace_back("evict_threshold", "after a prompt, fork or decode that was served, at used / capacity >= " +
                                              c.evict_threshold +
                                              " sequences are evicted until it is <= " + c.evict_target +
                                              " or nobody can give a block back");
    define_utilization(d, events);
    return d;
}

std::string sequence_title(const CacheConfig& c) {
    std::string text = "on full " + c.on_full;
    if (c.on_full == "evict" && !c.eviction.empty()) text = c.eviction;
    if (c.on_full == "preempt") text += " " + c.preempt;
    if (!c.evict_threshold.empty()) text += ", evict from " + c.evict_threshold + " down to " + c.evict_target;
    return text;
}

}  // namespace kvsim
