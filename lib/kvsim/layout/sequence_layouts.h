// What the layouts of whole sequences (paged, contiguous) have in common: their options and definitions.
#pragma once

#include <kvsim/layout/layouts.h>
#include <kvsim/layout/sequence_events.h>
#include <kvsim/layout/sequence_requests.h>

#include <string>

namespace kvsim {

/// Resolves eviction, on-full, preempt; `fallback` is the strategy when none is given. Throws Error(input).
void resolve_sequences(CacheConfig& config, const std::string& fallback);

/// Without the strategy that nobody asks: a request that does not fit waits, there is nobody idle to evict.
CacheConfig effective_sequences(const CacheConfig& config, const Trace& trace);

/// The strategy that picks victims: --preempt's under --on-full preempt, --eviction's under evict, else none.
SequenceStrategy victim_strategy(const CacheConfig& config);

/// Throws Error(input) unless the trace says what --concurrency asks it for, and says nothing else.
void check_concurrency(const Trace& trace, const RunOptions& options);

/// Throws Error(input) if the trace, capacity and concurrency do not go with the configuration.
SequenceRules sequence_rules(const CacheConfig& config, const Trace& trace, const RunOptions& options);

/// The replay of the trace's kind over the cache.
template <class Store>
std::unique_ptr<Cache> sequence_replay(SequenceCache<Store> cache, const CacheConfig& config, const Trace& trace,
                                       const RunOptions& options) {
    SequenceRules rules = sequence_rules(config, trace, options);
    if (trace.events.empty()) return std::make_unique<SequenceRequestReplay<Store>>(std::move(cache), rules);
    return std::make_unique<SequenceEventReplay<Store>>(std::move(cache), rules);
}

/// How the layouts set up their stores.
PagedConfig paged_config(const Trace& trace, const RunOptions& options);
ContiguousConfig contiguous_config(const CacheConfig& config, const Trace& trace, const RunOptions& options);

/// on_full, concurrency, evictions, decode.
Definitions sequence_definitions(const CacheConfig& config, const Trace& trace, const RunOptions& options);

/// "lru, on full evict".
std::string sequence_title(const CacheConfig& config);

}  // namespace kvsim
