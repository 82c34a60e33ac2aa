// The sequence with the smallest priority number of the trace (0 where it gives none); among equals the one accessed
// longest ago.
#include <kvsim/eviction/sequence_policy.h>

namespace kvsim {

SequenceStrategyRow sequence_priority() {
    return {"priority", "the sequence with the smallest priority number goes, then the one accessed longest ago", "",
            [](Spec&) {
                SequenceStrategy s;
                s.key = [](const SequenceFacts& f) { return SequenceKey{ordered(f.priority), ascending(f.last_access)}; };
                return s;
            }};
}

}  // namespace kvsim
