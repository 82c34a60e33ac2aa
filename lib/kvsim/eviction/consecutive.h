// Writing first, first + 1, first + 2 ...: what a run of blocks is in arrays and logs. Four at a time, since such runs are
// short and compilers spend more on deciding how to do it.
#pragma once

#include <cstdint>
#include <cstring>

namespace kvsim {

namespace consecutive_detail {
using Four = uint32_t __attribute__((vector_size(16)));
inline Four four_from(uint32_t first) { return Four{first, first + 1, first + 2, first + 3}; }
inline void put(uint32_t* to, Four four) { std::memcpy(to, &four, sizeof four); }
}  // namespace consecutive_detail

/// a[i] = first + i for i below `count`.
inline void write_consecutive(uint32_t* a, uint32_t first, uint32_t count) {
    using namespace consecutive_detail;
    if (count < 4) {
        for (uint32_t i = 0; i < count; ++i) a[i] = first + i;
        return;
    }
    uint32_t last = count - 4;
    Four in_a = four_from(first);
    for (uint32_t i = 0; i < last; i += 4, in_a += 4) put(a + i, in_a);
    put(a + last, four_from(first + last));  // may overlap those before
}
/// a[i] = first_a + i and b[i] = first_b + i for i below `count`. The arrays do not overlap.
inline void write_consecutive(uint32_t* a, uint32_t first_a, uint32_t* b, uint32_t first_b, uint32_t count) {
    using namespace consecutive_detail;
    if (count < 4) {
        for (uint32_t i = 0; i < count; ++i) {
            a[i] = first_a + i;
            b[i] = first_b + i;
        }
        return;
    }
    uint32_t last = count - 4;
    Four in_a = four_from(first_a), in_b = four_from(first_b);
    for (uint32_t i = 0; i < last; i += 4, in_a += 4, in_b += 4) {
        put(a + i, in_a);
        put(b + i, in_b);
    }
    // May overlap those before.
    put(a + last, four_from(first_a + last));
    put(b + last, four_from(first_b + last));
}

}  // namespace kvsim
