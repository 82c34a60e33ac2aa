#include <kvsim/core/error.h>
#include <kvsim/layout/attention.h>
#include <kvsim/layout/quantized_cache.h>
#include <kvsim/quant/dtype.h>

#include <algorithm>
#include <cmath>

namespace kvsim {

namespace {

TokenContext context_of(const QuantizedConfig& c, uint32_t layer) {
    TokenContext t;
    t.layer = layer;
    t.layers = c.layers;
    t.kv_heads = c.kv_heads;
    t.head_dim = c.head_dim;
    t.group = c.query_heads / c.kv_heads;
    t.sequence = c.sequence;
    t.sequence_tokens = c.sequence_tokens;
    t.capacity_tokens = c.capacity_tokens;
    t.seed = c.seed;
    return t;
}

QuantizedConfig checked(const QuantizedConfig& c) {
    if (c.kv_heads == 0 || c.head_dim == 0 || c.query_heads == 0 || c.query_heads % c.kv_heads != 0)
        throw_input("a cache of " + std::to_string(c.kv_heads) + " KV heads x " + std::to_string(c.head_dim) + " and " +
                    std::to_string(c.query_heads) + " query heads: expected at least one each, the query heads a multiple");
    return c;
}

void check_finite(const float* row, size_t values, uint32_t token, const char* what) {
    for (size_t i = 0; i < values; ++i)
        if (!std::isfinite(row[i]))
            throw_input(std::string(what) + " of token " + std::to_string(token) + " are not finite: value " + std::to_string(i));
}

}  // namespace

QuantizedLayer::QuantizedLayer(const QuantizedConfig& config, uint32_t layer)
    : config_(checked(config)),
      k_codec_(make_codec(config.k_dtype, {config.kv_heads, config.head_dim})),
      v_codec_(make_codec(config.v_dtype, {config.kv_heads, config.head_dim})),
      keys_(*k_codec_),
      values_(*v_codec_),
      strategy_(make_token_strategy(config.eviction, context_of(config, layer))),
      heads_(config.kv_heads),
      weights_(config.kv_heads) {
    step_.heads = &heads_;
}

void QuantizedLayer::foresee(const float* k, const float* v, uint32_t tokens) {
    keys_.foresee(k, tokens);
    values_.foresee(v, tokens);
}

// What has been encoded takes its place in the heads that hold the token.
void QuantizedLayer::read_back(uint32_t head, uint32_t token, const float* values,
                               std::vector<float> HeadTokens::* target, uint32_t heads) {
    uint32_t dim = config_.head_dim;
    for (uint32_t h = 0; h < heads; ++h) {
        uint32_t slot = slot_of(head + h, token);
        if (slot == kNoSlot) continue;
        std::copy_n(values + size_t{h} * dim, dim, (heads_[head + h].*target).data() + size_t{slot} * dim);
    }
}

uint32_t QuantizedLayer::append(const float* k, const float* v) {
    uint32_t dim = config_.head_dim, token = tokens_;
    check_finite(k, size_t{config_.kv_heads} * dim, token, "keys");
    check_finite(v, size_t{config_.kv_heads} * dim, token, "values");
    ++tokens_;
    newest_keys_.assign(k, k + size_t{config_.kv_heads} * dim);
    for (uint32_t h = 0; h < config_.kv_heads; ++h) {
        HeadTokens& head = heads_[h];
        slots_.push_back(head.count());
        head.ids.push_back(token);
        head.keys.insert(head.keys.end(), k + size_t{h} * dim, k + size_t{h + 1} * dim);
        head.values.insert(head.values.end(), v + size_t{h} * dim, v + size_t{h + 1} * dim);
    }
    keys_.append(k, [&](uint32_t head, uint32_t t, const float* x) {
        read_back(head, t, x, &HeadTokens::keys, k_codec_->unit_heads());
    });
    values_.append(v, [&](uint32_t head, uint32_t t, const float* x) {
        read_back(head, t, x, &HeadTokens::values, v_codec_->unit_heads());
    });
    step_.token = token;
    return token;
}

void QuantizedLayer::attend(const float* q, float* out) {
    uint32_t dim = config_.head_dim, group = config_.query_heads / config_.kv_heads;
    for (uint32_t h = 0; h < config_.kv_heads; ++h) {
        const HeadTokens& head = heads_[h];
        weights_[h].assign(head.count(), 0);
        row_.resize(head.count());
        for (uint32_t g = 0; g < group; ++g) {
            size_t query_head = size_t{h} * group + g;
            attend_head(q + query_head * dim, head.keys.data(), head.values.data(), dim, head.count(), dim, row_.data(),
                        out + query_head * dim);
            for (uint32_t i = 0; i < head.count(); ++i) weights_[h][i] += row_[i] / static_cast<float>(group);
        }
    }
}

void QuantizedLayer::step(const float* q, const float* k_pre) {
    step_.weights = &weights_;
    step_.queries = q;
    step_.keys_before_rotation = k_pre;
    step_.keys = newest_keys_.data();
    strategy_->on_step(step_);
}

void QuantizedLayer::update_attention_scores(const std::vector<std::vector<float>>& weights) {
    if (weights.size() != heads_.size())
        throw_input("attention scores of " + std::to_string(weights.size()) + " KV heads; the cache has " +
                    std::to_string(heads_.size()));
    for (uint32_t h = 0; h < heads_.size(); ++h) {
        if (weights[h].size() != heads_[h].count())
            throw_input("attention scores of " + std::to_string(weights[h].size()) + " tokens for KV head " +
                        std::to_string(h) + ", which holds " + std::to_string(heads_[h].count()));
        std::vector<uint32_t> ids = held(h);
        weights_[h].resize(ids.size());
        for (size_t i = 0; i < ids.size(); ++i) weights_[h][slot_of(h, ids[i])] = weights[h][i];
    }
    step(nullptr, nullptr);
}

uint64_t QuantizedLayer::evict() {
    uint64_t gone = 0;
    TokenVictim victim;
    while (strategy_->next_victim(step_, victim)) {
        remove(victim);
        ++gone;
    }
    return gone;
}

void QuantizedLayer::remove(TokenVictim victim) {
    HeadTokens& head = heads_[victim.head];
    uint32_t dim = config_.head_dim, last = head.count() - 1, token = head.ids[victim.slot];
    keys_.release(victim.head, token);
    values_.release(victim.head, token);
    slots_[size_t{head.ids[last]} * config_.kv_heads + victim.head] = victim.slot;
    slots_[size_t{token} * config_.kv_heads + victim.head] = kNoSlot;
    head.ids[victim.slot] = head.ids[last];
    head.ids.pop_back();
    for (std::vector<float>* values : {&head.keys, &head.values}) {
        if (victim.slot != last)
            std::copy_n(values->data() + size_t{last} * dim, dim, values->data() + size_t{victim.slot} * dim);
        values->resize(size_t{last} * dim);
    }
    strategy_->on_evict(victim, last);
}

std::vector<uint32_t> QuantizedLayer::held(uint32_t head) const {
    std::vector<uint32_t> ids = heads_[head].ids;
    std::sort(ids.begin(), ids.end());
    return ids;
}

void QuantizedLayer::get(uint32_t head, uint32_t token, float* k, float* v) const {
    if (head >= heads_.size() || !holds(head, token))
        throw_input("KV head " + std::to_string(head) + " does not hold token " + std::to_string(token));
    keys_.read(head, token, k);
    values_.read(head, token, v);
}

void QuantizedLayer::check_invariants() const {
    keys_.check_invariants();
    values_.check_invariants();
    std::vector<float> k(config_.head_dim), v(config_.head_dim);
    for (uint32_t h = 0; h < heads_.size(); ++h)
        for (uint32_t i = 0; i < heads_[h].count(); ++i) {
            if (slot_of(h, heads_[h].ids[i]) != i) throw_failed("quantized cache: a token's slot is wrong");
            get(h, heads_[h].ids[i], k.data(), v.data());
            if (!std::equal(k.begin(), k.end(), heads_[h].keys.data() + size_t{i} * k.size()) ||
                !std::equal(v.begin(), v.end(), heads_[h].values.data() + size_t{i} * v.size()))
                throw_failed("quantized cache: what is attended to differs from what is stored");
        }
}

QuantizedCache::QuantizedCache(const QuantizedConfig& config) {
    if (config.layers == 0) throw_input("a cache of 0 layers: expected at least 1");
    for (uint32_t l = 0; l < config.layers; ++l) layers_.push_back(std::make_unique<QuantizedLayer>(config, l));
}

QuantizedLayer& QuantizedCache::layer(uint32_t l) {
    if (l >= layers_.size())
        throw_input("layer " + std::to_string(l) + " of a model with " + std::to_string(layers_.size()) + " layers");
    return *layers_[l];
}

StoredBytes QuantizedCache::memory_bytes() const {
    StoredBytes sum;
    for (const auto& l : layers_) {
        sum += l->keys().bytes();
        sum += l->values().bytes();
    }
    return sum;
}

uint64_t QuantizedCache::stored_values() const {
    uint64_t sum = 0;
    for (const auto& l : layers_) sum += l->keys().stored_values() + l->values().stored_values();
    return sum;
}

double QuantizedCache::compression_ratio(uint32_t bits) const {
    uint64_t bytes = memory_bytes().total();
    return bytes == 0 ? 0 : static_cast<double>(stored_values()) * bits / 8 / static_cast<double>(bytes);
}

}  // namespace kvsim
