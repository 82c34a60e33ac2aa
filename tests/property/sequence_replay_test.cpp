// The paged and the contiguous layout against their naive twin, over random traces of events and of requests: every
// counter, peak and rejected request, warm-up included.
#include <doctest/doctest.h>
#include <kvsim/engine/engines.h>
#include "support/random_check.h"

#include <random>
#include <sstream>

#include "property/naive_sequences.h"

namespace sequence_replay_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

struct Case {
    NaiveSetup setup;
    std::vector<NaiveAsk> asks;
    std::vector<NaiveEvent> events;  ///< empty: a trace of requests
};

class CaseMaker {
  public:
    explicit CaseMaker(uint64_t seed) : random_(seed) {}

    Case make(bool events) {
        Case c;
        NaiveSetup& s = c.setup;
        s.block_size = 1 + below(5);
        if (events) {
            tell_events(c);
        } else {
            tell_requests(c);
        }
        s.paged = below(3) != 0;
        s.reserve_max = below(2) == 0;
        s.capacity = below(8) == 0 ? kNoLimit : 1 + below(below(3) == 0 ? 60 : 14);
        s.decode = below(5) != 0;
        s.warmup = below(3) == 0 ? below(static_cast<uint32_t>(c.asks.size())) : 0;
        static const char* kOnFull[] = {"evict", "preempt", "wait", "fail", "evict", "preempt"};
        s.on_full = kOnFull[below(6)];
        static const char* kStrategies[] = {"lru",
                                            "lfu",
                                            "fifo",
                                            "longest_first",
                                            "shortest_first",
                                            "priority",
                                            "latest",
                                            "most_blocks_freed",
                                            "streaming_llm",
                                            "none"};
        // The last two name no victim; a contiguous sequence cannot be trimmed.
        s.strategy = kStrategies[below(s.on_full == "preempt" || !s.paged ? 8 : 10)];
        if (s.paged && s.on_full == "evict" && below(4) == 0) s.strategy = "streaming_llm";
        s.sink = below(4);
        s.window = 1 + below(6);
        if (events && s.paged && s.on_full == "evict" && s.capacity != kNoLimit && s.strategy != "none" &&
            below(2) == 0) {
            s.threshold = below(11) / 10.0;
            s.target = s.threshold * below(11) / 10.0;
        }
        s.concurrency = events ? below(2) : std::vector<uint64_t>{1, 3, 2, 0}[below(4)];
        s.reserve_tokens = longest_of(c.asks, c.events, s.decode);
        return c;
    }

  private:
    uint32_t below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }

    void tell_requests(Case& c) {
        double now = 0;
        for (uint32_t n = 1 + below(25); n > 0; --n) {
            NaiveAsk a;
            a.in = 1 + below(below(4) == 0 ? 40 : 14);
            a.out = below(3) == 0 ? 0 : below(12);
            a.samples = below(3) == 0 ? 1 + below(4) : 1;
            a.priority = below(3);
            now += below(3);
            a.arrival = now;
            a.end = now + below(8);
            c.asks.push_back(a);
        }
    }

    void tell_events(Case& c) {
        std::vector<uint32_t> alive;
        std::vector<uint64_t> tokens;
        frees_ = 10 + below(4);  // of so many, 9 and more are frees
        for (uint32_t n = 1 + below(below(3) == 0 ? 200 : 60); n > 0 || c.events.empty(); n -= n > 0) {
            uint32_t what = below(frees_);
            if (alive.empty() || what < 2) {
                start(c, tokens, 1 + below(below(6) == 0 ? 50 : 12));
                alive.push_back(static_cast<uint32_t>(c.asks.size() - 1));
                c.events.push_back({'p', alive.back(), kNone, tokens.back()});
                continue;
            }
            uint32_t at = below(static_cast<uint32_t>(alive.size()));
            uint32_t id = alive[at];
            if (what < 4) {
                start(c, tokens, tokens[id]);
                alive.push_back(static_cast<uint32_t>(c.asks.size() - 1));
                c.events.push_back({'f', alive.back(), id, tokens[id]});
            } else if (what < 9) {
                uint64_t more = below(below(4) == 0 ? 12 : 4);
                c.asks[id].out += more;
                tokens[id] += more;
                c.events.push_back({'d', id, kNone, more});
            } else {
                alive.erase(alive.begin() + at);
                c.events.push_back({'x', id, kNone, 0});
            }
        }
    }
    void start(Case& c, std::vector<uint64_t>& tokens, uint64_t in) {
        NaiveAsk a;
        a.in = in;
        a.priority = below(3);
        a.arrival = static_cast<double>(c.asks.size());
        c.asks.push_back(a);
        tokens.push_back(in);
    }
    std::mt19937_64 random_;
    uint32_t frees_ = 10;
};

