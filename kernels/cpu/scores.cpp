// What token eviction needs beside attention: scores added up, and the tokens with the highest of them.
#include <kernels/cpu/cache_ops.h>

#include <algorithm>
#include <atomic>
#include <cmath>

namespace kv::cpu {

void run(const Accumulate& op, Threads& threads) {
    uint32_t group = op.query_heads / op.heads;
    uint64_t tokens = 0;
    for (uint32_t s = 0; s < op.sequences; ++s) tokens += op.lengths[s];
    size_t pieces = size_t{op.sequences} * op.heads;
    threads.each(pieces, 4 * tokens * op.query_heads, [&](size_t piece) {
        auto s = static_cast<uint32_t>(piece / op.heads), head = static_cast<uint32_t>(piece % op.heads);
        float* scores = op.scores + piece * op.stride;
        for (uint32_t g = 0; g < group; ++g) {
            uint64_t query = uint64_t{s} * op.query_heads + uint64_t{head} * group + g;
            const float* logits = op.logits + query * op.stride;
            for (uint32_t i = 0; i < op.lengths[s]; ++i) scores[i] += std::exp(logits[i] - op.lse[query]);
        }
    });
}

void run(const TopK& op, Threads& threads) {
    std::atomic<uint32_t> bad{0};
    uint64_t tokens = 0;
    for (uint32_t s = 0; s < op.sequences; ++s) tokens += op.lengths[s];
    size_t pieces = size_t{op.sequences} * op.heads;
    auto choose = [&](uint32_t n, const float* scores, uint32_t* kept) {
        for (uint32_t i = 0; i < n; ++i)
            if (scores[i] != scores[i]) bad.fetch_add(1, std::memory_order_relaxed);
        auto score = [&](uint32_t i) { return scores[i] != scores[i] ? 0.0f : scores[i]; };
        if (n <= op.keep) {
            for (uint32_t j = 0; j < op.keep; ++j) kept[j] = j < n ? j : kUnmapped;
            return;
        }
        uint32_t first = op.sinks, last = n - op.window, take = op.keep - op.sinks - op.window;
        thread_local std::vector<uint32_t> order;
        order.resize(last - first);
        for (uint32_t i = first; i < last; ++i) order[i - first] = i;
        auto better = [&](uint32_t a, uint32_t b) { return score(a) != score(b) ? score(a) > score(b) : a > b; };
        std::nth_element(order.begin(), order.begin() + take, order.end(), better);
        std::sort(order.begin(), order.begin() + take);
        for (uint32_t j = 0; j < op.sinks; ++j) kept[j] = j;
        std::copy_n(order.begin(), take, kept + op.sinks);
        for (uint32_t j = 0; j < op.window; ++j) kept[op.sinks + take + j] = last + j;
    };
    threads.each(pieces, 4 * tokens * op.heads, [&](size_t piece) {
        const float* scores = op.scores + piece * op.stride;
        uint32_t* kept = op.kept + piece * op.keep;
        choose(op.lengths[piece / op.heads], scores, kept);
        if (!op.kept_scores) return;
        for (uint32_t j = 0; j < op.keep && kept[j] != kUnmapped; ++j) op.kept_scores[piece * op.stride + j] = scores[kept[j]];
    });
    if (op.not_a_number) *op.not_a_number += bad.load();
}

}  // namespace kv::cpu
