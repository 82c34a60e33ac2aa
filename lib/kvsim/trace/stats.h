// What a trace holds, and what it could hit at best: `kvsim trace info`.
//
// Everything is computed on the prefix index, in O(rows + runs visited): a request's chain is a few runs of
// blocks, and blocks of a run that were last used by the same request have the same reuse interval.
#pragma once

#include <kvsim/trace/trace.h>

#include <cstdint>
#include <string>
#include <vector>

namespace kvsim {

/// Percentiles are sorted[min(n - 1, floor(p * n))], in whole numbers.
template <class T>
struct Spread {
    uint64_t count = 0;
    T p10 = 0, p50 = 0, p90 = 0, p99 = 0, max = 0;
    double mean = 0;
};

/// Blocks at positions first .. last of their requests, counted from 1.
struct DepthSharing {
    uint32_t first = 0, last = 0;
    uint64_t lookups = 0;
    uint64_t hits = 0;  ///< with nothing evicted
};

struct TraceStats {
    std::string name, format, sha256;
    uint32_t block_size = 0;
    bool content = false;       ///< ids name content chunks, not prefixes
    bool objects = false;       ///< every request is one object
    bool token_ids = false;     ///< the trace names tokens
    bool named_output = false;  ///< some requests name the blocks of their output
    bool lengths_only = false;  ///< nothing is named: what is said about blocks below stays 0
    std::string approximation;  ///< what stands for a token where the source has no token ids
    std::vector<std::string> notes;

    uint64_t requests = 0;
    uint64_t prompt_tokens = 0, output_tokens = 0;
    uint64_t lookup_blocks = 0;  ///< entries of all chains
    uint64_t unique_blocks = 0;
    uint64_t used_once = 0;      ///< unique blocks that only one reference used
    uint64_t longest_chain = 0;  ///< blocks looked up by one request
    uint64_t sessions = 0, categories = 0, salts = 0, loras = 0;  ///< distinct labels
    uint64_t with_cached_tokens = 0;     ///< requests that carry what an engine reported
    double first_s = 0, duration_s = 0;  ///< first arrival, and from it to the last one

    /// With nothing ever evicted, named output kept: the most any cache can reach.
    uint64_t lookup_tokens = 0;                       ///< tokens of the blocks looked up
    uint64_t ceiling_blocks = 0, ceiling_tokens = 0;  ///< leading hits
    uint64_t ceiling_requests = 0;                    ///< requests with a hit
    uint64_t any_blocks = 0, any_tokens = 0;          ///< content: chunks seen before, wherever they stand

    Spread<uint32_t> prompt_length, output_length;
    Spread<double> reuse_s;  ///< per re-reference of a block: seconds since its reference before
    std::vector<DepthSharing> depths;

    uint64_t prompts = 0, decodes = 0, forks = 0, frees = 0;  ///< events; all 0 for a trace of requests
    uint64_t score_rows = 0;
};

/// O(rows + runs visited) time; memory does not depend on the number of block references.
TraceStats trace_stats(const Trace& trace);

/// The table people read, with what each number means beside it.
std::string stats_table(const TraceStats& stats);

/// JSON with a final newline: kind "trace_info". Same trace, same bytes.
std::string stats_json(const TraceStats& stats);

}  // namespace kvsim
