#include <kvsim/core/error.h>
#include <kvsim/core/spec.h>
#include <kvsim/core/suggest.h>
#include <kvsim/core/units.h>

#include <array>
#include <cstdio>

namespace kvsim {

// "12.5" as 12 and 5 / 10; false unless it is digits with at most one point between digits, at most 9 behind it.
static bool parse_decimal(std::string_view text, uint64_t& whole, uint64_t& part, uint64_t& scale) {
    size_t point = text.find('.');
    part = 0;
    scale = 1;
    if (!parse_whole(text.substr(0, point), whole)) return false;
    if (point == std::string_view::npos) return true;
    std::string_view digits = text.substr(point + 1);
    if (digits.size() > 9 || !parse_whole(digits, part)) return false;
    for (size_t i = 0; i < digits.size(); ++i) scale *= 10;
    return true;
}

uint64_t parse_size_bytes(std::string_view text, std::string_view option) {
    struct Unit {
        std::string_view name;
        uint64_t factor;
    };
    static constexpr uint64_t k = 1024, d = 1000;
    static constexpr std::array<Unit, 11> kUnits{{{"KiB", k},
                                                  {"MiB", k * k},
                                                  {"GiB", k * k * k},
                                                  {"TiB", k * k * k * k},
                                                  {"KB", d},
                                                  {"kB", d},
                                                  {"MB", d * d},
                                                  {"GB", d * d * d},
                                                  {"TB", d * d * d * d},
                                                  {"B", 1},
                                                  {"", 1}}};
    size_t digits = text.find_first_not_of("0123456789.");
    std::string_view unit = digits == std::string_view::npos ? std::string_view{} : text.substr(digits);
    uint64_t whole = 0, part = 0, scale = 1;
    if (parse_decimal(text.substr(0, digits), whole, part, scale)) {
        for (const Unit& u : kUnits) {
            if (unit != u.name) continue;
            using Wide = unsigned __int128;
            Wide bytes = Wide{whole} * u.factor + Wide{part} * u.factor / scale;
            if (bytes < 1 || bytes > (Wide{1} << 63)) break;
            return static_cast<uint64_t>(bytes);
        }
    }
    std::string lower(unit), meant;
    for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    const std::pair<const char*, const char*> slips[] = {{"kb", "KB"},   {"mb", "MB"},   {"gb", "GB"},   {"tb", "TB"}, {"kib", "KiB"},
                                                         {"mib", "MiB"}, {"gib", "GiB"}, {"tib", "TiB"}, {"k", "KiB"}, {"m", "MiB"},
                                                         {"g", "GiB"},   {"t", "TiB"}};
    for (const auto& [slip, right] : slips)
        if (lower == slip && unit != right) meant = " (did you mean '" + std::string(text.substr(0, digits)) + right + "'?)";
    throw_input(std::string(option) + " " + std::string(text) +
                ": expected a size such as 40GiB, 40GB or 512MiB (KiB MiB GiB TiB or KB MB GB TB)" + meant);
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

std::string printable(std::string text) {
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '?';
    return text;
}

}  // namespace kvsim
