// The LRU curve against the naive cache, replayed at every capacity, also below a single request.
#include <doctest/doctest.h>
#include <kvsim/core/error.h>
#include <kvsim/sim/curve.h>
#include "support/random_check.h"

#include <sstream>

#include "property/naive_cache.h"

namespace curve_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

struct Setup {
    NaiveKind kind;
    const char* accounting;
};
constexpr Setup kSetups[] = {{NaiveKind::pinned, "pinned"},
                             {NaiveKind::flat, "flat"},
                             {NaiveKind::tree, "tree"},
                             {NaiveKind::tree_chain, "tree:protect=chain"}};

struct Case {
    Story story;
    uint32_t block_size = 1;
    Setup setup{};
    RunOptions options;
    std::vector<NaiveRequest> requests;
    std::vector<std::string> group;  ///< per request

    bool tails() const {
        for (const NaiveRequest& r : requests)
            if (!std::equal(r.lookup.begin(), r.lookup.end(), r.stored.begin(),
                            r.stored.begin() + static_cast<long>(std::min(r.lookup.size(), r.stored.size()))))
                return true;
        return false;
    }
};

struct Points {
    CurvePoint all, any;
    std::map<std::string, CurvePoint> groups;
};

Points replay_naively(const Case& c, uint64_t capacity) {
    NaiveLru lru;
    NaiveCache cache(lru, c.setup.kind, capacity, c.block_size, c.story.content);
    NaiveConcurrency one;
    one.start.assign(c.requests.size(), 0);
    one.end.assign(c.requests.size(), 0);
    NaiveServer server(cache, one);
    Points p;
    p.all.blocks = p.any.blocks = capacity;
    for (size_t r = 0; r < c.requests.size(); ++r) {
        NaiveStep s = server.serve(c.requests[r]);
        if (r < c.options.warmup_requests) continue;
        if (c.options.compute_last_token) s.hit = std::min(s.hit, c.story.requests[r].in - 1);
        uint64_t tokens = 0;
        for (uint32_t i = 0; i < s.hit; ++i) tokens += c.requests[r].weight[i];
        for (CurvePoint* to : {&p.all, &p.groups[c.group[r]]}) {
            to->blocks = capacity;
            to->hit_blocks += s.hit;
            to->hit_tokens += tokens;
        }
        p.any.hit_blocks += s.any;
        p.any.hit_tokens += s.any_tokens;
    }
    return p;
}

void same(const std::string& what, const CurvePoint& ours, const CurvePoint& naive) {
    if (ours == naive) return;
    std::ostringstream text;
    text << what << " at " << naive.blocks << ": " << ours.hit_blocks << " blocks, " << ours.hit_tokens
         << " tokens; naive " << naive.hit_blocks << ", " << naive.hit_tokens;
    RC_FAIL(text.str());
}

// What columns() says between its rows.
CurvePoint from_columns(const Curve::Columns& c, uint64_t capacity) {
    CurvePoint p;
    p.blocks = capacity;
    for (size_t i = 0; i < c.blocks.size() && c.blocks[i] <= capacity; ++i) {
        p.hit_blocks = c.hit_blocks[i];
        p.hit_tokens = c.hit_tokens[i];
    }
    return p;
}

