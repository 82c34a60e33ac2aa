// Multi-turn chat. Sessions arrive one after another; each belongs to one of a few applications with a system
// prompt of its own, shared by all its sessions. A turn's prompt is everything said so far, output included,
// and a new user message; after the answer (token_ms per token) and some thinking the next turn follows.
//
// Blocks: those filled by the system prompt alone are named per application, all others per session. A partly
// filled last block has a name of its own each turn, as in the published traces, because more text will
// follow in it. With named_output=on the blocks that an answer completes are named too, so the next turn hits
// them.
#include <kvsim/core/error.h>
#include <kvsim/core/random.h>
#include <kvsim/trace/format.h>
#include <kvsim/trace/generator.h>

#include <algorithm>
#include <cmath>

namespace kvsim {
namespace {

struct Parameters {
    uint64_t sessions, turns, systems, system_tokens, user_tokens, output_tokens, context_tokens, token_ms,
        block_size;
    uint64_t think_ms, gap_ms;
    bool named_output;
};

struct Turn {
    uint64_t arrival_ms;
    uint32_t session, turn, system, prompt, output;
};

Parameters read_parameters(Spec& spec) {
    Parameters p;
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

// Lengths and times of all turns, in order of arrival.
std::vector<Turn> make_turns(const Parameters& p, uint64_t seed) {
    Random random(seed);
    std::vector<Turn> all;
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
    std::stable_sort(all.begin(), all.end(),
                     [](const Turn& a, const Turn& b) { return a.arrival_ms < b.arrival_ms; });
    return all;
}

/// Names of blocks; a block is told apart from its siblings only, its path does the rest.
class Namer {
  public:
    explicit Namer(const Parameters& p) : p_(p) {}
    uint64_t full(const Turn& t, uint64_t position) const {
        bool shared = (position + 1) * p_.block_size <= p_.system_tokens;
        return (shared ? t.system : p_.systems + t.session) << 32;
    }
    uint64_t partial(const Turn& t) const { return (p_.systems + t.session) << 32 | t.turn; }

  private:
    const Parameters& p_;
};

void add_chains(Trace& trace, PathInterner& interner, const Parameters& p, const Turn& t) {
    Namer name(p);
    uint64_t full = t.prompt / p.block_size;
    std::vector<uint64_t> names;
    for (uint64_t i = 0; i < full; ++i) names.push_back(name.full(t, i));
    if (t.prompt % p.block_size != 0) names.push_back(name.partial(t));
    uint32_t row = interner.add(names.data(), names.size());
    if (!p.named_output) return;
    uint64_t all = (uint64_t{t.prompt} + t.output) / p.block_size;
    trace.lookup_rows.push_back(row);
    trace.row_tokens.push_back({t.prompt, false});
    names.clear();
    for (uint64_t i = full; i < all; ++i) names.push_back(name.full(t, i));
    if (names.empty()) {
        trace.stored_rows.push_back(kNone);
        return;
    }
    trace.stored_rows.push_back(
        interner.add_after(row, static_cast<uint32_t>(full), names.data(), names.size()));
    trace.row_tokens.push_back({static_cast<uint32_t>(all * p.block_size), true});
}

Trace generate_chat(Spec& spec, uint64_t seed) {
    Parameters p = read_parameters(spec);
    std::vector<Turn> turns = make_turns(p, seed);
    if (turns.empty()) throw_input("chat: context_tokens leave no room for a single turn");
    Trace trace;
    trace.block_size = static_cast<uint32_t>(p.block_size);
    PathInterner interner(trace.chains, Names::content);
    for (uint32_t r = 0; r < turns.size(); ++r) {
        const Turn& t = turns[r];
        add_chains(trace, interner, p, t);
        trace.prompt_tokens.push_back(t.prompt);
        trace.output_tokens.push_back(t.output);
        trace.arrival_s.push_back(static_cast<double>(t.arrival_ms) / 1e3);
        trace.source_row.push_back(r);
        std::string session = "s" + std::to_string(t.session);
        trace.sequence.set(r, session + "t" + std::to_string(t.turn));
        trace.session.set(r, session);
        trace.turn.set(r, t.turn);
        trace.category.set(r, "app" + std::to_string(t.system));
    }
    if (std::all_of(trace.stored_rows.begin(), trace.stored_rows.end(),
                    [](uint32_t row) { return row == kNone; })) {
        trace.lookup_rows.clear();
        trace.stored_rows.clear();
        trace.row_tokens.clear();
    }
    return trace;
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
