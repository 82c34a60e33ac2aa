// What a list of measured times says: order statistics, an interval for the median, a line through medians of several
// sizes, and how many buffers it takes to keep a cache from helping. Arithmetic only; nothing here looks at a clock.
//
// The interval of the median needs no assumption about how times are distributed: of n independent samples the number
// below the true median is binomial(n, 1/2), so the k-th smallest and the k-th largest hold it between them with
// probability 1 - 2 P(Bin < k); k is the largest that keeps 95 %. Fewer than six samples have no such interval: then it
// is the smallest and the largest.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace kvsim {

struct TimeStats {
    uint64_t samples = 0;
    double total_us = 0, min_us = 0, median_us = 0, p95_us = 0, ci_low_us = 0, ci_high_us = 0;

    /// Half the interval over the median.
    double spread() const { return median_us > 0 ? (ci_high_us - ci_low_us) / 2 / median_us : 0; }
};

/// Ranks, from 0, of the two order statistics.
std::pair<size_t, size_t> median_interval(size_t samples);
/// Median of an even number: the mean of the two in the middle. p95: the smallest sample that 95 % do not exceed. At
/// least one sample.
TimeStats time_stats(std::vector<double> samples_us);

/// Buffers to go round so that at least five times the cache is touched before one comes again; 1 where a single one
/// does that, or where no cache is known.
uint64_t rotation_count(uint64_t bytes, uint64_t cache_bytes);
/// Whether `copies` such buffers do that.
bool is_cold(uint64_t bytes, uint64_t copies, uint64_t cache_bytes);

/// time = t0 + bytes * us_per_byte, by least squares.
struct LineFit {
    uint64_t sizes = 0;
    double t0_us = 0, us_per_byte = 0;
    double largest_miss = 0;  ///< of a point: |line - point| / point
};
/// Of (bytes, median). Nothing with fewer than three different sizes, or where more bytes would take less time.
std::optional<LineFit> fit_line(const std::vector<std::pair<uint64_t, double>>& points);

}  // namespace kvsim
