// --decode linked against chains rewritten as plain vectors, and --match token against a naive cache of tokens.
#include <doctest/doctest.h>
#include <kvsim/sim/replay.h>
#include <kvsim/trace/link_outputs.h>
#include "support/random_check.h"

#include "property/naive_cache.h"

namespace link_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

/// Who talks to whom. A name may come again: it means the latest before.
struct Talk {
    std::vector<std::string> name, session, parent;
    bool parents = false;
};

Talk random_talk(std::mt19937_64& random, size_t requests) {
    Talk talk;
    talk.parents = random() % 2 == 0;
    uint64_t sessions = 1 + random() % 3;
    for (size_t i = 0; i < requests; ++i) {
        talk.name.push_back("n" + std::to_string(random() % 5 == 0 && i > 0 ? i - 1 : i));
        talk.session.push_back(random() % 6 == 0 ? "" : "s" + std::to_string(random() % sessions));
        bool none = i == 0 || random() % 5 == 0;
        talk.parent.push_back(none ? "" : "n" + std::to_string(i - 1 - random() % std::min<size_t>(i, 3)));
    }
    return talk;
}

bool is_parent(const Talk& talk, size_t p, size_t r) {
    const std::string& wanted = talk.parents ? talk.parent[r] : talk.session[r];
    const std::vector<std::string>& names = talk.parents ? talk.name : talk.session;
    if (wanted.empty() || names[p] != wanted) return false;
    for (size_t between = p + 1; between < r; ++between)
        if (names[between] == wanted) return false;
    return true;
}

bool begins_with(const std::vector<uint32_t>& path, const std::vector<uint32_t>& other, size_t count) {
    return path.size() >= count && other.size() >= count &&
           std::equal(other.begin(), other.begin() + static_cast<long>(count), path.begin());
}

/// The same story with linked outputs told.
Story linked(const Story& story, const Talk& talk, uint32_t& count) {
    Story out = story;
    size_t size = story.block_size;
    for (size_t p = 0; p < story.requests.size(); ++p) {
        const Told& before = story.requests[p];
        if (!before.output.empty()) continue;
        size_t full = before.in / size;
        for (size_t r = p + 1; r < story.requests.size(); ++r) {
            const Told& after = story.requests[r];
            if (!is_parent(talk, p, r) || !begins_with(after.prompt, before.prompt, full)) continue;
            size_t end = std::min({(before.in + before.out) / size, size_t{after.in / size}, after.prompt.size()});
            for (size_t i = full; i < end; ++i) out.requests[p].output.push_back(after.prompt[i]);
            count += end > full;
            break;
        }
    }
    return out;
}

Trace talking_trace(const Story& story, const Talk& talk) {
    Trace trace = make_trace(story);
    for (uint32_t i = 0; i < trace.requests(); ++i) {
        trace.sequence.set(i, talk.name[i]);
        if (!talk.session[i].empty() || i == 0) trace.session.set(i, talk.session[i]);
        if (talk.parents) trace.parent.set(i, talk.parent[i]);
    }
    return trace;
}

std::vector<std::vector<uint32_t>> stored_chains(const Trace& trace) {
    std::vector<std::vector<uint32_t>> chains;
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        for (uint32_t row : {trace.lookup_row(r), trace.has_named_output() ? trace.stored_rows[r] : kNone}) {
            chains.emplace_back();
            if (row == kNone) continue;
            for (uint32_t i = 0; i < trace.chains[row].length; ++i) chains.back().push_back(trace.chains.block_at(row, i));
        }
    }
    return chains;
}

struct Linked {
    Story story;
    Trace trace;
    uint64_t seed;
};

// The linked trace and the one that is told with these outputs have the same rows, and the same ids in order of first
// appearance.
Linked link_random(bool named_output) {
    Linked l;
    l.seed = *rc::gen::arbitrary<uint64_t>();
    auto requests = *rc::gen::inRange<uint32_t>(1, 25);
    std::mt19937_64 random(l.seed);
    StoryWishes wishes;
    wishes.floor_tails = random() % 2 == 0;
    wishes.named_output = named_output;
    Story plain = StoryTeller(l.seed, wishes).tell(requests);
    Talk talk = random_talk(random, requests);
    uint32_t count = 0;
    l.story = linked(plain, talk, count);
    l.trace = talking_trace(plain, talk);
    bool named_before = l.trace.has_named_output();
    LinkedOutputs out = link_outputs(l.trace);
    RC_ASSERT(out.linked == count);
    RC_ASSERT(l.trace.has_named_output() == (named_before || count > 0));
    return l;
}

