#include <kvsim/core/error.h>
#include <kvsim/eviction/token_policy.h>
#include <kvsim/sim/score_replay.h>

#include <algorithm>
#include <map>
#include <tuple>

namespace kvsim {

namespace {

/// One head of one layer of one sequence.
class HeadRun {
  public:
    HeadRun(const std::string& eviction, const TokenContext& context) : strategy_(make_token_strategy(eviction, context)) {
        step_.heads = &heads_;
        step_.weights = &weights_;
    }

    /// `weights`: of all tokens of the sequence, by position.
    void step(const std::vector<float>& weights, bool counted, ScoreOutcome& out) {
        HeadTokens& head = heads_[0];
        auto tokens = static_cast<uint32_t>(weights.size());
        if (counted) out.appended_tokens += tokens - tokens_;
        for (; tokens_ < tokens; ++tokens_) head.ids.push_back(tokens_);
        std::vector<float>& held = weights_[0];
        held.clear();
        double mass = 0;
        for (uint32_t id : head.ids) {
            held.push_back(weights[id]);
            mass += double{weights[id]};
        }
        if (counted && tokens > strategy_->budget()) {
            out.retained_mass += std::min(mass, 1.0);
            ++out.measured_rows;
        }
        for (float& w : held) w = mass > 0 ? static_cast<float>(double{w} / mass) : 0;
        step_.token = tokens - 1;
        strategy_->on_step(step_);
        TokenVictim victim;
        while (strategy_->next_victim(step_, victim)) {
            uint32_t last = head.count() - 1;
            head.ids[victim.slot] = head.ids[last];
            head.ids.pop_back();
            strategy_->on_evict(victim, last);
            if (counted) ++out.evicted_tokens;
        }
    }
    uint64_t held() const { return heads_[0].count(); }

  private:
    std::unique_ptr<TokenStrategy> strategy_;
    std::vector<HeadTokens> heads_{1};
    std::vector<std::vector<float>> weights_{1};
    LayerStep step_;
    uint32_t tokens_ = 0;
};

/// A row as one weight per position.
std::vector<float> spread(const Trace& t, const ScoreRow& row, uint64_t tokens) {
    uint64_t others = tokens - row.top_count;
    std::vector<float> weights(tokens, others > 0 ? row.rest / static_cast<float>(others) : 0);
    for (uint32_t i = 0; i < row.top_count; ++i) {
        const ScoreWeight& w = t.score_weights[row.top_begin + i];
        weights[w.position] = w.weight;
    }
    return weights;
}

}  // namespace

ScoreOutcome replay_scores(const Trace& trace, const std::string& eviction, uint64_t capacity_tokens,
                           uint64_t warmup_requests) {
    const TokenStrategyRow& strategy = token_strategies().get(Spec::parse(eviction).id());
    if (strategy.needs_keys)
        throw_input("--eviction " + eviction + " looks at keys, which the trace does not have; its scores are for strategies that "
                    "look at weights or positions");
    std::map<std::tuple<uint32_t, uint32_t, uint32_t>, HeadRun> runs;  // sequence, layer, head
    std::vector<uint64_t> tokens(trace.requests());
    ScoreOutcome out;
    auto play = [&](const ScoreRow& row) {
        if (tokens[row.sequence] == 0) return;
        auto found = runs.find({row.sequence, row.layer, row.head});
        if (found == runs.end()) {
            TokenContext context;
            context.layer = row.layer;
            context.layers = row.layer + 1;
            context.sequence = row.sequence;
            context.sequence_tokens = uint64_t{trace.prompt_tokens[row.sequence]} + trace.output_tokens[row.sequence];
            context.capacity_tokens = capacity_tokens;
            found = runs.try_emplace({row.sequence, row.layer, row.head}, eviction, context).first;
        }
        found->second.step(spread(trace, row, tokens[row.sequence]), row.sequence >= warmup_requests, out);
    };
    size_t next = 0;
    for (uint32_t e = 0; e < trace.events.size(); ++e) {
        const Event& event = trace.events[e];
        if (event.kind == EventKind::fork) tokens[event.sequence] = tokens[event.other];
        if (event.kind == EventKind::prompt || event.kind == EventKind::decode) tokens[event.sequence] += event.tokens;
        for (; next < trace.scores.size() && trace.scores[next].event == e; ++next) play(trace.scores[next]);
    }
    if (trace.events.empty())
        for (const ScoreRow& row : trace.scores) {
            tokens[row.sequence] = uint64_t{trace.prompt_tokens[row.sequence]} + trace.output_tokens[row.sequence];
            play(row);
        }
    for (const auto& [place, run] : runs)
        if (std::get<0>(place) >= warmup_requests) out.held_tokens += run.held();
    return out;
}

}  // namespace kvsim
