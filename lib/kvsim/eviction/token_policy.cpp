#include <kvsim/core/error.h>
#include <kvsim/eviction/token_base.h>

namespace kvsim {

Registry<TokenStrategyRow>& token_strategies() {
    static Registry<TokenStrategyRow> registry = [] {
        Registry<TokenStrategyRow> r("token strategy (--eviction)");
        r.add(token_none());
        r.add(token_sliding_window());
        r.add(token_streaming_llm());
        r.add(token_h2o());
        r.add(token_tova());
        r.add(token_snap_kv());
        r.add(token_pyramid_kv());
        r.add(token_ada_kv());
        r.add(token_expected_attention());
        r.add(token_k_norm());
        r.add(token_key_diff());
        r.add(token_random());
        return r;
    }();
    return registry;
}

namespace {

Spec token_spec(const std::string& text) { return Spec::parse(text.rfind("token/", 0) == 0 ? text.substr(6) : text); }

}  // namespace

std::unique_ptr<TokenStrategy> make_token_strategy(const std::string& text, const TokenContext& context) {
    Spec spec = token_spec(text);
    std::unique_ptr<TokenStrategy> strategy = token_strategies().get(spec.id()).make(spec, context);
    spec.finish();
    return strategy;
}

TokenRule token_rule(const std::string& text, const TokenContext& context) {
    Spec spec = token_spec(text);
    const TokenStrategyRow& row = token_strategies().get(spec.id());
    if (!row.rule) {
        std::vector<std::string> known;
        for (const TokenStrategyRow& r : token_strategies().rows())
            if (r.rule) known.push_back(r.id);
        throw_input("--eviction " + text + ": kernels cannot decide it; expected " + join(known));
    }
    TokenRule rule = row.rule(spec, context);
    spec.finish();
    return rule;
}

std::vector<uint64_t> token_budgets(const std::string& text, uint32_t layers, uint64_t sequence_tokens) {
    Spec spec = token_spec(text);
    std::vector<uint64_t> budgets = token_strategies().get(spec.id()).budgets(spec, layers, sequence_tokens);
    if (layers > 0) spec.finish();  // without layers nothing was asked for
    return budgets;
}

}  // namespace kvsim
