// StreamingLLM (Xiao et al. 2023): a few first tokens, the sinks, and a window of the last ones. Softmax must put its
// weight somewhere, and models learn to put what no token deserves on the first ones; without them the rest gets it.
//
// The paper counts positions inside the cache, so that keys are rotated anew when tokens leave; which positions are
// used is the cache's affair, not the strategy's. The original makes room for a chunk of coming tokens at once; here
// one leaves for each that comes.
#include <kvsim/eviction/token_window.h>

namespace kvsim {

TokenStrategyRow token_streaming_llm() {
    return token_window_row<4>("streaming_llm", "a few first tokens and the last ones", "Xiao et al. 2023",
                                     "budget=0.2 sinks=4 window=budget-sinks");
}

}  // namespace kvsim
