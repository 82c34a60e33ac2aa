// SGLang's managers against a naive twin that is written from the rules with real tokens (naive_sglang.h): events in order,
// hits, rejections, tallies and the tree that is left, over random workloads. All of engine/sglang, sglang_tree,
// sglang_leaves and sglang_paths takes part.
#include <doctest/doctest.h>
#include <kvsim/engine/sglang.h>
#include <kvsim/trace/path_interner.h>

#include <map>
#include <random>
#include <sstream>
#include <tuple>

#include "property/naive_sglang.h"
#include "support/random_check.h"

namespace sglang_engine_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

using Random = std::mt19937_64;
using Event = NaiveSglangEvent;

constexpr uint64_t kOwn = 1000000;  ///< tokens from here on have no name

struct Setting {
    std::string spec;
    SglangConfig config;
    uint64_t capacity = 0;  ///< pages
    uint32_t warmup = 0;
    bool decode = true;
};

/// Requests as facts and the trace made of them.
struct Workload {
    std::vector<NaiveSglangRequest> requests;
    Trace trace;
};

class Teller {
  public:
    /// `long_output`: some requests decode more than the budget knows of.
    Teller(Random& random, bool long_output) : random_(random), long_output_(long_output) {}

    Workload tell(uint32_t requests) {
        symbols_ = 1 + below(4);
        salts_ = 1 + below(2);
        priorities_ = below(4) == 0 ? 100 : 5;
        bool blocks = !long_output_ && below(4) == 0;  // else a token is a block of its own
        block_ = blocks ? 1 + below(5) : 1;
        names_output_ = !blocks && below(3) != 0;
        Workload w;
        for (uint32_t r = 0; r < requests; ++r) w.requests.push_back(next(w.requests, r));
        make_trace(w);
        return w;
    }

  private:
    uint32_t below(uint64_t bound) { return static_cast<uint32_t>(random_() % bound); }

    NaiveSglangRequest next(const std::vector<NaiveSglangRequest>& before, uint32_t number) {
        NaiveSglangRequest r;
        r.salt = below(salts_);
        SglangTokens prompt;
        uint32_t kind = below(8);
        if (!before.empty() && kind != 0) {
            // The one before, any, or one of a few that come back again and again, evicted meanwhile or not.
            static constexpr uint64_t kFew = 3;
            uint64_t which = below(2) == 0 ? before.size() - 1 : below(before.size());
            if (kind == 7 || kind == 1) which = below(std::min<uint64_t>(before.size(), kFew));
            const NaiveSglangRequest& from = before[which];
            r.salt = below(8) == 0 ? r.salt : from.salt;
            prompt = from.tokens;  // a next turn, unless it is cut
            if (kind < 4) prompt.resize(static_cast<size_t>(from.prompt));
            if (kind == 5) prompt.resize(below(prompt.size() + 1));
            // What had no name there cannot have one here.
            prompt.erase(std::find_if(prompt.begin(), prompt.end(), [](uint64_t t) { return t >= kOwn; }), prompt.end());
        }
        if (kind != 1)  // a repetition
            for (uint32_t more = below(below(4) == 0 ? 30 : 5); more > 0; --more) prompt.push_back(1 + below(symbols_));
        if (prompt.size() > 80) prompt.resize(80);
        if (prompt.empty()) prompt.push_back(1);
        // Blocks with different names have nothing in common: their first tokens tell them apart.
        for (size_t i = 0; block_ > 1 && i < prompt.size(); i += static_cast<size_t>(block_)) {
            uint64_t name = 0;
            for (size_t j = i + 1; j < std::min(prompt.size(), i + static_cast<size_t>(block_)); ++j)
                name = name * 5 + prompt[j] % 5;
            prompt[i] = 1000 + name * 5 + prompt[i] % 5;
        }
        r.prompt = static_cast<int64_t>(prompt.size());
        r.outputs = below(3) == 0 ? below(2) : below(14);
        if (long_output_ && below(6) == 0) r.outputs = 4090 + below(500);
        if (below(3) == 0) r.priority = static_cast<double>(below(priorities_)) / 2 - 1;
        r.tokens = prompt;
        named_.push_back(name_output(r));
        // The tail of a prompt that fills no block has no name, nor has output beyond what is named.
        int64_t named = r.prompt / block_ * block_;
        for (int64_t i = 0; i < static_cast<int64_t>(r.tokens.size()); ++i) {
            bool own = i < r.prompt ? i >= named : i >= r.prompt + named_.back();
            if (own) r.tokens[static_cast<size_t>(i)] = kOwn + number * uint64_t{100000} + static_cast<uint64_t>(i);
        }
        return r;
    }
    /// Appends the output; how much of it has names?
    int64_t name_output(NaiveSglangRequest& r) {
        for (int64_t i = 0; i < r.outputs; ++i) r.tokens.push_back(1 + below(symbols_));
        if (!names_output_ || r.outputs == 0 || below(4) == 0) return 0;
        return below(4) == 0 ? below(static_cast<uint64_t>(r.outputs) + 1) : r.outputs;
    }

