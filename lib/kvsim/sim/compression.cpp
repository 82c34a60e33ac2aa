#include <kvsim/core/error.h>
#include <kvsim/core/parallel.h>
#include <kvsim/layout/attention.h>
#include <kvsim/layout/quantized_cache.h>
#include <kvsim/quant/dtype.h>
#include <kvsim/sim/compression.h>
#include <kvsim/trace/format.h>

#include <algorithm>
#include <cmath>

namespace kvsim {

void CompressionSums::add(const CompressionSums& other) {
    keys.add(other.keys);
    values.add(other.values);
    output_error += other.output_error;
    output_squares += other.output_squares;
    retained_mass += other.retained_mass;
    measured_queries += other.measured_queries;
}

double CompressionOutcome::bits_per_value() const {
    return stored_values() == 0 ? 0 : 8 * static_cast<double>(bytes().total()) / static_cast<double>(stored_values());
}

double CompressionOutcome::ratio(uint32_t bits) const {
    double stored = bits_per_value();
    return stored > 0 ? bits / stored : 0;
}

namespace {

constexpr uint64_t kNoBudget = ~uint64_t{0};

/// One layer of one sequence.
struct Piece {
    CompressionSums sums;
    StoredBytes key_bytes, value_bytes;
    uint64_t key_values = 0, value_values = 0, allocated_bytes = 0, evicted = 0, held = 0, budget = kNoBudget;
    std::vector<uint32_t> heads_holding;  ///< per distance in kDistances order
};

std::vector<uint32_t> distances(uint32_t tokens) {
    std::vector<uint32_t> d;
    for (uint32_t n = 1; n < tokens; n *= 2) d.push_back(n);
    return d;
}

float largest_of(const std::vector<float>& values) {
    float largest = 0;
    for (float x : values) largest = std::max(largest, std::abs(x));
    return largest;
}

class PieceRun {
  public:
    PieceRun(const KvData& data, const CompressionOptions& options, uint32_t sequence, PlayedSequence played, uint32_t layer)
        : d_(data), options_(options), recorded_(played.recorded), layer_(layer), tokens_(played.tokens),
          cache_(config(sequence), layer), out_(size_t{data.query_heads} * data.head_dim), exact_(out_.size()),
          full_(played.tokens) {}

    Piece run() {
        cache_.foresee(d_.k_row(recorded_, layer_, 0), d_.v_row(recorded_, layer_, 0), tokens_);
        for (uint32_t t = 0; t < tokens_; ++t) step(t);
        finish();
        return piece_;
    }

  private:
    QuantizedConfig config(uint32_t sequence) const {
        QuantizedConfig c;
        c.layers = d_.layers;
        c.query_heads = d_.query_heads;
        c.kv_heads = d_.kv_heads;
        c.head_dim = d_.head_dim;
        c.k_dtype = options_.k_dtype;
        c.v_dtype = options_.v_dtype;
        c.eviction = options_.eviction;
        c.sequence = sequence;
        c.sequence_tokens = tokens_;
        c.capacity_tokens = options_.capacity_tokens;
        c.seed = options_.seed;
        return c;
    }

    void step(uint32_t t) {
        const float* q = d_.q_row(recorded_, layer_, t);
        cache_.append(d_.k_row(recorded_, layer_, t), d_.v_row(recorded_, layer_, t));
        cache_.attend(q, out_.data());
        uint64_t budget = cache_.budget();
        if (budget >= tokens_ || t >= budget) measure(t, q);  // with room for all there is no budget
        cache_.step(q, d_.k_pre_row(recorded_, layer_, t));
        piece_.evicted += cache_.evict();
        if (options_.verify) cache_.check_invariants();
    }

    void measure(uint32_t t, const float* q) {
        for (uint32_t h = 0; h < d_.query_heads; ++h) {
            uint32_t kv_head = h / d_.group();
            size_t first = size_t{kv_head} * d_.head_dim;
            attend_head(q + size_t{h} * d_.head_dim, d_.k_row(recorded_, layer_, 0) + first,
                        d_.v_row(recorded_, layer_, 0) + first, size_t{d_.kv_heads} * d_.head_dim, t + 1, d_.head_dim,
                        full_.data(), exact_.data());
            const float* got = out_.data() + size_t{h} * d_.head_dim;
            for (uint32_t i = 0; i < d_.head_dim; ++i) {
                double x = exact_[i], error = x - double{got[i]};
                piece_.sums.output_squares += x * x;
                piece_.sums.output_error += error * error;
            }
            double mass = 0;
            for (uint32_t id : cache_.heads()[kv_head].ids) mass += double{full_[id]};
            piece_.sums.retained_mass += std::min(mass, 1.0);  // weights are rounded
        }
        piece_.sums.measured_queries += d_.query_heads;
    }

