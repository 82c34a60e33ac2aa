// Strategies that look at positions alone: the first `sinks` tokens and the last `window` are held.
//
// A head holds min(budget, sinks + window) tokens: sinks first, then the most recent. So all are protected, and the
// oldest that is no sink leaves, then the highest sink. With `window` and no `budget` given, the budget is what sinks
// and window need. No weights and no keys are looked at. Cost: the slots of a head stand in order of position; the one
// behind the sinks leaves, in O(sinks).
#pragma once

#include <kvsim/eviction/token_base.h>

#include <algorithm>
#include <deque>

namespace kvsim {

template <uint64_t kSinks>
class TokenWindow final : public TokenStrategy {
  public:
    TokenWindow(Spec& spec, const TokenContext& context) : order_(context.kv_heads) {
        TokenRoom held = room(spec, context);
        sinks_ = held.sinks;
        budget_ = held.budget;
    }
    static TokenRoom room(Spec& spec, const TokenContext& context) {
        TokenRoom room = ask_token_room(spec, context, kSinks);
        uint64_t window = spec.whole("window", kLongest, 1, kLongest);
        if (!room.asked && spec.has("window")) room.budget = context.capacity_tokens;
        room.budget = std::max<uint64_t>(1, std::min(room.budget, room.sinks + window));
        room.recent = room.budget;
        return room;
    }
    void on_step(const LayerStep& step) override {
        for (uint32_t head = 0; head < order_.size(); ++head)
            while (order_[head].size() < (*step.heads)[head].count())
                order_[head].push_back(static_cast<uint32_t>(order_[head].size()));
    }
    bool next_victim(const LayerStep&, TokenVictim& victim) override {
        for (uint32_t head = 0; head < order_.size(); ++head) {
            if (order_[head].size() <= budget_) continue;
            victim = {head, order_[head][leaves(head)]};
            return true;
        }
        return false;
    }
    void on_evict(TokenVictim victim, uint32_t last) override {
        std::deque<uint32_t>& order = order_[victim.head];
        *std::find(order.rbegin(), order.rend(), last) = victim.slot;  // the newest, so found at once
        order.erase(order.begin() + static_cast<std::ptrdiff_t>(leaves(victim.head)));
    }
    uint64_t budget() const override { return budget_; }

  private:
    static constexpr uint64_t kLongest = ~uint64_t{0} >> 1;

    size_t leaves(uint32_t head) const { return std::min<uint64_t>(sinks_, order_[head].size() - 1); }

    uint64_t sinks_ = 0, budget_ = 0;
    std::vector<std::deque<uint32_t>> order_;  ///< [head]: slots, by position
};

/// A row of it.
template <uint64_t kSinks>
TokenStrategyRow token_window_row(std::string id, std::string summary, std::string source, std::string parameters) {
    using Strategy = TokenWindow<kSinks>;
    TokenStrategyRow row = token_row<Strategy>(std::move(id), std::move(summary), std::move(source), std::move(parameters));
    row.rule = [](Spec& spec, const TokenContext& context) {
        return token_rule_of(Strategy::room(spec, context), TokenRule::Scores::none);
    };
    return row;
}

}  // namespace kvsim
