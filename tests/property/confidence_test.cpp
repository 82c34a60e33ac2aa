// The bootstrap against a twin that writes down every resampled request, and what must not depend on the other cells.
#include <doctest/doctest.h>
#include <kvsim/core/random.h>
#include <kvsim/sim/confidence.h>
#include "support/random_check.h"

#include <algorithm>
#include <numeric>

namespace confidence_test {

using namespace kvsim;

namespace {

using Numbers = std::vector<uint64_t>;

struct Table {
    std::vector<Numbers> lookups, hits;  ///< per cell
    std::vector<size_t> baseline;
    BootstrapOptions options;

    std::vector<BootstrapCell> cells() const {
        std::vector<BootstrapCell> out;
        for (size_t i = 0; i < hits.size(); ++i) out.push_back({lookups[i], hits[i], baseline[i]});
        return out;
    }
};

Table random_table(bool one_baseline) {
    auto n = *rc::gen::inRange<size_t>(1, 60);
    auto count = *rc::gen::inRange<size_t>(1, 20);
    Random random(*rc::gen::arbitrary<uint64_t>());
    Table t;
    uint64_t most = uint64_t{1} << random.below(40);
    Numbers shared;
    for (size_t r = 0; r < n; ++r) shared.push_back(random.below(4) == 0 ? 0 : random.below(most));
    for (size_t c = 0; c < count; ++c) {
        Numbers own = shared;
        if (random.below(4) == 0)
            for (uint64_t& l : own) l = random.below(most);
        Numbers hits;
        for (uint64_t l : own) hits.push_back(random.below(l + 1));
        if (c != 0 && random.below(4) == 0) hits = t.hits[random.below(c)];
        t.lookups.push_back(own);
        t.hits.push_back(hits);
        t.baseline.push_back(one_baseline ? 0 : random.below(count));
    }
    t.options.block_requests = static_cast<uint32_t>(random.between(1, 12));
    t.options.level = 0.5 + static_cast<double>(random.below(9)) / 20;
    t.options.draws = static_cast<uint32_t>(random.between(40, 120));
    t.options.seed = random.next();
    return t;
}

/// Which requests every draw consists of, one by one.
std::vector<std::vector<size_t>> naive_draws(const Table& t, uint64_t block) {
    size_t n = t.hits.front().size();
    Random random(t.options.seed);
    std::vector<std::vector<size_t>> draws(t.options.draws);
    for (auto& draw : draws)
        while (draw.size() < n) {
            size_t start = random.below(n);
            for (uint64_t i = 0; i < block && draw.size() < n; ++i) draw.push_back((start + i) % n);
        }
    return draws;
}

double naive_rate(const Table& t, size_t cell, const std::vector<size_t>& draw) {
    uint64_t lookup = 0, hit = 0;
    for (size_t r : draw) {
        lookup += t.lookups[cell][r];
        hit += t.hits[cell][r];
    }
    return lookup == 0 ? 0 : static_cast<double>(hit) / static_cast<double>(lookup);
}

/// The largest corrected p of all comparisons that are no less clear; each is multiplied by how many are not clearer.
double naive_holm(const std::vector<double>& all, double p) {
    double corrected = 0;
    for (double other : all) {
        if (other > p) continue;
        auto clearer = std::count_if(all.begin(), all.end(), [&](double q) { return q < other; });
        auto factor = static_cast<double>(static_cast<long>(all.size()) - clearer);
        corrected = std::max(corrected, std::min(1.0, factor * other));
    }
    return corrected;
}

std::vector<Comparison> naive(const Table& t) {
    size_t n = t.hits.front().size();
    uint64_t block = std::max<uint64_t>(1, std::min<uint64_t>(t.options.block_requests, n / 10));
    auto draws = naive_draws(t, block);
    std::vector<size_t> trace(n);
    std::iota(trace.begin(), trace.end(), size_t{0});
    std::vector<Comparison> out;
    std::vector<double> all_p;
    for (size_t i = 0; i < t.hits.size(); ++i) {
        Comparison c;
        c.rate = naive_rate(t, i, trace);
        c.compared = t.baseline[i] != i;
        if (c.compared) {
            c.difference = c.rate - naive_rate(t, t.baseline[i], trace);
            std::vector<double> d;
            long low = 0, high = 0;
            for (const auto& draw : draws) {
                d.push_back(naive_rate(t, i, draw) - naive_rate(t, t.baseline[i], draw));
                low += d.back() <= 0;
                high += d.back() >= 0;
            }
            std::sort(d.begin(), d.end());
            // The level is a multiple of 1/20 here: k in whole numbers.
            auto twentieths = static_cast<uint64_t>(20 * (1 - t.options.level) + 0.5);
            uint64_t k = twentieths * (t.options.draws + 1) / 40;
            c.low = d[k - 1];
            c.high = d[d.size() - k];
            auto least = static_cast<double>(std::min(low, high));
            c.p = n < 10 ? 1 : std::min(1.0, 2 * (1 + least) / (t.options.draws + 1.0));
            all_p.push_back(c.p);
        }
        out.push_back(c);
    }
    for (Comparison& c : out) {
        if (!c.compared) continue;
        c.p_holm = naive_holm(all_p, c.p);
        if (c.p_holm > 1 - t.options.level + 1e-9) continue;
        c.verdict = c.difference > 0 ? Verdict::better : Verdict::worse;
    }
    return out;
}

void same(const Comparison& a, const Comparison& b) {
    RC_ASSERT(a.compared == b.compared);
    RC_ASSERT(a.rate == b.rate);
    RC_ASSERT(a.difference == b.difference);
    RC_ASSERT(a.low == b.low);
    RC_ASSERT(a.high == b.high);
    RC_ASSERT(a.p == b.p);
}

void agrees_with_the_twin() {
    Table t = random_table(*rc::gen::arbitrary<bool>());
    ConfidenceTable table = bootstrap(t.cells(), t.options);
    std::vector<Comparison> expected = naive(t);
    RC_ASSERT(table.cells.size() == expected.size());
    for (size_t i = 0; i < expected.size(); ++i) {
        same(table.cells[i], expected[i]);
        RC_ASSERT(std::abs(table.cells[i].p_holm - expected[i].p_holm) < 1e-12);
        // The twin decides by the point's sign: an interval on one side of 0 almost always has the point there too.
        if (expected[i].difference != 0 && (expected[i].difference > 0) == (expected[i].low > 0))
            RC_ASSERT(table.cells[i].verdict == expected[i].verdict);
    }
}

/// The interval leaves 0 out exactly if p <= 1 - level; a verdict needs both.
void interval_and_p_agree() {
    Table t = random_table(true);
    ConfidenceTable table = bootstrap(t.cells(), t.options);
    for (const Comparison& c : table.cells) {
        if (!c.compared || table.too_few) continue;
        bool outside = c.low > 0 || c.high < 0;
        RC_ASSERT(outside == (c.p <= 1 - t.options.level + 1e-9));
        RC_ASSERT(c.low <= c.high);
        RC_ASSERT(c.p > 0);
        RC_ASSERT(c.p_holm >= c.p);
        if (c.verdict == Verdict::better) RC_ASSERT(c.low > 0);
        if (c.verdict == Verdict::worse) RC_ASSERT(c.high < 0);
    }
}

/// A cell's own numbers are the same alone with its baseline and in any company.
void company_does_not_matter() {
    Table t = random_table(true);
    ConfidenceTable table = bootstrap(t.cells(), t.options);
    size_t i = *rc::gen::inRange<size_t>(0, t.hits.size());
    ConfidenceTable pair = bootstrap({{t.lookups[0], t.hits[0], 0}, {t.lookups[i], t.hits[i], 0}}, t.options);
    if (i != 0) same(pair.cells[1], table.cells[i]);
    // Swapped, everything is mirrored.
    ConfidenceTable swapped = bootstrap({{t.lookups[0], t.hits[0], 1}, {t.lookups[i], t.hits[i], 1}}, t.options);
    if (i == 0) return;
    RC_ASSERT(swapped.cells[0].low == -pair.cells[1].high);
    RC_ASSERT(swapped.cells[0].high == -pair.cells[1].low);
    RC_ASSERT(swapped.cells[0].p == pair.cells[1].p);
}

}  // namespace

TEST_CASE("confidence: equal to a twin that writes every draw down") {
    for (int i = 0; i < 5; ++i) CHECK(kvsim_test::random_check("twin", agrees_with_the_twin));
}

TEST_CASE("confidence: interval and p agree") {
    for (int i = 0; i < 5; ++i) CHECK(kvsim_test::random_check("interval and p", interval_and_p_agree));
}

TEST_CASE("confidence: company does not matter") {
    for (int i = 0; i < 3; ++i) CHECK(kvsim_test::random_check("company", company_does_not_matter));
}

}  // namespace confidence_test