Trace make_trace(const Case& c) {
    Trace t;
    t.block_size = static_cast<uint32_t>(c.setup.block_size);
    for (uint32_t r = 0; r < c.asks.size(); ++r) {
        const NaiveAsk& a = c.asks[r];
        t.prompt_tokens.push_back(static_cast<uint32_t>(a.in));
        t.output_tokens.push_back(static_cast<uint32_t>(a.out));
        t.arrival_s.push_back(a.arrival);
        t.source_row.push_back(r);
        if (a.priority != 0 || r % 2 == 0) t.priority.set(r, a.priority);  // none given is 0
        if (a.samples != 1) t.samples.set(r, static_cast<int64_t>(a.samples));
        t.end_s.set(r, a.end);
    }
    for (const NaiveEvent& e : c.events) {
        EventKind kind = e.kind == 'p' ? EventKind::prompt : e.kind == 'f' ? EventKind::fork : EventKind::decode;
        t.events.push_back(
            {e.kind == 'x' ? EventKind::free : kind, e.sequence, e.parent, static_cast<uint32_t>(e.tokens)});
        // The reader copies it; the twin sees to it itself.
        if (e.kind == 'f') t.priority.set(e.sequence, t.priority[e.parent]);
    }
    return t;
}

RunResult run_ours(const Case& c, const Trace& trace) {
    const NaiveSetup& s = c.setup;
    CacheConfig config;
    config.layout = s.paged ? "paged" : "contiguous";
    config.on_full = s.on_full;
    std::string strategy = s.strategy;
    if (strategy == "streaming_llm")
        strategy += ":sink=" + std::to_string(s.sink) + ",window=" + std::to_string(s.window);
    if (s.on_full == "evict" && !c.events.empty()) config.eviction = strategy;  // requests ask none
    if (s.on_full == "preempt") config.preempt = strategy;
    if (!s.paged) config.reserve = s.reserve_max ? "max" : "grow";
    if (s.threshold <= 1) {
        std::ostringstream threshold, target;
        threshold.precision(17);
        target.precision(17);
        threshold << s.threshold;
        target << s.target;
        config.evict_threshold = threshold.str();
        config.evict_target = target.str();
    }
    resolve_cache(config);
    RunOptions options;
    options.capacity_blocks = s.capacity;
    options.warmup_requests = s.warmup;
    options.decode = s.decode;
    options.concurrency = c.events.empty() ? s.concurrency : s.concurrency == 0 ? kByTrace : 1;
    auto cache = layouts().get(config.layout).make(config, trace, options, RunPath::fastest);
    RunResult run;
    run.samples.resize(trace.requests());
    cache->run(trace, options, run);
    cache->check_invariants();
    return run;
}

void describe(const Case& c) {
    const NaiveSetup& s = c.setup;
    RC_LOG() << (s.paged         ? "paged"
                 : s.reserve_max ? "max"
                                 : "grow")
             << " capacity " << s.capacity << " block_size " << s.block_size << " on_full " << s.on_full << " "
             << s.strategy << " " << s.sink << "/" << s.window << " threshold " << s.threshold << "/" << s.target
             << " concurrency " << s.concurrency << " decode " << s.decode << " warmup " << s.warmup << "\n";
    for (const NaiveEvent& e : c.events) {
        RC_LOG() << e.kind << " " << e.sequence;
        if (e.kind == 'f') RC_LOG() << " of " << e.parent;
        RC_LOG() << " " << e.tokens << "\n";
    }
    if (!c.events.empty()) return;
    for (const NaiveAsk& a : c.asks)
        RC_LOG() << a.in << " + " << a.out << " x" << a.samples << " priority " << a.priority << " " << a.arrival
                 << ".." << a.end << "\n";
}

void same(const std::string& what, uint64_t ours, uint64_t naive) {
    if (ours == naive) return;
    RC_FAIL(what + ": " + std::to_string(ours) + ", naive " + std::to_string(naive));
}

