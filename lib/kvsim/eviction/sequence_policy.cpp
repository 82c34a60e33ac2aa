#include <kvsim/eviction/sequence_policy.h>

namespace kvsim {

Registry<SequenceStrategyRow>& sequence_strategies() {
    static Registry<SequenceStrategyRow> registry = [] {
        Registry<SequenceStrategyRow> r("sequence strategy (--eviction)");
        for (auto row : {sequence_lru, sequence_lfu, sequence_fifo, sequence_longest_first, sequence_shortest_first,
                         sequence_priority, sequence_most_blocks_freed, sequence_streaming_llm, sequence_latest,
                         sequence_none})
            r.add(row());
        return r;
    }();
    return registry;
}

SequenceStrategy make_sequence_strategy(const std::string& text) {
    Spec spec = Spec::parse(text.rfind("sequence/", 0) == 0 ? text.substr(9) : text);
    SequenceStrategy strategy = sequence_strategies().get(spec.id()).make(spec);
    spec.finish();
    return strategy;
}

}  // namespace kvsim
