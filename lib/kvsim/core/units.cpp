#include <kvsim/core/error.h>
#include <kvsim/core/spec.h>
#include <kvsim/core/units.h>

#include <array>
#include <cmath>
#include <cstdio>

namespace kvsim {

uint64_t parse_size_bytes(std::string_view text, std::string_view option) {
    struct Unit {
        std::string_view name;
        double factor;
    };
    static constexpr std::array<Unit, 11> kUnits{{{"KiB", 1024.0},
                                                  {"MiB", 1048576.0},
                                                  {"GiB", 1073741824.0},
                                                  {"TiB", 1099511627776.0},
                                                  {"KB", 1e3},
                                                  {"kB", 1e3},
                                                  {"MB", 1e6},
                                                  {"GB", 1e9},
                                                  {"TB", 1e12},
                                                  {"B", 1.0},
                                                  {"", 1.0}}};
    size_t digits = text.find_first_not_of("0123456789.");
    std::string_view number = text.substr(0, digits);
    std::string_view unit = digits == std::string_view::npos ? std::string_view{} : text.substr(digits);
    double value = 0;
    if (parse_number(number, value)) {
        for (const Unit& u : kUnits) {
            if (unit != u.name) continue;
            double bytes = std::floor(value * u.factor);
            if (bytes < 1 || bytes > 9.2e18) break;
            return static_cast<uint64_t>(bytes);
        }
    }
    throw_input(std::string(option) + " " + std::string(text) +
                ": expected a size such as 40GiB, 40GB or 512MiB (KiB MiB GiB TiB or KB MB GB TB)");
}

std::string format_bytes(uint64_t bytes) {
    static constexpr const char* kNames[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = static_cast<double>(bytes);
    int unit = 0;
    while (value >= 1024 && unit < 5) {
        value /= 1024;
        ++unit;
    }
    char out[32];
    std::snprintf(out, sizeof out, unit == 0 ? "%.0f %s" : "%.1f %s", value, kNames[unit]);
    return out;
}

std::string format_count(uint64_t value) {
    std::string digits = std::to_string(value);
    for (size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
    return digits;
}

std::string format_percent(double fraction, int decimals) {
    char out[32];
    std::snprintf(out, sizeof out, "%.*f %%", decimals, fraction * 100);
    return out;
}

}  // namespace kvsim
