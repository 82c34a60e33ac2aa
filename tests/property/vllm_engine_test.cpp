// The vLLM engine against its naive twin on random workloads: every event in its order, the line of free blocks and all
// reference counts at each admission, and what is reported per request.
#include <doctest/doctest.h>
#include <kvsim/engine/vllm.h>
#include <kvsim/trace/path_interner.h>
#include "support/random_check.h"

#include <random>
#include <sstream>

#include "property/naive_vllm.h"

using namespace kvsim;
using namespace kvsim_test;

namespace {

struct Workload {
    NaiveVllmConfig config;
    std::vector<NaiveVllmRequest> requests;
    int warmup = 0;
    bool decode = true;
};

class Teller {
  public:
    explicit Teller(uint64_t seed) : random_(seed) {}

    Workload tell(int requests) {
        Workload w;
        w.config = configuration();
        alphabet_ = 1 + below(3);
        named_ = below(3) != 0;
        salts_ = below(4) == 0 ? 2 : 1;
        priorities_ = 1 + below(4);
        longest_ = w.config.block * (1 + below(10));
        w.decode = below(8) != 0;
        w.warmup = below(3) == 0 ? below(requests) : 0;
        int step = 0, gap = 1 + below(below(2) == 0 ? 2 : 8);
        for (int i = 0; i < requests; ++i) {
            step += below(gap);
            w.requests.push_back(next(w, step));
        }
        // Pools from hopeless to roomy.
        size_t most = 0;
        for (const NaiveVllmRequest& r : w.requests) most = std::max(most, r.prompt.size() + r.output.size());
        int whole = static_cast<int>((most / w.config.block + 1) * w.config.windows.size());
        w.config.usable = below(8) == 0 ? 1 + below(6) : 1 + whole / (1 + below(2)) + below((1 + 2 * below(2)) * whole);
        if (!w.decode)
            for (NaiveVllmRequest& r : w.requests) r.output.assign(1, unique_++);
        return w;
    }

  private:
    int below(int bound) { return static_cast<int>(random_() % static_cast<uint64_t>(bound)); }

    NaiveVllmConfig configuration() {
        static const int kBlocks[] = {1, 2, 3, 4, 5, 8, 16};
        static const double kMarks[] = {0, 0, 0.01, 0.1, 0.3, 0.5, 1};
        NaiveVllmConfig c;
        c.block = kBlocks[below(7)];
        c.classic = below(2) == 0;
        c.caching = below(8) != 0;
        c.reserve_full = below(3) != 0;
        c.by_priority = below(2) == 0;
        c.steps = below(3) != 0;
        c.watermark = kMarks[below(7)];
        c.max_seqs = 1 + below(10);
        c.max_tokens = 1 + below(below(2) == 0 ? 8 : 80);
        auto window = [&] { return 1 + below(c.block * (1 + below(5))); };
        switch (below(9)) {
            case 0: c.windows = {window()}; break;
            case 1: c.windows = {0, window()}; break;
            case 2: c.windows = {0, window(), window()}; break;
            case 3: c.windows = {window(), window()}; break;
            case 4: c.windows = {0, 0, window()}; c.windows.push_back(c.windows[2]); break;
            case 5: c.windows = {0, 0}; break;
            default: break;
        }
        return c;
    }

    std::vector<int> random_tokens(int count) {
        std::vector<int> tokens;
        for (int i = 0; i < count; ++i) tokens.push_back(below(alphabet_));
        return tokens;
    }

    NaiveVllmRequest next(const Workload& w, int step) {
        NaiveVllmRequest r;
        if (!w.requests.empty() && below(4) != 0) {
            const NaiveVllmRequest& before =
                w.requests[below(2) == 0 ? w.requests.size() - 1 : static_cast<size_t>(below(static_cast<int>(w.requests.size())))];
            r.prompt = before.prompt;
            r.salt = before.salt;
            if (before.named && below(3) != 0) r.prompt.insert(r.prompt.end(), before.output.begin(), before.output.end());
            if (below(3) == 0) r.prompt.resize(static_cast<size_t>(below(static_cast<int>(r.prompt.size()) + 1)));
        } else {
            r.salt = below(salts_);
        }
        if (below(3) != 0 || r.prompt.empty()) {
            std::vector<int> more = random_tokens(1 + below(longest_));
            r.prompt.insert(r.prompt.end(), more.begin(), more.end());
        }
        if (below(3) == 0) r.prompt.resize((r.prompt.size() + w.config.block - 1) / w.config.block * w.config.block, 0);
        size_t most = static_cast<size_t>(2 * longest_ + w.config.block);
        if (r.prompt.size() > most) r.prompt.resize(most);
        int made = below(5) == 0 ? 0 : below((1 + below(6)) * w.config.block + 2);
        r.named = named_ && made > 0 && below(3) != 0;
        if (r.named) r.output = random_tokens(made);
        for (int i = 0; !r.named && i < std::max(1, made); ++i) r.output.push_back(unique_++);
        r.step = step;
        if (priorities_ > 1 && below(4) != 0) r.priority = below(priorities_);
        return r;
    }

