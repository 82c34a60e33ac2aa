// Why a request hit what it hit under an engine, and no more.
//
// The run is repeated with somebody who watches: what became of each block of the request's chain until it was looked up.
// The first block that missed was evicted, or never stored; who shares how much of the prompt is known from the trace in
// tokens, and whether a salt or adapter stands between from the trace read without them. Cost: one run, and a common
// prefix per store and eviction in it.
#pragma once

#include <kvsim/engine/engines.h>

#include <optional>
#include <string>

namespace kvsim {

/// Why the first block behind a request's hits missed; the id is that of reports.
enum class MissCause : uint8_t {
    rejected,            ///< never got room
    caching_off,
    last_token,          ///< the block was there, but the last token is always computed
    not_full,            ///< what is left of the prompt fills no block, or the request that shares it filled none
    never_seen,
    shorter_than_block,  ///< shares the block's beginning with an earlier request, not all of it
    evicted,
    not_stored_yet,      ///< the earlier request with the same tokens had not stored them
    scope,               ///< the same tokens were stored under another salt or adapter
    window,              ///< stored, but not where a group of layers needs it
    unnamed,             ///< the trace does not say what stands there, so nothing can match it
};
const char* id_of(MissCause cause);

struct Explanation {
    uint32_t request = 0;
    uint64_t prompt_tokens = 0, hit_tokens = 0;
    uint64_t missed_block = 0, missed_token = 0;  ///< the first one, and the first token of it
    MissCause cause = MissCause::never_seen;
    std::optional<uint32_t> other;  ///< evicted for whom; else the earlier request that shares most
    std::string text;               ///< one sentence, with names
    /// Where the trace has cached_tokens: what was reported, and a sentence on the difference; empty where there is none.
    std::optional<uint64_t> cached_tokens;
    std::string difference;
};

struct ExplainInput {
    const Trace& trace;             ///< in the engine's blocks, as it is run
    const Trace& tokens;            ///< the same in blocks of one token
    const Trace* unscoped = nullptr;  ///< the same without salts and adapters; where there are any
    const CacheConfig& cache;       ///< resolved
    const RunOptions& run;
};

/// Throws Error(input) on an unknown request.
Explanation explain_request(const ExplainInput& input, uint32_t request);

/// A request by its rank or by the name of its sequence. Throws Error(input).
uint32_t find_request(const Trace& trace, const std::string& text);

}  // namespace kvsim