    void finish() {
        piece_.budget = cache_.budget();
        piece_.sums.keys = cache_.keys().error();
        piece_.sums.values = cache_.values().error();
        piece_.key_bytes = cache_.keys().bytes();
        piece_.value_bytes = cache_.values().bytes();
        piece_.key_values = cache_.keys().stored_values();
        piece_.value_values = cache_.values().stored_values();
        piece_.allocated_bytes = cache_.keys().allocated_bytes() + cache_.values().allocated_bytes();
        for (const HeadTokens& head : cache_.heads()) piece_.held += head.count();
        for (uint32_t back : distances(tokens_)) {
            uint32_t holding = 0;
            for (uint32_t h = 0; h < d_.kv_heads; ++h) holding += cache_.holds(h, tokens_ - 1 - back) ? 1 : 0;
            piece_.heads_holding.push_back(holding);
        }
        cache_.check_invariants();
    }

    const KvData& d_;
    const CompressionOptions& options_;
    uint32_t recorded_, layer_, tokens_;
    QuantizedLayer cache_;
    Piece piece_;
    std::vector<float> out_, exact_, full_;
};

}  // namespace

Trace trace_of(const KvData& data) {
    Trace t;
    t.name = data.name;
    t.format = data.format;
    t.sha256 = data.sha256;
    t.lengths_only = true;
    t.block_size = kDefaultBlockSize;
    for (uint32_t s = 0; s < data.sequences; ++s) {
        t.chains.append(kNone, 0, 0);
        t.prompt_tokens.push_back(data.tokens);
        t.output_tokens.push_back(0);
        t.arrival_s.push_back(0);
        t.source_row.push_back(s);
    }
    return t;
}

CompressionOutcome measure_compression(const KvData& data, const CompressionOptions& given) {
    CompressionOptions options = given;
    options.k_dtype = calibrated(given.k_dtype, largest_of(data.k));
    options.v_dtype = calibrated(given.v_dtype, largest_of(data.v));
    std::vector<PlayedSequence> played = options.played;
    if (played.empty())
        for (uint32_t s = 0; s < data.sequences; ++s) played.push_back({s, data.tokens});
    std::vector<Piece> pieces(played.size() * data.layers);
    parallel_for(pieces.size(), options.jobs, nullptr, [&](size_t i) {
        auto sequence = static_cast<uint32_t>(i / data.layers), layer = static_cast<uint32_t>(i % data.layers);
        pieces[i] = PieceRun(data, options, sequence, played[sequence], layer).run();
        if (options.progress) options.progress->fetch_add(1, std::memory_order_relaxed);
    });

    CompressionOutcome out;
    out.k_dtype = options.k_dtype;
    out.v_dtype = options.v_dtype;
    out.layers.resize(data.layers);
    uint32_t longest = 0;
    for (const PlayedSequence& p : played) longest = std::max(longest, p.tokens);
    std::vector<uint64_t> holding(distances(longest).size()), asked(holding.size());
    for (size_t i = 0; i < pieces.size(); ++i) {
        const Piece& p = pieces[i];
        out.layers[i % data.layers].add(p.sums);
        out.total.add(p.sums);
        out.key_bytes += p.key_bytes;
        out.value_bytes += p.value_bytes;
        out.key_values += p.key_values;
        out.value_values += p.value_values;
        out.allocated_bytes += p.allocated_bytes;
        out.evicted_tokens += p.evicted;
        out.held_tokens += p.held;
        out.appended_values += uint64_t{2} * played[i / data.layers].tokens * data.kv_heads * data.head_dim;
        if (i < data.layers && p.budget != kNoBudget) out.budgets.push_back(p.budget);
        for (size_t k = 0; k < p.heads_holding.size(); ++k) {
            holding[k] += p.heads_holding[k];
            asked[k] += data.kv_heads;
        }
    }
    out.held_values = 2 * out.held_tokens * data.head_dim;
    for (size_t k = 0; k < holding.size(); ++k)
        out.visible.push_back({uint32_t{1} << k, static_cast<double>(holding[k]) / static_cast<double>(asked[k])});
    return out;
}

}  // namespace kvsim
