// Token eviction on attention that a trace recorded (its `scores` rows): which share of the recorded weight falls on tokens
// that the strategy kept. No keys or values are there, so nothing is said about errors.
#pragma once

#include <kvsim/trace/trace.h>

#include <cstdint>
#include <string>

namespace kvsim {

struct ScoreOutcome {
    double retained_mass = 0;  ///< sum over measured rows: weight on the tokens seen
    uint64_t measured_rows = 0;
    uint64_t evicted_tokens = 0, held_tokens = 0, appended_tokens = 0;  ///< (sequence, layer, head, token), where there are rows
    double mean_mass() const { return measured_rows > 0 ? retained_mass / static_cast<double>(measured_rows) : 0; }
};

/// Every (sequence, layer, head) with rows is a cache of its own. At a row the tokens that came since the last one are
/// appended, the row is measured if the sequence has more tokens than the budget, its weights on the tokens held are made
/// to sum to 1 and told to the strategy, and tokens leave until the budget holds. A fork's child begins with all tokens.
/// Rows of the first `warmup_requests` requests are played, not counted. Throws Error(input) for strategies that need keys.
ScoreOutcome replay_scores(const Trace& trace, const std::string& eviction, uint64_t capacity_tokens, uint64_t warmup_requests);

}  // namespace kvsim
