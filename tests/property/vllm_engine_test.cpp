// The vLLM engine against its naive twin on random workloads: every event in its order, the line of free blocks and all
// reference counts at each admission, and what is reported per request.
#include <doctest/doctest.h>
#include <kvsim/engine/vllm.h>
#include <kvsim/trace/path_interner.h>
#include "support/random_check.h"

#include <sstream>

#include "property/vllm_workload.h"

namespace vllm_engine_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

// As a reader of tokens makes it: paths of token ids, a namespace per salt, then blocks.
Trace trace_of(const VllmWorkload& w) {
    Trace t;
    t.block_size = 1;
    PathInterner interner(t.chains, Names::content);
    auto names = [](const std::vector<int>& tokens, int salt) {
        std::vector<uint64_t> ids;
        for (int token : tokens) ids.push_back(static_cast<uint64_t>(token) + (static_cast<uint64_t>(salt) << 32));
        return ids;
    };
    for (uint32_t i = 0; i < w.requests.size(); ++i) {
        const NaiveVllmRequest& r = w.requests[i];
        auto prompt = static_cast<uint32_t>(r.prompt.size()), made = static_cast<uint32_t>(r.output.size());
        std::vector<uint64_t> ids = names(r.prompt, r.salt);
        uint32_t row = interner.add(ids.data(), ids.size());
        t.lookup_rows.push_back(row);
        t.stored_rows.push_back(kNone);
        t.row_tokens.push_back({prompt, false});
        if (r.named && w.decode) {
            ids = names(r.output, r.salt);
            t.stored_rows.back() = interner.add_after(row, prompt, ids.data(), ids.size());
            t.row_tokens.push_back({prompt + made, true});
        }
        t.prompt_tokens.push_back(prompt);
        t.output_tokens.push_back(made == 1 ? i % 2 : made);  // who makes one token may say 0
        t.arrival_s.push_back(i);
        t.source_row.push_back(i);
        t.step.set(i, r.step);
        if (r.priority) t.priority.set(i, *r.priority);
    }
    t.reblock_to(static_cast<uint32_t>(w.config.block));
    return t;
}

class Recorder : public EngineObserver {
  public:
    void evicted(uint32_t owner, uint64_t begin, uint64_t end, uint32_t by) override {
        RC_ASSERT(end - begin == block);
        events.push_back({'e', static_cast<int>(owner), static_cast<int>(begin / block), static_cast<int>(by)});
    }
    void stored(uint32_t owner, uint64_t begin, uint64_t end) override {
        RC_ASSERT(end - begin == block);
        events.push_back({'s', static_cast<int>(owner), static_cast<int>(begin / block), 0});
    }
    void admitted(uint32_t request, uint64_t hit_tokens, bool again) override {
        states.push_back(state());
        events.push_back({'a', static_cast<int>(request), static_cast<int>(hit_tokens), again});
    }

    NaiveVllmState state() const { return state_of(*pool); }

    uint64_t block = 1;
    const VllmPool* pool = nullptr;
    std::vector<NaiveVllmEvent> events;
    std::vector<NaiveVllmState> states;
};

template <class A, class B>
void same(const char* what, const A& ours, const B& naive) {
    bool equal = ours.size() == naive.size();
    for (size_t i = 0; equal && i < ours.size(); ++i)
        equal = static_cast<int64_t>(ours[i]) == static_cast<int64_t>(naive[i]);
    if (equal) return;
    std::ostringstream text;
    text << what << ": ours";
    for (auto n : ours) text << ' ' << static_cast<int64_t>(n);
    text << ", naive";
    for (auto n : naive) text << ' ' << static_cast<int64_t>(n);
    RC_FAIL(text.str());
}

void same_steps(const EngineRun& ours, const NaiveVllmOutcome& naive) {
    same("readmission hit tokens", ours.readmission_hit_tokens, naive.readmission_tokens);
    same("preemptions", ours.preemptions, naive.preemptions);
    same("admit steps", ours.admit_step, naive.admit);
    same("finish steps", ours.finish_step, naive.finish);
}

void same_sums(const RunResult& ours, const NaiveVllmOutcome& naive) {
    uint64_t evictions = 0, preemptions = 0;
    for (const NaiveVllmEvent& e : naive.events) evictions += e.what == 'e';
    for (int n : naive.preemptions) preemptions += static_cast<uint64_t>(n);
    const Tally& t = ours.total;
    same("sums",
         std::vector<uint64_t>{t.evicted_blocks, t.active_blocks, t.resident_blocks,
                               static_cast<uint64_t>(t.resident_tokens), t.admissions, t.waited, t.recomputed_tokens,
                               t.preempted, ours.peak_active_blocks},
         std::vector<uint64_t>{evictions, naive.active, naive.resident, naive.tokens, naive.admissions, naive.waited,
                               naive.recomputed, preemptions, naive.peak_active});
}