void links_like_the_story(bool named_output) {
    Linked l = link_random(named_output);
    Trace told = make_trace(l.story);
    RC_ASSERT(l.trace.unique_blocks() == told.unique_blocks());
    RC_ASSERT(l.trace.lookup_rows == told.lookup_rows);
    RC_ASSERT(l.trace.stored_rows == told.stored_rows);
    RC_ASSERT(stored_chains(l.trace) == stored_chains(told));
    RC_ASSERT(l.trace.row_tokens.size() == told.row_tokens.size());
    for (size_t i = 0; i < told.row_tokens.size(); ++i) {
        RC_ASSERT(l.trace.row_tokens[i].tokens == told.row_tokens[i].tokens);
        RC_ASSERT(l.trace.row_tokens[i].full_blocks_only == told.row_tokens[i].full_blocks_only);
    }
}

struct Setup {
    NaiveKind kind;
    const char* accounting;
};
constexpr Setup kSetups[] = {{NaiveKind::pinned, "pinned"},
                             {NaiveKind::flat, "flat"},
                             {NaiveKind::tree, "tree"},
                             {NaiveKind::tree_chain, "tree:protect=chain"}};

struct Sums {
    uint64_t hits = 0, any = 0, evicted = 0, active = 0, waited = 0;
    bool operator==(const Sums&) const = default;
};

Sums naive_sums(const Story& story, const Setup& setup, uint64_t capacity, bool decode, const NaiveConcurrency& how) {
    NaiveLru lru;
    NaiveCache cache(lru, setup.kind, capacity, 1, false);
    NaiveServer server(cache, how);
    Sums sum;
    size_t i = 0;
    for (const NaiveRequest& r : naive_requests(story, 1, decode, setup.kind == NaiveKind::flat)) {
        NaiveStep s = server.serve(r);
        uint64_t most = story.requests[i++].in - 1;
        sum.hits += std::min<uint64_t>(s.hit, most);
        // The prompt's last token is computed, whether it leads or stands behind a miss.
        bool behind = r.lookup.size() > most && s.last && s.hit <= most;
        sum.any += std::min<uint64_t>(setup.kind == NaiveKind::flat ? s.any - behind : s.hit, most);
        sum.evicted = s.evicted;
        sum.active += s.active;
        sum.waited += s.waited;
    }
    return sum;
}

void matches_tokens(bool named_output) {
    Linked l = link_random(named_output);
    std::mt19937_64 random(l.seed + 1);
    Setup setup = kSetups[random() % 4];
    ReplayOptions options;
    options.cache.accounting = setup.accounting;
    options.cache.match = "token";
    options.verify = true;
    options.run.capacity_blocks = l.story.block_size * (1 + random() % 12);
    options.run.decode = random() % 4 != 0;
    options.run.concurrency = setup.kind == NaiveKind::flat || random() % 2 == 0 ? 1 : 2 + random() % 3;
    l.trace.reblock_to(1);
    ReplayOutcome out = replay(l.trace, options);
    Sums ours{out.metrics.hits.hit_tokens, out.metrics.hits.any_hit_tokens, out.run.total.evicted_blocks,
              out.run.total.active_blocks, out.run.total.waited};
    NaiveConcurrency how{options.run.concurrency, {}, {}};
    RC_ASSERT(ours == naive_sums(l.story, setup, options.run.capacity_blocks, options.run.decode, how));
    Sums all = naive_sums(l.story, setup, kUnlimited, options.run.decode, {1, {}, {}});
    RC_ASSERT(out.unlimited->hit_tokens == all.hits);
    RC_ASSERT(out.unlimited->any_hit_blocks == all.any);
}

}  // namespace

TEST_CASE("linked outputs are those of the rewritten story") {
    for (int i = 0; i < 5; ++i) {
        CHECK(kvsim_test::random_check("nothing named", [] { links_like_the_story(false); }));
        CHECK(kvsim_test::random_check("some named already", [] { links_like_the_story(true); }));
    }
}

TEST_CASE("token match is a cache of tokens") {
    for (int i = 0; i < 3; ++i) {
        CHECK(kvsim_test::random_check("linked", [] { matches_tokens(false); }));
        CHECK(kvsim_test::random_check("linked, some named already", [] { matches_tokens(true); }));
    }
}

}  // namespace link_test
