// Conformance vectors: small cases in which the order of touching and evicting shows, worked out by hand.
#include <doctest/doctest.h>
#include <kvsim/layout/prefix.h>

#include <algorithm>
#include <string>
#include <vector>

#include "unit/load_text.h"

namespace conformance_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

using Counts = std::vector<uint32_t>;

/// Leading hits per request.
Counts hits(const Trace& trace, const std::string& accounting, uint64_t capacity) {
    RunOptions options;
    options.capacity_blocks = capacity;
    options.decode = false;
    RunResult result;
    make_prefix_cache("lru", Accounting::parse(accounting), trace, options)->run(trace, options, result);
    return result.hit_blocks;
}

Trace chains(const std::vector<std::string>& blocks) {
    std::string text = "{\"kvsim_trace\":1,\"block_size\":1}\n";
    for (size_t i = 0; i < blocks.size(); ++i) {
        auto length = 1 + std::count(blocks[i].begin(), blocks[i].end(), ',');
        text += "{\"op\":\"request\",\"seq\":\"r" + std::to_string(i) + "\",\"t\":" + std::to_string(i) +
                ",\"length\":" + std::to_string(length) + ",\"blocks\":[" + blocks[i] + "]}\n";
    }
    return load_text(text);
}

}  // namespace

// Three blocks of room. 1 2 3 come, then 9: touched from last to first, 3 is the oldest and goes; 1 2 hit again. Touched
// from first to last (flat) 1 goes, and 2 3 are stranded behind it.
TEST_CASE("conformance: the deepest block of a chain goes first") {
    Trace t = chains({"1,2,3", "9", "1,2,3"});
    CHECK(hits(t, "pinned", 3) == Counts{0, 0, 2});
    CHECK(hits(t, "tree", 3) == Counts{0, 0, 2});
    CHECK(hits(t, "flat", 3) == Counts{0, 0, 0});
}

// Chains 1 2 3 4 and 1 2 5 6 in five blocks. The second one hits 1 2 and needs room for one block. From last to first the
// order is 4 3 2 1, so 4 goes and 1 2 3 hit again. From first to last it is 3 4 1 2: 3 goes, and only 1 2 hit again.
TEST_CASE("conformance: two chains with a common prefix, room for one block more than a chain") {
    Trace t = chains({"1,2,3,4", "1,2,5,6", "1,2,3,4"});
    CHECK(hits(t, "pinned", 5) == Counts{0, 2, 3});
    CHECK(hits(t, "tree", 5) == Counts{0, 2, 3});
    CHECK(hits(t, "flat", 5) == Counts{0, 2, 2});
}

}  // namespace conformance_test