    /// The first block carries the salt. Blocks are named by content.
    std::vector<uint64_t> ids(const NaiveSglangRequest& r, int64_t from, int64_t to) {
        std::vector<uint64_t> out;
        for (int64_t i = from; i + block_ <= to; i += block_) {
            SglangTokens key(r.tokens.begin() + i, r.tokens.begin() + i + block_);
            key.push_back(i == 0 ? r.salt : 0);
            out.push_back(blocks_.emplace(key, blocks_.size()).first->second);
        }
        return out;
    }
    void make_trace(Workload& w) {
        Trace& t = w.trace;
        t.block_size = static_cast<uint32_t>(block_);
        PathInterner interner(t.chains, Names::content);
        for (uint32_t r = 0; r < w.requests.size(); ++r) {
            const NaiveSglangRequest& q = w.requests[r];
            std::vector<uint64_t> prompt = ids(q, 0, q.prompt);
            uint32_t row = interner.add(prompt.data(), prompt.size());
            if (names_output_) {
                t.lookup_rows.push_back(row);
                t.row_tokens.push_back({static_cast<uint32_t>(q.prompt), false});
                t.stored_rows.push_back(kNone);
                if (named_[r] > 0) {
                    std::vector<uint64_t> output = ids(q, q.prompt, q.prompt + named_[r]);
                    t.stored_rows.back() =
                        interner.add_after(row, static_cast<uint32_t>(q.prompt), output.data(), output.size());
                    t.row_tokens.push_back({static_cast<uint32_t>(q.prompt + named_[r]), true});
                }
            }
            t.arrival_s.push_back(r);
            t.source_row.push_back(r);
            t.prompt_tokens.push_back(static_cast<uint32_t>(q.prompt));
            t.output_tokens.push_back(static_cast<uint32_t>(q.outputs));
            if (q.priority != 0) t.priority.set(r, q.priority);
        }
    }

    Random& random_;
    bool long_output_;
    uint32_t symbols_ = 1, salts_ = 1, priorities_ = 1;
    int64_t block_ = 1;
    bool names_output_ = false;
    std::vector<int64_t> named_;  ///< per request: output tokens with names
    std::map<SglangTokens, uint64_t> blocks_;
};

/// Writes down what the engine tells, in the twin's words.
class Log : public EngineObserver {
  public:
    explicit Log(const Workload& w) : w_(w) {}
    void evicted(uint32_t owner, uint64_t begin, uint64_t end, uint32_t by) override { add('e', by, owner, begin, end); }
    void stored(uint32_t owner, uint64_t begin, uint64_t end) override { add('s', owner, owner, begin, end); }
    void admitted(uint32_t request, uint64_t hit_tokens, bool again) override {
        RC_ASSERT(!again);
        events.push_back({'a', request, hit_tokens, {}});
    }
    std::vector<Event> events;

  private:
    void add(char kind, uint32_t request, uint32_t owner, uint64_t begin, uint64_t end) {
        const SglangTokens& t = w_.requests[owner].tokens;
        RC_ASSERT(end <= t.size());
        events.push_back({kind, request, begin,
                          {t.begin() + static_cast<ptrdiff_t>(begin), t.begin() + static_cast<ptrdiff_t>(end)}});
    }
    const Workload& w_;
};

/// salt, tokens from the root on, of them above, hits, last, born, priority, children
using Shape = std::vector<std::tuple<uint64_t, SglangTokens, uint64_t, uint64_t, uint64_t, uint64_t, double, uint64_t>>;

