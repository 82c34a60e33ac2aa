// Belady's rule under flat accounting against linear scans over a list of accesses, and the bound on content ids
// against all choices.
#include <doctest/doctest.h>
#include <kvsim/sim/bounds.h>
#include "support/random_check.h"

#include <sstream>

#include "property/naive_cache.h"

namespace flat_min_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

struct Access {
    std::string name;
    size_t request;
    size_t position;  ///< in the lookup; beyond it: a block without a name
};

struct Case {
    uint32_t block_size = 1;
    uint64_t capacity = 1;
    RunOptions options;
    std::vector<NaiveRequest> requests;
    std::vector<Told> told;
    std::vector<Access> accesses;
};

struct Hits {
    std::vector<uint32_t> leading, any;
    uint64_t any_tokens = 0;  ///< counted
};

size_t next_access(const Case& c, size_t after, const std::string& name) {
    for (size_t i = after + 1; i < c.accesses.size(); ++i)
        if (c.accesses[i].name == name) return i;
    return c.accesses.size();
}

Hits by_scans(const Case& c, bool bypass) {
    Hits h;
    h.leading.resize(c.requests.size());
    h.any.resize(c.requests.size());
    std::vector<uint64_t> tokens(c.requests.size());
    std::vector<std::string> resident;
    for (size_t now = 0; now < c.accesses.size(); ++now) {
        const Access& a = c.accesses[now];
        auto at = std::find(resident.begin(), resident.end(), a.name);
        if (at != resident.end()) {
            h.leading[a.request] += h.leading[a.request] == a.position;
            ++h.any[a.request];
            tokens[a.request] += c.requests[a.request].weight[a.position];
            continue;
        }
        auto farthest = resident.begin();
        for (auto r = resident.begin(); r != resident.end(); ++r)
            if (next_access(c, now, *r) > next_access(c, now, *farthest)) farthest = r;
        if (resident.size() >= c.capacity) {
            if (bypass && next_access(c, now, a.name) >= next_access(c, now, *farthest)) continue;
            resident.erase(farthest);
        }
        resident.push_back(a.name);
    }
    for (size_t r = 0; r < c.requests.size(); ++r) {
        uint64_t most = c.options.compute_last_token ? c.told[r].in - 1 : kUnlimited;
        h.leading[r] = static_cast<uint32_t>(std::min<uint64_t>(h.leading[r], most));
        h.any[r] = static_cast<uint32_t>(std::min<uint64_t>(h.any[r], most));
        if (r >= c.options.warmup_requests) h.any_tokens += std::min(tokens[r], most);
    }
    return h;
}

/// The most counted hits if after each access any one block may go, or the accessed one not come in.
uint64_t by_search(const Case& c) {
    std::map<std::vector<std::string>, uint64_t> states = {{{}, 0}};
    for (const Access& a : c.accesses) {
        std::map<std::vector<std::string>, uint64_t> after;
        auto reach = [&](const std::vector<std::string>& state, uint64_t hits) {
            uint64_t& most = after[state];
            most = std::max(most, hits);
        };
        for (const auto& state : states) {
            std::vector<std::string> all = state.first;
            bool hit = std::binary_search(all.begin(), all.end(), a.name);
            uint64_t hits = state.second + (hit && a.request >= c.options.warmup_requests);
            if (!hit) all.insert(std::upper_bound(all.begin(), all.end(), a.name), a.name);
            if (all.size() <= c.capacity) {
                reach(all, hits);
                continue;
            }
            for (size_t i = 0; i < all.size(); ++i) {
                std::vector<std::string> one_less = all;
                one_less.erase(one_less.begin() + static_cast<long>(i));
                reach(one_less, hits);
            }
        }
        states.swap(after);
    }
    uint64_t most = 0;
    for (const auto& state : states) most = std::max(most, state.second);
    return most;
}

template <class A, class B>
void same(const std::string& what, const A& ours, const B& naive) {
    if (static_cast<uint64_t>(ours) == static_cast<uint64_t>(naive)) return;
    std::ostringstream text;
    text << what << ": " << static_cast<uint64_t>(ours) << ", naive " << static_cast<uint64_t>(naive);
    RC_FAIL(text.str());
}

