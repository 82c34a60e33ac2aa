// What a cache does for a token strategy, as its interface says: tokens in slots, a victim's slot filled by the last.
#pragma once

#include <kvsim/eviction/token_policy.h>

#include <algorithm>
#include <string>
#include <vector>

namespace kvsim_test {

/// What one step brings, by position: weights[head][id] of all tokens so far, keys[head][dim], ...
struct TokenStep {
    std::vector<std::vector<float>> weights, keys, values, keys_before;
    std::vector<float> queries;  ///< [query head, head_dim]
};

class TokenHolder {
  public:
    TokenHolder(const std::string& spec, const kvsim::TokenContext& context)
        : context_(context), strategy_(kvsim::make_token_strategy(spec, context)), heads_(context.kv_heads) {}

    uint64_t budget() const { return strategy_->budget(); }

    void step(const TokenStep& s) {
        append(s);
        std::vector<std::vector<float>> weights;
        for (size_t h = 0; h < s.weights.size(); ++h) {
            weights.emplace_back();
            for (uint32_t id : heads_[h].ids) weights[h].push_back(s.weights[h][id]);
        }
        std::vector<float> before;
        for (const auto& key : s.keys_before) before.insert(before.end(), key.begin(), key.end());
        kvsim::LayerStep step;
        step.token = next_++;
        step.heads = &heads_;
        step.weights = weights.empty() ? nullptr : &weights;
        step.queries = s.queries.empty() ? nullptr : s.queries.data();
        step.keys_before_rotation = before.empty() ? nullptr : before.data();
        strategy_->on_step(step);
        kvsim::TokenVictim victim;
        while (strategy_->next_victim(step, victim)) {
            evict(victim);
            if (!weights.empty()) {  // a strategy may look at them between victims
                std::vector<float>& row = weights[victim.head];
                row[victim.slot] = row.back();
                row.pop_back();
            }
        }
    }
    /// Tokens held, by position.
    std::vector<uint32_t> held(size_t head = 0) const {
        std::vector<uint32_t> ids = heads_[head].ids;
        std::sort(ids.begin(), ids.end());
        return ids;
    }
    std::vector<std::vector<uint32_t>> all_held() const {
        std::vector<std::vector<uint32_t>> all;
        for (size_t h = 0; h < heads_.size(); ++h) all.push_back(held(h));
        return all;
    }

  private:
    void append(const TokenStep& s) {
        for (size_t h = 0; h < heads_.size(); ++h) {
            heads_[h].ids.push_back(next_);
            std::vector<float> zeros(context_.head_dim, 0);
            const std::vector<float>& key = s.keys.empty() ? zeros : s.keys[h];
            const std::vector<float>& value = s.values.empty() ? zeros : s.values[h];
            heads_[h].keys.insert(heads_[h].keys.end(), key.begin(), key.end());
            heads_[h].values.insert(heads_[h].values.end(), value.begin(), value.end());
        }
    }
    void evict(kvsim::TokenVictim victim) {
        kvsim::HeadTokens& head = heads_[victim.head];
        uint32_t last = head.count() - 1, dim = context_.head_dim;
        head.ids[victim.slot] = head.ids[last];
        head.ids.pop_back();
        for (std::vector<float>* rows : {&head.keys, &head.values}) {
            std::copy_n(rows->begin() + last * dim, dim, rows->begin() + victim.slot * dim);
            rows->resize(size_t{last} * dim);
        }
        strategy_->on_evict(victim, last);
    }

    kvsim::TokenContext context_;
    std::unique_ptr<kvsim::TokenStrategy> strategy_;
    std::vector<kvsim::HeadTokens> heads_;
    uint32_t next_ = 0;
};

}  // namespace kvsim_test
