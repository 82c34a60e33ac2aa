#include <kvsim/core/error.h>
#include <kvsim/core/spec.h>
#include <kvsim/sim/replay.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <type_traits>

namespace kvsim {

static double ms_since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

// The same run block by block: every count must be the same.
static RunResult replay_blocks(const Trace& trace, const ReplayOptions& options, const RunResult& fast, BlockObserver* observer) {
    RunResult slow;
    if (observer) slow.samples.resize(trace.requests());
    RunOptions quiet = options.run;
    quiet.progress = nullptr;
    quiet.observer = observer;
    auto blocks = cache_row(options.cache).make(options.cache, trace, quiet, RunPath::blocks);
    blocks->run(trace, quiet, slow);
    if (options.verify) blocks->check_invariants();
    const std::string asked = options.verify ? "--verify" : "--timeline";
    if (fast.hit_blocks != slow.hit_blocks) throw_failed(asked + ": hits differ from the block-level replay");
    if (fast.any_hit_blocks != slow.any_hit_blocks || fast.any_hit_tokens != slow.any_hit_tokens)
        throw_failed(asked + ": any-block hits differ from the block-level replay");
    bool same = fast.total == slow.total && fast.warmup == slow.warmup && fast.rejected == slow.rejected &&
                fast.peak_active_blocks == slow.peak_active_blocks &&
                fast.peak_resident_blocks == slow.peak_resident_blocks && fast.stranded_blocks == slow.stranded_blocks;
    if (!same) throw_failed(asked + ": evictions or utilization differ from the block-level replay");
    return slow;
}

// --verify and --timeline share the run block by block. Whole sequences and engines are replayed in one way only, so there is
// nothing to compare with, and the run itself has taken the samples.
static void check_and_observe(const Trace& trace, const ReplayOptions& options, const Cache& cache, ReplayOutcome& out) {
    if (options.verify) cache.check_invariants();
    bool by_blocks = options.cache.engine.empty() && cache_row(options.cache).prefix_hits;
    bool observed = options.timeline != 0 && tells_blocks(options.cache);
    EvictionAges ages(options.run.warmup_requests);
    if (observed) {
        out.run.samples = replay_blocks(trace, options, out.run, &ages).samples;
    } else if (by_blocks && options.verify) {
        replay_blocks(trace, options, out.run, nullptr);
    }
    if (options.timeline == 0) return;
    out.series.emplace();
    if (!observed || options.run.capacity_blocks == kUnlimited) return;
    out.series->age = ages.histogram();
    if (out.series->age->sum() != out.run.counted().evicted_blocks)
        throw_failed("--timeline: evictions differ from those that were observed");
}

// --match token: the last prompt token is computed even if it is resident, to get an output.
static void leave_last_token(const Trace& trace, RunResult& run) {
    auto cap = [&](auto& column) {
        for (uint32_t r = 0; r < column.size(); ++r)
            column[r] = std::min<std::decay_t<decltype(column[r])>>(column[r], trace.prompt_tokens[r] - 1);
    };
    cap(run.hit_blocks);
    cap(run.any_hit_blocks);  // of those that lead; see PrefixBlocks::computed_token()
    cap(run.any_hit_tokens);
}

static Accounting accounting_of(const CacheConfig& cache) {
    return cache.accounting.empty() ? Accounting{} : Accounting::parse(cache.accounting);
}

BoundsAt bounds_at(const OfflineBounds& bounds, const Trace& trace, const Accounting& accounting, uint64_t capacity) {
    BoundsAt out;
    out.exact = bounds.exact();
    out.any_hits_only = trace.content && accounting.kind == AccountingKind::flat;
    if (out.any_hits_only) {
        out.optimal = bounds.flat_optimal(capacity);
        return out;
    }
    static_cast<Bound&>(out.optimal) = bounds.optimal(capacity);
    out.admit = bounds.optimal_admit(capacity);
    return out;
}

bool has_bounds(const Trace& trace, const CacheConfig& cache, const RunOptions& run) {
    return cache.engine.empty() && cache_row(cache).prefix_hits && !trace.lengths_only && run.capacity_blocks != kUnlimited &&
           cache.match.rfind("snapshot", 0) != 0;
}

std::optional<PrefillValue> prefill_value(const Trace& trace, const ReplayOptions& options, const RunResult& run) {
    if (!options.flops || !cache_row(options.cache).prefix_hits || trace.lengths_only) return {};
    const PrefillFlops& flops = *options.flops;
    double hit = 0, lookup = 0;
    for (uint64_t i = options.run.warmup_requests; i < trace.requests(); ++i) {
        auto r = static_cast<uint32_t>(i);
        hit += flops.prefix(hit_tokens_of(trace, run, r));
        lookup += flops.prefix(trace.leading_tokens(r, trace.lookup_blocks(r)));
    }
    return PrefillValue{lookup > 0 ? hit / lookup : 0, hit};
}

// The counted requests that found room.
static CompressionOutcome compress(const Trace& trace, const ReplayOptions& o, const RunResult& run) {
    const KvData& data = *o.kv_data;
    if (!trace.events.empty())
        throw_input("--kv-data: the trace has events; expected one of requests, each of which plays a recorded sequence");
    CompressionOptions c;
    c.k_dtype = o.k_dtype.empty() ? data.dtype : o.k_dtype;
    c.v_dtype = o.v_dtype.empty() ? data.dtype : o.v_dtype;
    c.eviction = o.cache.eviction;
    c.seed = o.seed;
    c.jobs = o.jobs;
    c.verify = o.verify;
    if (o.run.capacity_blocks != kUnlimited) c.capacity_tokens = o.run.capacity_blocks * trace.block_size;
    for (uint64_t i = o.run.warmup_requests; i < trace.requests(); ++i) {
        auto r = static_cast<uint32_t>(i);
        if (run.is_rejected(r)) continue;
        if (trace.samples.has(r) && trace.samples[r] > 1)
            throw_input("--kv-data: request " + std::to_string(r) + " (" + trace.sequence_name(r) + ") has n = " +
                        std::to_string(trace.samples[r]) + " samples; a recorded sequence is one");
        uint64_t tokens = uint64_t{trace.prompt_tokens[r]} + (o.run.decode ? trace.output_tokens[r] : 0);
        if (tokens > data.tokens)
            throw_input("request " + std::to_string(r) + " (" + trace.sequence_name(r) + ") has " + std::to_string(tokens) +
                        " tokens, but the sequences of " + data.name + " have " + std::to_string(data.tokens));
        if (tokens > 0) c.played.push_back({r % data.sequences, static_cast<uint32_t>(tokens)});
    }
    if (c.played.empty()) throw_input("--kv-data: no request found room, so nothing can be measured");
    return measure_compression(data, c);
}

// What an engine hits where there is room for everything: its own rules, its own order.
static UnlimitedHits unlimited_engine(const Trace& trace, const ReplayOptions& options) {
    RunOptions run = options.run;
    run.capacity_blocks = kUnlimited;
    run.bound_hits = nullptr;
    run.progress = nullptr;
    RunResult result;
    cache_row(options.cache).make(options.cache, trace, run, RunPath::fastest)->run(trace, run, result);
    UnlimitedHits u;
    for (uint64_t i = run.warmup_requests; i < trace.requests(); ++i) {
        auto r = static_cast<uint32_t>(i);
        u.hit_blocks += result.hit_blocks[r];
        u.hit_tokens += trace.leading_tokens(r, result.hit_blocks[r]);
    }
    u.any_hit_blocks = u.hit_blocks;
    u.per_request = std::move(result.hit_blocks);
    return u;
}

ReplayOutcome replay(const Trace& trace, const ReplayOptions& given, const BoundsAt* known_bounds,
                     const UnlimitedHits* known_unlimited) {
    ReplayOptions options = given;
    resolve_cache(options.cache);
    options.run.compute_last_token = matches_tokens(options.cache);
    const LayoutRow& layout = cache_row(options.cache);
    Accounting accounting = accounting_of(options.cache);
    ReplayOutcome out;
    auto start = std::chrono::steady_clock::now();
    if (!options.cache.engine.empty())
        out.unlimited = unlimited_engine(trace, options);
    else if (layout.prefix_hits)
        out.unlimited = known_unlimited ? *known_unlimited : unlimited_hits(trace, accounting, options.run);
    if (options.bounds && has_bounds(trace, options.cache, options.run))
        out.bounds = known_bounds ? *known_bounds
                                  : bounds_at(OfflineBounds(trace, options.run), trace, accounting, options.run.capacity_blocks);
    bool explained = out.bounds && !out.bounds->any_hits_only;
    if (explained) options.run.bound_hits = &out.bounds->of(accounting.kind).hit_blocks;
    out.bounds_ms = ms_since(start);
    start = std::chrono::steady_clock::now();
    auto cache = layout.make(options.cache, trace, options.run, RunPath::fastest);
    if (options.timeline != 0) out.run.samples.resize(trace.requests());
    cache->run(trace, options.run, out.run);
    out.simulate_ms = ms_since(start);
    check_and_observe(trace, options, *cache, out);
    if (options.cache.layout == "quantized" && !options.kv_data && !trace.scores.empty() && options.cache.eviction != "none")
        out.scores = replay_scores(trace, options.cache.eviction,
                                   options.run.capacity_blocks == kUnlimited ? kUnlimited
                                                                             : options.run.capacity_blocks * trace.block_size,
                                   options.run.warmup_requests);
    if (options.data) out.data = replay_data(trace, options.cache, options.run, *options.data, out.run);
    if (options.kv_data && options.cache.layout == "quantized") {
        start = std::chrono::steady_clock::now();
        out.compression = compress(trace, options, out.run);
        out.compression_ms = ms_since(start);
    }
    if (options.run.compute_last_token) leave_last_token(trace, out.run);
    if (explained)
        out.misses = explain_misses(trace, out.run, out.unlimited->per_request, *options.run.bound_hits,
                                    options.run.warmup_requests);
    out.metrics = measure(trace, out.run, options.run, options.by);
    out.value = prefill_value(trace, options, out.run);
    if (out.series) {
        bool hits = layout.prefix_hits && !trace.lengths_only;
        out.series->timeline = make_timeline(trace, out.run, options.run, options.timeline, hits);
        if (hits) out.series->depth = hit_depth(trace, out.run, options.run.warmup_requests);
    }
    return out;
}

uint64_t parse_share(const std::string& text, uint64_t whole, const std::string& option) {
    uint64_t number = 0;
    if (parse_whole(text, number)) return number;
    double percent = 0;
    if (!text.empty() && text.back() == '%' && parse_number(text.substr(0, text.size() - 1), percent) && percent >= 0 &&
        percent <= 100) {
        // Percentages are decimal: go through millionths, so that 10 % of 30 is 3 whatever a double makes of 0.1.
        auto millionths = static_cast<unsigned __int128>(std::llround(percent * 1e6));
        return static_cast<uint64_t>(millionths * whole / 100000000u);
    }
    throw_input(option + " " + text + ": expected a whole number or a percentage from 0% to 100%");
}

}  // namespace kvsim
