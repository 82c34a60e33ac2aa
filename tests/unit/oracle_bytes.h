// Bytes of libCacheSim's oracleGeneral format for tests, put together byte by byte.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kvsim_test {

inline std::string little_endian(uint64_t value, int bytes) {
    std::string out;
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xFF);
    return out;
}

inline std::string record(uint32_t seconds, uint64_t object, uint32_t size = 1, int64_t next = -1) {
    return little_endian(seconds, 4) + little_endian(object, 8) + little_endian(size, 4) +
           little_endian(static_cast<uint64_t>(next), 8);
}

/// Records of these objects, a second apart.
inline std::string records(const std::vector<uint64_t>& objects) {
    std::string out;
    for (uint64_t o : objects) out += record(static_cast<uint32_t>(out.size() / 24), o);
    return out;
}

}  // namespace kvsim_test
