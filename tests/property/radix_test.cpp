// The radix tree against a sorted list of keys, for both kinds of labels: prefixes by linear scan, counts by writing
// every prefix down. Then what the list is too slow for: depth and size.
#include <doctest/doctest.h>
#include <kvsim/cache/radix_tree.h>
#include "support/random_check.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <random>
#include <set>

namespace radix_test {

using namespace kvsim;

namespace {

using Tokens = std::vector<uint32_t>;
using TokenTree = RadixTree<TokenLabels, int>;
using RunTree = RadixTree<RunLabels, int>;
using Random = std::mt19937_64;

/// Keys as each tree wants them; runs are cut at random places, since equal keys may come in different pieces.
Tokens as_key(const TokenTree&, const Tokens& tokens, Random&) { return tokens; }
std::vector<Segment> as_key(const RunTree&, const Tokens& tokens, Random& random) {
    std::vector<Segment> runs;
    for (uint32_t t : tokens) {
        bool follows = !runs.empty() && runs.back().begin + runs.back().count == t && random() % 8 != 0;
        if (follows)
            ++runs.back().count;
        else
            runs.push_back({t, 1});
    }
    return runs;
}
Tokens as_tokens(const Tokens& key) { return key; }
Tokens as_tokens(const std::vector<Segment>& key) {
    Tokens out;
    for (const Segment& s : key)
        for (uint32_t i = 0; i < s.count; ++i) out.push_back(s.begin + i);
    return out;
}

uint64_t common(const Tokens& a, const Tokens& b) {
    uint64_t n = 0;
    while (n < a.size() && n < b.size() && a[n] == b[n]) ++n;
    return n;
}

struct Told {
    int payload;
    uint32_t node;
};
using List = std::map<Tokens, Told>;

/// Often a beginning of a known key, then some runs of consecutive tokens.
Tokens random_key(const List& list, Random& random) {
    Tokens key;
    if (!list.empty() && random() % 4 != 0) {
        auto at = list.begin();
        std::advance(at, static_cast<long>(random() % list.size()));
        key = at->first;
        if (random() % 2 == 0) key.resize(random() % (key.size() + 1));
    }
    for (uint64_t runs = random() % 3; runs > 0; --runs) {
        uint32_t begin = static_cast<uint32_t>(random() % 3) * 4;
        uint64_t count = random() % 5 == 0 ? 300 : 1 + random() % 6;
        for (uint32_t i = 0; i < count; ++i) key.push_back(begin + i);
    }
    if (key.size() > 700) key.resize(700);
    return key;
}

template <class Tree>
void check_query(const Tree& tree, const List& list, const Tokens& query, Random& random) {
    uint64_t shared = 0;
    const Tokens* best = nullptr;
    for (const auto& [key, told] : list) {
        uint64_t n = common(key, query);
        shared = std::max(shared, n);
        if (n == key.size() && (!best || key.size() > best->size())) best = &key;
    }
    auto m = tree.longest_prefix(as_key(tree, query, random));
    RC_ASSERT(m.matched == shared);
    RC_ASSERT((m.node == Tree::kNoNode) == (best == nullptr));
    if (best) {
        RC_ASSERT(m.depth == best->size());
        RC_ASSERT(m.node == list.at(*best).node);
    }
    auto found = list.find(query);
    RC_ASSERT(tree.find(as_key(tree, query, random)) == (found == list.end() ? Tree::kNoNode : found->second.node));
    if (list.empty()) {
        RC_ASSERT(tree.any_entry(m.below) == Tree::kNoNode);
        return;
    }
    // Whatever is stored under the place where the query leaves the tree begins with what matched.
    auto below = tree.any_entry(m.below);
    RC_ASSERT(tree.holds(below));
    RC_ASSERT(common(as_tokens(tree.key(below)), query) == shared);
}

template <class Tree>
void check_counts(const Tree& tree, const List& list) {
    tree.check_invariants();
    RC_ASSERT(tree.entries() == list.size());
    RC_ASSERT(tree.nodes() <= 2 * list.size());
    uint64_t tokens = 0;  // sorted keys: what a key does not share with the one before it is on edges of its own
    const Tokens* before = nullptr;
    for (const auto& [key, told] : list) {
        tokens += key.size() - (before ? common(*before, key) : 0);
        before = &key;
        RC_ASSERT(tree.holds(told.node));
        RC_ASSERT(tree.payload(told.node) == told.payload);
        RC_ASSERT(tree.depth(told.node) == key.size());
        RC_ASSERT(as_tokens(tree.key(told.node)) == key);
    }
    RC_ASSERT(tree.tokens() == tokens);
}

template <class Tree>
void check_against_list() {
    Random random(*rc::gen::arbitrary<uint64_t>());
    int steps = 1 + static_cast<int>(random() % 120);
    Tree tree;
    List list;
    for (int step = 0; step < steps; ++step) {
        if (random() % 3 == 0 && !list.empty()) {
            auto at = list.begin();
            std::advance(at, static_cast<long>(random() % list.size()));
            tree.erase(at->second.node);
            list.erase(at);
        } else {
            Tokens key = random_key(list, random);
            auto node = tree.insert(as_key(tree, key, random), step);
            auto [at, fresh] = list.insert({key, {step, node}});
            if (!fresh) {
                RC_ASSERT(at->second.node == node);  // a node keeps its id while it has a payload
                at->second.payload = step;
            }
        }
        check_counts(tree, list);
        for (int q = 0; q < 3; ++q) check_query(tree, list, random_key(list, random), random);
    }
    tree.clear();
    list.clear();
    check_counts(tree, list);
    check_query(tree, list, {1, 2}, random);
}

}  // namespace

TEST_CASE("radix tree: against a sorted list of keys") {
    CHECK(kvsim_test::random_check("tokens", check_against_list<TokenTree>));
    CHECK(kvsim_test::random_check("runs", check_against_list<RunTree>));
}

TEST_CASE("radix tree: splits, and merges when the reason for a split goes") {
    TokenTree tree;
    Tokens a{1, 2, 3, 4}, b{1, 2, 5, 6}, ab{1, 2};
    auto na = tree.insert(a, 1);
    CHECK(tree.nodes() == 1);
    auto nb = tree.insert(b, 2);
    CHECK(tree.nodes() == 3);  // 12, 34, 56
    CHECK(tree.tokens() == 6);
    auto n = tree.insert(ab, 3);
    CHECK(tree.nodes() == 3);
    CHECK(tree.longest_prefix(Tokens{1, 2, 5, 9}).matched == 3);
    CHECK(tree.longest_prefix(Tokens{1, 2, 5, 9}).node == n);
    tree.erase(n);
    CHECK(tree.nodes() == 3);
    CHECK(tree.longest_prefix(Tokens{1, 2, 5, 9}).node == TokenTree::kNoNode);
    tree.erase(nb);
    CHECK(tree.nodes() == 1);
    CHECK(tree.payload(na) == 1);
    CHECK(tree.find(a) == na);
    CHECK_THROWS_AS(tree.erase(nb), Error);
    tree.erase(na);
    CHECK(tree.nodes() == 0);
    CHECK(tree.insert(Tokens{}, 7) == TokenTree::kRoot);  // the empty key is a key
    CHECK(tree.longest_prefix(a).node == TokenTree::kRoot);
    tree.check_invariants();
}

TEST_CASE("plain: radix tree: a chain of a million nodes costs no stack") {
    constexpr uint32_t kDepth = 1000000;
    for (int order = 0; order < 3; ++order) {
        RunTree tree;
        std::vector<uint32_t> nodes;
        // From long to short each key splits the first edge; all of them are one run.
        for (uint32_t n = kDepth; n > 0; --n) {
            Segment run{5, n};
            nodes.push_back(tree.insert(std::span(&run, 1), static_cast<int>(n)));
        }
        CHECK(tree.nodes() == kDepth);
        CHECK(tree.tokens() == kDepth);
        Segment longer{5, kDepth + 7};
        auto m = tree.longest_prefix(std::span(&longer, 1));
        CHECK(m.matched == kDepth);
        CHECK(m.node == nodes.front());
        CHECK(tree.key(m.node).size() == kDepth);
        if (order == 0) {
            tree.check_invariants();
            RunTree copy = tree;
            copy.clear();
            continue;  // and the destructor
        }
        if (order == 1) std::shuffle(nodes.begin(), nodes.end(), Random(1));
        for (uint32_t i = 0; i < kDepth; ++i) {
            tree.erase(nodes[i]);
            if (i == kDepth / 2) tree.check_invariants();
        }
        CHECK(tree.nodes() == 0);
        CHECK(tree.tokens() == 0);
    }
}

TEST_CASE("radix tree: deep chains of tokens, and one key of a million") {
    constexpr uint32_t kLong = 1000000, kDepth = 3000;
    Tokens key(kLong);
    std::iota(key.begin(), key.end(), 0u);
    TokenTree tree;
    std::vector<uint32_t> nodes;
    for (uint32_t n = 1; n <= kDepth; ++n) nodes.push_back(tree.insert(std::span(key.data(), n), 1));
    auto whole = tree.insert(key, 2);
    Tokens other = key;
    other[kLong - 2] = 0;
    CHECK(tree.longest_prefix(other).matched == kLong - 2);
    auto twin = tree.insert(other, 3);
    CHECK(tree.tokens() == kLong + 2);
    for (uint32_t n : nodes) tree.erase(n);  // merged piece by piece, the label grows in place
    CHECK(tree.nodes() == 3);
    tree.check_invariants();
    CHECK(tree.key(whole) == key);
    tree.erase(whole);
    CHECK(tree.nodes() == 1);
    CHECK(tree.key(twin) == other);
    tree.check_invariants();
}

TEST_CASE("radix tree: holes left by erased labels are given back") {
    Random random(4);
    TokenTree tree;
    std::vector<uint32_t> nodes;
    uint64_t most = 0;
    for (int step = 0; step < 20000; ++step) {
        Tokens key(100 + random() % 400);
        for (uint32_t& t : key) t = static_cast<uint32_t>(random());
        nodes.push_back(tree.insert(key, step));
        if (nodes.size() <= 50) continue;
        size_t at = random() % nodes.size();
        tree.erase(nodes[at]);
        nodes[at] = nodes.back();
        nodes.pop_back();
        most = std::max(most, tree.state_bytes());
    }
    tree.check_invariants();
    // 50 keys of at most 500 tokens live: 100 kB. Holes may double it, the newest slab doubles it again.
    CHECK(most < 500000);
}

}  // namespace radix_test
