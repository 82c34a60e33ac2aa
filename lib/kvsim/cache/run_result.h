// What every run fills, whatever the layout. Only counters and per-request columns; rates are made from them in sim/.
#pragma once

#include <kvsim/cache/engine_run.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace kvsim {

/// Sums over requests, so that the part before the warm-up's end can be subtracted. All integers: exact.
struct Tally {
    uint64_t admissions = 0;
    uint64_t evicted_blocks = 0;
    uint64_t active_blocks = 0;    ///< sampled after each admission: blocks the running request holds
    uint64_t resident_blocks = 0;  ///< sampled after each admission: active and evictable
    unsigned __int128 resident_tokens = 0;  ///< sampled likewise: tokens in them; may pass 2^64
    uint64_t waited = 0;             ///< requests that had to wait for room
    uint64_t preempted = 0;          ///< times a running sequence lost its blocks to another
    uint64_t recomputed_tokens = 0;  ///< tokens stored again after an eviction or preemption
    uint64_t evicted_sequences = 0;
    uint64_t evicted_tokens = 0;  ///< tokens that left with evicted_blocks
    uint64_t trim_requested_tokens = 0;  ///< trimming: tokens outside sinks and window
    uint64_t trim_dropped_tokens = 0;    ///< trimming: of these, dropped (whole blocks)
    uint64_t forks = 0;
    uint64_t cow_copies = 0;
    uint64_t copied_tokens = 0;  ///< contiguous: moved or duplicated by growth and forks

    bool operator==(const Tally&) const = default;
    Tally minus(const Tally& before) const {
        Tally d = *this;
        d.admissions -= before.admissions;
        d.evicted_blocks -= before.evicted_blocks;
        d.active_blocks -= before.active_blocks;
        d.resident_blocks -= before.resident_blocks;
        d.resident_tokens -= before.resident_tokens;
        d.waited -= before.waited;
        d.preempted -= before.preempted;
        d.recomputed_tokens -= before.recomputed_tokens;
        d.evicted_sequences -= before.evicted_sequences;
        d.evicted_tokens -= before.evicted_tokens;
        d.trim_requested_tokens -= before.trim_requested_tokens;
        d.trim_dropped_tokens -= before.trim_dropped_tokens;
        d.forks -= before.forks;
        d.cow_copies -= before.cow_copies;
        d.copied_tokens -= before.copied_tokens;
        return d;
    }
};

/// The state after an admission.
struct AdmissionSample {
    static constexpr uint64_t kNever = ~uint64_t{0};
    uint64_t active = 0;
    uint64_t resident = kNever;  ///< kNever: the request found no room

    bool operator==(const AdmissionSample&) const = default;
};

struct RunResult {
    std::vector<uint32_t> hit_blocks;      ///< per request: leading run of hits of its lookup
    std::vector<uint32_t> any_hit_blocks;  ///< per request: all resident blocks; empty = the same as hit_blocks
    std::vector<uint64_t> any_hit_tokens;  ///< per request; present with any_hit_blocks
    /// Per request, with RunOptions::bound_hits and any_hit_blocks: resident blocks behind the leading hits, at
    /// positions that the bound hits.
    std::vector<uint32_t> stranded_in_bound;
    std::vector<bool> rejected;            ///< per request: never got room; empty = none
    Tally total;
    Tally warmup;  ///< the part of total before the first counted request
    uint64_t peak_active_blocks = 0;    ///< of counted admissions; layouts of sequences: at any time since the first
    uint64_t peak_resident_blocks = 0;  ///< likewise
    uint64_t shared_blocks_peak = 0;    ///< blocks of more than one sequence at once, at any time since the first
    uint64_t stranded_blocks = 0;       ///< named blocks resident at the end with an ancestor missing
    uint64_t state_bytes = 0;           ///< memory the run kept per block and request
    std::optional<EngineRun> engine;    ///< of engines
    /// Per request, at its first admission; filled where the caller has made the column as long as the trace, under the
    /// prefix layout in replays with an observer alone.
    std::vector<AdmissionSample> samples;

    void any_hits_from(uint32_t requests, bool with_bound) {
        any_hit_blocks.resize(requests);
        any_hit_tokens.resize(requests);
        if (with_bound) stranded_in_bound.resize(requests);
    }
    bool is_rejected(uint32_t request) const { return request < rejected.size() && rejected[request]; }
    bool is_any_rejected() const { return !rejected.empty(); }
    uint64_t rejected_from(uint64_t request) const {
        uint64_t n = 0;
        for (uint64_t r = request; r < rejected.size(); ++r) n += rejected[r];
        return n;
    }
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
    /// And after the first of each request.
    void sampled(uint32_t request, uint64_t active, uint64_t resident) {
        if (request < samples.size()) samples[request] = {active, resident};
    }
};

}  // namespace kvsim
