// The sequence that gives back the most blocks: those that no other sequence holds.
#include <kvsim/eviction/sequence_policy.h>

namespace kvsim {

SequenceStrategyRow sequence_most_blocks_freed() {
    return {"most_blocks_freed", "the sequence that gives back the most blocks goes", "",
            [](Spec&) {
                SequenceStrategy s;
                s.key = [](const SequenceFacts& f) { return SequenceKey{descending(f.freeable_blocks), 0}; };
                s.falls_on_access = true;
                return s;
            }};
}

}  // namespace kvsim
