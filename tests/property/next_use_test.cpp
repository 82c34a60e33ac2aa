// Runs of last and next use against a table of who touched which block when.
#include <doctest/doctest.h>
#include <kvsim/trace/next_use.h>
#include "support/random_check.h"

#include <sstream>

#include "property/story.h"

namespace next_use_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

std::vector<BlockId> ids_of(const PrefixIndex& chains, uint32_t row) {
    std::vector<BlockId> ids;
    for (uint32_t i = 0; i < chains[row].length; ++i) ids.push_back(chains.block_at(row, i));
    return ids;
}

/// Runs written out: per row, for each of its blocks the other row, kNone where there is none.
std::vector<std::vector<uint32_t>> written_out(const PrefixIndex& chains, const UseRuns& runs) {
    std::vector<std::vector<uint32_t>> out;
    for (uint32_t row = 0; row < chains.rows(); ++row) {
        out.emplace_back(chains[row].length, kNone);
        for (const UseRun& run : runs[row])
            for (uint32_t p = run.low; p < run.high; ++p) out.back().at(p) = run.row;
    }
    return out;
}

void check_story(const StoryWishes& wishes) {
    auto seed = *rc::gen::arbitrary<uint64_t>();
    auto requests = *rc::gen::inRange<uint32_t>(1, 40);
    Story story = StoryTeller(seed, wishes).tell(requests);
    Trace trace = make_trace(story);
    const PrefixIndex& chains = trace.chains;
    uint32_t rows = chains.rows();
    std::mt19937_64 random(seed);
    std::vector<uint32_t> limit;
    for (uint32_t row = 0; row < rows; ++row)
        limit.push_back(random() % 2 == 0 ? chains[row].length
                                          : static_cast<uint32_t>(random() % (chains[row].length + 1)));
    std::vector<std::vector<uint32_t>> last, next, limited;
    std::map<BlockId, std::pair<uint32_t, uint32_t>> user;  // row and position of the latest use
    for (uint32_t row = 0; row < rows; ++row) {
        std::vector<BlockId> ids = ids_of(chains, row);
        last.emplace_back(ids.size(), kNone);
        next.emplace_back(ids.size(), kNone);
        limited.emplace_back(ids.size(), kNone);
        for (uint32_t p = 0; p < ids.size(); ++p) {
            auto at = user.find(ids[p]);
            if (at != user.end()) {
                last[row][p] = at->second.first;
                next[at->second.first][at->second.second] = row;
                if (p < limit[row]) limited[at->second.first][at->second.second] = row;
            }
            user[ids[p]] = {row, p};
        }
    }
    NextUse use(chains);
    RC_ASSERT(use.rows() == rows);
    RC_ASSERT(written_out(chains, use.last_uses()) == last);
    RC_ASSERT(written_out(chains, use.next_uses()) == next);
    RC_ASSERT(written_out(chains, use.next_uses(limit)) == limited);
    UseRuns grouped = use.next_uses();
    for (uint32_t row = 0; row < rows; ++row) {
        uint32_t low = 0, user_before = row;
        for (const UseRun& run : grouped[row]) {
            RC_ASSERT(run.low == low);
            RC_ASSERT(run.row > user_before);
            low = run.high;
            user_before = run.row;
        }
        low = chains[row].shared;
        uint32_t owner_before = 0;
        for (const UseRun& run : use.last_uses()[row]) {
            RC_ASSERT(run.high == low);
            RC_ASSERT(run.row >= owner_before);
            low = run.low;
            owner_before = run.row;
        }
        RC_ASSERT(low == 0u);
    }
}

bool holds(const char* name, const StoryWishes& wishes, int rounds) {
    bool ok = true;
    for (int i = 0; i < rounds && ok; ++i) ok = kvsim_test::random_check(name, [&] { check_story(wishes); });
    return ok;
}

}  // namespace

TEST_CASE("next use: runs against a table of uses") {
    StoryWishes w;
    CHECK(holds("plain", w, 4));
    w.ragged = w.floor_tails = true;
    CHECK(holds("ragged", w, 4));
    w.max_blocks = 30;
    CHECK(holds("longer", w, 2));
    w.named_output = true;
    CHECK(holds("rows of named output", w, 4));
    w = {};
    w.content = true;
    CHECK(holds("paths of content", w, 2));
}

// Four chains over one root: [a b c], [a b d], [e], [a b c].
TEST_CASE("next use: worked example") {
    PrefixIndex chains;
    chains.append(kNone, 0, 3);
    chains.append(0, 2, 3);
    chains.append(kNone, 0, 1);
    chains.append(0, 3, 3);
    NextUse use(chains);
    auto list = [](std::span<const UseRun> runs) { return std::vector<UseRun>(runs.begin(), runs.end()); };
    CHECK(list(use.last_uses()[0]).empty());
    CHECK(list(use.last_uses()[1]) == std::vector<UseRun>{{0, 0, 2}});
    CHECK(list(use.last_uses()[2]).empty());
    // c was used last by row 0, a and b by row 1.
    CHECK(list(use.last_uses()[3]) == std::vector<UseRun>{{0, 2, 3}, {1, 0, 2}});
    UseRuns next = use.next_uses();
    CHECK(list(next[0]) == std::vector<UseRun>{{1, 0, 2}, {3, 2, 3}});
    CHECK(list(next[1]) == std::vector<UseRun>{{3, 0, 2}});
    CHECK(list(next[3]).empty());
    // If row 3's last block does not count, c is never used again, and a and b still are.
    const uint32_t limit[] = {3, 3, 1, 2};
    next = use.next_uses(limit);
    CHECK(list(next[0]) == std::vector<UseRun>{{1, 0, 2}});
    CHECK(list(next[1]) == std::vector<UseRun>{{3, 0, 2}});
}

TEST_CASE("next use: no rows") {
    NextUse use{PrefixIndex()};
    CHECK(use.rows() == 0);
    CHECK(use.next_uses().runs.empty());
}

}  // namespace next_use_test
