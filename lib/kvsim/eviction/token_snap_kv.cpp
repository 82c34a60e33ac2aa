#include <kvsim/eviction/token_snap_kv.h>

#include <algorithm>

namespace kvsim {

namespace {

constexpr double kWeightGrid = 6144;  // 1.5 x 2^12: doubles beside it are 2^-40 apart

double on_grid(float weight) { return (weight + kWeightGrid) - kWeightGrid; }

}  // namespace

SnapTokens::SnapTokens(Spec& spec, const TokenContext& context, TokenRoom room)
    : ScoredTokens(spec, context, room),
      window_(spec.whole("window", kWindow, 1, 1024)),
      kernel_(spec.whole("kernel", 7, 1, 127)),
      average_(spec.choice("pool", "max", {"max", "avg"}) == "avg"),
      heads_(context.kv_heads) {
    if (kernel_ % 2 == 0)
        throw_input(id_ + ": parameter kernel=" + std::to_string(kernel_) + ": expected an odd number of tokens");
    room_.recent = ask_recent(spec, window_);
}

void SnapTokens::on_step(const LayerStep& step) {
    for (uint32_t h = 0; h < heads_.size(); ++h) {
        const std::vector<float>& weight = weights(step, h);
        Head& head = heads_[h];
        for (size_t slot = head.ids.size(); slot < weight.size(); ++slot) {
            head.ids.push_back((*step.heads)[h].ids[slot]);
            head.order.push_back(static_cast<uint32_t>(slot));
        }
        head.sums.resize(weight.size());
        if (head.rows.size() < window_) head.rows.emplace_back();
        std::vector<float>& row = head.rows[steps_ % window_];
        double* sum = head.sums.data();
        for (size_t i = 0; i < row.size(); ++i) sum[i] -= on_grid(row[i]);
        for (size_t i = 0; i < weight.size(); ++i) sum[i] += on_grid(weight[i]);
        row = weight;
    }
    ++steps_;
}

size_t SnapTokens::rank(const Head& head, uint32_t slot) const {
    auto older = [&head](uint32_t a, uint32_t id) { return head.ids[a] < id; };
    return std::lower_bound(head.order.begin(), head.order.end(), head.ids[slot], older) - head.order.begin();
}

void SnapTokens::on_evict(TokenVictim victim, uint32_t last) {
    Head& head = heads_[victim.head];
    size_t leaves = rank(head, victim.slot);
    head.order[rank(head, last)] = victim.slot;
    head.order.erase(head.order.begin() + static_cast<std::ptrdiff_t>(leaves));
    take_place(head.ids, victim.slot, last);
    take_place(head.sums, victim.slot, last);
    for (std::vector<float>& row : head.rows) {
        if (last < row.size())
            take_place(row, victim.slot, last);
        else if (victim.slot < row.size())
            row[victim.slot] = 0;  // the last one came later
    }
}

void SnapTokens::pool(const LayerStep& step, uint32_t h, std::vector<double>& scores) {
    const Head& head = heads_[h];
    scores.assign(head.ids.size(), 0);
    auto old = [&](uint32_t slot) { return head.ids[slot] + room_.recent <= step.token; };
    size_t count = std::partition_point(head.order.begin(), head.order.end(), old) - head.order.begin();
    size_t side = kernel_ / 2;
    line_.assign(count + 2 * side, 0);  // no weight is below 0, so zeros beside the ends change no maximum
    for (size_t i = 0; i < count; ++i) line_[side + i] = head.sums[head.order[i]];
    pooled_.assign(count, 0);
    for (size_t k = 0; k < kernel_; ++k) {
        double* out = pooled_.data();
        const double* in = line_.data() + k;
        if (average_)
            for (size_t i = 0; i < count; ++i) out[i] += in[i];
        else
            for (size_t i = 0; i < count; ++i) out[i] = out[i] < in[i] ? in[i] : out[i];
    }
    for (size_t i = 0; i < count; ++i) scores[head.order[i]] = pooled_[i];
}

const double* SnapTokens::rate(const LayerStep& step, uint32_t head) {
    pool(step, head, scores_);
    return scores_.data();
}

namespace {

class TokenSnapKv final : public SnapTokens {
  public:
    TokenSnapKv(Spec& spec, const TokenContext& context)
        : SnapTokens(spec, context, ask_token_room(spec, context, 0)) {}
};

}  // namespace

TokenStrategyRow token_snap_kv() {
    TokenStrategyRow row =
        token_row<TokenSnapKv>("snap_kv", "least attention of the last queries, pooled over neighbours",
                               "Li et al. 2024", "budget=0.2 sinks=0 recent=window window=32 kernel=7 pool=max");
    row.needs_weights = true;
    return row;
}

}  // namespace kvsim
