// Dates and times as logs write them (ISO 8601), kept exact.
#pragma once

#include <cstdint>
#include <string_view>

namespace kvsim {

/// An instant: whole seconds since 1970-01-01 UTC and a decimal fraction of one.
struct Instant {
    int64_t seconds = 0;
    uint32_t fraction = 0;
    uint32_t scale = 1;  ///< a power of ten; the fraction is fraction / scale

    /// Seconds since `start`: the nearest double as long as the count of fractions stays below 2^53.
    double since(int64_t start) const {
        constexpr int64_t kExact = 9000000000;  // times the scale below 2^63
        if (seconds - start > kExact || start - seconds > kExact)
            return static_cast<double>(seconds - start) + static_cast<double>(fraction) / scale;
        return static_cast<double>((seconds - start) * static_cast<int64_t>(scale) + fraction) / scale;
    }
};

/// "2023-11-16 18:15:46.6805900": T or a blank between, up to nine decimals, then nothing, Z or an offset such as +00:00
/// (nothing means UTC). False on anything else and on dates there are not.
bool parse_instant(std::string_view text, Instant& instant);

}  // namespace kvsim
