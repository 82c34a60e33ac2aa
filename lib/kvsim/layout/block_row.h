// From a block strategy to its row: the prefix layout under every accounting the strategy knows. A program of its own
// registers a strategy with block_strategies().add(block_row<MyStrategy>()).
#pragma once

#include <kvsim/core/error.h>
#include <kvsim/core/spec.h>
#include <kvsim/layout/flat_steps.h>
#include <kvsim/layout/prefix.h>
#include <kvsim/layout/prefix_flat.h>
#include <kvsim/layout/prefix_pinned.h>
#include <kvsim/layout/prefix_tree.h>

namespace kvsim {

/// Throws Error(input) if the row does not name the accounting.
void check_accounting(const StrategyInfo& info, const Accounting& accounting);

template <BlockStrategy S>
std::unique_ptr<Cache> make_flat_cache(S strategy, bool by_block) {
    if (by_block) return std::make_unique<FlatBlocks<S>>(std::move(strategy));
    constexpr bool kOwn = requires { FlatOf<S>::make(strategy); };
    constexpr bool kAsks = requires { FlatOf<S>::fits(strategy); };
    if constexpr (kOwn) {
        bool fits = true;
        if constexpr (kAsks) fits = FlatOf<S>::fits(strategy);
        if (fits) return std::make_unique<FlatPrefix<decltype(FlatOf<S>::make(strategy))>>(FlatOf<S>::make(strategy));
    }
    if constexpr (!kOwn || kAsks) return std::make_unique<FlatPrefix<FlatSteps<S>>>(FlatSteps<S>(std::move(strategy)));
    return nullptr;
}

/// `S<kLeaves>` is constructed from the parameters it asks for.
template <template <bool> class S>
std::unique_ptr<Cache> make_block_cache(Spec& spec, const Accounting& accounting) {
    check_accounting(S<false>::info(), accounting);
    std::unique_ptr<Cache> cache;
    switch (accounting.kind) {
        case AccountingKind::pinned: cache = std::make_unique<PinnedPrefix<S<false>>>(S<false>(spec)); break;
        case AccountingKind::flat:
            cache = make_flat_cache(S<false>(spec), accounting.by_block);
            break;
        case AccountingKind::tree:
            cache = std::make_unique<TreePrefix<S<true>>>(S<true>(spec), accounting.protect_chain);
            break;
    }
    spec.finish();
    return cache;
}

template <template <bool> class S>
BlockStrategyRow block_row() {
    StrategyInfo info = S<false>::info();
    return {info.id, info, [](const std::string& text, const Accounting& accounting) {
                Spec spec = Spec::parse(text);
                return make_block_cache<S>(spec, accounting);
            }};
}

}  // namespace kvsim