Case random_case(const StoryWishes& wishes, bool tokens, uint32_t most_requests, Trace& trace) {
    Case c;
    auto seed = *rc::gen::arbitrary<uint64_t>();
    auto requests = *rc::gen::inRange<uint32_t>(1, most_requests + 1);
    std::mt19937_64 random(seed ^ 0x9e3779b9u);
    Story story = StoryTeller(seed, wishes).tell(requests);
    c.block_size = tokens ? 1 : story.block_size;
    c.capacity = 1 + random() % (random() % 3 == 0 ? 60 : 7);
    if (random() % 20 == 0) c.capacity = kUnlimited;
    c.options.decode = random() % 3 != 0;
    c.options.warmup_requests = random() % 2 == 0 ? 0 : random() % (requests + 2);
    c.options.compute_last_token = tokens;
    c.requests = naive_requests(story, c.block_size, c.options.decode, true);
    c.told = story.requests;
    for (size_t r = 0; r < c.requests.size(); ++r) {
        const NaiveRequest& request = c.requests[r];
        for (size_t p = 0; p < request.lookup.size(); ++p) c.accesses.push_back({request.lookup[p], r, p});
        for (size_t p = request.lookup.size(); p < request.stored.size(); ++p)
            c.accesses.push_back({request.stored[p], r, p});
        RC_LOG() << "capacity=" << c.capacity << " decode=" << c.options.decode << " lookup";
        for (const std::string& name : request.lookup) RC_LOG() << " " << name;
        RC_LOG() << " stored " << request.stored.size() << "\n";
    }
    trace = make_trace(story);
    trace.reblock_to(c.block_size);
    return c;
}

void check_belady(const StoryWishes& wishes, bool tokens) {
    Trace trace;
    Case c = random_case(wishes, tokens, 20, trace);
    OfflineBounds bounds(trace, c.options);
    for (bool bypass : {false, true}) {
        FlatBound ours = *bounds.flat_belady(c.capacity, bypass);
        Hits naive = by_scans(c, bypass);
        uint64_t leading = 0, any = 0;
        for (size_t r = 0; r < c.requests.size(); ++r) {
            std::string at = (bypass ? " with bypass of request " : " of request ") + std::to_string(r);
            same("leading" + at, ours.hit_blocks[r], naive.leading[r]);
            same("any" + at, ours.any_hit_blocks[r], naive.any[r]);
            if (r >= c.options.warmup_requests) {
                leading += naive.leading[r];
                any += naive.any[r];
            }
        }
        same("leading", ours.counted_hit_blocks, leading);
        same("any", ours.counted_any_hit_blocks, any);
        same("any tokens", ours.counted_any_hit_tokens, naive.any_tokens);
        bool plain = !trace.content && !tokens && c.options.warmup_requests == 0;
        if (bypass && plain) same("optimal", bounds.optimal(c.capacity).counted_hit_blocks, any);
    }
}

void check_bound(const StoryWishes& wishes) {
    Trace trace;
    Case c = random_case(wishes, false, 6, trace);
    if (c.capacity > 5) c.capacity = 1 + c.capacity % 5;
    std::vector<Access> looked_up;
    for (const Access& a : c.accesses)
        if (a.position < c.requests[a.request].lookup.size()) looked_up.push_back(a);
    c.accesses.swap(looked_up);
    OfflineBounds bounds(trace, c.options);
    same("bound", bounds.flat_optimal(c.capacity).counted_any_hit_blocks, by_search(c));
}

bool holds(const char* name, int rounds, const std::function<void()>& check) {
    bool ok = true;
    for (int i = 0; i < rounds && ok; ++i) ok = kvsim_test::random_check(name, check);
    return ok;
}

void check_all(int rounds) {
    for (int bits = 0; bits < 8; ++bits) {
        StoryWishes w;
        w.floor_tails = (bits & 1) != 0;
        w.ragged = (bits & 2) != 0;
        CHECK(holds("flat belady", rounds, [&] { check_belady(w, (bits & 4) != 0); }));
    }
    StoryWishes w;
    w.content = true;
    CHECK(holds("flat belady on content", 2 * rounds, [&] { check_belady(w, false); }));
    CHECK(holds("flat bound on content", 2 * rounds, [&] { check_bound(w); }));
}

}  // namespace

TEST_CASE("flat belady: linear scans, and all choices tried") { check_all(1); }
TEST_CASE("long: flat belady with many more cases") { check_all(40); }

}  // namespace flat_min_test
