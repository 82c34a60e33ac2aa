// Token strategies against naive twins: everything that ever happened is kept in nested vectors by position, scores are
// made anew from it at each step, the lowest is found by a scan. No code is shared. Survivors are equal after every step.
//
// Additions over time are made in the same order, so sums of weights are equal to the bit. Where sums over tokens or
// coordinates are made in another order (key_diff, expected_attention), keys are any numbers, so that scores are equal
// (copies) or differ by far more than rounding.
#include <doctest/doctest.h>
#include "support/random_check.h"
#include "support/token_story.h"

#include <cmath>
#include <functional>
#include <random>
#include <sstream>

using namespace kvsim;
using namespace kvsim_test;

namespace {

using Ids = std::vector<uint32_t>;

struct Naive {
    TokenContext context;
    uint64_t budget = 1, sinks = 0, recent = 0;
    std::vector<TokenStep> steps;  ///< all so far
    std::vector<Ids> held;         ///< [head], by position
    /// Score of a token that a head holds.
    std::function<double(const Naive&, uint32_t head, uint32_t id)> score;

    uint32_t now() const { return static_cast<uint32_t>(steps.size() - 1); }
    double weight(uint32_t step, uint32_t head, uint32_t id) const { return steps[step].weights[head][id]; }
    bool is_protected(uint32_t id) const { return id < sinks || id + recent > now(); }

    /// Index of the victim in held[head]: the lowest score, else by the rule for protected tokens.
    bool lowest(uint32_t head, const std::vector<double>& scores, size_t& found) const {
        bool any = false;
        for (size_t i = 0; i < held[head].size(); ++i) {
            if (is_protected(held[head][i]) || (any && scores[i] >= scores[found])) continue;
            found = i;
            any = true;
        }
        return any;
    }
    size_t least_protected(uint32_t head) const {
        for (size_t i = 0; i < held[head].size(); ++i)
            if (held[head][i] >= sinks) return i;
        return held[head].size() - 1;
    }
    std::vector<double> scores(uint32_t head) const {
        std::vector<double> all;
        for (uint32_t id : held[head]) all.push_back(score(*this, head, id));
        return all;
    }
    void evict() {
        for (uint32_t head = 0; head < held.size(); ++head)
            while (held[head].size() > budget) {
                size_t i = 0;
                if (!lowest(head, scores(head), i)) i = least_protected(head);
                held[head].erase(held[head].begin() + static_cast<long>(i));
            }
    }
    void append(const TokenStep& s) {
        held.resize(context.kv_heads);
        for (Ids& ids : held) ids.push_back(static_cast<uint32_t>(steps.size()));
        steps.push_back(s);
    }
};

struct Wishes {
    bool weights = true, keys = false, rotation = false, halves = false;
    bool copies = true;  ///< some tokens have the key and value of another
    uint64_t least_budget = 1, most_tokens = 40;
};

/// Numbers with many ties, or any.
class Teller {
  public:
    Teller(uint64_t seed, const TokenContext& c, Wishes wishes) : random_(seed), context_(c), wishes_(wishes) {
        coarse_ = random_() % 2 == 0;
    }
    TokenStep next(const std::vector<TokenStep>& before) {
        TokenStep s;
        auto t = static_cast<uint32_t>(before.size());
        for (uint32_t h = 0; h < context_.kv_heads; ++h) {
            if (wishes_.weights) {
                s.weights.emplace_back();
                for (uint32_t id = 0; id <= t; ++id)
                    s.weights[h].push_back(coarse_ ? static_cast<float>(random_() % 3) / 8 : fraction());
            }
            if (!wishes_.keys) continue;
            bool copy = wishes_.copies && t > 0 && random_() % 3 == 0;
            const TokenStep* from = copy ? &before[random_() % t] : nullptr;
            s.keys_before.push_back(copy ? from->keys_before[h] : any(context_.head_dim));
            s.values.push_back(copy ? from->values[h] : any(context_.head_dim));
            s.keys.push_back(wishes_.rotation ? rotated(s.keys_before[h], t) : copy ? from->keys[h] : any(context_.head_dim));
        }
        if (wishes_.rotation) s.queries = any(context_.kv_heads * context_.group * context_.head_dim);
        return s;
    }
    uint64_t below(uint64_t n) { return random_() % n; }

