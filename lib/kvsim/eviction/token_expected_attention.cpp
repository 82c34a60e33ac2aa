// Expected attention (kvpress 2025): the token that coming queries are expected to look at least leaves.
//
// Queries before their rotation are taken as normal with the mean m and covariance C of those seen so far (the first
// `sinks` left out, as they are from the scores). Rotated by R, the mean of the rotations of the next `n_future`
// positions, the expected weight of key k is exp(mu.k / sqrt(d) + k'Sk / (2d)) with mu = Rm, S = RCR'; normalised over
// the tokens held beyond the sinks, meaned over the query heads of the KV head, times the length of the value.
// Difference from the source: it scores once, after a prompt; here at every step, with the queries up to then. The mean
// rotation over 512 positions leaves only the slow pairs, so nothing says that the nearest tokens matter most: on a
// sequence of 256 tokens with local attention n_future=512 keeps 0.42 of the weight in 51 tokens, n_future=8 0.84.
//
// Queries come rotated. Whether coordinates (2i, 2i + 1) or (i, i + d/2) are rotated as a pair, by position x
// theta^(-2i/d), is read off the first keys, which come both ways: the pairing that leaves the smaller difference,
// which must be explained by the codec (8 times the error of token 0, which is not rotated at all, and 1e-4 of the
// energy). Cost per query head and step: d^2 to keep the sums, d^2 per token held to score. The normalising sum is
// taken over multiples of 2^-30 of its largest term, so that it does not depend on the order of the tokens.
#include <kvsim/eviction/token_base.h>

#include <algorithm>
#include <cmath>

namespace kvsim {

namespace {

constexpr double kLogitGrid = 6291456;  // 1.5 x 2^22: doubles beside it are 2^-30 apart

class TokenExpectedAttention final : public ScoredTokens {
  public:
    TokenExpectedAttention(Spec& spec, const TokenContext& context)
        : ScoredTokens(spec, context, ask_token_room(spec, context, 4, 0)),
          dim_(context.head_dim),
          covariance_(spec.on_off("covariance", true)),
          value_norm_(spec.on_off("value_norm", true)),
          queries_(size_t{context.kv_heads} * context.group),
          query_(dim_),
          mean_(dim_),
          spread_(covariance_ ? size_t{dim_} * dim_ : 0),
          product_(dim_) {
        uint64_t future = spec.whole("n_future", 512, 1, 1u << 20);
        double theta = spec.number("theta", 10000, 1, 1e12);
        for (uint32_t i = 0; i < dim_ / 2; ++i) {
            frequency_.push_back(std::pow(theta, -2.0 * i / dim_));
            Turn sum;
            for (uint64_t j = 1; j <= future; ++j) {
                sum.cosine += std::cos(static_cast<double>(j) * frequency_[i]);
                sum.sine += std::sin(static_cast<double>(j) * frequency_[i]);
            }
            ahead_.push_back({sum.cosine / static_cast<double>(future), sum.sine / static_cast<double>(future)});
        }
        turn_.resize(ahead_.size());
        for (Queries& q : queries_) {
            q.sum.resize(dim_);
            q.products.resize(spread_.size());
        }
    }

    void on_step(const LayerStep& step) override {
        if (!step.queries || !step.keys_before_rotation)
            throw_input(id_ + " needs recorded queries and keys before their rotation");
        if (dim_ % 2 != 0) throw_input(id_ + ": rotation needs an even head_dim, found " + std::to_string(dim_));
        if (!paired_) find_pairs(step);
        for (uint32_t i = 0; i < turn_.size(); ++i) turn_[i] = turn_at(step.token, i);
        if (step.token < room_.sinks) return;
        for (size_t head = 0; head < queries_.size(); ++head) see(queries_[head], step.queries + head * dim_);
    }

  protected:
    const double* rate(const LayerStep& step, uint32_t head) override {
        const HeadTokens& held = (*step.heads)[head];
        scores_.assign(held.count(), 0);
        for (uint32_t g = 0; g < context_.group; ++g) add_expected(queries_[head * context_.group + g], held);
        for (uint32_t slot = 0; slot < held.count(); ++slot) {
            scores_[slot] /= context_.group;
            if (value_norm_) scores_[slot] *= length(held.values.data() + size_t{slot} * dim_);
        }
        return scores_.data();
    }

  private:
    struct Turn {
        double cosine = 0, sine = 0;
    };
    struct Queries {
        uint64_t count = 0;
        std::vector<double> sum, products;  ///< before rotation: [head_dim], [head_dim, head_dim]
    };

    Turn turn_at(uint32_t token, uint32_t pair) const {
        double angle = token * frequency_[pair];
        return {std::cos(angle), std::sin(angle)};
    }
    uint32_t first_of(uint32_t pair, bool halves) const { return halves ? pair : 2 * pair; }
    uint32_t second_of(uint32_t pair, bool halves) const { return halves ? pair + dim_ / 2 : 2 * pair + 1; }

    double length(const float* v) const {
        double squares = 0;
        for (uint32_t d = 0; d < dim_; ++d) squares += double{v[d]} * v[d];
        return std::sqrt(squares);
    }

