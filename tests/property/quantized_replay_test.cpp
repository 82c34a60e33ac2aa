// The bookkeeping of the quantized layout against a naive twin: what each sequence keeps, who waits, who is rejected.
#include <doctest/doctest.h>
#include <kvsim/layout/quantized_replay.h>
#include <kvsim/trace/format.h>
#include "support/random_check.h"

#include <random>
#include <vector>

namespace quantized_replay_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

struct NaiveRequest {
    uint64_t prompt, output, samples;
};

struct Case {
    std::vector<NaiveRequest> requests;
    uint64_t block_size, capacity, budget, concurrency, warmup;  ///< capacity, budget 0: none
    bool decode;
};

struct NaiveResult {
    std::vector<bool> rejected;
    uint64_t evicted = 0, waited = 0, peak = 0, resident = 0, tokens = 0;
};

uint64_t blocks(uint64_t tokens, uint64_t size) { return (tokens + size - 1) / size; }

// From the definition: a list of running requests, oldest first, each with the tokens every sample keeps.
NaiveResult replay_naively(const Case& c) {
    struct Running {
        uint64_t kept, samples;
    };
    NaiveResult out;
    std::vector<Running> running;
    auto used = [&] {
        uint64_t sum = 0;
        for (const Running& r : running) sum += r.samples * blocks(r.kept, c.block_size);
        return sum;
    };
    for (size_t i = 0; i < c.requests.size(); ++i) {
        const NaiveRequest& q = c.requests[i];
        bool counted = i >= c.warmup;
        while (running.size() >= c.concurrency) running.erase(running.begin());
        uint64_t tokens = q.prompt + (c.decode ? q.output : 0), kept = tokens;
        if (c.budget != 0) kept = std::min(kept, c.budget);
        if (c.budget != 0 && c.capacity != 0) kept = std::min(kept, c.capacity * c.block_size);
        uint64_t need = q.samples * blocks(kept, c.block_size);
        out.rejected.push_back(c.capacity != 0 && need > c.capacity);
        if (out.rejected.back()) continue;
        bool waited = false;
        while (c.capacity != 0 && used() + need > c.capacity) {
            running.erase(running.begin());
            waited = true;
        }
        running.push_back({kept, q.samples});
        if (!counted) continue;
        out.waited += waited;
        out.evicted += q.samples * (tokens - kept);
        out.peak = std::max(out.peak, used());
        out.resident += used();
        for (const Running& r : running) out.tokens += r.samples * r.kept;
    }
    return out;
}

Case make(uint64_t seed) {
    std::mt19937_64 random(seed);
    auto below = [&](uint64_t n) { return random() % n; };
    Case c;
    for (uint64_t n = 1 + below(12); n > 0; --n)
        c.requests.push_back({1 + below(40), below(20), below(5) == 0 ? 1 + below(4) : 1});
    c.block_size = 1 + below(6);
    c.capacity = below(4) == 0 ? 0 : 1 + below(40);
    c.budget = below(3) == 0 ? 0 : 1 + below(30);
    c.concurrency = 1 + below(4);
    c.warmup = below(3) == 0 ? below(c.requests.size()) : 0;
    c.decode = below(4) != 0;
    return c;
}

Trace trace_of(const Case& c) {
    Trace t;
    t.lengths_only = true;
    t.block_size = static_cast<uint32_t>(c.block_size);
    for (uint32_t r = 0; r < c.requests.size(); ++r) {
        t.chains.append(kNone, 0, 0);
        t.prompt_tokens.push_back(static_cast<uint32_t>(c.requests[r].prompt));
        t.output_tokens.push_back(static_cast<uint32_t>(c.requests[r].output));
        t.arrival_s.push_back(r);
        t.source_row.push_back(r);
        t.samples.set(r, static_cast<int64_t>(c.requests[r].samples));
    }
    return t;
}

void check(uint64_t seed) {
    Case c = make(seed);
    Trace trace = trace_of(c);
    uint64_t room = c.capacity == 0 ? kUnlimited : c.capacity * c.block_size;
    QuantizedReplay cache([&](uint64_t) { return c.budget == 0 ? kUnlimited : std::min(c.budget, room); });
    RunOptions o;
    o.capacity_blocks = c.capacity == 0 ? kUnlimited : c.capacity;
    o.concurrency = c.concurrency;
    o.warmup_requests = c.warmup;
    o.decode = c.decode;
    RunResult run;
    cache.run(trace, o, run);
    cache.check_invariants();
    NaiveResult want = replay_naively(c);
    for (uint32_t r = 0; r < trace.requests(); ++r) RC_ASSERT(run.is_rejected(r) == want.rejected[r]);
    Tally sum = run.counted();
    RC_ASSERT(sum.waited == want.waited);
    RC_ASSERT(sum.evicted_tokens == want.evicted);
    RC_ASSERT(run.peak_active_blocks == want.peak);
    RC_ASSERT(sum.resident_blocks == want.resident);
    RC_ASSERT(static_cast<uint64_t>(sum.resident_tokens) == want.tokens);
}

}  // namespace

TEST_CASE("quantized: bookkeeping of requests is the naive one's") {
    for (int round = 0; round < 5; ++round)
        CHECK(random_check("quantized requests", [] { check(*rc::gen::arbitrary<uint64_t>()); }));
}

}  // namespace quantized_replay_test
