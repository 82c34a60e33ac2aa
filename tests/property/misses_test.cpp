// Why blocks were missed, against the definition in sim/misses.h block by block: sets of names, the naive cache.
#include <doctest/doctest.h>
#include <kvsim/sim/replay.h>

#include <map>
#include <set>

#include "property/twin.h"

namespace misses_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

using Losses = std::map<std::string, std::pair<uint64_t, uint64_t>>;  // label: requests with regret, blocks

struct Explained {
    uint64_t lookups = 0, hits = 0;
    MissCounts counts;
    Losses prefixes, sessions, categories;
};

void lose(Losses& losses, const std::string& label, uint64_t blocks) {
    if (blocks == 0) return;
    ++losses[label].first;
    losses[label].second += blocks;
}

struct Known {
    std::set<std::string> stored;            ///< by an earlier request
    std::map<std::string, size_t> first_in;  ///< request whose prompt or output had it first, decoded or not
};

/// `bound`: leading hits of each request in the bound. `tokens`: the last prompt token is always computed.
Explained explain_naively(const Case& c, const Trace& trace, const Run& run, const std::vector<uint32_t>& bound,
                          uint64_t warmup, bool tokens) {
    Explained out;
    Known known;
    std::vector<NaiveRequest> requests =
        naive_requests(c.story, c.block_size, c.decode, c.setup.kind == NaiveKind::flat);
    std::vector<NaiveRequest> decoded = naive_requests(c.story, c.block_size, true, c.setup.kind == NaiveKind::flat);
    for (size_t r = 0; r < requests.size(); ++r) {
        const std::vector<std::string>& lookup = requests[r].lookup;
        for (const std::string& name : lookup) known.first_in.emplace(name, r);
        for (const std::string& name : decoded[r].stored) known.first_in.emplace(name, r);
        size_t computed = tokens ? c.story.requests[r].in - 1 : lookup.size();
        size_t lead = 0;
        while (lead < lookup.size() && lead != computed && run.steps[r].there[lead]) ++lead;
        uint64_t regret = 0;
        for (size_t p = 0; p < lookup.size() && r >= warmup; ++p) {
            ++out.lookups;
            if (p < lead) {
                ++out.hits;
            } else if (p == computed || known.stored.count(lookup[p]) == 0) {
                ++out.counts.compulsory;
            } else if (run.steps[r].there[p]) {
                ++out.counts.stranded;
            } else if (p >= bound[r]) {
                ++out.counts.capacity;
            } else {
                ++regret;
            }
        }
        out.counts.regret += regret;
        if (regret > 0) {
            auto first = static_cast<uint32_t>(known.first_in.at(lookup[lead]));
            lose(out.prefixes, "request " + std::to_string(first) + " ('" + trace.sequence_name(first) + "')", regret);
        }
        lose(out.sessions, c.facts[r].session, regret);
        lose(out.categories, c.facts[r].category, regret);
        known.stored.insert(requests[r].stored.begin(), requests[r].stored.end());
    }
    return out;
}

void same_losses(const char* what, const std::vector<Blame>& ours, const Losses& naive) {
    same(what, ours.size(), naive.size());
    for (size_t i = 0; i < ours.size(); ++i) {
        auto found = naive.find(ours[i].label);
        if (found == naive.end()) RC_FAIL(std::string(what) + ": " + ours[i].label + " lost nothing");
        same(what, ours[i].requests, found->second.first);
        same(what, ours[i].regret_blocks, found->second.second);
        if (i > 0) RC_ASSERT(ours[i - 1].regret_blocks >= ours[i].regret_blocks);
    }
}

