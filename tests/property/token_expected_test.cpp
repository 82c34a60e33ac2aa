// Expected attention against its definition, in dense matrices (token_twin.h).
#include "property/token_twin.h"

namespace token_expected_test {

using namespace kvsim_test;

namespace {

using Matrix = std::vector<std::vector<double>>;

Matrix rotation(uint32_t dim, double position, bool halves) {
    Matrix m(dim, std::vector<double>(dim));
    for (uint32_t i = 0; i < dim / 2; ++i) {
        uint32_t a = halves ? i : 2 * i, b = halves ? i + dim / 2 : 2 * i + 1;
        double angle = position * std::pow(10000.0, -2.0 * i / dim);
        m[a][a] = m[b][b] = std::cos(angle);
        m[a][b] = -std::sin(angle);
        m[b][a] = std::sin(angle);
    }
    return m;
}

std::vector<double> times(const Matrix& m, const std::vector<double>& v) {
    std::vector<double> out(m.size());
    for (size_t i = 0; i < m.size(); ++i)
        for (size_t j = 0; j < v.size(); ++j) out[i] += m[i][j] * v[j];
    return out;
}

/// The definition: queries turned back, their mean and covariance, both turned by the mean of the coming rotations.
struct NaiveExpected {
    uint32_t future = 512;
    bool covariance = true, value_norm = true, halves = false;

    std::vector<double> turned_back(const Naive& n, uint32_t step, uint32_t query_head) const {
        uint32_t dim = n.context.head_dim;
        auto from = n.steps[step].queries.begin() + query_head * dim;
        return times(rotation(dim, -static_cast<double>(step), halves), std::vector<double>(from, from + dim));
    }
    double logit(const Naive& n, uint32_t query_head, const std::vector<float>& key) const {
        uint32_t dim = n.context.head_dim;
        std::vector<double> mean(dim), k(key.begin(), key.end());
        Matrix spread(dim, std::vector<double>(dim)), ahead = spread;
        double count = 0;
        for (auto step = static_cast<uint32_t>(n.sinks); step <= n.now(); ++step) ++count;
        for (auto step = static_cast<uint32_t>(n.sinks); step <= n.now(); ++step)
            for (uint32_t i = 0; i < dim; ++i) mean[i] += turned_back(n, step, query_head)[i] / count;
        for (auto step = static_cast<uint32_t>(n.sinks); step <= n.now(); ++step) {
            std::vector<double> q = turned_back(n, step, query_head);
            for (uint32_t i = 0; i < dim; ++i)
                for (uint32_t j = 0; j < dim; ++j) spread[i][j] += (q[i] - mean[i]) * (q[j] - mean[j]) / count;
        }
        for (uint32_t f = 1; f <= future; ++f) {
            Matrix r = rotation(dim, n.now() + double(f), halves);
            for (uint32_t i = 0; i < dim; ++i)
                for (uint32_t j = 0; j < dim; ++j) ahead[i][j] += r[i][j] / future;
        }
        std::vector<double> coming = times(ahead, mean), back(dim);
        for (uint32_t i = 0; i < dim; ++i)  // R' k
            for (uint32_t j = 0; j < dim; ++j) back[i] += ahead[j][i] * k[j];
        std::vector<double> around = times(spread, back);
        double sum = 0;
        for (uint32_t i = 0; i < dim; ++i) {
            sum += coming[i] * k[i] / std::sqrt(double(dim));
            if (covariance) sum += around[i] * back[i] / (2.0 * dim);
        }
        return sum;
    }
    double score(const Naive& n, uint32_t head, uint32_t id) const {
        if (id < n.sinks) return 0;
        double mean = 0;
        for (uint32_t g = 0; g < n.context.group; ++g) {
            uint32_t query_head = head * n.context.group + g;
            double own = logit(n, query_head, n.steps[id].keys[head]), whole = 0;
            for (uint32_t other : n.held[head])
                if (other >= n.sinks) whole += std::exp(logit(n, query_head, n.steps[other].keys[head]) - own);
            mean += 1 / whole / n.context.group;
        }
        double squares = 0;
        for (float v : n.steps[id].values[head]) squares += double{v} * v;
        return value_norm ? mean * std::sqrt(squares) : mean;
    }
};

}  // namespace

TEST_CASE("token eviction: twin of expected_attention") {
    Wishes wishes;
    wishes.weights = false;
    wishes.keys = wishes.rotation = true;
    wishes.most_tokens = 16;  // the twin is slow
    auto one = [&](bool halves) {
        wishes.halves = halves;
        return random_check("expected_attention", [&] {
            check_case("expected_attention", wishes, 4, [&](Naive& n, Teller& t) {
                NaiveExpected e;
                e.future = 1 + static_cast<uint32_t>(t.below(9));
                e.covariance = t.below(3) != 0;
                e.value_norm = t.below(3) != 0;
                e.halves = halves;
                n.score = [e](const Naive& m, uint32_t head, uint32_t id) { return e.score(m, head, id); };
                std::string text = recent(n, t, 0) + ",n_future=" + std::to_string(e.future);
                text += e.covariance ? "" : ",covariance=off";
                return text + (e.value_norm ? "" : ",value_norm=off");
            }, [](Naive& n) { n.evict(); });
        });
    };
    CHECK(one(false));
    CHECK(one(true));
}

}  // namespace token_expected_test
