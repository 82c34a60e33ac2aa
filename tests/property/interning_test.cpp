// Twin of interning: chains of ids against a map of paths. Ids are checked through every question a
// PrefixIndex answers.
#include <doctest/doctest.h>
#include <kvsim/trace/path_interner.h>
#include "support/random_check.h"

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace interning_test {

using namespace kvsim;

namespace {

using Chain = std::vector<uint64_t>;

/// The obvious data structure: every path seen, numbered as first seen, with the row that brought it.
class NaiveIndex {
  public:
    /// The dense ids of the chain's blocks.
    std::vector<uint32_t> add(const Chain& chain) {
        std::vector<uint32_t> ids;
        shared_.push_back(0);
        for (size_t n = 1; n <= chain.size(); ++n) {
            Chain path(chain.begin(), chain.begin() + static_cast<long>(n));
            path.insert(path.begin(), scope_);
            if (paths_.count(path)) shared_.back() = static_cast<uint32_t>(n);
            auto [at, fresh] = paths_.emplace(path, static_cast<uint32_t>(paths_.size()));
            if (fresh) {
                introduced_.push_back(static_cast<uint32_t>(rows_.size()));
                parents_.push_back(ids.empty() ? kNone : ids.back());
            }
            ids.push_back(at->second);
        }
        rows_.push_back(ids);
        return ids;
    }
    void next_scope() { ++scope_; }

    void check(const PrefixIndex& index) const {
        RC_ASSERT(index.rows() == rows_.size());
        RC_ASSERT(index.unique_blocks() == paths_.size());
        RC_ASSERT(index.parents() == parents_);
        for (uint32_t row = 0; row < rows_.size(); ++row) check_row(index, row);
    }

  private:
    void check_row(const PrefixIndex& index, uint32_t row) const {
        const std::vector<uint32_t>& ids = rows_[row];
        RC_ASSERT(index[row].length == ids.size());
        RC_ASSERT(index[row].shared == shared_[row]);
        RC_ASSERT(index[row].owner == (shared_[row] == 0 ? kNone : introduced_[ids[shared_[row] - 1]]));
        std::vector<Segment> segments;
        for (uint32_t length = 0; length <= ids.size(); ++length) {
            index.segments(row, length, segments);
            std::vector<uint32_t> expanded;
            for (const Segment& s : segments) {
                RC_ASSERT(s.count > 0u);
                for (uint32_t i = 0; i < s.count; ++i) expanded.push_back(s.begin + i);
            }
            RC_ASSERT(expanded == std::vector<uint32_t>(ids.begin(), ids.begin() + length));
        }
        for (uint32_t i = 0; i < ids.size(); ++i) {
            RC_ASSERT(index.block_at(row, i) == ids[i]);
            RC_ASSERT(index.introducer(row, i) == introduced_[ids[i]]);
        }
    }

    std::map<Chain, uint32_t> paths_;
    std::vector<uint32_t> parents_, introduced_, shared_;
    std::vector<std::vector<uint32_t>> rows_;
    uint64_t scope_ = 0;
};

/// Random chains that share, repeat, extend and cut earlier ones; symbols 0 .. alphabet - 1.
class Chains {
  public:
    explicit Chains(uint64_t seed) : random_(seed), alphabet_(1 + random_() % 4) {}
    Chain next() {
        Chain chain;
        if (!seen_.empty() && below(4) != 0)
            chain = seen_[below(2) == 0 ? seen_.size() - 1 : below(seen_.size())];
        if (below(2) == 0) chain.resize(below(chain.size() + 1));
        for (size_t more = below(5); more > 0; --more) chain.push_back(below(alphabet_));
        seen_.push_back(chain);
        return chain;
    }
    size_t below(size_t bound) { return random_() % bound; }

  private:
    std::mt19937_64 random_;
    size_t alphabet_;
    std::vector<Chain> seen_;
};

/// Prefix names for paths: in order of first appearance from `first` in steps of `step`, or scattered over 64
/// bits.
class PrefixNames {
  public:
    PrefixNames(uint64_t first, uint64_t step) : first_(first), step_(step) {}
    Chain operator()(const Chain& symbols) {
        Chain names;
        for (size_t n = 1; n <= symbols.size(); ++n) {
            Chain path(symbols.begin(), symbols.begin() + static_cast<long>(n));
            names.push_back(first_ + step_ * ids_.emplace(path, ids_.size()).first->second);
        }
        return names;
    }
    void next_scope() { ids_.clear(); }

  private:
    uint64_t first_, step_;
    std::map<Chain, uint64_t> ids_;
};

PrefixNames random_names(Chains& chains) {
    static constexpr uint64_t kFirst[] = {0, 1, 17, ~uint64_t{0} - 40, ~uint64_t{0}};
    static constexpr uint64_t kStep[] = {1, 1, 2, 0x9E3779B97F4A7C15ull, ~uint64_t{0}};
    return {kFirst[chains.below(5)], kStep[chains.below(5)]};
}

void check_interning(bool content) {
    Chains chains(*rc::gen::arbitrary<uint64_t>());
    auto rows = *rc::gen::inRange(1, 60);
    PrefixIndex index;
    PathInterner interner(index, content ? Names::content : Names::prefix);
    NaiveIndex naive;
    PrefixNames names = random_names(chains);
    std::vector<Chain> scope;  // symbols of each row of the scope
    uint32_t first_row = 0;
    for (int i = 0; i < rows; ++i) {
        if (chains.below(25) == 0) {
            interner.begin_scope();
            naive.next_scope();
            names.next_scope();
            scope.clear();
            first_row = index.rows();
        }
        Chain symbols = chains.next();
        Chain ids = content ? symbols : names(symbols);
        // The same chain given whole, or as "like that row, then the rest".
        if (!scope.empty() && chains.below(2) == 0) {
            size_t like = chains.below(scope.size());
            size_t same = 0;
            while (same < scope[like].size() && same < symbols.size() && scope[like][same] == symbols[same])
                ++same;
            if (chains.below(2) == 0) same = chains.below(same + 1);
            interner.add_after(first_row + static_cast<uint32_t>(like), static_cast<uint32_t>(same),
                               ids.data() + same, ids.size() - same);
        } else {
            interner.add(ids.data(), ids.size());
        }
        scope.push_back(symbols);
        naive.add(symbols);
    }
    naive.check(index);
}

/// An id may stand behind one other id only, ever. (Chains from here may break that.)
class NaiveRule {
  public:
    /// Position of the first new block whose id is known already, or -1.
    long violation(const Chain& chain) const {
        std::map<uint64_t, uint64_t> behind = behind_;
        bool known = true;
        for (size_t i = 0; i < chain.size(); ++i) {
            uint64_t before = i == 0 ? kStart : chain[i - 1];
            auto at = behind.find(chain[i]);
            known = known && at != behind.end() && at->second == before && (i == 0) == (at->second == kStart);
            if (known) continue;
            if (at != behind.end()) return static_cast<long>(i);
            behind[chain[i]] = before;
        }
        return -1;
    }
    void add(const Chain& chain) {
        for (size_t i = 0; i < chain.size(); ++i) behind_.emplace(chain[i], i == 0 ? kStart : chain[i - 1]);
    }

  private:
    static constexpr uint64_t kStart = 0xFEEDFACECAFEBEEFull;  // no id below comes near
    std::map<uint64_t, uint64_t> behind_;
};

void check_violations() {
    Chains chains(*rc::gen::arbitrary<uint64_t>());
    auto rows = *rc::gen::inRange(1, 50);
    uint64_t start = chains.below(2) == 0 ? 0 : ~uint64_t{0} - 60;
    PrefixIndex index;
    PathInterner interner(index, Names::prefix);
    PrefixNames names(start, chains.below(3) == 0 ? 3 : 1);
    NaiveRule rule;
    NaiveIndex naive;
    for (int i = 0; i < rows; ++i) {
        Chain ids = names(chains.next());
        if (!ids.empty() && chains.below(4) == 0) {  // break it, or not: a swap, a repeat, a foreign id
            size_t at = chains.below(ids.size());
            uint64_t other = chains.below(2) == 0 ? start + chains.below(40) : ids[chains.below(ids.size())];
            ids[at] = other;
        }
        long expected = rule.violation(ids);
        uint64_t blocks = index.unique_blocks();
        uint32_t before = index.rows();
        try {
            interner.add(ids.data(), ids.size());
            RC_ASSERT(expected == -1);
            rule.add(ids);
            naive.add(ids);
        } catch (const PrefixViolation& v) {
            RC_ASSERT(expected == static_cast<long>(v.position));
            RC_ASSERT(v.message().find("block " + std::to_string(ids[v.position]) + " ") == 0u);
            RC_ASSERT(index.rows() == before);
            RC_ASSERT(index.unique_blocks() == blocks);
        }
    }
    naive.check(index);
}

void check_reordered() {
    Chains chains(*rc::gen::arbitrary<uint64_t>());
    auto rows = *rc::gen::inRange(1, 40);
    PrefixIndex index;
    PathInterner interner(index, Names::content);
    std::vector<Chain> all;
    for (int i = 0; i < rows; ++i) {
        all.push_back(chains.next());
        interner.add(all.back().data(), all.back().size());
    }
    std::vector<uint32_t> order;
    size_t mode = chains.below(3);
    for (uint32_t i = 0; i < all.size(); ++i)
        if (mode != 1 || chains.below(3) != 0) order.push_back(i);
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[chains.below(i)]);
    if (mode == 2) {
        for (uint32_t& row : order) row = static_cast<uint32_t>(chains.below(all.size()));
        order.resize(chains.below(2 * order.size() + 1));
    }
    NaiveIndex naive;
    for (uint32_t row : order) naive.add(all[row]);
    naive.check(index.reordered(order));
}

}  // namespace

