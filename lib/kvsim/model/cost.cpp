#include <kvsim/core/error.h>
#include <kvsim/model/cost.h>

#include <algorithm>

namespace kvsim {

namespace {

/// Sum of min(p, window) over p in [begin, end): exact, always below 2^128.
unsigned __int128 attended(uint64_t begin, uint64_t end, uint64_t window) {
    using Wide = unsigned __int128;
    if (end <= begin) return 0;
    uint64_t bend = std::clamp(window, begin, end);  // from here on everything sees a full window
    Wide growing = (Wide{begin} + bend) * (bend - begin) - (bend - begin);
    return growing / 2 + Wide{window} * (end - bend);
}

/// Key and value width of one head as prefill computes it; 0 = not known.
uint64_t head_widths(const LayerGroup& group) {
    return group.head_dim + (group.value_head_dim == 0 ? group.head_dim : group.value_head_dim);
}

}  // namespace

std::string PrefillFlops::missing(const ModelShape& shape) {
    std::string model = "model '" + shape.id + "': FLOPs are not known without ";
    if (!shape.active_params) return model + "the number of its active parameters";
    for (const LayerGroup& group : shape.groups) {
        if (group.kind == LayerKind::state) continue;
        if (!shape.query_heads) return model + "the number of its query heads";
        if (head_widths(group) == 0) return model + "the widths of its attention heads";
    }
    return {};
}

PrefillFlops::PrefillFlops(const ModelShape& shape) {
    if (std::string why = missing(shape); !why.empty()) throw_input(why);
    per_token_ = 2 * static_cast<double>(*shape.active_params);
    for (const LayerGroup& group : shape.groups) {
        if (group.kind == LayerKind::state) continue;
        uint64_t window = group.kind == LayerKind::window ? group.window_tokens : UINT64_MAX;
        attention_.push_back({window, 2 * static_cast<double>(group.count) * static_cast<double>(*shape.query_heads) *
                                          static_cast<double>(head_widths(group))});
    }
}

double PrefillFlops::at(uint64_t position) const {
    double flops = per_token_;
    for (const Attention& a : attention_) flops += a.per_position * static_cast<double>(std::min(position, a.window));
    return flops;
}

double PrefillFlops::range(uint64_t begin, uint64_t end) const {
    if (end <= begin) return 0;
    double flops = per_token_ * static_cast<double>(end - begin);
    for (const Attention& a : attention_)
        flops += a.per_position * static_cast<double>(attended(begin, end, a.window));
    return flops;
}

std::optional<double> PrefillFlops::equal_at() const {
    double per_position = 0;
    for (const Attention& a : attention_)
        if (a.window == UINT64_MAX) per_position += a.per_position;
    if (per_position == 0) return std::nullopt;
    return per_token_ / per_position;
}

double flop_hit_rate(const PrefillFlops& flops, std::span<const uint64_t> lookup_tokens,
                     std::span<const uint64_t> hit_tokens) {
    if (lookup_tokens.size() != hit_tokens.size()) throw_failed("flop hit rate: columns of different requests");
    double looked_up = 0, hit = 0;
    for (size_t r = 0; r < lookup_tokens.size(); ++r) {
        looked_up += flops.prefix(lookup_tokens[r]);
        hit += flops.prefix(hit_tokens[r]);
    }
    return looked_up == 0 ? 0 : hit / looked_up;
}

double prefill_seconds(double flops, const Gpu& gpu, uint64_t gpus) {
    if (gpus == 0) throw_input("prefill on 0 GPUs: expected at least 1");
    return flops / (gpu.bf16_flops * gpu.prefill_mfu * static_cast<double>(gpus));
}

double break_even_bytes_per_s(const ModelShape& shape, uint64_t tokens, const Gpu& gpu, uint64_t gpus,
                              std::string_view k_dtype, std::string_view v_dtype) {
    if (tokens == 0) throw_input("a prefix of 0 tokens: expected at least 1");
    auto bytes = static_cast<double>(bytes_per_sequence_at(shape, tokens, k_dtype, v_dtype));
    return bytes / prefill_seconds(PrefillFlops(shape).prefix(tokens), gpu, gpus);
}

}  // namespace kvsim
