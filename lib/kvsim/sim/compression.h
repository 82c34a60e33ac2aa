// Compression measured on recorded (or made) keys, values and queries: every sequence is run token by token through the
// quantized cache, and what its attention gives is compared with full attention over the original values.
#pragma once

#include <kvsim/kvdata/kv_data.h>
#include <kvsim/layout/encoded_tokens.h>
#include <kvsim/trace/trace.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace kvsim {

/// A recorded sequence, or its beginning, as it is run.
struct PlayedSequence {
    uint32_t recorded = 0, tokens = 0;
};

struct CompressionOptions {
    std::string k_dtype = "f32", v_dtype = "f32";
    std::string eviction = "none";
    uint64_t capacity_tokens = ~uint64_t{0};  ///< of a head
    uint64_t seed = 0;
    unsigned jobs = 1;    ///< threads
    bool verify = false;  ///< check_invariants() after every step
    std::vector<PlayedSequence> played;  ///< empty: every recorded sequence, whole
    std::atomic<uint64_t>* progress = nullptr;  ///< (sequence, layer) pairs done
};

/// Sums over heads and measured steps; a layer's or all layers'.
struct CompressionSums {
    StoredError keys, values;  ///< each value once, when it gets the form it is kept in
    double output_error = 0, output_squares = 0;
    double retained_mass = 0;      ///< sum of what full attention gives to the tokens seen
    uint64_t measured_queries = 0; ///< (step, query head) pairs that output and mass are summed over
    void add(const CompressionSums& other);
    double output_nmse() const { return output_squares > 0 ? output_error / output_squares : 0; }
    double mean_mass() const { return measured_queries > 0 ? retained_mass / static_cast<double>(measured_queries) : 0; }
};

struct CompressionOutcome {
    std::string k_dtype, v_dtype;  ///< as used: with what was calibrated on the data
    CompressionSums total;
    std::vector<CompressionSums> layers;
    // At the end of the sequences, summed over them:
    StoredBytes key_bytes, value_bytes;
    uint64_t key_values = 0, value_values = 0;  ///< that the bytes hold
    uint64_t held_values = 0;     ///< of tokens that heads still hold
    uint64_t appended_values = 0;
    uint64_t allocated_bytes = 0;
    uint64_t evicted_tokens = 0;   ///< (layer, KV head, token) triples
    uint64_t held_tokens = 0;      ///< the same, at the end
    std::vector<uint64_t> budgets; ///< per layer, of the first sequence; empty without a budget
    /// Share of (sequence, layer, KV head) that still hold the token so many before the last one.
    struct Visible {
        uint32_t tokens_back;
        double share;
    };
    std::vector<Visible> visible;

    StoredBytes bytes() const {
        StoredBytes b = key_bytes;
        b += value_bytes;
        return b;
    }
    uint64_t stored_values() const { return key_values + value_values; }
    double bits_per_value() const;
    /// The values stored, in so many bits each / the bytes they take.
    double ratio(uint32_t bits) const;
};

/// The recorded sequences as a trace: a request each, lengths only.
Trace trace_of(const KvData& data);

/// Throws Error(input) where dtypes, strategy, capacity and data do not go together. Deterministic whatever the number of
/// threads.
CompressionOutcome measure_compression(const KvData& data, const CompressionOptions& options);

}  // namespace kvsim
