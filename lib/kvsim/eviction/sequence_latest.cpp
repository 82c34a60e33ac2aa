// The smallest priority number, then the sequence that started last: what schedulers preempt, so that the work that is
// furthest along is kept (vLLM preempts the last of its running queue). The default of --preempt.
#include <kvsim/eviction/sequence_policy.h>

namespace kvsim {

SequenceStrategyRow sequence_latest() {
    return {"latest", "the smallest priority number, then the sequence that started last, goes", "",
            [](Spec&) {
                SequenceStrategy s;
                s.key = [](const SequenceFacts& f) { return SequenceKey{ordered(f.priority), descending(f.started)}; };
                return s;
            }};
}

}  // namespace kvsim
