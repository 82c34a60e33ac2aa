// Attention heads made to fail where real ones fail, for runs without recorded data.
// Idea: the scores of a head are a sum of four parts, each put into channels of its own before the rotary embedding
// (half split, pairs (i, i + d/2), base `theta`), so that the logit q.k / sqrt(d) is, with s = d^(1/4):
//   recency   pairs 2..13 of 32: a constant on queries and keys, amplitude s sqrt(rec), a random phase per pair; after
//             the rotation sum_i rec cos((t - j) theta_i). It also gives keys the large channel means real ones have.
//   content   pairs 14..25: keys hold the content of their token's type, queries that of a partner of their type,
//             both times s sqrt(cont / sqrt(24)).
//   hitters   channel 30: keys s hh h / sqrt(2) with h = max(0, N)^2 of the type, queries s.
//   sink      channel 31, which hardly turns: queries s sqrt(G), keys -s sqrt(G), but token 0 has a key of zeros, a
//             sink of small norm: G = ln(sink / (1 - sink)) + mean logsumexp of the other logits.
// Tokens are Zipf(1) over 4096 types. Values: 0.3 N + a random linear map of the content; those of token 0 times 0.1.
// Types are the same to all heads of a layer; phases, partners and the map are a head's own (partners a query head's);
// sequences differ in their tokens and noise.
// Choices of ours: the mean logsumexp is taken over the second half of the queries (evenly spaced ones of long
// sequences), and over a head group where queries share a KV head; other head dimensions divide their pairs in the same
// shares and keep the strength of each part. G is not below 0. With theta=10000 the slowest channel pair turns by half a
// radian in 4000 tokens, and the sink fades beyond; longer sequences want a larger theta, as long-context models have.
// Cost: O(tokens heads d), and at most about 2^19 rows of logits times d for G.
#include <kvsim/core/digest.h>
#include <kvsim/core/error.h>
#include <kvsim/core/random.h>
#include <kvsim/core/spec.h>
#include <kvsim/kvdata/portable_math.h>
#include <kvsim/kvdata/synthetic.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace kvsim {

namespace {

constexpr uint32_t kTypes = 4096;
constexpr uint64_t kMostValues = uint64_t{1} << 30;

// Normal numbers by Box and Muller's method, two at a time.
class Normal {
  public:
    explicit Normal(uint64_t seed) : random_(seed) {}
    double next() {
        if (has_second_) {
            has_second_ = false;
            return second_;
        }
        double radius = std::sqrt(-2 * portable::log(1 - uniform()));
        portable::SinCos turn = portable::sin_cos(2 * portable::kPi * uniform());
        second_ = radius * turn.sin;
        has_second_ = true;
        return radius * turn.cos;
    }
    /// In [0, 1).
    double uniform() { return static_cast<double>(random_.next() >> 11) * 0x1p-53; }
    uint64_t below(uint64_t bound) { return random_.below(bound); }

