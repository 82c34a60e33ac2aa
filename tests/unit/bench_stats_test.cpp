// What `kvsim bench` makes of measured times: exact numbers from written-down samples.
#include <doctest/doctest.h>
#include <kvsim/sim/bench.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace bench_stats_test {

using namespace kvsim;

TEST_CASE("bench: order statistics of written-down samples") {
    // 1..20 shuffled: median 10.5; p95 rank ceil(0.95 * 20) = 19; 2 P(Bin(20, 1/2) < k) is 0.0414 for k = 6 and 0.115
    // for 7, so the interval is from the 6th smallest to the 6th largest, 15.
    std::vector<double> us(20);
    std::iota(us.begin(), us.end(), 1.0);
    std::reverse(us.begin() + 3, us.end());
    TimeStats s = time_stats(us);
    CHECK(s.samples == 20);
    CHECK(s.total_us == 210);
    CHECK(s.min_us == 1);
    CHECK(s.median_us == 10.5);
    CHECK(s.p95_us == 19);
    CHECK(s.ci_low_us == 6);
    CHECK(s.ci_high_us == 15);
    CHECK(s.spread() == doctest::Approx(4.5 / 10.5));
    TimeStats one = time_stats({7});
    CHECK(one.median_us == 7);
    CHECK(one.p95_us == 7);
    CHECK(one.ci_low_us == 7);
    CHECK(one.ci_high_us == 7);
    CHECK(one.spread() == 0);
}

TEST_CASE("bench: the interval of the median, by counting outcomes") {
    for (size_t n = 1; n <= 40; ++n) {
        // Pascal's triangle instead of logarithms.
        std::vector<double> row{1};
        for (size_t i = 0; i < n; ++i) {
            row.push_back(0);
            for (size_t k = row.size() - 1; k > 0; --k) row[k] += row[k - 1];
        }
        double all = std::pow(2.0, static_cast<double>(n)), below = 0;
        size_t k = 0;
        while (k < n && 2 * (below + row[k]) <= 0.05 * all) below += row[k++];
        auto interval = median_interval(n);
        CAPTURE(n);
        if (n < 6) {
            CHECK(interval == std::pair<size_t, size_t>(0, n - 1));
        } else {
            CHECK(interval.first == k - 1);
            CHECK(interval.second == n - k);
        }
    }
    CHECK(median_interval(6) == std::pair<size_t, size_t>(0, 5));
    CHECK(median_interval(1000) == std::pair<size_t, size_t>(468, 531));  // as in tables: ranks 469 and 532
}

TEST_CASE("bench: how many buffers keep a cache from helping") {
    CHECK(rotation_count(1000, 0) == 1);
    CHECK(rotation_count(0, 1000) == 1);
    CHECK(rotation_count(5000, 1000) == 1);  // touches five caches by itself
    CHECK(rotation_count(4999, 1000) == 3);  // ceil(5000 / 4999) + 1
    CHECK(rotation_count(1000, 1000) == 6);
    CHECK(rotation_count(1, 1000) == 5001);
    CHECK(is_cold(1000, 6, 1000));
    CHECK_FALSE(is_cold(1000, 5, 1000));
    CHECK_FALSE(is_cold(1000, 6, 0));  // no cache is known
    CHECK_FALSE(is_cold(0, 6, 1000));
}

TEST_CASE("bench: a line through medians") {
    // t = 3 + bytes / 1000, exactly
    auto fit = fit_line({{1000, 4.0}, {2000, 5.0}, {7000, 10.0}});
    REQUIRE(fit);
    CHECK(fit->sizes == 3);
    CHECK(fit->t0_us == doctest::Approx(3));
    CHECK(fit->us_per_byte == doctest::Approx(0.001));
    CHECK(fit->largest_miss == doctest::Approx(0).epsilon(1e-9));
    // Least squares of (0, 1), (1, 1), (2, 4): slope 3 / 2, mean (1, 2), so t0 = 0.5; misses 0.5, 1 and 0.5 of 1, 1
    // and 4.
    auto bent = fit_line({{0, 1.0}, {1, 1.0}, {2, 4.0}});
    REQUIRE(bent);
    CHECK(bent->us_per_byte == doctest::Approx(1.5));
    CHECK(bent->t0_us == doctest::Approx(0.5));
    CHECK(bent->largest_miss == doctest::Approx(1.0));
    CHECK_FALSE(fit_line({{1000, 4.0}, {2000, 5.0}, {2000, 6.0}}));  // two sizes
    CHECK_FALSE(fit_line({{1000, 4.0}, {2000, 3.0}, {3000, 2.0}}));  // more bytes in less time
    CHECK_FALSE(fit_line({}));
}

TEST_CASE("bench: when there are samples enough") {
    BenchOptions o;
    o.min_time_us = 1000;
    std::vector<double> same(10, 20.0), spread;
    for (int i = 0; i < 10; ++i) spread.push_back(10.0 + i);
    CHECK_FALSE(bench_enough(same, 1, o));  // 200 us of 1000
    CHECK(bench_enough(same, 5, o));
    CHECK_FALSE(bench_enough(std::vector<double>(9, 1000.0 / 9), 1, o));  // fewer than ten
    CHECK(bench_enough(std::vector<double>(3, 3000.0), 1, o));            // but nine times as long as asked
    CHECK_FALSE(bench_enough(spread, 8, o));                              // 1160 us; the median is not known to 2 %
    CHECK(bench_enough(spread, 28, o));                                   // 4060 us: no use waiting
    CHECK(bench_enough(std::vector<double>(1000, 0.001), 1, o));
    o.samples = 3;
    CHECK_FALSE(bench_enough({1, 2}, 1, o));
    CHECK(bench_enough({1, 2, 3}, 1, o));
}

TEST_CASE("bench: axes are crossed for the kernels that have them") {
    BenchAxes a;
    a.kv_dtype = {"bf16", "int4"};
    a.batch = {1, 8};
    a.context = {16, 32, 64};
    a.order = {kv::Order::hnd, kv::Order::nhd};
    CHECK(bench_cells({"gather"}, a).size() == 2 * 2 * 2 * 3);
    CHECK(bench_cells({"append_step"}, a).size() == 2 * 2 * 2);  // no context
    CHECK(bench_cells({"top_k"}, a).size() == 2 * 3);            // no dtype, no order
    CHECK(bench_cells({"quantize"}, a).size() == 2 * 2 * 3);     // no blocks
    auto cells = bench_cells({"top_k", "append_step"}, a);
    CHECK(bench_words(cells[0]) == "batch 1, context 16, 8 KV heads");
    CHECK(bench_words(cells[1]) == "batch 1, context 32, 8 KV heads");
    CHECK(bench_words(cells.back()) == "int4, batch 8, 8 KV heads, head dimension 128, blocks of 16, nhd");
    CHECK(bench_cells({}, BenchAxes()).size() == 3 * 3 * 11 + 3 + 3 * 2);
    CHECK_THROWS_WITH_AS(bench_cells({"gathr"}, a), doctest::Contains("did you mean 'gather'"), Error);
}

}  // namespace bench_stats_test
