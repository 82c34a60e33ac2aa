// The gate of kernel timings: a bench report against one of an earlier run on the same device.
//
// A row is slower where even the favourable ends of both 95 % intervals are: ci_low / baseline ci_high > 1 + tolerance; it
// is faster where ci_high / baseline ci_low < 1 - tolerance; else the same, as far as the noise of these runs can tell.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kvsim {

enum class BenchVerdict : uint8_t { same, faster, slower, missing, added };

struct BenchDifference {
    BenchVerdict verdict = BenchVerdict::same;
    std::string row;  ///< "decode cpu kv_dtype=bf16 batch=4 context=512 ..."
    double median_us = 0, baseline_us = 0;
    double low = 0, high = 0;  ///< of the ratio of the medians, new / baseline
};

struct BenchCheck {
    std::string report, baseline;  ///< file names
    double tolerance = 0;
    std::vector<BenchDifference> rows;  ///< in the order of the report, missing ones last
    uint64_t count(BenchVerdict v) const;
    /// Nothing is slower, nothing that was measured is missing.
    bool passed() const { return count(BenchVerdict::slower) == 0 && count(BenchVerdict::missing) == 0; }
};

/// The texts of the two files. Throws Error(input) naming the file that is no bench report, that measured nothing, or
/// whose device differs.
BenchCheck check_bench(const std::string& report, const std::string& report_text, const std::string& baseline,
                       const std::string& baseline_text, double tolerance);
std::string check_bench_table(const BenchCheck& check);
/// kind "check".
std::string check_bench_json(const BenchCheck& check);

}  // namespace kvsim