  private:
    Random random_;
    double second_ = 0;
    bool has_second_ = false;
};

// A seed of its own for everything that is drawn.
enum class Drawn : uint64_t { types, head, tokens, noise };
uint64_t stream(uint64_t seed, Drawn what, uint32_t layer, uint32_t head, uint32_t sequence) {
    for (uint64_t part : {static_cast<uint64_t>(what), uint64_t{layer}, uint64_t{head}, uint64_t{sequence}})
        seed = Random(seed ^ part).next();
    return seed;
}

struct Settings {
    uint32_t tokens, layers, heads, kv_heads, dim, sequences;
    double rec, hh, cont, sink, theta;
    uint64_t seed;
};

Settings parse(const std::string& text) {
    Spec spec = Spec::parse(text);
    auto whole = [&](const char* key, uint64_t fallback, uint64_t low, uint64_t high) {
        return static_cast<uint32_t>(spec.whole(key, fallback, low, high));
    };
    Settings s{};
    s.tokens = whole("tokens", 1024, 1, 1 << 24);
    s.layers = whole("layers", 1, 1, 1024);
    s.heads = whole("heads", 8, 1, 1024);
    s.kv_heads = whole("kv_heads", s.heads, 1, 1024);
    s.dim = whole("head_dim", 64, 8, 1024);
    s.sequences = whole("sequences", 1, 1, 1 << 20);
    s.rec = spec.number("rec", 0.5, 0, 100);
    s.hh = spec.number("hh", 0.8, 0, 100);
    s.cont = spec.number("cont", 0.5, 0, 100);
    s.sink = spec.number("sink", 0.55, 0, 0.999);
    s.theta = spec.number("theta", 10000, 10, 1e12);
    s.seed = spec.whole("seed", 0, 0, ~uint64_t{0});
    spec.finish();
    if (s.heads % s.kv_heads != 0)
        throw_input(text + ": kv_heads=" + std::to_string(s.kv_heads) + ": expected a divisor of heads=" +
                    std::to_string(s.heads));
    if (s.dim % 2 != 0) throw_input(text + ": head_dim=" + std::to_string(s.dim) + ": expected an even number");
    uint64_t row = uint64_t{s.tokens} * s.dim * (s.heads + 3 * s.kv_heads);  // below 2^47
    if (row > kMostValues || row * s.layers > kMostValues || row * s.layers * s.sequences > kMostValues)
        throw_input(text + ": expected at most 2^30 values in all (4 GiB): fewer tokens, heads, layers or sequences");
    return s;
}

// Which of the d/2 pairs do what: [first, last).
struct Channels {
    uint32_t half, recency, content, content_end, hitters, sink;
    explicit Channels(uint32_t dim)
        : half(dim / 2), recency(half / 16), content(half * 14 / 32),
          content_end(std::min(half * 26 / 32, half - 2)), hitters(half - 2), sink(half - 1) {}
    uint32_t contents() const { return 2 * (content_end - content); }
};

// What the types of tokens are to all heads of a layer.
struct Types {
    std::vector<double> content;  ///< [type, content channel]
    std::vector<double> hitters;  ///< h of each type
    Types(const Settings& s, uint32_t layer) {
        Normal normal(stream(s.seed, Drawn::types, layer, 0, 0));
        content.resize(size_t{kTypes} * Channels(s.dim).contents());
        for (double& x : content) x = normal.next();
        for (uint32_t type = 0; type < kTypes; ++type) {
            double n = std::max(0.0, normal.next());
            hitters.push_back(n * n);
        }
    }
};

// One KV head of one layer, with its query heads, over all sequences.
class Head {
  public:
    Head(const Settings& s, KvData& data, const Types& types, const std::vector<double>& zipf, const std::vector<float>& turns,
         uint32_t layer, uint32_t head)
        : s_(s), data_(data), all_(types), zipf_(zipf), turns_(turns), c_(s.dim), layer_(layer), head_(head),
          scale_(std::sqrt(std::sqrt(static_cast<double>(s.dim)))) {
        Normal normal(stream(s.seed, Drawn::head, layer, head, 0));
        group_ = s.heads / s.kv_heads;
        for (uint32_t i = 0; i < group_ * kTypes; ++i) partner_.push_back(static_cast<uint32_t>(normal.below(kTypes)));
        for (uint32_t pair = c_.recency; pair < c_.content; ++pair)
            phases_.push_back(portable::sin_cos(2 * portable::kPi * normal.uniform()));
        map_.resize(size_t{s.dim} * c_.contents());
        for (double& x : map_) x = normal.next() / std::sqrt(static_cast<double>(c_.contents()));
    }

    void make(uint32_t sequence) {
        draw_types(sequence);
        Normal noise(stream(s_.seed, Drawn::noise, layer_, head_, sequence));
        std::vector<float> row(s_.dim);
        for (uint32_t t = 0; t < s_.tokens; ++t) {
            fill_key(t, row);
            write(row, t, k_row(sequence, t));
            std::copy(row.begin(), row.end(), &data_.k_pre[k_place(sequence, t)]);
            for (uint32_t g = 0; g < group_; ++g) {
                fill_query(t, g, row);
                write(row, t, q_row(sequence, t, g));
            }
            fill_value(t, noise, &data_.v[k_place(sequence, t)]);
        }
        add_sink(sequence);
    }

  private:
    size_t k_place(uint32_t sequence, uint32_t t) const {
        return (((size_t{sequence} * s_.layers + layer_) * s_.tokens + t) * s_.kv_heads + head_) * s_.dim;
    }
    float* k_row(uint32_t sequence, uint32_t t) { return &data_.k[k_place(sequence, t)]; }
    float* q_row(uint32_t sequence, uint32_t t, uint32_t g) {
        size_t token = (size_t{sequence} * s_.layers + layer_) * s_.tokens + t;
        return &data_.q[(token * s_.heads + size_t{head_} * group_ + g) * s_.dim];
    }

