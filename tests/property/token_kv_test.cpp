// Token eviction by kernels against the strategies themselves: the same tokens stay in every head of every layer.
#include <kvsim/backend/token_kv.h>
#include <kvsim/core/error.h>
#include <kvsim/core/random.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "support/random_check.h"

namespace token_kv_test {

using namespace kvsim;

namespace {

constexpr uint32_t kLayers = 2, kHeads = 2, kGroup = 2, kDim = 8;

/// Place 0 of a key is its position, which no query looks at; the rest is drawn.
class Marked final : public TokenValues {
  public:
    explicit Marked(uint64_t seed) : seed_(seed) {}
    void rows(uint64_t, uint32_t layer, uint64_t first, uint32_t count, float* keys, float* values) const override {
        for (uint64_t t = first; t < first + count; ++t)
            for (uint32_t i = 0; i < kHeads * kDim; ++i, ++keys, ++values) {
                *keys = i % kDim == 0 ? static_cast<float>(t) : draw(layer, t, i);
                *values = draw(layer, t, 1000 + i);
            }
    }
    void query(uint64_t, uint32_t layer, uint64_t position, float* queries) const override {
        for (uint32_t i = 0; i < kHeads * kGroup * kDim; ++i) queries[i] = i % kDim == 0 ? 0 : draw(layer, position, 2000 + i);
    }

