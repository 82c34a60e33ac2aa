// PyramidKV (Cai et al. 2024): the score of SnapKV, and more tokens for early layers than for late ones.
//
// `budget` is the mean per layer and head, b, as for the other strategies; w is the window, T the tokens of the
// sequence, L the layers, l one of them from 0. Four ways to share are known:
//   rule=exact            L x b tokens in all, in proportion to L - l, by largest remainder (equal ones: the earlier
//                         layer), at least 1 each (taken from the last layer of those with most). The sum is exactly
//                         L x b, which is what makes it comparable with other strategies.
//   rule=kvcache_factory  the authors' code: base = b - w, least = base div beta, most = 2 base - least, not above
//                         T - w (then least = 2 base - most); layer l: most - l x ((most - least) div (L - 1)) + w.
//                         The whole step makes the sum exceed L x b. With T < 2 base every layer has b.
//   rule=kvpress          the same line without rounding the step, the window part of it, if T >= most >= least >= w;
//                         layer l: round(most - l (most - least) / (L - 1)), half to even; b of a share is not rounded.
//   rule=seed_ceil        ceil(M x 2 (L - l) / (L (L + 1))), at least 1, in whole numbers; here `budget` is M, the
//                         total over all layers, and the sum may exceed it by up to L - 1.
// Cost: as snap_kv.
#include <kvsim/eviction/token_snap_kv.h>

#include <algorithm>
#include <cmath>

namespace kvsim {

namespace {

struct Pyramid {
    TokenRoom room;
    uint64_t window, beta, layers, tokens;
};
using Wide = unsigned __int128;

uint64_t seed_ceil(const Pyramid& p, uint64_t layer) {
    Wide whole = Wide{p.layers} * (p.layers + 1);
    return static_cast<uint64_t>((Wide{p.room.uncapped} * 2 * (p.layers - layer) + whole - 1) / whole);
}

uint64_t kvcache_factory(const Pyramid& p, uint64_t layer) {
    uint64_t budget = p.room.uncapped;
    if (budget <= p.window || p.layers < 2) return budget;
    uint64_t base = budget - p.window;
    if (p.tokens < budget || p.tokens < 2 * base) return budget;
    uint64_t least = base / p.beta, most = 2 * base - least;
    if (most >= p.tokens - p.window) {
        most = p.tokens - p.window;
        least = 2 * base > most ? 2 * base - most : 0;
    }
    return most - layer * ((most - least) / (p.layers - 1)) + p.window;
}

uint64_t kvpress(const Pyramid& p, uint64_t layer) {
    double budget = p.room.exact, tokens = static_cast<double>(p.tokens), window = static_cast<double>(p.window);
    double least = budget / static_cast<double>(p.beta), most = 2 * budget - least;
    if (most >= tokens - window) {
        most = tokens - window;
        least = 2 * budget - most;
    }
    bool line = p.layers > 1 && tokens >= most && most >= least && least >= window;
    double steps = static_cast<double>(layer) / static_cast<double>(std::max<uint64_t>(p.layers, 2) - 1);
    double share = line ? most - (most - least) * steps : budget;
    return static_cast<uint64_t>(std::nearbyint(std::max(share, 1.0)));
}

uint64_t exact(const Pyramid& p, uint64_t layer) {
    Wide total = Wide{p.room.uncapped} * p.layers, parts = Wide{p.layers} * (p.layers + 1) / 2;
    std::vector<std::pair<Wide, uint64_t>> rest;  // what is left of a layer's share, negative; the layer
    std::vector<uint64_t> budgets(p.layers);
    Wide given = 0;
    for (uint64_t l = 0; l < p.layers; ++l) {
        Wide share = total * (p.layers - l);
        budgets[l] = static_cast<uint64_t>(share / parts);
        given += budgets[l];
        rest.push_back({parts - share % parts, l});
    }
    std::sort(rest.begin(), rest.end());
    for (size_t i = 0; given < total; ++i, ++given) ++budgets[rest[i].second];
    for (uint64_t& budget : budgets) {
        if (budget > 0) continue;
        auto most = std::max_element(budgets.rbegin(), budgets.rend());
        --*most;
        budget = 1;
    }
    return budgets[layer];
}

TokenRoom layer_room(Spec& spec, const TokenContext& context, uint64_t default_window) {
    Pyramid p{ask_token_room(spec, context, 0), spec.whole("window", default_window, 1, 1024),
              spec.whole("beta", 20, 1, 1000000), context.layers, context.sequence_tokens};
    if (context.layer >= context.layers)
        throw_input("pyramid_kv: layer " + std::to_string(context.layer) + " of a model of " +
                    std::to_string(context.layers));
    std::string rule = spec.choice("rule", "exact", {"exact", "kvcache_factory", "kvpress", "seed_ceil"});
    auto share = rule == "exact"       ? exact
                 : rule == "kvpress"   ? kvpress
                 : rule == "seed_ceil" ? seed_ceil
                                       : kvcache_factory;
    p.room.budget = std::max<uint64_t>(1, std::min(share(p, context.layer), context.capacity_tokens));
    return p.room;
}

class TokenPyramidKv final : public SnapTokens {
  public:
    TokenPyramidKv(Spec& spec, const TokenContext& context)
        : SnapTokens(spec, context, layer_room(spec, context, kWindow)) {}
};

}  // namespace

TokenStrategyRow token_pyramid_kv() {
    TokenStrategyRow row = token_row<TokenPyramidKv>(
        "pyramid_kv", "snap_kv with more tokens for early layers", "Cai et al. 2024",
        "budget=0.2 sinks=0 recent=window window=32 kernel=7 pool=max rule=exact beta=20; rules exact, "
        "kvcache_factory, kvpress, seed_ceil (budget is the total over layers)");
    row.needs_weights = true;
    return row;
}

}  // namespace kvsim