void check_misses(const Case& c, const Trace& trace, const Run& run, bool tokens, uint64_t warmup) {
    ReplayOptions options;
    options.cache.eviction = c.twin->eviction;
    options.cache.accounting = c.setup.accounting;
    options.cache.match = tokens ? "token" : "block";
    options.run.capacity_blocks = c.capacity;
    options.run.decode = c.decode;
    options.run.warmup_requests = warmup;
    options.run.concurrency = c.running.requests == 0 ? kByTrace : c.running.requests;
    ReplayOutcome out = replay(trace, options);
    bool flat_content = c.story.content && c.setup.kind == NaiveKind::flat;
    RC_ASSERT(out.misses.has_value() == (c.capacity != kUnlimited && !flat_content));
    if (!out.misses) return;
    const Bound& bound =
        out.bounds->of(c.setup.kind == NaiveKind::pinned ? AccountingKind::pinned : AccountingKind::flat);
    Explained naive = explain_naively(c, trace, run, bound.hit_blocks, warmup, tokens);
    const MissCounts& ours = out.misses->counted;
    same("compulsory", ours.compulsory, naive.counts.compulsory);
    same("stranded", ours.stranded, naive.counts.stranded);
    same("capacity", ours.capacity, naive.counts.capacity);
    same("regret", ours.regret, naive.counts.regret);
    const HitCounts& hits = out.metrics.hits;
    same("hits", hits.hit_blocks, naive.hits);
    same("sum", ours.compulsory + ours.stranded + ours.capacity + ours.regret, hits.lookup_blocks - hits.hit_blocks);
    BlameTable who = blame(trace, *out.misses, out.run.hit_blocks, warmup, ~size_t{0});
    same_losses("prefixes", who.prefixes, naive.prefixes);
    same_losses("sessions", who.sessions, naive.sessions);
    same_losses("categories", who.categories, naive.categories);
    BlameTable first = blame(trace, *out.misses, out.run.hit_blocks, warmup, 1);
    if (!who.prefixes.empty())
        RC_ASSERT(first.prefixes.size() == 1 && first.prefixes[0].label == who.prefixes[0].label);
}

void check_case(const Twin& twin, const StoryWishes& wishes, bool reblock, bool tokens) {
    Case c = random_case(twin, wishes, reblock);
    if (tokens) c.block_size = 1;
    describe(c);
    Trace trace = make_trace(c.story);
    trace.reblock_to(c.block_size);
    trace.arrival_s = c.running.start;
    for (uint32_t i = 0; i < c.requests; ++i) trace.end_s.set(i, c.running.end[i]);
    set_facts(trace, c.facts);
    Run run = naive_run(c, ~size_t{0});
    for (uint64_t warmup : {uint64_t{0}, uint64_t{c.requests / 2}}) check_misses(c, trace, run, tokens, warmup);
}

bool holds(const Twin& twin, const char* name, const StoryWishes& wishes, bool reblock, bool tokens) {
    return random_check(name, [&] { check_case(twin, wishes, reblock, tokens); });
}

const Twin kTwins[] = {twin_of<NaiveFifo>("fifo"), twin_of<NaiveLru>("lru")};

}  // namespace

TEST_CASE("misses: four causes, each as defined, and who is to blame") {
    for (const Twin& twin : kTwins) {
        StoryWishes w;
        CHECK(holds(twin, "plain", w, false, false));
        w.max_blocks = 25;
        w.floor_tails = true;
        CHECK(holds(twin, "longer chains", w, false, false));
        w.ragged = true;
        CHECK(holds(twin, "re-blocked ragged", w, true, false));
        w = {};
        w.named_output = true;
        CHECK(holds(twin, "named output", w, false, false));
        w = {};
        w.content = true;
        CHECK(holds(twin, "content", w, false, false));
    }
}

TEST_CASE("misses: the last prompt token is compulsory where it is always computed") {
    for (const Twin& twin : kTwins) {
        StoryWishes w;
        w.max_blocks = 4;
        CHECK(holds(twin, "tokens", w, false, true));
        w.floor_tails = true;
        w.ragged = true;
        CHECK(holds(twin, "tokens of ragged blocks", w, false, true));
        w.ragged = false;
        w.named_output = true;
        CHECK(holds(twin, "tokens, named output", w, false, true));
    }
}

}  // namespace misses_test
