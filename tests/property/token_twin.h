// Naive twins of token strategies: everything that ever happened is kept in nested vectors by position, scores are
// made anew from it at each step, the lowest is found by a scan. No code is shared. Survivors are equal after every
// step.
//
// Additions over time are made in the same order, so sums of weights are equal to the bit. Where sums over tokens or
// coordinates are made in another order (key_diff, expected_attention), keys are any numbers, so that scores are equal
// (copies) or differ by far more than rounding.
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <random>
#include <sstream>

#include "support/random_check.h"
#include "support/token_story.h"

namespace kvsim_test {

using namespace kvsim;
using Ids = std::vector<uint32_t>;

struct Naive {
    TokenContext context;
    uint64_t budget = 1, sinks = 0, recent = 0;
    std::vector<TokenStep> steps;  ///< all so far
    std::vector<Ids> held;         ///< [head], by position
    /// Score of a token that a head holds.
    std::function<double(const Naive&, uint32_t head, uint32_t id)> score;

    uint32_t now() const { return static_cast<uint32_t>(steps.size() - 1); }
    double weight(uint32_t step, uint32_t head, uint32_t id) const { return steps[step].weights[head][id]; }
    bool is_protected(uint32_t id) const { return id < sinks || id + recent > now(); }

    /// Index of the victim in held[head]: the lowest score, else by the rule for protected tokens.
    bool lowest(uint32_t head, const std::vector<double>& scores, size_t& found) const {
        bool any = false;
        for (size_t i = 0; i < held[head].size(); ++i) {
            if (is_protected(held[head][i]) || (any && scores[i] >= scores[found])) continue;
            found = i;
            any = true;
        }
        return any;
    }
    size_t least_protected(uint32_t head) const {
        for (size_t i = 0; i < held[head].size(); ++i)
            if (held[head][i] >= sinks) return i;
        return held[head].size() - 1;
    }
    std::vector<double> scores(uint32_t head) const {
        std::vector<double> all;
        for (uint32_t id : held[head]) all.push_back(score(*this, head, id));
        return all;
    }
    void evict() {
        for (uint32_t head = 0; head < held.size(); ++head)
            while (held[head].size() > budget) {
                size_t i = 0;
                if (!lowest(head, scores(head), i)) i = least_protected(head);
                held[head].erase(held[head].begin() + static_cast<long>(i));
            }
    }
    void append(const TokenStep& s) {
        held.resize(context.kv_heads);
        for (Ids& ids : held) ids.push_back(static_cast<uint32_t>(steps.size()));
        steps.push_back(s);
    }
};

struct Wishes {
    bool weights = true, keys = false, rotation = false, halves = false;
    bool copies = true;  ///< some tokens have the key and value of another
    uint64_t least_budget = 1, most_tokens = 40;
};

/// Numbers with many ties, or any.
class Teller {
  public:
    Teller(uint64_t seed, const TokenContext& c, Wishes wishes) : random_(seed), context_(c), wishes_(wishes) {
        coarse_ = random_() % 2 == 0;
    }
    TokenStep next(const std::vector<TokenStep>& before) {
        TokenStep s;
        auto t = static_cast<uint32_t>(before.size());
        for (uint32_t h = 0; h < context_.kv_heads; ++h) {
            if (wishes_.weights) {
                s.weights.emplace_back();
                for (uint32_t id = 0; id <= t; ++id)
                    s.weights[h].push_back(coarse_ ? static_cast<float>(random_() % 3) / 8 : fraction());
            }
            if (!wishes_.keys) continue;
            bool copy = wishes_.copies && t > 0 && random_() % 3 == 0;
            const TokenStep* from = copy ? &before[random_() % t] : nullptr;
            s.keys_before.push_back(copy ? from->keys_before[h] : any(context_.head_dim));
            s.values.push_back(copy ? from->values[h] : any(context_.head_dim));
            s.keys.push_back(wishes_.rotation ? rotated(s.keys_before[h], t) : s.keys_before[h]);
        }
        if (wishes_.rotation) s.queries = any(context_.kv_heads * context_.group * context_.head_dim);
        return s;
    }
    uint64_t below(uint64_t n) { return random_() % n; }