void check_curve(const Case& c, const Trace& trace) {
    CurveOptions wanted;
    wanted.accounting = Accounting::parse(c.setup.accounting);
    wanted.by = GroupBy::category;
    NextUse uses(trace.chains);
    if (c.block_size % 2 == 0) wanted.uses = &uses;
    if (c.tails() && c.setup.kind != NaiveKind::pinned) {
        RC_ASSERT_THROWS_AS(lru_curve(trace, c.options, wanted), Error);
        return;
    }
    LruCurve curve = lru_curve(trace, c.options, wanted);
    uint64_t blocks = 0, longest = 1;
    for (const NaiveRequest& r : c.requests) {
        blocks += r.stored.size();
        longest = std::max<uint64_t>(longest, std::max(r.stored.size(), r.lookup.size()));
    }
    bool tree = wanted.accounting.kind == AccountingKind::tree;
    RC_ASSERT(curve.exact_from_blocks == (tree ? longest : 1));
    Curve::Columns columns = curve.all.columns();
    for (size_t i = 0; i < columns.blocks.size(); ++i)  // every row changes something
        RC_ASSERT(columns.hit_blocks[i] > (i == 0 ? 0 : columns.hit_blocks[i - 1]));
    // Of long chains (of tokens) some capacities: the naive cache takes their square for each.
    uint64_t all = std::clamp<uint64_t>(3000000 / (blocks * blocks + 1), 2, 40), step = 1;
    for (uint64_t capacity = curve.exact_from_blocks; capacity <= blocks + 2; capacity += step) {
        if (capacity > curve.exact_from_blocks + all) step = 1 + blocks / all;
        Points naive = replay_naively(c, capacity);
        same("all", curve.all.at(capacity), naive.all);
        same("columns", from_columns(columns, capacity), naive.all);
        if (curve.any) same("any", curve.any->at(capacity), naive.any);
        RC_ASSERT(curve.groups.size() == naive.groups.size());
        for (const LruCurve::Group& g : curve.groups)
            same("group " + g.label, g.curve.at(capacity), naive.groups.at(g.label));
    }
    same("no blocks", curve.all.at(0), CurvePoint{});
}

void check_case(const StoryWishes& wishes, bool reblock, bool tokens) {
    Case c;
    auto seed = *rc::gen::arbitrary<uint64_t>();
    auto requests = *rc::gen::inRange<uint32_t>(1, 16);
    std::mt19937_64 random(seed ^ 0x85ebca6bu);
    c.story = StoryTeller(seed, wishes).tell(requests);
    c.block_size = tokens ? 1 : reblock ? 1 + static_cast<uint32_t>(random() % 20) : c.story.block_size;
    c.setup = kSetups[random() % 4];
    c.options.decode = random() % 3 != 0;
    c.options.warmup_requests = random() % 2 == 0 ? 0 : random() % (requests + 2);
    c.options.compute_last_token = tokens;
    c.options.concurrency = c.setup.kind == NaiveKind::flat ? 1 : 1 + random() % 3;
    c.requests = naive_requests(c.story, c.block_size, c.options.decode, c.setup.kind == NaiveKind::flat);
    Trace trace = make_trace(c.story);
    trace.reblock_to(c.block_size);
    for (uint32_t r = 0; r < requests; ++r) {
        c.group.push_back(std::string(1, static_cast<char>('a' + random() % 3)));
        trace.category.set(r, c.group.back());
    }
    RC_LOG() << c.setup.accounting << " decode=" << c.options.decode << " warm-up=" << c.options.warmup_requests
             << " block_size " << c.story.block_size << " -> " << c.block_size << "\n";
    for (const NaiveRequest& r : c.requests) {
        RC_LOG() << "lookup";
        for (const std::string& name : r.lookup) RC_LOG() << " " << name;
        RC_LOG() << " stored";
        for (const std::string& name : r.stored) RC_LOG() << " " << name;
        RC_LOG() << "\n";
    }
    check_curve(c, trace);
}

void check_all(int rounds) {
    for (int bits = 0; bits < 16; bits += kvsim_test::kSanitized ? 15 : 1) {  // 0 and 15: each bit both ways
        StoryWishes w;
        w.floor_tails = (bits & 1) != 0;
        w.named_output = (bits & 2) != 0;
        w.ragged = (bits & 12) == 4;
        if (bits >= 8) w.max_blocks = 3;  // each becomes many
        bool ok = true;
        for (int i = 0; i < rounds && ok; ++i)
            ok = kvsim_test::random_check("curve", [&] { check_case(w, (bits & 12) == 8, (bits & 12) == 12); });
        CHECK(ok);
    }
    StoryWishes w;
    w.content = true;
    bool ok = true;
    for (int i = 0; i < (kvsim_test::kSanitized ? 1 : 2) * rounds && ok; ++i)
        ok = kvsim_test::random_check("curve of content", [&] { check_case(w, false, false); });
    CHECK(ok);
}

}  // namespace

TEST_CASE("curve: replays at every capacity") { check_all(1); }
TEST_CASE("long: curve with many more cases") { check_all(30); }

}  // namespace curve_test
