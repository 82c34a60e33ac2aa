// Bootstrap intervals: worked examples, edge cases, and whether intervals cover what they promise to cover.
#include <doctest/doctest.h>
#include <kvsim/core/error.h>
#include <kvsim/core/random.h>
#include <kvsim/sim/confidence.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <string>

namespace confidence_test {

using namespace kvsim;

namespace {

using Numbers = std::vector<uint64_t>;

std::string error_of(const std::function<void()>& call, ErrorKind kind = ErrorKind::input) {
    try {
        call();
    } catch (const Error& e) {
        CHECK(e.kind() == kind);
        return e.what();
    }
    return "no error";
}

/// The baseline's hits first.
ConfidenceTable compare(const Numbers& lookups, const std::vector<Numbers>& hits,
                        const BootstrapOptions& options = {}) {
    std::vector<BootstrapCell> cells;
    for (const Numbers& column : hits) cells.push_back({lookups, column, 0});
    return bootstrap(cells, options);
}

Numbers counting(uint64_t n) {
    Numbers out;
    for (uint64_t i = 0; i < n; ++i) out.push_back(i);
    return out;
}

/// How many of `sets` synthetic tables have an interval that covers the true difference, and how many of their ten
/// cells without a difference are called better or worse.
struct Coverage {
    int covered = 0;
    int false_claims = 0;
};

/// Moving sums over `depends` requests of whole numbers in [-9, 9], around 500 (baseline) and 520 of 1,000 lookups.
Coverage coverage(int sets, uint32_t block_requests, uint64_t depends) {
    constexpr uint64_t kRequests = 2000;
    Coverage found;
    for (int set = 0; set < sets; ++set) {
        Random random(1000 + static_cast<uint64_t>(set));
        auto column = [&](uint64_t mean) {
            Numbers noise, out;
            for (uint64_t r = 0; r < kRequests + depends; ++r) noise.push_back(random.between(0, 18));
            for (uint64_t r = 0; r < kRequests; ++r) {
                uint64_t sum = 0;
                for (uint64_t i = 0; i < depends; ++i) sum += noise[r + i];
                out.push_back(mean + sum - 9 * depends);
            }
            return out;
        };
        std::vector<Numbers> hits = {column(500), column(520)};
        for (int same = 0; same < 10; ++same) hits.push_back(column(500));
        BootstrapOptions options;
        options.block_requests = block_requests;
        options.draws = 1000;  // 400 could show nothing among eleven comparisons
        options.seed = static_cast<uint64_t>(set);
        ConfidenceTable table = compare(Numbers(kRequests, 1000), hits, options);
        found.covered += table.cells[1].low <= 0.02 && table.cells[1].high >= 0.02;
        bool claimed = false;
        for (size_t i = 2; i < hits.size(); ++i) claimed = claimed || table.cells[i].verdict != Verdict::no_difference;
        found.false_claims += claimed;
    }
    return found;
}

}  // namespace

TEST_CASE("confidence: two draws by hand") {
    // SplitMix64 of seed 0, multiplied into [0, 20): 17 8 0 19 2 6 3 15 4 19 | 7 15 10 11 14 10 9 15 4 16
    // Blocks of 2 around the end; request r hits r of 20 tokens:
    //   17+18 + 8+9 + 0+1 + 19+0 + 2+3 + 6+7 + 3+4 + 15+16 + 4+5 + 19+0             = 156 of 400 = 0.39
    //   7+8 + 15+16 + 10+11 + 11+12 + 14+15 + 10+11 + 9+10 + 15+16 + 4+5 + 16+17    = 232 of 400 = 0.58
    // Level 0.3: k = floor(0.35 * 3) = 1, smallest and largest. p = 2 * (1 + 0) / 3 <= 0.7.
    BootstrapOptions options;
    options.block_requests = 2;
    options.draws = 2;
    options.level = 0.3;
    ConfidenceTable t = compare(Numbers(20, 20), {Numbers(20, 0), counting(20)}, options);
    CHECK(t.requests == 20);
    CHECK(t.block_requests == 2);
    CHECK_FALSE(t.too_few);
    CHECK_FALSE(t.cells[0].compared);
    CHECK(t.cells[0].rate == 0);
    CHECK(t.cells[1].compared);
    CHECK(t.cells[1].rate == 190.0 / 400);
    CHECK(t.cells[1].difference == 0.475);
    CHECK(t.cells[1].low == 0.39);
    CHECK(t.cells[1].high == 0.58);
    CHECK(t.cells[1].p == 2.0 / 3);
    CHECK(t.cells[1].p_holm == 2.0 / 3);
    CHECK(t.cells[1].verdict == Verdict::better);
    // The other way round: everything mirrored.
    ConfidenceTable u = compare(Numbers(20, 20), {counting(20), Numbers(20, 0)}, options);
    CHECK(u.cells[1].difference == -0.475);
    CHECK(u.cells[1].low == -0.58);
    CHECK(u.cells[1].high == -0.39);
    CHECK(u.cells[1].verdict == Verdict::worse);
}

TEST_CASE("confidence: which order statistics") {
    // Requests alone (blocks of 1), request r hits r * r of 2,500 tokens. 999 draws at 0.9 are cut at the 50th from
    // either end, although (1 - 0.9) / 2 * 1000 is a little less than 50 in binary.
    BootstrapOptions options;
    options.block_requests = 1;
    options.draws = 999;
    options.level = 0.9;
    Numbers hits = counting(50);
    for (uint64_t& h : hits) h *= h;
    ConfidenceTable table = compare(Numbers(50, 2500), {Numbers(50, 0), hits}, options);
    Numbers sums;
    Random random(0);
    for (int d = 0; d < 999; ++d) {
        uint64_t sum = 0;
        for (int i = 0; i < 50; ++i) sum += hits[random.below(50)];
        sums.push_back(sum);
    }
    std::sort(sums.begin(), sums.end());
    CHECK(table.cells[1].low == static_cast<double>(sums[49]) / (50 * 2500));
    CHECK(table.cells[1].high == static_cast<double>(sums[949]) / (50 * 2500));
    CHECK(sums[49] != sums[48]);  // the rule matters here
}

TEST_CASE("confidence: identical columns, constant differences, zeros") {
    Numbers lookups(3000, 512), hits = counting(3000), more = hits;
    for (uint64_t& h : more) h += 256;
    ConfidenceTable t = compare(lookups, {hits, hits, more});
    CHECK(t.block_requests == 200);
    CHECK(t.cells[1].low == 0);
    CHECK(t.cells[1].high == 0);
    CHECK(t.cells[1].p == 1);
    CHECK(t.cells[1].p_holm == 1);
    CHECK(t.cells[1].verdict == Verdict::no_difference);
    // Half a lookup more in every request: every draw says 0.5, and p is as small as 1,000 draws can make it.
    CHECK(t.cells[2].low == doctest::Approx(0.5).epsilon(1e-12));
    CHECK(t.cells[2].high == doctest::Approx(0.5).epsilon(1e-12));
    CHECK(t.cells[2].p == 2.0 / 1001);
    CHECK(t.cells[2].p_holm == 4.0 / 1001);
    CHECK(t.cells[2].verdict == Verdict::better);
    // Nothing looked up: rates are 0.
    ConfidenceTable none = compare(Numbers(3000, 0), {Numbers(3000, 0), Numbers(3000, 0)});
    CHECK(none.cells[1].rate == 0);
    CHECK(none.cells[1].high == 0);
    CHECK(none.cells[1].verdict == Verdict::no_difference);
    // One request in a thousand looks something up: many draws are without any.
    Numbers rare(3000, 0), rare_hit(3000, 0);
    rare[7] = 10;
    rare_hit[7] = 5;
    ConfidenceTable r = compare(rare, {Numbers(3000, 0), rare_hit});
    CHECK(r.cells[1].difference == 0.5);
    CHECK(r.cells[1].low == 0);
    CHECK(r.cells[1].high == 0.5);
    CHECK(r.cells[1].verdict == Verdict::no_difference);
}

TEST_CASE("confidence: few requests") {
    for (uint64_t n : {0, 1, 2, 9}) {
        CAPTURE(n);
        ConfidenceTable t = compare(Numbers(n, 10), {Numbers(n, 0), Numbers(n, 10)});
        CHECK(t.requests == n);
        CHECK(t.block_requests == 1);
        CHECK(t.too_few);
        CHECK(t.cells[1].compared);
        CHECK(t.cells[1].difference == (n == 0 ? 0 : 1));
        CHECK(t.cells[1].high == (n == 0 ? 0 : 1));
        CHECK(t.cells[1].p == 1);
        CHECK(t.cells[1].verdict == Verdict::no_difference);
    }
    ConfidenceTable ten = compare(Numbers(10, 10), {Numbers(10, 0), Numbers(10, 10)});
    CHECK_FALSE(ten.too_few);
    CHECK(ten.cells[1].verdict == Verdict::better);
    // Blocks longer than the trace would make all draws alike: a tenth of it at most.
    BootstrapOptions options;
    options.block_requests = 500;
    ConfidenceTable shorter = compare(Numbers(105, 105), {Numbers(105, 0), counting(105)}, options);
    CHECK(shorter.block_requests == 10);
    CHECK(shorter.cells[1].low < shorter.cells[1].high);
}

TEST_CASE("confidence: no cells, baselines only, several baselines") {
    CHECK(bootstrap({}, {}).cells.empty());
    Numbers lookups(100, 100), low = counting(100), high(100, 99);
    ConfidenceTable t = bootstrap({{lookups, low, 0}, {lookups, high, 1}}, {});
    CHECK_FALSE(t.cells[0].compared);
    CHECK_FALSE(t.cells[1].compared);
    CHECK(t.cells[0].rate == 0.495);
    CHECK(t.cells[1].p_holm == 1);
    // Two comparisons in one table, each with a baseline of its own.
    ConfidenceTable u = bootstrap({{lookups, low, 0}, {lookups, high, 0}, {lookups, high, 3}, {lookups, low, 2}}, {});
    CHECK(u.cells[1].verdict == Verdict::better);
    CHECK(u.cells[2].difference == -u.cells[3].difference);
    CHECK(u.cells[3].verdict == Verdict::worse);
}

TEST_CASE("confidence: what makes no sense is refused") {
    Numbers lookups(100, 100), hits(100, 5), shorter(99, 5);
    auto with = [&](auto change) {
        BootstrapOptions options;
        change(options);
        return error_of([&] { compare(lookups, {hits, hits}, options); });
    };
    CHECK(with([](BootstrapOptions& o) { o.block_requests = 0; }) ==
          "bootstrap blocks of 0 requests: expected at least 1");
    CHECK(with([](BootstrapOptions& o) { o.draws = 38; }) == "38 bootstrap draws: too few for a level of 0.950000");
    CHECK(with([](BootstrapOptions& o) { o.draws = 39; }) == "no error");
    for (double level : {0.0, 1.0, -1.0, 2.0, std::numeric_limits<double>::quiet_NaN()})
        CHECK(with([&](BootstrapOptions& o) { o.level = level; }).rfind("confidence level ", 0) == 0);
    CHECK(error_of([&] { compare(lookups, {hits, shorter}); }, ErrorKind::failed) ==
          "bootstrap: columns of different requests");
    CHECK(error_of([&] { bootstrap({{lookups, hits, 1}}, {}); }, ErrorKind::failed) ==
          "bootstrap: a baseline that is no cell");
    // The trace's sum would fit, but a draw may take the largest request a hundred times.
    Numbers huge(100, 1);
    huge[3] = UINT64_MAX / 100 + 1;
    CHECK(error_of([&] { compare(huge, {hits, hits}); }).find("do not fit 64 bits") != std::string::npos);
    huge[3] = UINT64_MAX / 100;
    CHECK(compare(huge, {hits, hits}).cells[1].high == 0);
}

TEST_CASE("confidence: Holm") {
    // Sorted .01 .02 .03 .04, times 4 3 2 1: .04 .06 .06 .04, none below the one before it: .04 .06 .06 .06
    std::vector<double> four = holm({0.03, 0.01, 0.04, 0.02});
    CHECK(four[0] == doctest::Approx(0.06));
    CHECK(four[1] == doctest::Approx(0.04));
    CHECK(four[2] == doctest::Approx(0.06));
    CHECK(four[3] == doctest::Approx(0.06));
    CHECK(holm({}).empty());
    CHECK(holm({0.2}) == std::vector<double>{0.2});
    CHECK(holm({0.6, 0.7}) == std::vector<double>{1, 1});  // cut
    CHECK(holm({0.25, 0.25}) == std::vector<double>{0.5, 0.5});
    // Two tables read as one: 3 comparisons; 0.02 passes alone and with one other, not with two.
    Comparison a, b, c;
    for (Comparison* one : {&a, &b, &c}) {
        one->p = 0.02;
        one->low = 0.1;
        one->high = 0.2;
    }
    correct({&a, &b}, 0.95);
    CHECK(a.verdict == Verdict::better);
    CHECK(a.p_holm == 0.04);
    correct({&a, &b, &c}, 0.95);
    CHECK(a.verdict == Verdict::no_difference);
    CHECK(c.p_holm == doctest::Approx(0.06));
    correct({}, 0.95);
}

TEST_CASE("confidence: draws for many comparisons") {
    CHECK(draws_for(0, 0.95) == 1000);
    CHECK(draws_for(12, 0.95) == 1000);  // 4 * 12 / 0.05 = 960
    CHECK(draws_for(13, 0.95) == 2000);
    CHECK(draws_for(100, 0.95) == 8000);
    CHECK(draws_for(10, 0.99) == 4000);
    CHECK(draws_for(SIZE_MAX, 0.999999) == 1000000000);
    for (size_t m : {1, 12, 13, 50, 400}) CHECK(2.0 / (draws_for(m, 0.95) + 1) * static_cast<double>(m) < 0.05 / 2);
}

TEST_CASE("confidence: verdict ids") {
    CHECK(std::string(verdict_id(Verdict::better)) == "better");
    CHECK(std::string(verdict_id(Verdict::worse)) == "worse");
    CHECK(std::string(verdict_id(Verdict::no_difference)) == "no_difference");
}

TEST_CASE("confidence: spread over seeds") {
    SeedSpread five = spread_over_seeds({0.5, 0.1, 0.4, 0.2, 0.3});
    CHECK(five.median == 0.3);
    CHECK(five.median_run == 4);
    CHECK(five.low == 0.1);
    CHECK(five.high == 0.5);
    SeedSpread even = spread_over_seeds({4, 1, 3, 2});  // the lower of the middle two, so that a run had it
    CHECK(even.median == 2);
    CHECK(even.median_run == 3);
    CHECK(spread_over_seeds({7, 7, 7}).median_run == 0);
    CHECK(spread_over_seeds({7}).high == 7);
    CHECK(error_of([] { spread_over_seeds({}); }, ErrorKind::failed) == "a spread over no seeds");
}

TEST_CASE("plain: confidence: intervals cover the truth about as often as they say") {
    // Neighbours depend on each other over 20 requests. Blocks of 50 cover in 92.5 of 100 sets (4,000 were counted), as
    // there are only 40 of them; ten cells without a difference are claimed to differ in at most about 5 of 100.
    Coverage blocks = coverage(150, 50, 20);
    CHECK(blocks.covered >= 150 * 86 / 100);
    CHECK(blocks.covered <= 150 * 98 / 100);
    CHECK(blocks.false_claims <= 150 * 10 / 100);
    // Without blocks the same intervals are far too narrow.
    Coverage single = coverage(20, 1, 20);
    CHECK(single.covered < 20 * 55 / 100);
    CHECK(single.false_claims > 20 * 50 / 100);
}

}  // namespace confidence_test
