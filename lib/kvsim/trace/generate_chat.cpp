// Multi-turn chat. Sessions arrive one after another; each belongs to one of a few applications with a system
// prompt of its own, shared by all its sessions. A turn's prompt is everything said so far, output included,
// and a new user message; after the answer (token_ms per token) and some thinking the next turn follows.
//
// Which blocks have which names: generate_sessions.cpp. With named_output=on the blocks that an answer completes
// are named too, so the next turn hits them.
#include <kvsim/core/error.h>
#include <kvsim/core/random.h>
#include <kvsim/trace/format.h>
#include <kvsim/trace/generate_sessions.h>
#include <kvsim/trace/generator.h>

#include <algorithm>
#include <cmath>

namespace kvsim {
namespace {

struct ChatParameters {
    uint64_t sessions, turns, systems, system_tokens, user_tokens, output_tokens, context_tokens, token_ms,
        block_size;
    uint64_t think_ms, gap_ms;
    bool named_output;
};

ChatParameters read_chat_parameters(Spec& spec) {
    ChatParameters p;
    p.sessions = spec.whole("sessions", 200, 1, 10000000);
    p.turns = spec.whole("turns", 6, 1, 10000);
    p.systems = spec.whole("systems", 3, 1, 1000000);
    p.system_tokens = spec.whole("system_tokens", 880, 0, 1u << 24);
    p.user_tokens = spec.whole("user_tokens", 120, 1, 1u << 24);
    p.output_tokens = spec.whole("output_tokens", 250, 1, 1u << 24);
    p.context_tokens = spec.whole("context_tokens", 131072, 1, 1u << 30);
    p.think_ms = static_cast<uint64_t>(std::floor(spec.number("think_s", 30, 0, 1e6) * 1e3 + 0.5));
    p.gap_ms = static_cast<uint64_t>(std::floor(1e3 / spec.number("rate", 2, 1e-6, 1e3) + 0.5));
    p.token_ms = spec.whole("token_ms", 20, 0, 100000);
    p.block_size = spec.whole("block_size", 16, 1, kMaxBlockSize);
    p.named_output = spec.on_off("named_output", false);
    spec.finish();
    return p;
}

// Lengths and times of all turns, session by session.
std::vector<SessionTurn> make_turns(const ChatParameters& p, uint64_t seed) {
    Random random(seed);
    std::vector<SessionTurn> all;
    uint64_t session_ms = 0;
    for (uint32_t session = 0; session < p.sessions; ++session) {
        auto system = static_cast<uint32_t>(random.below(p.systems));
        uint64_t turns = random.between(1, 2 * p.turns - 1);
        uint64_t said = p.system_tokens;
        uint64_t now = session_ms;
        for (uint32_t turn = 1; turn <= turns; ++turn) {
            uint64_t prompt = said + std::max<uint64_t>(1, random.skewed(p.user_tokens));
            uint64_t output = std::max<uint64_t>(1, random.skewed(p.output_tokens));
            uint64_t pause = random.skewed(p.think_ms);
            if (prompt + output > p.context_tokens) break;
            all.push_back(
                {now, session, turn, system, static_cast<uint32_t>(prompt), static_cast<uint32_t>(output)});
            said = prompt + output;
            now += output * p.token_ms + pause;
        }
        session_ms += random.skewed(p.gap_ms);
    }
    return all;
}

Trace generate_chat(Spec& spec, uint64_t seed) {
    ChatParameters p = read_chat_parameters(spec);
    std::vector<SessionTurn> turns = make_turns(p, seed);
    if (turns.empty()) throw_input("chat: context_tokens leave no room for a single turn");
    std::vector<uint64_t> systems(p.systems, p.system_tokens);
    return session_trace(std::move(turns), {p.block_size, std::move(systems), "app", p.named_output, false});
}

}  // namespace

GeneratorRow chat_generator() {
    return {"chat",
            "multi-turn chat: shared system prompts, growing contexts",
            {{"sessions", "200", "conversations"},
             {"turns", "6", "mean turns per session, uniform from 1 to twice the mean less 1"},
             {"systems", "3", "applications, each with a system prompt of its own"},
             {"system_tokens", "880", "length of each system prompt"},
             {"user_tokens", "120", "mean new user text per turn, long tail"},
             {"output_tokens", "250", "mean answer, long tail"},
             {"context_tokens", "131072", "a session ends before prompt and answer exceed this"},
             {"think_s", "30", "mean pause between an answer and the next turn, long tail"},
             {"rate", "2", "sessions a second"},
             {"token_ms", "20", "time to write one output token"},
             {"block_size", "16", "tokens per block"},
             {"named_output", "off", "on: answers name their blocks, so the next turn hits them"}},
            generate_chat};
}

}  // namespace kvsim
