// The shortest sequence in tokens: the cheapest to compute again.
#include <kvsim/eviction/sequence_policy.h>

namespace kvsim {

SequenceStrategyRow sequence_shortest_first() {
    return {"shortest_first", "the sequence with the fewest tokens goes", "",
            [](Spec&) {
                SequenceStrategy s;
                s.key = [](const SequenceFacts& f) { return SequenceKey{ascending(f.tokens), 0}; };
                return s;
            }};
}

}  // namespace kvsim