    // The same tokens for all heads and layers of a sequence.
    void draw_types(uint32_t sequence) {
        Normal draw(stream(s_.seed, Drawn::tokens, 0, 0, sequence));
        types_.clear();
        for (uint32_t t = 0; t < s_.tokens; ++t) {
            double at = draw.uniform() * zipf_.back();
            types_.push_back(static_cast<uint32_t>(std::upper_bound(zipf_.begin(), zipf_.end() - 1, at) - zipf_.begin()));
        }
    }

    void fill_shared(std::vector<float>& row, uint32_t type) const {
        std::fill(row.begin(), row.end(), 0.0f);
        // 12 pairs are what the strengths are meant for; `contents` channels stand in the formula itself.
        double amplitude = scale_ * std::sqrt(s_.rec * 12 / static_cast<double>(phases_.size()));
        for (size_t i = 0; i < phases_.size(); ++i) {
            row[c_.recency + i] = static_cast<float>(amplitude * phases_[i].cos);
            row[c_.half + c_.recency + i] = static_cast<float>(amplitude * phases_[i].sin);
        }
        uint32_t n = c_.contents();
        double strength = scale_ * std::sqrt(s_.cont / std::sqrt(static_cast<double>(n)));
        const double* content = &all_.content[size_t{type} * n];
        for (uint32_t i = 0; i < n / 2; ++i) {
            row[c_.content + i] = static_cast<float>(strength * content[size_t{2} * i]);
            row[c_.half + c_.content + i] = static_cast<float>(strength * content[size_t{2} * i + 1]);
        }
    }
    void fill_key(uint32_t t, std::vector<float>& row) const {
        if (t == 0) {
            std::fill(row.begin(), row.end(), 0.0f);
            return;
        }
        fill_shared(row, types_[t]);
        row[c_.hitters] = static_cast<float>(scale_ * s_.hh * all_.hitters[types_[t]] / std::sqrt(2.0));
    }
    void fill_query(uint32_t t, uint32_t g, std::vector<float>& row) const {
        fill_shared(row, partner_[size_t{g} * kTypes + types_[t]]);
        row[c_.hitters] = static_cast<float>(scale_);
    }
    void fill_value(uint32_t t, Normal& noise, float* out) const {
        const double* content = &all_.content[size_t{types_[t]} * c_.contents()];
        for (uint32_t i = 0; i < s_.dim; ++i) {
            double x = 0.3 * noise.next();
            for (uint32_t j = 0; j < c_.contents(); ++j) x += map_[size_t{i} * c_.contents() + j] * content[j];
            out[i] = static_cast<float>(t == 0 ? 0.1 * x : x);
        }
    }

    // Rotates a row to position t.
    void write(const std::vector<float>& row, uint32_t t, float* out) const {
        const float* turn = &turns_[size_t{t} * s_.dim];
        for (uint32_t i = 0; i < c_.half; ++i) {
            double cos = turn[size_t{2} * i], sin = turn[size_t{2} * i + 1], a = row[i], b = row[i + c_.half];
            out[i] = static_cast<float>(a * cos - b * sin);
            out[i + c_.half] = static_cast<float>(a * sin + b * cos);
        }
    }

