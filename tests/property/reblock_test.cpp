// Twin of re-blocking: rows as lists of tokens, a token being a block's path and an offset; new blocks are
// named by all tokens up to their last.
#include <doctest/doctest.h>
#include <kvsim/core/error.h>
#include <kvsim/trace/path_interner.h>
#include "support/random_check.h"

#include "property/naive_cache.h"

namespace reblock_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

struct Row {
    std::vector<uint32_t> path;
    uint32_t tokens;
    bool full_blocks_only;
};

std::vector<Row> rows_of(const Story& story) {
    std::vector<Row> rows;
    for (const Told& t : story.requests) {
        rows.push_back({t.prompt, t.in, false});
        if (t.output.empty()) continue;
        std::vector<uint32_t> path = stored_path(t, story.block_size);
        rows.push_back({path, static_cast<uint32_t>(path.size()) * story.block_size, true});
    }
    return rows;
}

void check_against(const PrefixIndex& index, const std::vector<Row>& rows, uint32_t from, uint32_t to) {
    std::map<std::string, uint32_t> ids;
    RC_ASSERT(index.rows() == rows.size());
    for (uint32_t row = 0; row < rows.size(); ++row) {
        const Row& r = rows[row];
        bool whole = r.path.size() * uint64_t{from} >= r.tokens && !r.full_blocks_only;
        std::vector<std::string> names = names_of(tokens_of(r.path, from, r.tokens), to, whole);
        RC_ASSERT(index[row].length == names.size());
        uint32_t shared = 0;
        while (shared < names.size() && ids.count(names[shared])) ++shared;
        RC_ASSERT(index[row].shared == shared);
        if (shared > 0) {
            // The owner is a row that came before, introduced the deepest shared block, and holds it at that
            // place.
            const ChainRecord& owner = index[index[row].owner];
            RC_ASSERT(index[row].owner < row);
            RC_ASSERT(owner.shared < shared && shared <= owner.length);
        }
        for (uint32_t i = 0; i < names.size(); ++i) {
            uint32_t id = ids.emplace(names[i], static_cast<uint32_t>(ids.size())).first->second;
            RC_ASSERT(index.block_at(row, i) == id);
        }
    }
    RC_ASSERT(index.unique_blocks() == ids.size());
}

void check_reblock(const StoryWishes& wishes, bool named) {
    auto seed = *rc::gen::arbitrary<uint64_t>();
    auto requests = *rc::gen::inRange<uint32_t>(1, 20);
    Story story = StoryTeller(seed, wishes).tell(requests);
    std::mt19937_64 random(seed);
    if (random() % 2 == 0) {  // a size with many divisors, so that the fast half is met often
        uint32_t before = story.block_size;
        story.block_size = 12;
        for (Told& t : story.requests) t.in = t.in / before * 12 + std::min(t.in % before, 11u);
        if (named) return;  // counts of output blocks would not fit any more
    }
    std::vector<Row> rows = rows_of(story);
    PathIds ids(story);
    PrefixIndex index;
    PathInterner interner(index, Names::prefix);
    std::vector<RowTokens> tokens;
    for (const Row& r : rows) {
        std::vector<uint64_t> chain = ids.chain(r.path);
        interner.add(chain.data(), chain.size());
        tokens.push_back({r.tokens, r.full_blocks_only});
    }
    uint32_t from = story.block_size;
    for (uint32_t to : {1u, 2u, 3u, 4u, 5u, 6u, 7u, 8u, 9u, 12u, 16u, 24u, 25u, 100u}) {
        if (to == from) continue;
        RC_LOG() << from << " -> " << to << " tokens\n";
        check_against(reblock(index, tokens, from, to), rows, from, to);
        check_against(reblock_by_token(index, tokens, from, to), rows, from, to);
    }
    PrefixIndex same = reblock(index, tokens, from, from);
    RC_ASSERT(same.unique_blocks() == index.unique_blocks());
}

}  // namespace

TEST_CASE("re-blocking: full and partly filled rows") {
    StoryWishes w;
    CHECK(kvsim_test::random_check("ceil", [&] { check_reblock(w, false); }));
    w.floor_tails = true;
    CHECK(kvsim_test::random_check("ceil and floor", [&] { check_reblock(w, false); }));
}
TEST_CASE("re-blocking: the same block filled differently") {
    StoryWishes w;
    w.ragged = true;
    CHECK(kvsim_test::random_check("ragged", [&] { check_reblock(w, false); }));
    w.floor_tails = true;
    CHECK(kvsim_test::random_check("ragged, ceil and floor", [&] { check_reblock(w, false); }));
}
TEST_CASE("re-blocking: rows of completed output") {
    StoryWishes w;
    w.named_output = true;
    w.floor_tails = true;
    CHECK(kvsim_test::random_check("output", [&] { check_reblock(w, true); }));
}
TEST_CASE("long: re-blocking with many more cases") {
    for (int bits = 0; bits < 80; ++bits) {
        StoryWishes w;
        w.ragged = (bits & 1) != 0;
        w.floor_tails = (bits & 2) != 0;
        w.named_output = (bits & 4) != 0;
        CHECK(kvsim_test::random_check("all", [&] { check_reblock(w, w.named_output); }));
    }
}
TEST_CASE("re-blocking: too many blocks name a size that fits") {
    PrefixIndex index;
    PathInterner interner(index, Names::prefix);
    std::vector<RowTokens> tokens;
    for (uint64_t i = 0; i < 5; ++i) {
        interner.add(&i, 1);
        tokens.push_back({1u << 30, false});
    }
    std::string message;
    try {
        reblock(index, tokens, 1u << 30, 1);
    } catch (const Error& e) {
        message = e.what();
    }
    CHECK(message == "--block-size 1: more than 4294967294 distinct blocks; --block-size 2 fits");
    CHECK(reblock(index, tokens, 1u << 30, 2).unique_blocks() == 5ull << 29);
}

}  // namespace reblock_test
