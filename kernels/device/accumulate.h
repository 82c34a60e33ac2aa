// K7, accumulate: what H2O adds up. The weight that every cached token got from the new query, summed over the query
// heads of a KV head, is added to the token's score.
//
// The logits that attention left are read again (4 bytes per token and query head) instead of the keys: a fraction of a
// second pass over them. A thread has a token, so warps read and write neighbouring floats. Nothing is added twice and
// nothing needs an atomic: a (sequence, KV head, token) belongs to one thread.
#pragma once

#include <kernels/common/ops.h>
#include <kernels/device/context.h>

namespace kv::device {

struct AccumulateKernel {
    using Op = Accumulate;
    static constexpr uint32_t kThreads = 256;
    static constexpr uint32_t kResident = 4;
    static constexpr bool kSynchronizes = false;
    static constexpr uint32_t kTile = 1024;
    struct Shared {};

    KV_HD static uint64_t blocks(const Op& op) {
        return uint64_t{op.sequences} * op.heads * ceil_div(op.stride, kTile);
    }

    template <class Lane>
    KV_DEVICE static void run(Lane& lane, const Op& op, Shared&) {
        uint64_t items = blocks(op), tiles = ceil_div(op.stride, kTile);
        uint32_t queries = op.query_heads / op.heads;
        for (uint64_t item = lane.block(); item < items; item += lane.blocks()) {
            uint32_t tile_row = small(item) / small(tiles), sequence = tile_row / op.heads;
            uint64_t row = tile_row, first = uint64_t{small(item) % small(tiles)} * kTile;
            uint64_t query = uint64_t{sequence} * op.query_heads + tile_row % op.heads * queries;
            uint64_t length = load<uint32_t>(op.lengths + sequence);
            uint64_t end = first + kTile < length ? first + kTile : length;
            for (uint64_t i = first + lane.thread(); i < end; i += lane.threads()) {
                float sum = 0;
                for (uint32_t g = 0; g < queries; ++g)
                    sum += expf(load<float>(op.logits + (query + g) * op.stride + i) - load<float>(op.lse + query + g));
                op.scores[row * op.stride + i] += sum;
            }
        }
    }
};

template <class Launcher>
void dispatch(const Accumulate& op, Launcher& launcher) {
    launcher.template launch<AccumulateKernel>(op);
}

}  // namespace kv::device
