// Token eviction: 100,000 tokens through one head, with a budget of 10 %. Weights are made once; timed are the copy of
// those of a step, the strategy that sees them and names the victim, and the victim's slot filled. items = steps.
#include <benchmark/benchmark.h>
#include <kvsim/core/random.h>
#include <kvsim/eviction/token_policy.h>

#include <algorithm>
#include <string>

using namespace kvsim;

namespace {

constexpr uint32_t kTokens = 100000, kDim = 8;

void evict(benchmark::State& state, const std::string& spec) {
    Random random(1);
    std::vector<std::vector<float>> weights(1);
    std::vector<float> many(kTokens + kTokens / 10 + 1);
    for (float& w : many) w = static_cast<float>(random.below(1 << 20)) / (1 << 30);
    std::vector<float> keys(kDim);
    for (auto _ : state) {
        TokenContext context;
        context.head_dim = kDim;
        context.sequence_tokens = kTokens;
        auto strategy = make_token_strategy(spec, context);
        std::vector<HeadTokens> heads(1);
        LayerStep step;
        step.heads = &heads;
        step.weights = &weights;
        for (uint32_t t = 0; t < kTokens; ++t) {
            heads[0].ids.push_back(t);
            for (float& k : keys) k = static_cast<float>(random.below(1000));
            heads[0].keys.insert(heads[0].keys.end(), keys.begin(), keys.end());
            // The same numbers, from another place at each step; copying them is timed too.
            weights[0].assign(many.begin() + t / 10, many.begin() + t / 10 + heads[0].count());
            step.token = t;
            strategy->on_step(step);
            TokenVictim victim;
            while (strategy->next_victim(step, victim)) {
                uint32_t last = heads[0].count() - 1;
                heads[0].ids[victim.slot] = heads[0].ids[last];
                std::copy_n(heads[0].keys.begin() + last * kDim, kDim, heads[0].keys.begin() + victim.slot * kDim);
                heads[0].ids.pop_back();
                heads[0].keys.resize(last * kDim);
                strategy->on_evict(victim, last);
            }
        }
    }
    state.SetItemsProcessed(state.iterations() * kTokens);
}

}  // namespace

int main(int argc, char** argv) {
    for (const TokenStrategyRow& row : token_strategies().rows()) {
        if (row.needs_keys_before_rotation || row.id == "none") continue;
        auto run = [&row](benchmark::State& state) { evict(state, row.id + ":budget=0.1"); };
        benchmark::RegisterBenchmark(row.id.c_str(), run)->Unit(benchmark::kMillisecond);
    }
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
}
