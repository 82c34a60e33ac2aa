// What the generators of sessions have in common: a turn's prompt is everything said so far, output included,
// and something new. The kinds differ in who talks, how much and when (generate_chat.cpp, generate_agents.cpp).
#pragma once

#include <kvsim/trace/trace.h>

#include <cstdint>
#include <vector>

namespace kvsim {

/// One request of a session. Turns count from 1; `opening` is the text that all sessions with its number
/// begin with.
struct SessionTurn {
    uint64_t arrival_ms;
    uint32_t session, turn, opening, prompt, output;
};

struct SessionStyle {
    uint64_t block_size;
    std::vector<uint64_t> opening_tokens;  ///< length of each opening
    const char* category;                  ///< followed by the opening's number
    bool named_output;                     ///< the blocks that an output completes have names
    bool parents;                          ///< a turn names the one before
};

/// The turns' requests in order of arrival. Sequence sStT is turn T of session S.
Trace session_trace(std::vector<SessionTurn> turns, const SessionStyle& style);

}  // namespace kvsim