void compare(const std::string& part, const Tally& ours, const NaiveCounts& naive) {
    same(part + "admissions", ours.admissions, naive.admissions);
    same(part + "active blocks", ours.active_blocks, naive.active_blocks);
    same(part + "resident blocks", ours.resident_blocks, naive.active_blocks);
    same(part + "resident tokens", static_cast<uint64_t>(ours.resident_tokens), naive.resident_tokens);
    same(part + "waited", ours.waited, naive.waited);
    same(part + "preempted", ours.preempted, naive.preempted);
    same(part + "recomputed tokens", ours.recomputed_tokens, naive.recomputed_tokens);
    same(part + "evicted blocks", ours.evicted_blocks, naive.evicted_blocks);
    same(part + "evicted sequences", ours.evicted_sequences, naive.evicted_sequences);
    same(part + "evicted tokens", ours.evicted_tokens, naive.evicted_tokens);
    same(part + "trim requested", ours.trim_requested_tokens, naive.trim_requested);
    same(part + "trim dropped", ours.trim_dropped_tokens, naive.trim_dropped);
    same(part + "forks", ours.forks, naive.forks);
    same(part + "copies on write", ours.cow_copies, naive.cow);
    same(part + "copied tokens", ours.copied_tokens, naive.copied);
}

/// In how many cases a thing happened at all.
struct Reached {
    int evicted = 0, preempted = 0, waited = 0, trimmed = 0, copied_on_write = 0, recomputed = 0;
    void add(const NaiveCounts& c) {
        evicted += c.evicted_sequences > 0;
        preempted += c.preempted > 0;
        waited += c.waited > 0;
        trimmed += c.trim_dropped > 0;
        copied_on_write += c.cow > 0;
        recomputed += c.recomputed_tokens > 0;
    }
} reached[2];

void check_case(bool events, uint64_t round) {
    Case c = CaseMaker(*rc::gen::inRange<uint64_t>(0, ~uint64_t{0}) ^ round << 40).make(events);
    describe(c);
    Trace trace = make_trace(c);
    RunResult ours = run_ours(c, trace);
    NaiveResult naive =
        events ? NaiveEventReplay(c.setup, c.asks).run(c.events) : NaiveRequestReplay(c.setup, c.asks).run();
    for (uint32_t r = 0; r < c.asks.size(); ++r) {
        auto admitted = naive.admitted.find(r);
        AdmissionSample sample;
        if (admitted != naive.admitted.end()) sample = {admitted->second, admitted->second};
        if (!(ours.samples[r] == sample)) RC_FAIL("sample of " + std::to_string(r));
        same("rejected " + std::to_string(r), ours.is_rejected(r), naive.rejected[r]);
    }
    compare("", ours.total, naive.total);
    compare("warm-up ", ours.warmup, naive.warmup);
    same("peak blocks", ours.peak_active_blocks, naive.peak_blocks);
    same("peak resident", ours.peak_resident_blocks, naive.peak_blocks);
    same("peak shared", ours.shared_blocks_peak, naive.peak_shared);
    same("per-request hits", ours.hit_blocks.size(), 0);
    reached[events ? 0 : 1].add(naive.total);
}

bool holds(bool events, uint64_t rounds) {
    bool ok = true;
    for (uint64_t i = 0; i < rounds && ok; ++i)
        ok = kvsim_test::random_check(events ? "events" : "requests", [=] { check_case(events, i); });
    return ok;
}

}  // namespace

TEST_CASE("sequence replay: traces of events equal the naive twin") {
    CHECK(holds(true, 100));
    CAPTURE(reached[0].trimmed);
    if (kSanitized) return;  // too few cases to say
    CHECK(reached[0].evicted > 300);
    CHECK(reached[0].preempted > 100);
    CHECK(reached[0].waited > 100);
    CHECK(reached[0].trimmed > 30);
    CHECK(reached[0].copied_on_write > 300);
    CHECK(reached[0].recomputed > 100);
}

TEST_CASE("sequence replay: traces of requests equal the naive twin") {
    CHECK(holds(false, 60));
    if (kSanitized) return;  // too few cases to say
    CHECK(reached[1].preempted > 100);
    CHECK(reached[1].waited > 300);
    CHECK(reached[1].copied_on_write > 300);
    CHECK(reached[1].recomputed > 100);
}

TEST_CASE("long: sequence replay: many more cases") {
    CHECK(holds(true, 1000));
    CHECK(holds(false, 1000));
}

}  // namespace sequence_replay_test