    /// Squared difference between the newest keys and the same keys rotated here.
    double difference(const LayerStep& step, bool halves) const {
        double sum = 0;
        for (uint32_t h = 0; h < context_.kv_heads; ++h) {
            const HeadTokens& held = (*step.heads)[h];
            const float* now = step.keys ? step.keys + size_t{h} * dim_ : held.keys.data() + size_t{held.count() - 1} * dim_;
            const float* before = step.keys_before_rotation + size_t{h} * dim_;
            for (uint32_t i = 0; i < frequency_.size(); ++i) {
                Turn t = turn_at(step.token, i);
                double x = before[first_of(i, halves)], y = before[second_of(i, halves)];
                double dx = now[first_of(i, halves)] - (x * t.cosine - y * t.sine);
                double dy = now[second_of(i, halves)] - (x * t.sine + y * t.cosine);
                sum += dx * dx + dy * dy;
            }
        }
        return sum;
    }
    // At position 0 nothing is rotated, so both pairings fit.
    void find_pairs(const LayerStep& step) {
        if (step.token == 0) return;
        double energy = 0;
        for (size_t i = 0; i < size_t{context_.kv_heads} * dim_; ++i)
            energy += double{step.keys_before_rotation[i]} * step.keys_before_rotation[i];
        double neighbours = difference(step, false), halves = difference(step, true);
        if (std::min(neighbours, halves) > 1e-4 * energy)
            throw_input(id_ + ": the key of token " + std::to_string(step.token) + " in layer " +
                        std::to_string(context_.layer) +
                        " is not its key before rotation, rotated by its position in pairs of neighbours or of halves");
        halves_ = halves < neighbours;
        paired_ = halves != neighbours;
    }

    void see(Queries& q, const float* rotated) {
        for (uint32_t i = 0; i < turn_.size(); ++i) {
            double x = rotated[first_of(i, halves_)], y = rotated[second_of(i, halves_)];
            query_[first_of(i, halves_)] = x * turn_[i].cosine + y * turn_[i].sine;
            query_[second_of(i, halves_)] = y * turn_[i].cosine - x * turn_[i].sine;
        }
        ++q.count;
        for (uint32_t i = 0; i < dim_; ++i) q.sum[i] += query_[i];
        if (!covariance_) return;
        for (uint32_t i = 0; i < dim_; ++i)
            for (uint32_t j = 0; j < dim_; ++j) q.products[i * dim_ + j] += query_[i] * query_[j];
    }

    /// Rotates `count` vectors whose coordinates are `apart` apart by the mean rotation of the coming positions.
    void rotate(double* v, uint32_t count, uint32_t from_one_to_next, uint32_t apart) const {
        for (uint32_t i = 0; i < turn_.size(); ++i) {
            double cosine = turn_[i].cosine * ahead_[i].cosine - turn_[i].sine * ahead_[i].sine;
            double sine = turn_[i].sine * ahead_[i].cosine + turn_[i].cosine * ahead_[i].sine;
            for (uint32_t k = 0; k < count; ++k) {
                double& x = v[k * from_one_to_next + first_of(i, halves_) * apart];
                double& y = v[k * from_one_to_next + second_of(i, halves_) * apart];
                double turned = x * cosine - y * sine;
                y = x * sine + y * cosine;
                x = turned;
            }
        }
    }
    void expect(const Queries& q) {
        auto count = static_cast<double>(std::max<uint64_t>(q.count, 1));
        for (uint32_t i = 0; i < dim_; ++i) mean_[i] = q.sum[i] / count;
        for (size_t i = 0; i < spread_.size(); ++i)
            spread_[i] = q.products[i] / count - mean_[i / dim_] * mean_[i % dim_];
        rotate(mean_.data(), 1, 0, 1);
        if (!covariance_) return;
        rotate(spread_.data(), dim_, 1, dim_);
        rotate(spread_.data(), dim_, dim_, 1);
    }
    double logit(const float* key) {
        double along = 0, around = 0;
        for (uint32_t i = 0; i < dim_; ++i) along += mean_[i] * key[i];
        along /= std::sqrt(static_cast<double>(dim_));
        if (!covariance_) return along;
        std::fill(product_.begin(), product_.end(), 0);
        for (uint32_t j = 0; j < dim_; ++j)
            for (uint32_t i = 0; i < dim_; ++i) product_[i] += spread_[j * dim_ + i] * key[j];
        for (uint32_t i = 0; i < dim_; ++i) around += product_[i] * key[i];
        return along + around / (2.0 * dim_);
    }
    void add_expected(const Queries& q, const HeadTokens& held) {
        expect(q);
        logits_.resize(held.count());
        double most = -HUGE_VAL, whole = 0;
        for (uint32_t slot = 0; slot < held.count(); ++slot) {
            if (held.ids[slot] < room_.sinks) continue;
            logits_[slot] = logit(held.keys.data() + size_t{slot} * dim_);
            most = std::max(most, logits_[slot]);
        }
        for (uint32_t slot = 0; slot < held.count(); ++slot) {
            if (held.ids[slot] < room_.sinks) continue;
            logits_[slot] = std::exp(logits_[slot] - most);
            whole += (logits_[slot] + kLogitGrid) - kLogitGrid;
        }
        for (uint32_t slot = 0; slot < held.count(); ++slot)
            if (held.ids[slot] >= room_.sinks) scores_[slot] += logits_[slot] / whole;
    }

    uint32_t dim_;
    bool covariance_, value_norm_;
    bool paired_ = false, halves_ = false;
    std::vector<double> frequency_;  ///< per pair: angle from one position to the next
    std::vector<Turn> ahead_;        ///< per pair: mean rotation over the coming positions, from now
    std::vector<Turn> turn_;         ///< per pair: rotation of the newest token
    std::vector<Queries> queries_;   ///< [query head]
    std::vector<double> query_, mean_, spread_, product_, logits_, scores_;
};

}  // namespace

TokenStrategyRow token_expected_attention() {
    TokenStrategyRow row = token_row<TokenExpectedAttention>(
        "expected_attention", "least attention expected of coming queries", "kvpress 2025",
        "budget=0.2 sinks=4 recent=0 n_future=512 covariance=on value_norm=on theta=10000");
    row.needs_keys = true;
    row.needs_keys_before_rotation = true;
    return row;
}

}  // namespace kvsim
