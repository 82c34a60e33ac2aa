// How many numbers at the front of an array are 0, or are not: what "resident" looks like to most strategies. Eight at a
// time without a branch between them, which compilers turn into a few vector instructions.
#pragma once

#include <algorithm>
#include <cstdint>

namespace kvsim {

inline uint32_t leading_zeros(const uint32_t* numbers, uint32_t count) {
    uint32_t n = 0;
    for (; n + 8 <= count; n += 8) {
        uint32_t any = 0;
        for (uint32_t i = 0; i < 8; ++i) any |= numbers[n + i];
        if (any != 0) break;
    }
    while (n < count && numbers[n] == 0) ++n;
    return n;
}

inline uint32_t leading_nonzeros(const uint32_t* numbers, uint32_t count) {
    uint32_t n = 0;
    for (; n + 8 <= count; n += 8) {
        uint32_t any = 0;
        for (uint32_t i = 0; i < 8; ++i) any |= numbers[n + i] == 0 ? 1 : 0;
        if (any != 0) break;
    }
    while (n < count && numbers[n] != 0) ++n;
    return n;
}

}  // namespace kvsim
