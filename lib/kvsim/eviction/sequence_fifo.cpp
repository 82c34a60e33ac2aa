// First in, first out: the sequence that started longest ago. One that comes back after an eviction starts anew.
#include <kvsim/eviction/sequence_policy.h>

namespace kvsim {

SequenceStrategyRow sequence_fifo() {
    return {"fifo", "the sequence that started longest ago goes", "",
            [](Spec&) {
                SequenceStrategy s;
                s.key = [](const SequenceFacts& f) { return SequenceKey{ascending(f.started), 0}; };
                return s;
            }};
}

}  // namespace kvsim
