// What every run fills, whatever the layout. Only counters and per-request columns; rates are made from them in sim/.
#pragma once

#include <cstdint>
#include <vector>

namespace kvsim {

/// Sums over requests, so that the part before the warm-up's end can be subtracted. All integers: exact.
struct Tally {
    uint64_t admissions = 0;
    uint64_t evicted_blocks = 0;
    uint64_t active_blocks = 0;    ///< sampled after each admission: blocks the running request holds
    uint64_t resident_blocks = 0;  ///< sampled after each admission: active and evictable
    unsigned __int128 resident_tokens = 0;  ///< sampled likewise: tokens in them; may pass 2^64

    Tally minus(const Tally& before) const {
        return {admissions - before.admissions, evicted_blocks - before.evicted_blocks,
                active_blocks - before.active_blocks, resident_blocks - before.resident_blocks,
                resident_tokens - before.resident_tokens};
    }
};

struct RunResult {
    std::vector<uint32_t> hit_blocks;      ///< per request: leading run of hits of its lookup
    std::vector<uint32_t> any_hit_blocks;  ///< per request: all resident blocks; empty = the same as hit_blocks
    std::vector<uint64_t> any_hit_tokens;  ///< per request; present with any_hit_blocks
    Tally total;
    Tally warmup;  ///< the part of total before the first counted request
    uint64_t peak_active_blocks = 0;    ///< of counted admissions
    uint64_t peak_resident_blocks = 0;  ///< of counted admissions
    uint64_t stranded_blocks = 0;       ///< named blocks resident at the end with an ancestor missing
    uint64_t state_bytes = 0;           ///< memory the run kept per block and request

    Tally counted() const { return total.minus(warmup); }
    /// Call after each admission. `counted`: the request is past the warm-up.
    void admitted(bool is_counted, uint64_t active, uint64_t resident, uint64_t tokens) {
        ++total.admissions;
        total.active_blocks += active;
        total.resident_blocks += resident;
        total.resident_tokens += tokens;
        if (!is_counted) return;
        if (active > peak_active_blocks) peak_active_blocks = active;
        if (resident > peak_resident_blocks) peak_resident_blocks = resident;
    }
};

}  // namespace kvsim
