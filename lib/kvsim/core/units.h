// Sizes as users write them, and numbers as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kvsim {

/// Bytes from `40GiB`, `40GB`, `512MiB`, `1.5GiB`, `4096`, `4096B`. Binary (KiB MiB GiB TiB) and decimal
/// (KB MB GB TB, also kB) units are kept apart; the result is rounded down to a whole byte.
/// Throws Error(input) naming `option` on anything else, on 0 and above 2^63.
uint64_t parse_size_bytes(std::string_view text, std::string_view option);

/// "40.0 GiB", "512 B"
std::string format_bytes(uint64_t bytes);
/// 1234567 -> "1,234,567"
std::string format_count(uint64_t value);
/// 0 of nothing is 0.
inline double rate_of(uint64_t part, uint64_t whole) {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}
/// 0.2116 -> "21.16 %"; 0/0 is not a number and must not come here.
std::string format_percent(double fraction, int decimals = 2);

/// Text of a file as a terminal may see it: control characters become '?'.
std::string printable(std::string text);

}  // namespace kvsim
