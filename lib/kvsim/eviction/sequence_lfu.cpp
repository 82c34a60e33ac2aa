// Least frequently used: the sequence with the fewest allocations, appends and forks, each counting once however many
// tokens it adds. The count starts at 1 and is forgotten when the sequence goes.
#include <kvsim/eviction/sequence_policy.h>

namespace kvsim {

SequenceStrategyRow sequence_lfu() {
    return {"lfu", "the sequence accessed least often goes", "",
            [](Spec&) {
                SequenceStrategy s;
                s.key = [](const SequenceFacts& f) { return SequenceKey{ascending(f.accesses), 0}; };
                return s;
            }};
}

}  // namespace kvsim
