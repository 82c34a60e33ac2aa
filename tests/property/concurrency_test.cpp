// Properties of several running requests that hold whatever the counts are. The counts themselves are compared with
// the naive twin in accounting_test.cpp.
#include <doctest/doctest.h>
#include <kvsim/layout/prefix.h>
#include <kvsim/layout/prefix_running.h>
#include "support/random_check.h"

#include <map>
#include <set>

#include "property/story.h"

namespace concurrency_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

RunResult run(const Trace& trace, const char* accounting, const RunOptions& options, RunPath path) {
    RunResult result;
    auto cache = make_prefix_cache("lru", Accounting::parse(accounting), trace, options, path);
    cache->run(trace, options, result);
    cache->check_invariants();
    return result;
}

// Released in the order of admission, a block's last touch is that of its latest holder; running requests are the
// youngest; whoever does not fit makes the oldest end. So nothing that depends on recency depends on N. (Under tree with
// named output the looked-up tail is protected besides what is stored, and N may tell.)
void hits_do_not_depend_on_n(bool named_output) {
    auto seed = *rc::gen::arbitrary<uint64_t>();
    auto requests = *rc::gen::inRange<uint32_t>(1, 40);
    StoryWishes wishes;
    wishes.named_output = named_output;
    wishes.floor_tails = seed % 2 == 0;
    Trace trace = make_trace(StoryTeller(seed, wishes).tell(requests));
    std::mt19937_64 random(seed);
    RunOptions options;
    options.capacity_blocks = 1 + random() % 40;
    options.decode = random() % 4 != 0;
    options.warmup_requests = random() % requests;
    for (const char* accounting : {"pinned", "tree", "tree:protect=chain"}) {
        if (named_output && std::string(accounting) != "pinned") continue;
        options.concurrency = 1;
        RunResult one = run(trace, accounting, options, RunPath::fastest);
        uint64_t active = 0;
        for (uint64_t n : {1, 2, 3, 7, 1000}) {
            for (RunPath path : {RunPath::fastest, RunPath::blocks}) {
                options.concurrency = n;
                RunResult many = run(trace, accounting, options, path);
                RC_ASSERT(many.hit_blocks == one.hit_blocks);
                RC_ASSERT(many.total.evicted_blocks == one.total.evicted_blocks);
                RC_ASSERT(many.warmup.evicted_blocks == one.warmup.evicted_blocks);
                RC_ASSERT(many.total.resident_blocks == one.total.resident_blocks);
                RC_ASSERT(many.total.resident_tokens == one.total.resident_tokens);
                RC_ASSERT(many.stranded_blocks == one.stranded_blocks);
                RC_ASSERT(many.peak_active_blocks <= options.capacity_blocks);
                RC_ASSERT(many.total.active_blocks >= active);
                if (path == RunPath::blocks) active = many.total.active_blocks;
            }
        }
    }
}

// A forest, chains of it, and a plain multiset of what each holder holds. Ids run on as in a trace's index.
void held_blocks_are_a_multiset() {
    auto seed = *rc::gen::arbitrary<uint64_t>();
    std::mt19937_64 random(seed);
    PrefixIndex index;
    for (uint32_t row = 0; row < 12; ++row) {
        uint32_t like = row == 0 ? 0 : static_cast<uint32_t>(random() % row);
        uint32_t shared = row == 0 || random() % 4 == 0 ? 0 : static_cast<uint32_t>(random() % (index[like].length + 1));
        uint32_t owner = shared == 0 ? kNone : index.introducer(like, shared - 1);
        index.append(owner, shared, shared + 1 + static_cast<uint32_t>(random() % (random() % 3 == 0 ? 300 : 5)));
    }
    HeldBlocks held;
    held.reset(index.unique_blocks());
    std::map<BlockId, int> count;
    std::vector<std::vector<Segment>> holders;
    auto each = [](const std::vector<Segment>& chain, auto&& f) {
        for (const Segment& s : chain)
            for (uint32_t i = 0; i < s.count; ++i) f(s.begin + i);
    };
    for (int step = 0; step < 60; ++step) {
        std::set<BlockId> changed, expected;
        auto note = [&](BlockId begin, uint32_t n) {
            for (uint32_t i = 0; i < n; ++i) RC_ASSERT(changed.insert(begin + i).second);
        };
        if (holders.empty() || (step < 45 && random() % 2 == 0)) {
            auto row = static_cast<uint32_t>(random() % index.rows());
            std::vector<Segment> chain;
            index.segments(row, static_cast<uint32_t>(random() % (index[row].length + 1)), chain);
            uint32_t leading = 0;
            each(chain, [&](BlockId b) {
                leading += count[b] > 0;
                if (count[b]++ == 0) expected.insert(b);
            });
            RC_ASSERT(held.leading(chain) == leading);
            held.hold(chain, note);
            holders.push_back(chain);
        } else {
            size_t which = random() % holders.size();
            each(holders[which], [&](BlockId b) {
                if (--count[b] == 0) expected.insert(b);
            });
            held.release(holders[which], note);
            holders.erase(holders.begin() + static_cast<long>(which));
        }
        RC_ASSERT(changed == expected);
        uint64_t distinct = 0;
        for (const auto& [block, n] : count) distinct += n > 0;
        RC_ASSERT(held.size() == distinct);
        RC_ASSERT(!holders.empty() || held.clean());
    }
}

}  // namespace

TEST_CASE("concurrency: hits under LRU do not depend on N") {
    for (int i = 0; i < 3; ++i) {
        CHECK(kvsim_test::random_check("outputs without names", [] { hits_do_not_depend_on_n(false); }));
        CHECK(kvsim_test::random_check("named outputs", [] { hits_do_not_depend_on_n(true); }));
    }
}

TEST_CASE("concurrency: held blocks are counted like a multiset") {
    for (int i = 0; i < 3; ++i) CHECK(kvsim_test::random_check("held", held_blocks_are_a_multiset));
}

}  // namespace concurrency_test