Shape shape(const SglangCache& cache, const Workload& w, uint64_t page) {
    Shape out;
    cache.tree().for_each([&](uint32_t, const SglangNode& n) {
        const NaiveSglangRequest& r = w.requests[n.owner];
        out.emplace_back(r.salt, SglangTokens(r.tokens.begin(), r.tokens.begin() + static_cast<ptrdiff_t>(n.end * page)),
                         n.begin * page, n.hits, n.last, n.born, n.priority, n.children);
    });
    std::sort(out.begin(), out.end());
    return out;
}

Shape shape(const NaiveSglang& naive) {
    Shape out;
    naive.for_each([&](const NaiveSglang::Node& n, const SglangTokens& path) {
        RC_ASSERT(n.lock == 0);
        out.emplace_back(n.salt, path, path.size() - n.key.size(), n.hits, n.last, n.born, n.priority, n.children.size());
    });
    std::sort(out.begin(), out.end());
    return out;
}

std::string text(const Event& e) {
    std::ostringstream s;
    s << e.kind << " request " << e.request << " from " << e.from << ":";
    for (uint64_t t : e.tokens) s << " " << t;
    return s.str();
}

void same_events(const std::vector<Event>& ours, const std::vector<Event>& naive) {
    for (size_t i = 0; i < std::min(ours.size(), naive.size()); ++i)
        if (!(ours[i] == naive[i]))
            RC_FAIL("event " + std::to_string(i) + ": " + text(ours[i]) + ", naive " + text(naive[i]));
    RC_ASSERT(ours.size() == naive.size());
}

void same_tally(const Tally& ours, const Tally& naive) {
    RC_ASSERT(ours.admissions == naive.admissions);
    RC_ASSERT(ours.evicted_blocks == naive.evicted_blocks);
    RC_ASSERT(ours.evicted_tokens == naive.evicted_tokens);
    RC_ASSERT(ours.active_blocks == naive.active_blocks);
    RC_ASSERT(ours.resident_blocks == naive.resident_blocks);
    RC_ASSERT(ours.resident_tokens == naive.resident_tokens);
}

uint64_t number(const RunResult& run, const std::string& key) {
    for (const EngineNumber& n : run.engine->numbers)
        if (n.key == key) return std::get<uint64_t>(n.value);
    RC_FAIL("no number " + key);
    return 0;
}

struct Counted {
    uint64_t requests = 0, hits = 0, evictions = 0, rejected = 0, splits = 0;
} counted;

void check(const Workload& w, const Setting& s) {
    RunOptions options;
    Log log(w);
    options.capacity_blocks = s.capacity;
    options.warmup_requests = s.warmup;
    options.decode = s.decode;
    options.engine_observer = &log;
    RunResult run, expected;
    run.samples.resize(w.requests.size());
    expected.samples.resize(w.requests.size());
    SglangCache cache(s.config);
    cache.run(w.trace, options, run);
    cache.check_invariants();

    int64_t page = s.config.page;
    NaiveSglang naive(s.capacity == kUnlimited ? int64_t{1} << 60 : static_cast<int64_t>(s.capacity) * page, page,
                      sglang_policies()[static_cast<size_t>(s.config.policy)], static_cast<int64_t>(s.config.chunk),
                      s.config.unified);
    std::vector<bool> rejected;
    int64_t nodes = 0, nodes_warmup = 0;
    for (uint32_t r = 0; r < w.requests.size(); ++r) {
        if (r == s.warmup) {
            expected.warmup = expected.total;
            nodes_warmup = nodes;
        }
        NaiveSglangRequest q = w.requests[r];
        if (!s.decode) q.outputs = 1;
        NaiveSglangStep step = naive.serve(q, r);
        nodes = step.evicted_nodes;
        rejected.push_back(step.rejected);
        RC_ASSERT(run.hit_blocks[r] * page == step.hit);
        RC_ASSERT(run.is_rejected(r) == step.rejected);
        expected.total.evicted_tokens = static_cast<uint64_t>(step.evicted_tokens);
        expected.total.evicted_blocks = static_cast<uint64_t>(step.evicted_tokens / page);
        if (!step.rejected) {
            expected.sampled(r, static_cast<uint64_t>(step.active / page), static_cast<uint64_t>(step.resident / page));
            expected.admitted(r >= s.warmup, static_cast<uint64_t>(step.active / page),
                              static_cast<uint64_t>(step.resident / page), static_cast<uint64_t>(step.held));
        }
        counted.hits += step.hit > 0;
        counted.rejected += step.rejected;
    }
    if (s.warmup >= w.requests.size()) {
        expected.warmup = expected.total;
        nodes_warmup = nodes;
    }
    counted.requests += w.requests.size();
    counted.evictions += static_cast<uint64_t>(nodes);
    counted.splits += cache.tree().splits();
    same_events(log.events, naive.events);
    same_tally(run.total, expected.total);
    same_tally(run.warmup, expected.warmup);
    RC_ASSERT(run.samples == expected.samples);
    RC_ASSERT(run.peak_active_blocks == expected.peak_active_blocks);
    RC_ASSERT(run.peak_resident_blocks == expected.peak_resident_blocks);
    RC_ASSERT(number(run, "evicted_nodes") == static_cast<uint64_t>(nodes - nodes_warmup));
    RC_ASSERT(cache.used_tokens() == naive.used());
    RC_ASSERT(cache.evictable_tokens() == naive.evictable());
    RC_ASSERT(shape(cache, w, s.config.page) == shape(naive));
}

