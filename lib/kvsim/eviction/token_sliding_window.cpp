// Sliding window: the last `window` tokens are held (Beltagy et al. 2020 and older). What is evicted never comes back
// into sight, so where a model leaves much weight on its first tokens the output breaks down: streaming_llm.
//
// Caches of this name are known that keep sinks and window whatever the budget is, or forget the window when they
// shrink; here a head never holds more than the budget, and always that many.
#include <kvsim/eviction/token_window.h>

namespace kvsim {

TokenStrategyRow token_sliding_window() {
    return token_window_row<0>("sliding_window", "the last tokens", "textbook",
                                     "budget=0.2 window=budget sinks=0");
}

}  // namespace kvsim