  private:
    float draw(uint64_t layer, uint64_t t, uint64_t i) const {
        uint64_t x = seed_ * 0x9E3779B97F4A7C15u + (layer << 40) + (t << 16) + i;
        for (int k = 0; k < 3; ++k) x = (x ^ (x >> 29)) * 0xBF58476D1CE4E5B9u;
        return static_cast<float>(static_cast<int64_t>(x >> 40)) / static_cast<float>(1 << 22) - 2;
    }
    uint64_t seed_;
};

/// The positions that each head of a layer holds at the end, by the strategy, with attention in double precision.
std::vector<std::set<uint32_t>> by_strategy(const std::string& spec, uint32_t layer, uint32_t tokens, const Marked& source) {
    TokenContext context;
    context.layer = layer;
    context.layers = kLayers;
    context.kv_heads = kHeads;
    context.head_dim = kDim;
    context.group = kGroup;
    context.sequence_tokens = tokens;
    auto strategy = make_token_strategy(spec, context);
    std::vector<HeadTokens> heads(kHeads);
    std::vector<float> keys(kHeads * kDim), values(kHeads * kDim), queries(kHeads * kGroup * kDim);
    for (uint32_t t = 0; t < tokens; ++t) {
        source.rows(0, layer, t, 1, keys.data(), values.data());
        source.query(0, layer, t, queries.data());
        std::vector<std::vector<float>> weights(kHeads);
        for (uint32_t h = 0; h < kHeads; ++h) {
            heads[h].ids.push_back(t);
            heads[h].keys.insert(heads[h].keys.end(), &keys[h * kDim], &keys[h * kDim] + kDim);
            heads[h].values.insert(heads[h].values.end(), &values[h * kDim], &values[h * kDim] + kDim);
            std::vector<double> mean(heads[h].count(), 0);
            for (uint32_t g = 0; g < kGroup; ++g) {
                std::vector<double> e;
                double sum = 0;
                for (uint32_t s = 0; s < heads[h].count(); ++s) {
                    double dot = 0;
                    for (uint32_t i = 0; i < kDim; ++i)
                        dot += double{queries[(h * kGroup + g) * kDim + i]} * heads[h].keys[s * kDim + i];
                    e.push_back(std::exp(dot / std::sqrt(double{kDim})));
                    sum += e.back();
                }
                for (size_t s = 0; s < e.size(); ++s) mean[s] += e[s] / sum / kGroup;
            }
            weights[h].assign(mean.begin(), mean.end());
        }
        LayerStep step;
        step.token = t;
        step.heads = &heads;
        step.weights = &weights;
        strategy->on_step(step);
        for (TokenVictim v; strategy->next_victim(step, v);) {
            HeadTokens& head = heads[v.head];
            uint32_t last = head.count() - 1;
            head.ids[v.slot] = head.ids[last];
            std::copy_n(&head.keys[last * kDim], kDim, &head.keys[v.slot * kDim]);
            std::copy_n(&head.values[last * kDim], kDim, &head.values[v.slot * kDim]);
            head.ids.pop_back();
            head.keys.resize(last * kDim);
            head.values.resize(last * kDim);
            strategy->on_evict(v, last);
        }
    }
    std::vector<std::set<uint32_t>> held;
    for (const HeadTokens& head : heads) held.emplace_back(head.ids.begin(), head.ids.end());
    return held;
}

/// The same by kernels: [layer][head], read from the first places of the keys; in order, and nothing else there.
std::vector<std::vector<std::set<uint32_t>>> by_kernels(const std::string& spec, uint32_t prompt, uint32_t output, uint32_t block_size,
                                                        kv::Order order, const Marked& source) {
    TokenContext context;
    context.layers = kLayers;
    context.kv_heads = kHeads;
    context.sequence_tokens = prompt + output;
    TokenRule rule = token_rule(spec, context);
    Spec cpu = Spec::parse("cpu:threads=1");
    auto backend = backends().get("cpu").make(cpu);
    KernelLog log;
    KvMemory memory(*backend, {kLayers, kHeads, kDim, kHeads * kGroup, "f32", "f32", order, TokenKv::blocks(rule, prompt + output, block_size), block_size}, log);
    std::vector<std::vector<std::set<uint32_t>>> held(kLayers);
    TokenKv data(memory, source, [&](const CacheHandle& handle, const KvMemory::Source& original) {
        std::vector<float> keys, values, written_keys, written_values;
        for (uint32_t layer = 0; layer < kLayers; ++layer) {
            handle.kv_cache(layer, keys, values);
            written_keys.resize(keys.size());
            written_values.resize(keys.size());
            original(layer, 0, static_cast<uint32_t>(handle.num_tokens()), written_keys.data(), written_values.data());
            RC_ASSERT(keys == written_keys);
            RC_ASSERT(values == written_values);
            held[layer].resize(kHeads);
            for (size_t row = 0; row < keys.size() / kDim; ++row)
                held[layer][row % kHeads].insert(static_cast<uint32_t>(keys[row * kDim]));
            for (const auto& head : held[layer]) RC_ASSERT(head.size() == handle.num_tokens());
        }
    });
    data.play(0, prompt, output, rule, false);
    RC_ASSERT(data.evicted_tokens() == prompt + output - std::min<uint64_t>(rule.keep, prompt + output));
    return held;
}

}  // namespace

TEST_CASE("token eviction by kernels keeps what the strategy keeps") {
    CHECK(kvsim_test::random_check("the same positions in every head", [] {
        static const std::vector<std::string> ids = {"none", "streaming_llm", "sliding_window", "h2o", "tova"};
        std::string id = *rc::gen::elementOf(ids);
        auto number = [](uint64_t low, uint64_t high) { return std::to_string(*rc::gen::inRange(low, high + 1)); };
        std::string spec = id;
        if (id != "none") spec += *rc::gen::arbitrary<bool>() ? ":budget=" + number(1, 40) : ":budget=0." + number(1, 9);
        if (id != "none" && *rc::gen::arbitrary<bool>()) spec += ",sinks=" + number(0, 6);
        if ((id == "h2o" || id == "tova") && *rc::gen::arbitrary<bool>()) spec += ",recent=" + number(0, 50);
        if ((id == "streaming_llm" || id == "sliding_window") && *rc::gen::arbitrary<bool>()) spec += ",window=" + number(1, 50);
        uint32_t prompt = *rc::gen::inRange(0u, 60u), output = *rc::gen::inRange(prompt == 0 ? 1u : 0u, 30u);
        try {
            make_token_strategy(spec, TokenContext{});
        } catch (const Error&) {
            RC_DISCARD("sinks leave no room");
        }
        Marked source(*rc::gen::inRange(0u, 1u << 30));
        auto kernels = by_kernels(spec, prompt, output, *rc::gen::inRange(1u, 20u),
                                  *rc::gen::arbitrary<bool>() ? kv::Order::hnd : kv::Order::nhd, source);
        RC_LOG() << spec << ", " << prompt << " + " << output << "\n";
        for (uint32_t layer = 0; layer < kLayers; ++layer) RC_ASSERT(kernels[layer] == by_strategy(spec, layer, prompt + output, source));
    }));
}

TEST_CASE("token eviction by kernels: longer than a piece of a prompt, by hand") {
    // 600 tokens, 4 sinks and the last 16: whatever the pieces in which the prompt came.
    Marked source(1);
    auto kernels = by_kernels("streaming_llm:budget=20", 600, 3, 16, kv::Order::hnd, source);
    std::set<uint32_t> expected = {0, 1, 2, 3};
    for (uint32_t t = 587; t < 603; ++t) expected.insert(t);
    for (const auto& layer : kernels)
        for (const auto& head : layer) CHECK(head == expected);
}

TEST_CASE("token eviction by kernels: rules that have no kernel are named") {
    for (const char* spec : {"snap_kv", "random", "h2o:decay=0.5", "h2o:score=mean", "tova:per=layer"})
        CHECK_THROWS_AS(token_rule(spec, TokenContext{}), Error);
    CHECK_THROWS_WITH(token_rule("k_norm", TokenContext{}),
                      "--eviction k_norm: kernels cannot decide it; expected none, sliding_window, streaming_llm, h2o, tova");
}

}  // namespace token_kv_test