  private:
    float fraction() { return static_cast<float>(random_() % (1u << 24)) / (1u << 24); }
    std::vector<float> any(uint32_t count) {
        std::vector<float> v(count);
        for (float& x : v) x = 4 * fraction() - 2;
        return v;
    }
    std::vector<float> rotated(const std::vector<float>& v, uint32_t position) const {
        uint32_t dim = context_.head_dim;
        std::vector<float> out(dim);
        for (uint32_t i = 0; i < dim / 2; ++i) {
            uint32_t a = wishes_.halves ? i : 2 * i, b = wishes_.halves ? i + dim / 2 : 2 * i + 1;
            double angle = position * std::pow(10000.0, -2.0 * i / dim);
            out[a] = static_cast<float>(v[a] * std::cos(angle) - v[b] * std::sin(angle));
            out[b] = static_cast<float>(v[a] * std::sin(angle) + v[b] * std::cos(angle));
        }
        return out;
    }
    std::mt19937_64 random_;
    TokenContext context_;
    Wishes wishes_;
    bool coarse_;
};

std::string text_of(const std::vector<Ids>& held) {
    std::ostringstream out;
    for (const Ids& ids : held) {
        for (uint32_t id : ids) out << id << " ";
        out << "| ";
    }
    return out.str();
}

/// `extra` adds parameters to the spec and to the twin.
using Extra = std::function<std::string(Naive&, Teller&)>;
using Evict = std::function<void(Naive&)>;

void check_case(const std::string& id, const Wishes& wishes, uint64_t default_sinks, const Extra& extra, const Evict& evict) {
    auto seed = *rc::gen::arbitrary<uint64_t>();
    std::mt19937_64 random(seed);
    Naive naive;
    naive.context.kv_heads = 1 + static_cast<uint32_t>(random() % 3);
    naive.context.group = 1 + static_cast<uint32_t>(random() % 2);
    naive.context.head_dim = 2 + 2 * static_cast<uint32_t>(random() % 3);
    naive.context.sequence = random() % 5;
    naive.context.layers = 4;
    naive.context.layer = static_cast<uint32_t>(random() % 4);
    uint64_t tokens = 1 + random() % wishes.most_tokens;
    naive.context.sequence_tokens = tokens;
    naive.budget = wishes.least_budget + random() % (random() % 2 == 0 ? 6 : tokens);
    std::string spec = id + ":budget=" + std::to_string(naive.budget);
    naive.sinks = default_sinks;
    if (naive.budget > 1 && random() % 2 == 0) {
        naive.sinks = random() % std::min<uint64_t>(naive.budget, 5);
        spec += ",sinks=" + std::to_string(naive.sinks);
    }
    Teller teller(seed ^ 0x5bd1e995u, naive.context, wishes);
    spec += extra(naive, teller);
    RC_LOG() << spec << " heads=" << naive.context.kv_heads << " dim=" << naive.context.head_dim << " tokens=" << tokens << "\n";
    TokenHolder ours(spec, naive.context);
    for (uint64_t t = 0; t < tokens; ++t) {
        TokenStep s = teller.next(naive.steps);
        naive.append(s);
        evict(naive);
        ours.step(s);
        if (ours.all_held() == naive.held) continue;
        RC_FAIL("after token " + std::to_string(t) + ": " + text_of(ours.all_held()) + "naive " + text_of(naive.held));
    }
}

int rounds = 1;

void check(const std::string& id, const Wishes& wishes, uint64_t sinks, const Extra& extra,
           const Evict& evict = [](Naive& n) { n.evict(); }) {
    for (int i = 0; i < 10 * rounds; ++i)
        if (!random_check(id, [&] { check_case(id, wishes, sinks, extra, evict); })) {
            CHECK_MESSAGE(false, id);
            return;
        }
    CHECK(true);
}

std::string recent(Naive& n, Teller& t, uint64_t fallback) {
    n.recent = fallback;
    if (t.below(2) == 0) return "";
    n.recent = t.below(8);
    return ",recent=" + std::to_string(n.recent);
}

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
            for (uint32_t other : m.held[head])
                for (uint32_t d = 0; d < mean.size(); ++d) mean[d] += normal(other)[d] / static_cast<double>(m.held[head].size());
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
                return recent(n, t, 0) + ",n_future=" + std::to_string(e.future) + (e.covariance ? "" : ",covariance=off") +
                       (e.value_norm ? "" : ",value_norm=off");
            }, [](Naive& n) { n.evict(); });
        });
    };
    CHECK(one(false));
    CHECK(one(true));
}
