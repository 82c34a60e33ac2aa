// Rows for tests of KV dtypes, and codecs used on them.
#pragma once

#include <kvsim/core/error.h>
#include <kvsim/core/random.h>
#include <kvsim/quant/dtype.h>

#include <cmath>
#include <string>
#include <vector>

namespace quant_support {

/// Independent N(0, 1), by Box and Muller.
inline std::vector<float> normal(size_t count, uint64_t seed) {
    kvsim::Random random(seed);
    auto uniform = [&] { return (static_cast<double>(random.next() >> 11) + 0.5) * 0x1p-53; };
    std::vector<float> x(count);
    for (size_t i = 0; i < count; i += 2) {
        double radius = std::sqrt(-2 * std::log(uniform())), angle = 6.283185307179586 * uniform();
        x[i] = static_cast<float>(radius * std::cos(angle));
        if (i + 1 < count) x[i + 1] = static_cast<float>(radius * std::sin(angle));
    }
    return x;
}

/// Whole rows or, where scales run along tokens, units, stored and read back.
inline std::vector<float> through(const kvsim::Codec& codec, const std::vector<float>& x) {
    uint64_t unit = uint64_t{codec.unit_values()} * codec.unit_tokens(), units = x.size() / unit;
    std::vector<uint8_t> bytes(units * codec.unit_bytes(codec.unit_tokens()).total());
    std::vector<float> back(x.size());
    codec.encode_units(x.data(), units, bytes.data());
    codec.decode_units(bytes.data(), units, back.data());
    return back;
}

inline double nmse(const std::vector<float>& x, const std::vector<float>& back) {
    double errors = 0, squares = 0;
    for (size_t i = 0; i < x.size(); ++i) {
        double e = static_cast<double>(x[i]) - back[i];
        errors += e * e;
        squares += static_cast<double>(x[i]) * x[i];
    }
    return errors / squares;
}

inline std::vector<uint8_t> stored(const std::string& dtype, const std::vector<float>& row) {
    auto codec = kvsim::make_codec(dtype, {1, static_cast<uint32_t>(row.size())});
    std::vector<uint8_t> bytes(codec->unit_bytes(1).total());
    codec->encode(row.data(), 1, bytes.data());
    return bytes;
}
inline std::vector<float> back(const std::string& dtype, const std::vector<float>& row) {
    return through(*kvsim::make_codec(dtype, {1, static_cast<uint32_t>(row.size())}), row);
}

inline std::string error_of(const std::string& dtype, kvsim::RowShape shape) {
    try {
        kvsim::make_codec(dtype, shape);
    } catch (const kvsim::Error& e) {
        return e.what();
    }
    return "";
}

}  // namespace quant_support
