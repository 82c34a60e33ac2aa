// The longest sequence in tokens, trimmed ones included. Its blocks may be shared: see most_blocks_freed for what it
// really gives back.
#include <kvsim/eviction/sequence_policy.h>

namespace kvsim {

SequenceStrategyRow sequence_longest_first() {
    return {"longest_first", "the sequence with the most tokens goes", "",
            [](Spec&) {
                SequenceStrategy s;
                s.key = [](const SequenceFacts& f) { return SequenceKey{descending(f.tokens), 0}; };
                s.falls_on_access = true;
                return s;
            }};
}

}  // namespace kvsim
