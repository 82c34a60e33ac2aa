// Sequence strategies: which sequence loses all its blocks when room is needed. One file and one registry row each.
//
// A strategy is a key made from facts (cache/sequence_facts.h); among the sequences that may go, the smallest key
// goes, ties to the smallest id. Which may go belongs to the cache: not pinned, and holding a block of its own, since
// evicting a sequence whose blocks others hold too frees nothing. SequenceOrder finds the smallest key in O(log n).
#pragma once

#include <kvsim/cache/sequence_facts.h>
#include <kvsim/core/registry.h>
#include <kvsim/core/spec.h>

#include <bit>
#include <compare>
#include <cstdint>
#include <limits>
#include <string>

namespace kvsim {

struct SequenceKey {
    int64_t first = 0, second = 0;
    auto operator<=>(const SequenceKey&) const = default;  // NOLINT(modernize-use-nullptr): sees a 0 that is compared
};

struct SequenceStrategy {
    /// nullptr: nothing is ever evicted.
    SequenceKey (*key)(const SequenceFacts& facts) = nullptr;
    /// The key can fall when the sequence is accessed; otherwise accesses only let it rise or stay.
    bool falls_on_access = false;
    /// Before anybody is evicted, the sequence that needs room is trimmed to `sink` and `window` tokens.
    bool trims = false;
    uint64_t sink = 0, window = 0;
};

struct SequenceStrategyRow {
    std::string id;
    std::string summary;
    std::string parameters;  ///< "key=default ..." or empty
    SequenceStrategy (*make)(Spec& spec);
};

Registry<SequenceStrategyRow>& sequence_strategies();

/// `id`, `id:key=value,...` or the same after `sequence/`. Throws Error(input).
SequenceStrategy make_sequence_strategy(const std::string& text);

/// Signed integers in the order of the numbers.
inline int64_t ordered(double value) {
    auto bits = std::bit_cast<int64_t>(value + 0.0);  // -0 is 0
    return bits < 0 ? std::numeric_limits<int64_t>::min() - bits : bits;
}
inline int64_t ascending(uint64_t value) { return static_cast<int64_t>(value); }
inline int64_t descending(uint64_t value) { return -static_cast<int64_t>(value); }

SequenceStrategyRow sequence_lru();
SequenceStrategyRow sequence_lfu();
SequenceStrategyRow sequence_fifo();
SequenceStrategyRow sequence_longest_first();
SequenceStrategyRow sequence_shortest_first();
SequenceStrategyRow sequence_priority();
SequenceStrategyRow sequence_most_blocks_freed();
SequenceStrategyRow sequence_streaming_llm();
SequenceStrategyRow sequence_latest();
SequenceStrategyRow sequence_none();

}  // namespace kvsim