  private:
    float fraction() { return static_cast<float>(random_() % (1u << 24)) / (1u << 24); }
    std::vector<float> any(uint32_t count) {
        std::vector<float> v(count);
        for (float& x : v) x = 4 * fraction() - 2;
        return v;
    }
    std::vector<float> rotated(const std::vector<float>& v, uint32_t position) const {
        uint32_t dim = context_.head_dim;
        std::vector<float> out(dim);
        for (uint32_t i = 0; i < dim / 2; ++i) {
            uint32_t a = wishes_.halves ? i : 2 * i, b = wishes_.halves ? i + dim / 2 : 2 * i + 1;
            double angle = position * std::pow(10000.0, -2.0 * i / dim);
            out[a] = static_cast<float>(v[a] * std::cos(angle) - v[b] * std::sin(angle));
            out[b] = static_cast<float>(v[a] * std::sin(angle) + v[b] * std::cos(angle));
        }
        return out;
    }
    std::mt19937_64 random_;
    TokenContext context_;
    Wishes wishes_;
    bool coarse_;
};

inline std::string text_of(const std::vector<Ids>& held) {
    std::ostringstream out;
    for (const Ids& ids : held) {
        for (uint32_t id : ids) out << id << " ";
        out << "| ";
    }
    return out.str();
}

/// `extra` adds parameters to the spec and to the twin.
using Extra = std::function<std::string(Naive&, Teller&)>;
using Evict = std::function<void(Naive&)>;

inline void check_case(const std::string& id, const Wishes& wishes, uint64_t default_sinks, const Extra& extra,
                const Evict& evict) {
    auto seed = *rc::gen::arbitrary<uint64_t>();
    std::mt19937_64 random(seed);
    Naive naive;
    naive.context.kv_heads = 1 + static_cast<uint32_t>(random() % 3);
    naive.context.group = 1 + static_cast<uint32_t>(random() % 2);
    naive.context.head_dim = 2 + 2 * static_cast<uint32_t>(random() % 3);
    naive.context.sequence = random() % 5;
    naive.context.layers = 4;
    naive.context.layer = static_cast<uint32_t>(random() % 4);
    uint64_t tokens = 1 + random() % wishes.most_tokens;
    naive.context.sequence_tokens = tokens;
    naive.budget = wishes.least_budget + random() % (random() % 2 == 0 ? 6 : tokens);
    std::string spec = id + ":budget=" + std::to_string(naive.budget);
    naive.sinks = default_sinks;
    if (naive.budget > 1 && random() % 2 == 0) {
        naive.sinks = random() % std::min<uint64_t>(naive.budget, 5);
        spec += ",sinks=" + std::to_string(naive.sinks);
    }
    Teller teller(seed ^ 0x5bd1e995u, naive.context, wishes);
    spec += extra(naive, teller);
    RC_LOG() << spec << " heads=" << naive.context.kv_heads << " dim=" << naive.context.head_dim << " tokens=" << tokens
             << "\n";
    TokenHolder ours(spec, naive.context);
    for (uint64_t t = 0; t < tokens; ++t) {
        TokenStep s = teller.next(naive.steps);
        naive.append(s);
        evict(naive);
        ours.step(s);
        if (ours.all_held() == naive.held) continue;
        RC_FAIL("after token " + std::to_string(t) + ": " + text_of(ours.all_held()) + "naive " + text_of(naive.held));
    }
}

inline int rounds = 1;

inline void check(const std::string& id, const Wishes& wishes, uint64_t sinks, const Extra& extra,
           const Evict& evict = [](Naive& n) { n.evict(); }) {
    for (int i = 0; i < 10 * rounds; ++i)
        if (!random_check(id, [&] { check_case(id, wishes, sinks, extra, evict); })) {
            CHECK_MESSAGE(false, id);
            return;
        }
    CHECK(true);
}

inline std::string recent(Naive& n, Teller& t, uint64_t fallback) {
    n.recent = fallback;
    if (t.below(2) == 0) return "";
    n.recent = t.below(8);
    return ",recent=" + std::to_string(n.recent);
}

}  // namespace kvsim_test
