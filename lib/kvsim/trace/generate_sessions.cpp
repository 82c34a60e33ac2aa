// Blocks filled by an opening alone are named per opening, all others per session. A partly filled last block has
// a name of its own each turn, as in the published traces, because more text will follow in it.
#include <kvsim/trace/generate_sessions.h>
#include <kvsim/trace/generator.h>
#include <kvsim/trace/path_interner.h>

#include <algorithm>
#include <string>

namespace kvsim {
namespace {

class SessionChains {
  public:
    SessionChains(Trace& trace, const SessionStyle& style)
        : trace_(trace), style_(style), interner_(trace.chains, Names::content) {}

    void add(const SessionTurn& t) {
        uint64_t full = t.prompt / style_.block_size;
        names_.clear();
        for (uint64_t i = 0; i < full; ++i) names_.push_back(full_block(t, i));
        if (t.prompt % style_.block_size != 0) names_.push_back(own(t) | t.turn);
        uint32_t row = interner_.add(names_.data(), names_.size());
        if (style_.named_output) add_output(t, row, full);
    }

  private:
    // A block is told apart from its siblings only, its path does the rest.
    uint64_t full_block(const SessionTurn& t, uint64_t position) const {
        bool shared = (position + 1) * style_.block_size <= style_.opening_tokens[t.opening];
        return shared ? uint64_t{t.opening} << 32 : own(t);
    }
    uint64_t own(const SessionTurn& t) const { return (style_.opening_tokens.size() + t.session) << 32; }

    void add_output(const SessionTurn& t, uint32_t row, uint64_t full) {
        uint64_t all = (uint64_t{t.prompt} + t.output) / style_.block_size;
        trace_.lookup_rows.push_back(row);
        trace_.row_tokens.push_back({t.prompt, false});
        names_.clear();
        for (uint64_t i = full; i < all; ++i) names_.push_back(full_block(t, i));
        if (names_.empty()) {
            trace_.stored_rows.push_back(kNone);
            return;
        }
        trace_.stored_rows.push_back(
            interner_.add_after(row, static_cast<uint32_t>(full), names_.data(), names_.size()));
        trace_.row_tokens.push_back({static_cast<uint32_t>(all * style_.block_size), true});
    }

    Trace& trace_;
    const SessionStyle& style_;
    PathInterner interner_;
    std::vector<uint64_t> names_;
};

}  // namespace

Trace session_trace(std::vector<SessionTurn> turns, const SessionStyle& style) {
    std::stable_sort(turns.begin(), turns.end(), [](const SessionTurn& a, const SessionTurn& b) {
        return a.arrival_ms < b.arrival_ms;
    });
    Trace trace;
    trace.block_size = static_cast<uint32_t>(style.block_size);
    SessionChains chains(trace, style);
    for (uint32_t r = 0; r < turns.size(); ++r) {
        const SessionTurn& t = turns[r];
        chains.add(t);
        trace.prompt_tokens.push_back(t.prompt);
        trace.output_tokens.push_back(t.output);
        trace.arrival_s.push_back(static_cast<double>(t.arrival_ms) / 1e3);
        trace.source_row.push_back(r);
        std::string session = "s" + std::to_string(t.session);
        trace.sequence.set(r, session + "t" + std::to_string(t.turn));
        trace.session.set(r, session);
        trace.turn.set(r, t.turn);
        trace.category.set(r, style.category + std::to_string(t.opening));
        if (style.parents && t.turn > 1) trace.parent.set(r, session + "t" + std::to_string(t.turn - 1));
    }
    drop_unused_output_rows(trace);
    return trace;
}

}  // namespace kvsim