    std::mt19937_64 random_;
    int alphabet_ = 2, salts_ = 1, priorities_ = 1, longest_ = 1, unique_ = 1000;
    bool named_ = false;
};

// As a reader of tokens makes it: paths of token ids, a namespace per salt, then blocks.
Trace trace_of(const Workload& w) {
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

std::string engine_of(const NaiveVllmConfig& c) {
    VllmOptions o;
    o.classic = c.classic;
    o.caching = c.caching;
    o.reserve_full = c.reserve_full;
    o.by_priority = c.by_priority;
    o.watermark = c.watermark;
    o.max_num_seqs = static_cast<uint64_t>(c.max_seqs);
    o.max_num_batched_tokens = static_cast<uint64_t>(c.max_tokens);
    o.windows.assign(c.windows.begin(), c.windows.end());
    return o.text();
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

    // Blocks that were never taken stand behind those in front.
    NaiveVllmState state() const {
        NaiveVllmState s;
        size_t front = 0;
        const VllmPool& p = *pool;
        std::vector<VllmPool::Id> line = p.free_line(&front);
        for (size_t i = 0; i < front; ++i) s.free.push_back(static_cast<int>(line[i]));
        for (uint64_t id = p.fresh_begin(); id <= p.usable(); ++id) s.free.push_back(static_cast<int>(id));
        for (size_t i = front; i < line.size(); ++i) s.free.push_back(static_cast<int>(line[i]));
        s.references.assign(p.usable() + 1, 0);
        for (VllmPool::Id id = 1; id < p.blocks(); ++id) s.references[id] = static_cast<int>(p.references(id));
        return s;
    }

    uint64_t block = 1;
    const VllmPool* pool = nullptr;
    std::vector<NaiveVllmEvent> events;
    std::vector<NaiveVllmState> states;
};

template <class A, class B>
void same(const char* what, const A& ours, const B& naive) {
    bool equal = ours.size() == naive.size();
    for (size_t i = 0; equal && i < ours.size(); ++i) equal = static_cast<int64_t>(ours[i]) == static_cast<int64_t>(naive[i]);
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
    same("sums", std::vector<uint64_t>{t.evicted_blocks, t.active_blocks, t.resident_blocks, static_cast<uint64_t>(t.resident_tokens),
                                       t.admissions, t.waited, t.recomputed_tokens, t.preempted, ours.peak_active_blocks},
         std::vector<uint64_t>{evictions, naive.active, naive.resident, naive.tokens, naive.admissions, naive.waited,
                               naive.recomputed, preemptions, naive.peak_active});
}

// What the workloads were like, so that a generator that went dull is noticed.
struct Seen {
    uint64_t requests = 0, hits = 0, evictions = 0, preemptions = 0, readmission_hits = 0, rejected = 0, unfinished = 0,
             duplicates = 0;
};

void compare(const Workload& w, Seen& seen) {
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
    VllmCache cache(engine_of(w.config), trace, options);
    recorder.block = trace.block_size;
    recorder.pool = &cache.manager().pool();
    RunResult result;
    cache.run(trace, options, result);
    cache.check_invariants();
    recorder.states.push_back(recorder.state());
    same("hits", result.hit_blocks, naive.hit_blocks);
    std::vector<int> rejected;
    for (uint32_t r = 0; r < trace.requests(); ++r) rejected.push_back(result.is_rejected(r));
    same("rejected", rejected, std::vector<int>(naive.rejected.begin(), naive.rejected.end()));
    RC_ASSERT(recorder.events == naive.events);
    RC_ASSERT(recorder.states == naive.at_admission);
    if (w.config.steps) same_steps(*result.engine, naive);
    same_sums(result, naive);
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
        CHECK(random_check([&] { compare(Teller(*rc::gen::arbitrary<uint64_t>()).tell(requests), seen); }));
    MESSAGE(seen.requests, " requests, ", seen.hits, " with hits, ", seen.rejected, " rejected, ", seen.unfinished,
            " unfinished; ", seen.evictions, " evictions, ", seen.duplicates, " duplicate blocks, ", seen.preemptions,
            " preemptions, hits after ", seen.readmission_hits);
    CHECK(seen.hits > seen.requests / 10);
    CHECK(seen.preemptions > seen.requests / 50);
    CHECK(seen.readmission_hits > seen.requests / 200);
    CHECK(seen.duplicates > seen.requests / 100);
}

}  // namespace

TEST_CASE("vllm: equal to the naive twin") { check(30, 45); }

TEST_CASE("long: vllm: equal to the naive twin over a million requests") { check(250, 45); }
