#include <kvsim/sim/bench_stats.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace kvsim {

namespace {

constexpr double kOutside = 0.05;
constexpr uint64_t kCaches = 5;

}  // namespace

std::pair<size_t, size_t> median_interval(size_t samples) {
    size_t k = 0;  // smallest samples left out at each end, plus one
    double below = 0, n = static_cast<double>(samples);
    for (size_t i = 0; i < samples; ++i) {
        double at = static_cast<double>(i);
        below += std::exp(std::lgamma(n + 1) - std::lgamma(at + 1) - std::lgamma(n - at + 1) - n * std::log(2.0));
        if (2 * below > kOutside) break;
        k = i + 1;
    }
    if (k == 0) return {0, samples - 1};
    return {k - 1, samples - k};
}

TimeStats time_stats(std::vector<double> us) {
    std::sort(us.begin(), us.end());
    size_t n = us.size();
    TimeStats s;
    s.samples = n;
    for (double t : us) s.total_us += t;
    s.min_us = us.front();
    s.median_us = n % 2 == 1 ? us[n / 2] : (us[n / 2 - 1] + us[n / 2]) / 2;
    s.p95_us = us[(n * 19 + 19) / 20 - 1];
    auto [low, high] = median_interval(n);
    s.ci_low_us = us[low];
    s.ci_high_us = us[high];
    return s;
}

uint64_t rotation_count(uint64_t bytes, uint64_t cache_bytes) {
    uint64_t wanted = kCaches * cache_bytes;
    if (bytes == 0 || bytes >= wanted) return 1;
    return (wanted + bytes - 1) / bytes + 1;
}

bool is_cold(uint64_t bytes, uint64_t copies, uint64_t cache_bytes) {
    return cache_bytes != 0 && copies >= rotation_count(bytes, cache_bytes) && bytes != 0;
}

std::optional<LineFit> fit_line(const std::vector<std::pair<uint64_t, double>>& points) {
    std::set<uint64_t> sizes;
    double n = static_cast<double>(points.size()), mean_x = 0, mean_y = 0, xx = 0, xy = 0;
    for (const auto& [bytes, us] : points) {
        sizes.insert(bytes);
        mean_x += static_cast<double>(bytes) / n;
        mean_y += us / n;
    }
    if (sizes.size() < 3) return std::nullopt;
    for (const auto& [bytes, us] : points) {
        double dx = static_cast<double>(bytes) - mean_x;
        xx += dx * dx;
        xy += dx * (us - mean_y);
    }
    LineFit fit;
    fit.sizes = sizes.size();
    fit.us_per_byte = xy / xx;
    if (fit.us_per_byte <= 0) return std::nullopt;
    fit.t0_us = mean_y - fit.us_per_byte * mean_x;
    for (const auto& [bytes, us] : points) {
        double line = fit.t0_us + fit.us_per_byte * static_cast<double>(bytes);
        fit.largest_miss = std::max(fit.largest_miss, std::fabs(line - us) / us);
    }
    return fit;
}

}  // namespace kvsim
