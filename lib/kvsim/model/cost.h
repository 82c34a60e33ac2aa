// What a hit is worth: the prefill work it saves, in FLOPs and in seconds, and against what bandwidth.
//
// A token at position p (p tokens stand before it) costs
//     2 x active parameters + sum over attention layers of 2 x query heads x (key width + value width) x min(p, window)
// FLOPs, which for layers of plain attention is the usual 2 N + 4 L H d p. Deep tokens cost more, so where hits are
// prefixes a hit rate weighted by FLOPs is below the plain one. The parts are equal at p* = N / (2 L H d). MLA counts
// the widths of its uncompressed heads, as prefill computes them. Left out: softmax, norms, and what states (linear
// attention, Mamba) compute beyond their parameters.
//
// Everything here is double on purpose: a formula of two terms is no more than an estimate, and a square of a huge
// position passes 64 bits. Positions are summed exactly (128 bits) before they become a double; sums over requests are
// made in their order, so they do not depend on threads.
#pragma once

#include <kvsim/model/gpu.h>
#include <kvsim/model/model.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kvsim {

/// Prefill FLOPs of one model, over all its ranks.
class PrefillFlops {
  public:
    /// Throws Error(input) with what missing() says.
    explicit PrefillFlops(const ModelShape& shape);
    /// Why FLOPs of this model cannot be said; empty if they can.
    static std::string missing(const ModelShape& shape);

    double at(uint64_t position) const;
    /// Of the tokens at positions [begin, end), in O(1).
    double range(uint64_t begin, uint64_t end) const;
    double prefix(uint64_t tokens) const { return range(0, tokens); }
    /// p*: where attention over everything costs as much as the parameters; none if no layer attends to everything.
    std::optional<double> equal_at() const;

  private:
    struct Attention {
        uint64_t window;      ///< UINT64_MAX: all tokens
        double per_position;  ///< FLOPs for each token attended to
    };
    double per_token_ = 0;
    std::vector<Attention> attention_;
};

/// FLOPs of the hit prefixes / FLOPs of all that was looked up, request by request; 0 if nothing was looked up.
/// Throws Error(failed) unless the columns are equally long.
double flop_hit_rate(const PrefillFlops& flops, std::span<const uint64_t> lookup_tokens,
                     std::span<const uint64_t> hit_tokens);

/// FLOPs / (bf16 peak x MFU x GPUs). Throws Error(input) on 0 GPUs.
double prefill_seconds(double flops, const Gpu& gpu, uint64_t gpus = 1);

/// Bytes a second above which loading the KV of the first `tokens` is faster than computing it: their KV bytes / their
/// prefill seconds, windows and states included. For one token this is the limit for short prefixes; longer ones need
/// less. Throws Error(input) on 0 tokens or 0 GPUs, and as bytes_per_sequence_at and PrefillFlops do.
double break_even_bytes_per_s(const ModelShape& shape, uint64_t tokens, const Gpu& gpu, uint64_t gpus = 1,
                              std::string_view k_dtype = {}, std::string_view v_dtype = {});

}  // namespace kvsim