    double dot(const float* a, const float* b) const {
        std::array<double, 4> sum{};
        uint32_t i = 0;
        for (; i + 4 <= s_.dim; i += 4)
            for (uint32_t j = 0; j < 4; ++j) sum[j] += double{a[i + j]} * b[i + j];
        for (; i < s_.dim; ++i) sum[0] += double{a[i]} * b[i];
        return (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }

    // Mean over queries of ln sum exp of the logits on tokens 1 to t, as they are without the sink.
    double mean_log_sum(uint32_t sequence) {
        uint32_t first = std::max(1u, s_.tokens / 2), queries = s_.tokens - first;
        if (s_.tokens < 2) return 0;
        uint32_t samples = std::min(queries, std::max(32u, (1u << 19) / s_.tokens));
        double sum = 0;
        std::vector<double> logits;
        for (uint32_t n = 0; n < samples; ++n) {
            uint32_t t = first + static_cast<uint32_t>(uint64_t{n} * queries / samples);
            for (uint32_t g = 0; g < group_; ++g) {
                logits.clear();
                for (uint32_t j = 1; j <= t; ++j)
                    logits.push_back(dot(q_row(sequence, t, g), k_row(sequence, j)) / std::sqrt(static_cast<double>(s_.dim)));
                double top = *std::max_element(logits.begin(), logits.end()), total = 0;
                for (double x : logits)
                    if (x > top - 60) total += portable::exp(x - top);
                sum += top + portable::log(total);
            }
        }
        return sum / (static_cast<double>(group_) * samples);
    }

    void add_sink(uint32_t sequence) {
        if (s_.sink == 0) return;
        double strength = portable::log(s_.sink / (1 - s_.sink)) + mean_log_sum(sequence);
        double x = scale_ * std::sqrt(std::max(0.0, strength));
        for (uint32_t t = 0; t < s_.tokens; ++t) {
            const float* turn = &turns_[size_t{t} * s_.dim + size_t{2} * c_.sink];
            auto put = [&](float* row, double value) {
                row[c_.sink] = static_cast<float>(value * turn[0]);
                row[c_.half + c_.sink] = static_cast<float>(value * turn[1]);
            };
            for (uint32_t g = 0; g < group_; ++g) put(q_row(sequence, t, g), x);
            if (t == 0) continue;
            put(k_row(sequence, t), -x);
            data_.k_pre[k_place(sequence, t) + c_.sink] = static_cast<float>(-x);
        }
    }

    const Settings& s_;
    KvData& data_;
    const Types& all_;
    const std::vector<double>& zipf_;  ///< running sums of the weights
    const std::vector<float>& turns_;
    Channels c_;
    uint32_t layer_, head_, group_ = 1;
    double scale_;
    std::vector<double> map_;
    std::vector<uint32_t> partner_, types_;
    std::vector<portable::SinCos> phases_;
};

// cos and sin of every position and pair.
std::vector<float> turns_of(const Settings& s) {
    std::vector<float> turns(size_t{s.tokens} * s.dim);
    for (uint32_t i = 0; i < s.dim / 2; ++i) {
        double theta = portable::exp(-2.0 * i / s.dim * portable::log(s.theta));
        for (uint32_t t = 0; t < s.tokens; ++t) {
            portable::SinCos turn = portable::sin_cos(t * theta);
            turns[size_t{t} * s.dim + size_t{2} * i] = static_cast<float>(turn.cos);
            turns[size_t{t} * s.dim + size_t{2} * i + 1] = static_cast<float>(turn.sin);
        }
    }
    return turns;
}

}  // namespace

KvData make_synthetic(const std::string& text) {
    Settings s = parse(text);
    KvData data;
    data.name = text;
    data.format = "synthetic";
    data.dtype = "f32";
    data.sequences = s.sequences;
    data.layers = s.layers;
    data.tokens = s.tokens;
    data.query_heads = s.heads;
    data.kv_heads = s.kv_heads;
    data.head_dim = s.dim;
    size_t rows = size_t{s.sequences} * s.layers * s.tokens;
    data.q.resize(rows * s.heads * s.dim);
    for (std::vector<float>* values : {&data.k, &data.v, &data.k_pre}) values->resize(rows * s.kv_heads * s.dim);

    std::vector<double> zipf;
    for (uint32_t type = 0; type < kTypes; ++type) zipf.push_back((zipf.empty() ? 0 : zipf.back()) + 1.0 / (type + 1));
    std::vector<float> turns = turns_of(s);
    for (uint32_t layer = 0; layer < s.layers; ++layer) {
        Types types(s, layer);
        for (uint32_t head = 0; head < s.kv_heads; ++head) {
            Head maker(s, data, types, zipf, turns, layer, head);
            for (uint32_t sequence = 0; sequence < s.sequences; ++sequence) maker.make(sequence);
        }
    }
    Sha256 digest;
    for (const std::vector<float>* values : {&data.q, &data.k, &data.v, &data.k_pre})
        digest.update(reinterpret_cast<const char*>(values->data()), values->size() * sizeof(float));
    data.sha256 = digest.finish();
    return data;
}

}  // namespace kvsim
