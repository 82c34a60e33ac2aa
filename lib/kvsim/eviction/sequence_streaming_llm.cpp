// StreamingLLM (Xiao et al. 2023): attention needs a few first tokens (sinks) and a window of the latest. The sequence
// that needs room is trimmed to these, in whole blocks, so that no sink and no window token is lost; only if that is
// not enough the sequence accessed longest ago goes. Tokens keep their positions (the paper counts positions inside the
// cache).
#include <kvsim/eviction/sequence_policy.h>

namespace kvsim {

SequenceStrategyRow sequence_streaming_llm() {
    return {"streaming_llm", "trims the sequence that needs room to sinks and a window, then as lru", "sink=4 window=1020",
            [](Spec& spec) {
                SequenceStrategy s;
                s.key = [](const SequenceFacts& f) { return SequenceKey{ascending(f.last_access), 0}; };
                s.trims = true;
                s.sink = spec.whole("sink", 4, 0, 1u << 30);
                s.window = spec.whole("window", 1020, 1, 1u << 30);
                return s;
            }};
}

}  // namespace kvsim
