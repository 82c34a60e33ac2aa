// Token strategies of positions, weights and keys against naive twins (token_twin.h).
#include "property/token_twin.h"

namespace token_eviction_test {

using namespace kvsim_test;

namespace {

std::string window(Naive& n, Teller& t) {
    n.recent = 1000;  // all are protected
    n.score = [](const Naive&, uint32_t, uint32_t) { return 0.0; };
    if (t.below(2) == 0) return "";
    uint64_t w = 1 + t.below(8);
    n.budget = std::min(n.budget, n.sinks + w);
    return ",window=" + std::to_string(w);
}

double h2o_sum(const Naive& n, uint32_t head, uint32_t id, double decay) {
    double sum = 0;
    for (uint32_t q = id; q <= n.now(); ++q) sum = sum * decay + n.weight(q, head, id);
    return sum;
}

uint64_t mixed(uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/// Sum over the last `window` queries, then the pool over the tokens held that are not protected as recent.
struct NaiveSnap {
    uint64_t window = 32, kernel = 7;
    bool average = false;

    double sum(const Naive& n, uint32_t head, uint32_t id) const {
        int64_t whole = 0;
        for (uint32_t q = id; q <= n.now(); ++q)
            if (q + window > n.now()) whole += std::llrint(n.weight(q, head, id) * 1099511627776.0);
        return static_cast<double>(whole);
    }
    double score(const Naive& n, uint32_t head, uint32_t id) const {
        Ids pooled;
        for (uint32_t other : n.held[head])
            if (other + n.recent <= n.now()) pooled.push_back(other);
        auto at = std::find(pooled.begin(), pooled.end(), id) - pooled.begin();
        if (at == static_cast<long>(pooled.size())) return 0;
        double best = 0;
        auto side = static_cast<long>(kernel / 2);
        for (long i = std::max(0L, at - side); i <= at + side && i < static_cast<long>(pooled.size()); ++i) {
            double s = sum(n, head, pooled[static_cast<size_t>(i)]);
            best = average ? best + s : std::max(best, s);
        }
        return best;
    }
    std::string draw(Naive& n, Teller& t) {
        window = 1 + t.below(6);
        kernel = 1 + 2 * t.below(4);
        average = t.below(2) == 0;
        std::string text = ",window=" + std::to_string(window) + ",kernel=" + std::to_string(kernel);
        return text + (average ? ",pool=avg" : "") + recent(n, t, window);
    }
};

}  // namespace

static void check_all() {
    Wishes plain;
    check("sliding_window", plain, 0, window);
    check("streaming_llm", plain, 4, window);
    for (bool mean : {false, true})
        check("h2o", plain, 0, [mean](Naive& n, Teller& t) {
            double decay = mean || t.below(2) == 0 ? 1 : 0.5;
            n.score = [=](const Naive& m, uint32_t head, uint32_t id) {
                double sum = h2o_sum(m, head, id, decay);
                return mean ? sum / (m.now() - id + 1.0) : sum;
            };
            std::string text = recent(n, t, n.budget - n.budget / 2);
            return text + (mean ? ",score=mean" : decay == 1 ? ",score=sum" : ",decay=0.5");
        });
    check("tova", plain, 0, [](Naive& n, Teller& t) {
        bool layer = t.below(2) == 0;
        n.score = [layer](const Naive& m, uint32_t head, uint32_t id) {
            if (!layer) return m.weight(m.now(), head, id);
            double sum = 0;
            for (uint32_t h = 0; h < m.context.kv_heads; ++h) sum += m.weight(m.now(), h, id);
            return sum;
        };
        return recent(n, t, 0) + (layer ? ",per=layer" : "");
    });
    check("random", plain, 0, [](Naive& n, Teller& t) {
        uint64_t seed = t.below(100);
        n.score = [seed](const Naive& m, uint32_t head, uint32_t id) {
            uint64_t x = mixed(mixed(mixed(mixed(seed ^ m.context.sequence) ^ m.context.layer) ^ head) ^ m.now());
            return static_cast<double>(mixed(x ^ id) >> 11);
        };
        return recent(n, t, 0) + ",seed=" + std::to_string(seed);
    });
}

TEST_CASE("token eviction: twins of positions, weights and chance") { check_all(); }
TEST_CASE("long: token eviction: many more cases") {
    rounds = 25;
    check_all();
    rounds = 1;
}

static void check_keys() {
    Wishes keys;
    keys.keys = true;
    keys.weights = false;
    check("k_norm", keys, 0, [](Naive& n, Teller& t) {
        n.score = [](const Naive& m, uint32_t head, uint32_t id) {
            double squares = 0;
            for (float x : m.steps[id].keys[head]) squares += double{x} * x;
            return -std::sqrt(squares);
        };
        return recent(n, t, 1);
    });
    // Two keys, or two and copies of both, are equally like their mean, but for rounding.
    keys.copies = false;
    keys.least_budget = 2;
    check("key_diff", keys, 0, [](Naive& n, Teller& t) {
        n.score = [](const Naive& m, uint32_t head, uint32_t id) {
            auto normal = [&](uint32_t token) {
                std::vector<double> key(m.steps[token].keys[head].begin(), m.steps[token].keys[head].end());
                double squares = 0;
                for (double x : key) squares += x * x;
                for (double& x : key) x = static_cast<float>(x / std::sqrt(squares));
                return key;
            };
            std::vector<double> mean(m.context.head_dim), key = normal(id);
            auto count = static_cast<double>(m.held[head].size());
            for (uint32_t other : m.held[head])
                for (uint32_t d = 0; d < mean.size(); ++d) mean[d] += normal(other)[d] / count;
            double dot = 0;
            for (uint32_t d = 0; d < mean.size(); ++d) dot += mean[d] * key[d];
            return -dot;
        };
        return recent(n, t, 0);
    });
}

TEST_CASE("token eviction: twins of keys") { check_keys(); }

static void check_snap() {
    Wishes plain;
    check("snap_kv", plain, 0, [](Naive& n, Teller& t) {
        NaiveSnap snap;
        std::string text = snap.draw(n, t);
        n.score = [snap](const Naive& m, uint32_t head, uint32_t id) { return snap.score(m, head, id); };
        return text;
    });
    // Shares of 4, 3, 2, 1 tenths of 4 x budget, each rounded down, what is left to the largest remainders.
    check("pyramid_kv", plain, 0, [](Naive& n, Teller& t) {
        NaiveSnap snap;
        std::string text = snap.draw(n, t);
        uint64_t total = 4 * n.budget, left = total;
        uint64_t share[4], rest[4];
        for (uint64_t l = 0; l < 4; ++l) {
            share[l] = total * (4 - l) / 10;
            rest[l] = total * (4 - l) % 10;
            left -= share[l];
        }
        for (; left > 0; --left) {
            auto most = std::max_element(rest, rest + 4);
            ++share[most - rest];
            *most = 0;
        }
        if (n.budget == 1) share[0] = share[1] = share[2] = share[3] = 1;  // 1.6 1.2 0.8 0.4 -> 2 1 1 0 -> at least 1
        n.budget = share[n.context.layer];
        n.score = [snap](const Naive& m, uint32_t head, uint32_t id) { return snap.score(m, head, id); };
        return text;
    });
    NaiveSnap snap;
    double alpha = 0;
    auto shared = [&](Naive& n) {
        // Scores are those of the step; victims of one step do not change them.
        std::vector<std::vector<double>> scores;
        uint64_t held = 0, heads = n.context.kv_heads;
        for (uint32_t h = 0; h < heads; ++h) {
            scores.push_back(n.scores(h));
            held += n.held[h].size();
        }
        auto safe = static_cast<uint64_t>(alpha * static_cast<double>(n.budget));
        for (; held > heads * n.budget; --held) {
            uint32_t from = 0;
            size_t victim = 0;
            bool any = false;
            for (uint32_t h = 0; h < heads; ++h) {
                size_t i = 0;
                if (n.held[h].size() <= safe || !n.lowest(h, scores[h], i)) continue;
                bool lower = any && (scores[h][i] < scores[from][victim] ||
                                     (scores[h][i] == scores[from][victim] && n.held[h][i] < n.held[from][victim]));
                if (any && !lower) continue;
                any = true;
                from = h;
                victim = i;
            }
            if (!any) {
                for (uint32_t h = 1; h < heads; ++h)
                    if (n.held[h].size() > n.held[from].size()) from = h;
                victim = n.least_protected(from);
            }
            n.held[from].erase(n.held[from].begin() + static_cast<long>(victim));
            scores[from].erase(scores[from].begin() + static_cast<long>(victim));
        }
    };
    check("ada_kv", plain, 0, [&](Naive& n, Teller& t) {
        std::string text = snap.draw(n, t);
        n.score = [&snap](const Naive& m, uint32_t head, uint32_t id) { return snap.score(m, head, id); };
        alpha = static_cast<double>(t.below(5)) / 4;
        return text + ",alpha=" + std::to_string(alpha);
    }, shared);
}

TEST_CASE("token eviction: twins of snap_kv, pyramid_kv and ada_kv") { check_snap(); }

}  // namespace token_eviction_test
