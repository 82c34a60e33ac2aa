// Runs an SGLang manager on a trace and keeps what it tells, in tokens.
#pragma once

#include <kvsim/engine/engines.h>
#include <kvsim/engine/sglang.h>

#include <algorithm>
#include <string>
#include <vector>

namespace kvsim_test {

struct SglangEvicted {
    uint32_t request;  ///< that needed the room
    uint64_t depth;    ///< tokens before them
    std::vector<uint32_t> tokens;
    bool operator==(const SglangEvicted&) const = default;
};

struct SglangTreeNode {
    uint64_t depth;
    std::vector<uint32_t> tokens;
    uint64_t hits;
    bool operator==(const SglangTreeNode&) const = default;
};

struct SglangRun {
    std::vector<uint64_t> cached;
    std::vector<bool> rejected;
    std::vector<SglangEvicted> evicted;
    std::vector<SglangTreeNode> tree;  ///< from the root on, siblings by their tokens
    kvsim::RunResult result;

    uint64_t number(const std::string& key) const {
        for (const kvsim::EngineNumber& n : result.engine->numbers)
            if (n.key == key && std::holds_alternative<uint64_t>(n.value)) return std::get<uint64_t>(n.value);
        return ~uint64_t{0};
    }
};

/// The trace has tokens; those of outputs without names are shown as 0.
inline SglangRun run_sglang(kvsim::Trace trace, const std::string& spec, uint64_t capacity_tokens, bool decode = true) {
    struct Log : kvsim::EngineObserver {
        const kvsim::Trace* trace = nullptr;
        std::vector<SglangEvicted> gone;
        std::vector<uint32_t> tokens(uint32_t owner, uint64_t begin, uint64_t end) const {
            std::vector<uint32_t> out;
            for (uint64_t i = trace->tokens_begin[owner] + begin; i < trace->tokens_begin[owner] + end; ++i)
                out.push_back(i < trace->tokens_begin[owner + 1] ? trace->token_ids[i] : 0);
            return out;
        }
        void evicted(uint32_t owner, uint64_t begin, uint64_t end, uint32_t by) override {
            gone.push_back({by, begin, tokens(owner, begin, end)});
        }
        void stored(uint32_t, uint64_t, uint64_t) override {}
        void admitted(uint32_t, uint64_t, bool) override {}
    } log;
    kvsim::CacheConfig config;
    config.engine = spec;
    uint32_t page = kvsim::join_block_size(config, 0);
    kvsim::resolve_cache(config);
    trace.reblock_to(page);
    log.trace = &trace;
    kvsim::RunOptions options;
    options.capacity_blocks = capacity_tokens == kvsim::kUnlimited ? capacity_tokens : capacity_tokens / page;
    options.decode = decode;
    options.engine_observer = &log;
    SglangRun run;
    auto cache = kvsim::cache_row(config).make(config, trace, options, kvsim::RunPath::fastest);
    cache->run(trace, options, run.result);
    cache->check_invariants();
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        run.cached.push_back(uint64_t{run.result.hit_blocks[r]} * page);
        run.rejected.push_back(run.result.is_rejected(r));
    }
    run.evicted = log.gone;
    const auto& tree = static_cast<const kvsim::SglangCache&>(*cache).tree();
    tree.for_each([&](uint32_t, const kvsim::SglangNode& n) {
        uint64_t begin = uint64_t{n.begin} * page, end = uint64_t{n.end} * page;
        run.tree.push_back({begin, log.tokens(n.owner, begin, end), n.hits});
    });
    std::sort(run.tree.begin(), run.tree.end(),
              [](const auto& a, const auto& b) { return std::pair(a.depth, a.tokens) < std::pair(b.depth, b.tokens); });
    return run;
}

}  // namespace kvsim_test
