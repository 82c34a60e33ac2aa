// How far the sequences of a batch are cut for attention (decode.h). Host code.
//
// Idea: a GPU runs `slots` blocks of threads at a time, so the time is the number of such waves times that of the
// longest chunk. Too few chunks leave slots empty, too many cost their start and the combination of their parts. Chunks
// of the longest sequence cut in 1, 2, 3, ... are tried, and the cheapest wins:
//
//   cost(chunk) = ceil(blocks(chunk) / slots) * (chunk + 64)
//   blocks(chunk) = KV heads * sum over sequences of ceil(n / chunk)
//
// where 64 tokens stand for the start of a block. A chunk is a multiple of the block size and not so small that writing
// and reading its part costs more than 5 % of reading its keys and values. Sequences of up to 512 tokens are not cut.
// After flash-attention (waves, and how full the last is) and FlashInfer (chunks of equal length, chosen on the host).
#pragma once

#include <kernels/common/pool.h>
#include <kernels/device/context.h>

#include <algorithm>
#include <cstddef>

namespace kv::device {

struct SplitPlan {
    uint32_t chunk_tokens = 0;
    uint32_t splits = 1;  ///< the most chunks of a sequence
};

inline constexpr uint32_t kNeverSplit = 512;
inline constexpr uint32_t kMostSplits = 128;

/// A part is dim + 2 floats for each query head of a KV head, written and read.
inline uint32_t smallest_chunk(const Pool& pool, uint32_t query_heads) {
    uint64_t part = 8 * uint64_t{query_heads / pool.heads} * (pool.values.format.dim + 2);
    uint64_t token = pool.keys.format.bytes() + pool.values.format.bytes();
    return static_cast<uint32_t>(std::max<uint64_t>(128, ceil_div(20 * part, token)));
}

/// `lengths` is host memory. `slots`: blocks of threads that run at once, 1 or more.
inline SplitPlan plan_split(const uint32_t* lengths, size_t sequences, const Pool& pool, uint32_t query_heads,
                            uint32_t slots) {
    uint32_t longest = sequences > 0 ? *std::max_element(lengths, lengths + sequences) : 0;
    auto rounded = [&](uint64_t tokens) {
        return static_cast<uint32_t>(ceil_div(std::max<uint64_t>(tokens, 1), pool.block_size) * pool.block_size);
    };
    SplitPlan best{rounded(longest), 1};
    if (longest <= kNeverSplit) return best;
    uint32_t least = smallest_chunk(pool, query_heads), before = 0;
    uint64_t best_cost = ~uint64_t{0};
    for (uint32_t splits = 1; splits <= kMostSplits; ++splits) {
        uint32_t chunk = rounded(ceil_div(longest, splits));
        if (splits > 1 && chunk < least) break;
        if (chunk == before) continue;
        before = chunk;
        uint64_t blocks = 0;
        for (size_t s = 0; s < sequences; ++s) blocks += ceil_div(lengths[s], chunk);
        uint64_t cost = ceil_div(blocks * pool.heads, slots) * (chunk + 64);
        if (cost < best_cost) best_cost = cost, best = {chunk, static_cast<uint32_t>(ceil_div(longest, chunk))};
    }
    return best;
}

}  // namespace kv::device
