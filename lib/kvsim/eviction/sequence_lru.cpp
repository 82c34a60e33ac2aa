// Least recently used: the sequence whose last allocation, append or fork is longest ago. Reading is no access. The
// default. Ticks are unique but for a fork, which is an access of its parent before one of its child.
#include <kvsim/eviction/sequence_policy.h>

namespace kvsim {

SequenceStrategyRow sequence_lru() {
    return {"lru", "the sequence accessed longest ago goes", "",
            [](Spec&) {
                SequenceStrategy s;
                s.key = [](const SequenceFacts& f) { return SequenceKey{ascending(f.last_access), 0}; };
                return s;
            }};
}

}  // namespace kvsim