// What the workloads were like, so that a generator that went dull is noticed.
struct Seen {
    uint64_t requests = 0, hits = 0, evictions = 0, preemptions = 0, readmission_hits = 0, rejected = 0, unfinished = 0,
             duplicates = 0;
};

void compare(const VllmWorkload& w, Seen& seen) {
    NaiveVllmOutcome naive = w.config.steps ? naive_vllm_scheduler(w.config, w.requests, w.warmup)
                                            : naive_vllm_sequential(w.config, w.requests, w.warmup);
    Trace trace = trace_of(w);
    RunOptions options;
    options.capacity_blocks = static_cast<uint64_t>(w.config.usable);
    options.decode = w.decode;
    options.warmup_requests = static_cast<uint64_t>(w.warmup);
    options.arrivals = w.config.steps ? Arrivals::step : Arrivals::sequential;
    Recorder recorder;
    options.engine_observer = &recorder;
    VllmCache cache(options_of(w.config).text(), trace, options);
    recorder.block = trace.block_size;
    recorder.pool = &cache.manager().pool();
    RunResult result;
    result.samples.resize(trace.requests());
    cache.run(trace, options, result);
    cache.check_invariants();
    recorder.states.push_back(recorder.state());
    same("hits", result.hit_blocks, naive.hit_blocks);
    std::vector<int> rejected;
    for (uint32_t r = 0; r < trace.requests(); ++r) rejected.push_back(result.is_rejected(r));
    same("rejected", rejected, std::vector<int>(naive.rejected.begin(), naive.rejected.end()));
    RC_ASSERT(recorder.events == naive.events);
    RC_ASSERT(recorder.states == naive.at_admission);
    // The first counted request that is admitted ends the warm-up.
    auto border = std::find_if(naive.events.begin(), naive.events.end(),
                               [&](const NaiveVllmEvent& e) { return e.what == 'a' && e.a >= w.warmup; });
    RC_ASSERT(static_cast<int64_t>(result.counted().evicted_blocks) ==
              std::count_if(border, naive.events.end(), [](const NaiveVllmEvent& e) { return e.what == 'e'; }));
    if (w.config.steps) same_steps(*result.engine, naive);
    same_sums(result, naive);
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        auto first = naive.first.find(static_cast<int>(r));
        AdmissionSample sample;
        if (first != naive.first.end()) sample = {first->second.first, first->second.second};
        RC_ASSERT(result.samples[r] == sample);
    }
    seen.requests += w.requests.size();
    seen.evictions += result.total.evicted_blocks;
    seen.preemptions += result.total.preempted;
    seen.rejected += result.rejected_from(0);
    seen.duplicates += cache.manager().pool().duplicates();
    for (int n : naive.hit_blocks) seen.hits += n > 0;
    for (int n : naive.readmission_tokens) seen.readmission_hits += n > 0;
    for (size_t i = 0; i < naive.finish.size(); ++i) seen.unfinished += naive.admit[i] >= 0 && naive.finish[i] < 0;
}

void check(uint64_t cases, int requests) {
    Seen seen;
    for (uint64_t i = 0; i < cases; ++i)
        CHECK(random_check([&] { compare(VllmTeller(*rc::gen::arbitrary<uint64_t>()).tell(requests), seen); }));
    MESSAGE(seen.requests, " requests, ", seen.hits, " with hits, ", seen.rejected, " rejected, ", seen.unfinished,
            " unfinished; ", seen.evictions, " evictions, ", seen.duplicates, " duplicate blocks, ", seen.preemptions,
            " preemptions, hits after ", seen.readmission_hits);
    if (kSanitized) return;  // too few cases to say
    CHECK(seen.hits > seen.requests / 10);
    CHECK(seen.preemptions > seen.requests / 200);
    CHECK(seen.readmission_hits > seen.requests / 200);
    CHECK(seen.duplicates > seen.requests / 100);
}

}  // namespace

TEST_CASE("vllm: equal to the naive twin") { check(30, 45); }

TEST_CASE("long: vllm: equal to the naive twin over a million requests") { check(250, 45); }

}  // namespace vllm_engine_test