void check_random(const std::string& policy, bool unified, bool long_output) {
    Random random(*rc::gen::noShrink(rc::gen::resize(100, rc::gen::arbitrary<uint64_t>())));
    bool many = !long_output && random() % 25 == 0;  // leaves
    uint32_t most = long_output ? 12 : many ? 400 : 70;
    Workload w = Teller(random, long_output).tell(static_cast<uint32_t>(1 + random() % most));
    static constexpr uint32_t kPages[] = {1, 1, 2, 3, 4, 16};
    uint64_t page = kPages[random() % 6];
    uint64_t chunk = random() % 3 != 0 ? 0 : page + random() % (3 * page + 4);
    Setting s;
    s.spec = std::string(unified ? "sglang_unified" : "sglang") + ":page=" + std::to_string(page) + ",policy=" + policy +
             ",chunk=" + std::to_string(chunk);
    RC_LOG() << s.spec << "\n";
    s.config = SglangConfig::parse(s.spec);
    s.capacity = random() % 12 == 0 ? kUnlimited : 1 + (20 + random() % (random() % 2 == 0 ? 80 : 300)) / page;
    if (random() % 12 == 0) s.capacity = 1 + random() % 12;
    if (many) s.capacity = (300 + random() % 2000) / page;
    if (long_output) s.capacity = (4100 + random() % 400) / page;
    s.warmup = static_cast<uint32_t>(random() % (w.requests.size() + 2));
    s.decode = random() % 5 != 0;
    w.trace.reblock_to(static_cast<uint32_t>(page));
    check(w, s);
}

void check_all(int rounds) {
    for (int round = 0; round < rounds; ++round)
        for (const std::string& policy : sglang_policies())
            for (bool unified : {false, true})
                CHECK(random_check(policy + (unified ? ", unified" : ""), [&] { check_random(policy, unified, false); }));
}

}  // namespace

TEST_CASE("sglang: against the rules with real tokens") {
    counted = {};
    check_all(6);
    MESSAGE("requests " << counted.requests << ", with a hit " << counted.hits << ", evicted nodes " << counted.evictions
                        << ", rejected " << counted.rejected << ", splits " << counted.splits);
    // The workloads are worth something.
    if (kvsim_test::kSanitized) return;  // too few cases to say
    CHECK(counted.hits > counted.requests / 4);
    CHECK(counted.evictions > counted.requests / 4);
    CHECK(counted.rejected > counted.requests / 100);
    CHECK(counted.splits > counted.requests / 8);
}

TEST_CASE("sglang: output beyond the budget") {
    for (const char* policy : {"lru", "mru", "slru"}) {
        auto one = [&] { check_random(policy, false, true); };
        CHECK(random_check(policy, one));
    }
}

TEST_CASE("long: sglang against the rules with real tokens") { check_all(40); }

}  // namespace sglang_engine_test
