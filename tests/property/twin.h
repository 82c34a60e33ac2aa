// The prefix layout with any block strategy against the naive cache with the strategy's naive twin: each run is compared as a
// whole, from several requests on (warm-up) and for several shorter traces, which together pin every single
// admission down.
#pragma once

#include <doctest/doctest.h>
#include <kvsim/core/error.h>
#include <kvsim/layout/prefix.h>
#include <rapidcheck.h>

#include <functional>
#include <memory>
#include <numeric>
#include <sstream>
#include <string>

#include "property/naive_cache.h"

namespace kvsim_test {

using namespace kvsim;


/// A strategy and its naive twin. What a twin must know of the trace it reads from the story.
struct Twin {
    std::string eviction;
    std::function<std::unique_ptr<NaiveStrategy>(const NaiveSetting&)> make;
};

struct Setup {
    NaiveKind kind;
    const char* accounting;
};
inline constexpr Setup kSetups[] = {{NaiveKind::pinned, "pinned"},
                             {NaiveKind::flat, "flat"},
                             {NaiveKind::tree, "tree"},
                             {NaiveKind::tree_chain, "tree:protect=chain"}};

struct Run {
    std::vector<NaiveStep> steps;
    uint64_t stranded = 0;
};

template <class A, class B>
inline void same(const char* what, const A& ours, const B& naive) {
    if (static_cast<uint64_t>(ours) == static_cast<uint64_t>(naive)) return;
    std::ostringstream text;
    text << what << ": " << static_cast<uint64_t>(ours) << ", naive " << static_cast<uint64_t>(naive);
    RC_FAIL(text.str());
}

inline void compare(const Trace& trace, const RunResult& run, const Run& naive, uint64_t warmup) {
    NaiveStep sum;
    uint64_t peak_active = 0, peak_resident = 0, evicted_before = 0;
    same("requests", run.hit_blocks.size(), naive.steps.size());
    for (uint32_t r = 0; r < naive.steps.size(); ++r) {
        const NaiveStep& s = naive.steps[r];
        bool any = !run.any_hit_blocks.empty();
        std::string at = " of request " + std::to_string(r);
        same(("hits" + at).c_str(), run.hit_blocks[r], s.hit);
        if (any) same(("any hits" + at).c_str(), run.any_hit_blocks[r], s.any);
        if (any) same(("any hit tokens" + at).c_str(), run.any_hit_tokens[r], s.any_tokens);
        if (r < warmup) {
            evicted_before = s.evicted;
            continue;
        }
        sum.waited += s.waited;
        sum.active += s.active;
        sum.resident += s.resident;
        sum.tokens += s.tokens;
        peak_active = std::max(peak_active, s.active);
        peak_resident = std::max(peak_resident, s.resident);
    }
    Tally counted = run.counted();
    same("admissions", counted.admissions,
         naive.steps.size() - std::min<uint64_t>(warmup, naive.steps.size()));
    same("evicted", counted.evicted_blocks, naive.steps.back().evicted - evicted_before);
    same("active", counted.active_blocks, sum.active);
    same("waited", counted.waited, sum.waited);
    same("resident", counted.resident_blocks, sum.resident);
    same("resident tokens", counted.resident_tokens, sum.tokens);
    same("peak active", run.peak_active_blocks, peak_active);
    same("peak resident", run.peak_resident_blocks, peak_resident);
    same("stranded", run.stranded_blocks, naive.stranded);
    same("rows", trace.requests(), naive.steps.size());
}

inline Trace first_requests(const Trace& trace, uint32_t count) {
    std::vector<uint32_t> order(count);
    std::iota(order.begin(), order.end(), 0u);
    Trace some = trace;
    some.select(order);
    return some;
}

struct Case {
    uint64_t seed;
    uint32_t requests;
    Story story;
    uint32_t block_size;
    uint64_t capacity;
    bool decode;
    Setup setup;
    NaiveConcurrency running;
    const Twin* twin = nullptr;
};

inline Run naive_run(const Case& c, size_t limit) {
    Run run;
    std::vector<NaiveRequest> requests =
        naive_requests(c.story, c.block_size, c.decode, c.setup.kind == NaiveKind::flat);
    requests.resize(std::min(limit, requests.size()));
    std::unique_ptr<NaiveStrategy> strategy = c.twin->make({c.capacity, requests, c.setup.kind, c.running.start, c.block_size});
    NaiveCache cache(*strategy, c.setup.kind, c.capacity, c.block_size, c.story.content);
    NaiveServer server(cache, c.running);
    for (const NaiveRequest& r : requests) run.steps.push_back(server.serve(r));
    run.stranded = cache.stranded();
    return run;
}

inline void check_run(const Case& c, const Trace& trace, const Run& naive, RunPath path, uint64_t warmup) {
    RunOptions options;
    options.capacity_blocks = c.capacity;
    options.decode = c.decode;
    options.warmup_requests = warmup;
    options.concurrency = c.running.requests == 0 ? kByTrace : c.running.requests;
    auto cache = make_prefix_cache(c.twin->eviction, Accounting::parse(c.setup.accounting), trace, options, path);
    RunResult run;
    cache->run(trace, options, run);
    cache->check_invariants();
    compare(trace, run, naive, warmup);
}

inline void describe(const Case& c) {
    RC_LOG() << c.twin->eviction << " " << c.setup.accounting << " decode=" << c.decode << " capacity=" << c.capacity << " block_size "
             << c.story.block_size << " -> " << c.block_size << (c.story.content ? " content" : "")
             << " running=" << c.running.requests << "\n";
    for (size_t i = 0; i < c.story.requests.size(); ++i) {
        const Told& t = c.story.requests[i];
        RC_LOG() << c.running.start[i] << " to " << c.running.end[i] << " ";
        RC_LOG() << "in=" << t.in << " out=" << t.out << " prompt";
        for (uint32_t s : t.prompt) RC_LOG() << " " << s;
        RC_LOG() << " output";
        for (uint32_t s : t.output) RC_LOG() << " " << s;
        RC_LOG() << "\n";
    }
}

inline Case random_case(const Twin& twin, const StoryWishes& wishes, bool reblock) {
    Case c{};
    c.twin = &twin;
    c.seed = *rc::gen::arbitrary<uint64_t>();
    c.requests = *rc::gen::inRange<uint32_t>(1, 26);
    std::mt19937_64 random(c.seed ^ 0x5bd1e995u);
    c.story = StoryTeller(c.seed, wishes).tell(c.requests);
    c.block_size = reblock ? 1 + static_cast<uint32_t>(random() % 20) : c.story.block_size;
    c.capacity = 1 + random() % (random() % 3 == 0 ? 200 : 14);
    if (random() % 10 == 0) c.capacity = kUnlimited;
    c.decode = random() % 3 != 0;
    c.setup = kSetups[random() % 4];
    bool alone = c.setup.kind == NaiveKind::flat || random() % 3 == 0;
    c.running.requests = alone ? 1 : random() % 2 == 0 ? 0 : 2 + random() % 5;
    double now = 0;
    for (uint32_t i = 0; i < c.requests; ++i) {
        c.running.start.push_back(now);
        c.running.end.push_back(now + static_cast<double>(random() % 7));
        now += static_cast<double>(random() % 3);
    }
    return c;
}

inline void check_case(const Twin& twin, const StoryWishes& wishes, bool reblock) {
    Case c = random_case(twin, wishes, reblock);
    describe(c);
    Trace trace = make_trace(c.story);
    trace.reblock_to(c.block_size);
    trace.arrival_s = c.running.start;
    for (uint32_t i = 0; i < c.requests; ++i) trace.end_s.set(i, c.running.end[i]);
    Run naive = naive_run(c, ~size_t{0});
    std::mt19937_64 random(c.seed);
    for (RunPath path : {RunPath::fastest, RunPath::blocks}) {
        check_run(c, trace, naive, path, 0);
        check_run(c, trace, naive, path, random() % (c.requests + 2));
        auto count = static_cast<uint32_t>(1 + random() % c.requests);
        Run shorter = naive_run(c, count);
        check_run(c, first_requests(trace, count), shorter, path, random() % 3 == 0 ? 1 : 0);
    }
}

/// Runs the property several times; rapidcheck's own count is RC_PARAMS="max_success=N".
inline bool holds(const Twin& twin, const char* name, const StoryWishes& wishes, bool reblock, int rounds = 4) {
    bool ok = true;
    for (int i = 0; i < rounds && ok; ++i) ok = rc::check(name, [&] { check_case(twin, wishes, reblock); });
    return ok;
}

/// All kinds of traces under all accountings, a few cases of each.
inline void check_twin(const Twin& twin, int rounds = 1) {
    INFO(twin.eviction);
    StoryWishes w;
    CHECK(holds(twin, "plain", w, false, 2 * rounds));
    w.max_blocks = 25;
    w.floor_tails = true;
    CHECK(holds(twin, "longer chains", w, false, rounds));
    w.ragged = true;
    CHECK(holds(twin, "re-blocked ragged", w, true, rounds));
    w = {};
    w.named_output = true;
    CHECK(holds(twin, "named output", w, false, rounds));
    w = {};
    w.content = true;
    CHECK(holds(twin, "content", w, false, rounds));
}

template <class Naive>
Twin twin_of(const std::string& eviction) {
    return {eviction, [](const NaiveSetting& s) -> std::unique_ptr<NaiveStrategy> {
                if constexpr (std::is_constructible_v<Naive, const NaiveSetting&>) {
                    return std::make_unique<Naive>(s);
                } else {
                    return std::make_unique<Naive>();
                }
            }};
}

}  // namespace kvsim_test
