// Data mode: the events of a trace on real keys and values.
//
// The replay of a layout is run twice: once to learn how many blocks it ever uses, then over a cache whose every
// operation is carried out by kernels on a backend (backend/kv_cache.h). Both must count the same. With `verify` every
// sequence is read back through its handle before it gives its blocks up (and at the end) and compared, token by token,
// with what was written: bit-equal after one rounding to a plain dtype, within the codec's bound for int8 and int4.
#pragma once

#include <kvsim/kvdata/kv_data.h>
#include <kvsim/engine/engines.h>

#include <string>
#include <vector>

namespace kvsim {

struct DataRunOptions {
    std::string backend;  ///< "cpu", "cpu:order=nhd,threads=2"; see DataBackend
    uint32_t layers = 2, kv_heads = 8, query_heads = 32, head_dim = 128;
    std::string k_dtype = "bf16", v_dtype = "bf16";
    bool attend = false;
    bool verify = false;
    const KvData* kv_data = nullptr;  ///< else values by counter
};

struct KernelSummary {
    std::string name;
    uint64_t calls = 0, bytes = 0;
    double total_us = 0, median_us = 0, min_us = 0, p95_us = 0;
    double gb_per_s = 0;          ///< bytes / total_us; 10^9 bytes
    double fraction_of_copy = 0;  ///< of copy_gb_per_s
};

struct DataOutcome {
    std::string backend, device, order;  ///< order: hnd, nhd, contiguous
    uint32_t layers = 0, kv_heads = 0, query_heads = 0, head_dim = 0;
    std::string k_dtype, v_dtype;
    uint64_t pool_blocks = 0, pool_bytes = 0;
    double copy_gb_per_s = 0;  ///< read and written, measured in the same run
    uint64_t copy_bytes = 0;   ///< of the piece that was copied for it
    std::vector<KernelSummary> kernels;
    uint64_t read_sequences = 0, read_tokens = 0;  ///< with verify: read back, each when it left
    std::string digest;                            ///< with verify: SHA-256 of what was read, in order of leaving
};

/// `expected`: the bookkeeping replay of the same. Throws Error(input) where the layout or backend cannot, Error(failed)
/// naming the first value that differs.
DataOutcome replay_data(const Trace& trace, const CacheConfig& cache, const RunOptions& run, const DataRunOptions& options,
                        const RunResult& expected);

}  // namespace kvsim