TEST_CASE("interning: ids that name content against a map of paths") {
    CHECK(kvsim_test::random_check("content", [] { check_interning(true); }));
}
TEST_CASE("interning: ids that name prefixes, numbered in order, with gaps, huge") {
    for (int i = 0; i < 3; ++i) CHECK(kvsim_test::random_check("prefix", [] { check_interning(false); }));
}
TEST_CASE("interning: an id behind another predecessor is told, exactly then, and changes nothing") {
    for (int i = 0; i < 4; ++i) CHECK(kvsim_test::random_check("violations", check_violations));
}
TEST_CASE("reordered equals interning in that order: permutations, subsets, repetitions") {
    for (int i = 0; i < 3; ++i) CHECK(kvsim_test::random_check("reordered", check_reordered));
}
TEST_CASE("long: interning with many more cases") {
    for (int i = 0; i < 60; ++i) {
        CHECK(kvsim_test::random_check("content", [] { check_interning(true); }));
        CHECK(kvsim_test::random_check("prefix", [] { check_interning(false); }));
        CHECK(kvsim_test::random_check("violations", check_violations));
        CHECK(kvsim_test::random_check("reordered", check_reordered));
    }
}
TEST_CASE("interning: tables grow over many branches and scopes") {
    std::mt19937_64 random(7);
    PrefixIndex index;
    PathInterner interner(index, Names::prefix);
    uint64_t expected = 0;
    for (uint32_t scope = 0; scope < 3; ++scope) {
        interner.begin_scope();
        std::vector<Chain> rows;
        for (uint32_t i = 0; i < 3000; ++i) {
            uint64_t base = uint64_t{i} * 977 + 5;  // gaps: leaves the arithmetic numbering at once
            Chain chain{1, 2, 3, base, base + 1};
            uint32_t row = interner.add(chain.data(), chain.size());
            CHECK(index[row].shared == (i == 0 ? 0u : 3u));
            rows.push_back(chain);
        }
        expected += 3 + 2 * 3000;
        CHECK(index.unique_blocks() == expected);
        for (uint32_t i = 0; i < 3000; i += 7) {
            uint32_t row = interner.add(rows[i].data(), rows[i].size());
            CHECK(index[row].shared == 5);
            CHECK(index.block_at(row, 4) == expected - 6003 + (i == 0 ? 4 : 3 + 2 * i + 1));
        }
        uint64_t wrong[] = {1, 2, 3, 977 + 5, rows[9][4]};
        CHECK_THROWS_AS(interner.add(wrong, 5), PrefixViolation);
        CHECK(index.unique_blocks() == expected);
    }
}

}  // namespace interning_test
