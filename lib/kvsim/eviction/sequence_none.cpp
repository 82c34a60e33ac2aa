// Nothing is evicted: what does not fit waits or is rejected.
#include <kvsim/eviction/sequence_policy.h>

namespace kvsim {

SequenceStrategyRow sequence_none() {
    return {"none", "nothing is evicted", "",
            [](Spec&) { return SequenceStrategy{}; }};
}

}  // namespace kvsim
