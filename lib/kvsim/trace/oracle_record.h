// One record of libCacheSim's oracleGeneral format, as its reader and its writer see it.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string_view>

namespace kvsim {

struct OracleRecord {
    static constexpr size_t kBytes = 24;  ///< in the file, where nothing is aligned
    static constexpr int64_t kNever = -1;

    uint32_t seconds = 0;
    uint64_t object = 0;
    uint32_t size = 1;
    int64_t next = kNever;  ///< number of the record that accesses the object next, counted from 1

    static_assert(std::endian::native == std::endian::little, "records are stored as the processor has them");

    static OracleRecord at(std::string_view bytes, size_t index) {
        const char* from = bytes.data() + index * kBytes;
        OracleRecord r;
        std::memcpy(&r.seconds, from, 4);
        std::memcpy(&r.object, from + 4, 8);
        std::memcpy(&r.size, from + 12, 4);
        std::memcpy(&r.next, from + 16, 8);
        return r;
    }
    void store(char* to) const {
        std::memcpy(to, &seconds, 4);
        std::memcpy(to + 4, &object, 8);
        std::memcpy(to + 12, &size, 4);
        std::memcpy(to + 16, &next, 8);
    }
    /// libCacheSim also writes the largest number for "never", and -2 for "not known".
    bool plausible() const {
        return (next >= -2 && next < int64_t{1} << 48) || next == std::numeric_limits<int64_t>::max();
    }
};

}  // namespace kvsim
