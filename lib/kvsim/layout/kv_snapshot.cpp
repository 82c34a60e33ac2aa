#include <kvsim/core/error.h>
#include <kvsim/layout/kv_snapshot.h>

#include <algorithm>
#include <string>

namespace kvsim {

static std::string of(uint64_t n, const char* what) { return std::to_string(n) + " " + what; }

KvSnapshot::KvSnapshot(std::vector<std::vector<float>> keys, std::vector<std::vector<float>> values,
                       uint32_t seq_len, uint32_t kv_dim)
    : keys_(std::move(keys)), values_(std::move(values)), seq_len_(seq_len) {
    if (keys_.empty() || kv_dim == 0) throw_input("snapshot: expected at least one layer and a kv_dim of at least 1");
    if (keys_.size() != values_.size())
        throw_input("snapshot: " + of(keys_.size(), "layers of keys, ") + of(values_.size(), "of values"));
    shape_ = {static_cast<uint32_t>(keys_.size()), kv_dim};
    uint64_t floats = uint64_t{seq_len} * kv_dim;
    for (uint32_t layer = 0; layer < shape_.layers; ++layer)
        for (const auto* list : {&keys_, &values_})
            if ((*list)[layer].size() != floats)
                throw_input("snapshot: layer " + std::to_string(layer) + " has " +
                            of((*list)[layer].size(), list == &keys_ ? "floats of keys" : "floats of values") +
                            ", expected seq_len * kv_dim = " + std::to_string(floats));
}

KvBuffer::KvBuffer(KvShape shape, uint32_t max_seq_len) : shape_(shape), max_seq_len_(max_seq_len) {
    if (shape.layers == 0 || shape.kv_dim == 0 || max_seq_len == 0)
        throw_input("KV buffer: layers, kv_dim and max_seq_len must be at least 1");
    uint64_t per_layer = uint64_t{shape.kv_dim} * max_seq_len;
    if (per_layer > (uint64_t{1} << 40) / shape.layers / 2)
        throw_input("KV buffer: " + of(shape.layers, "layers of ") + of(max_seq_len, "x ") +
                    of(shape.kv_dim, "values are more than 2^40 floats"));
    keys_.assign(shape.layers, std::vector<float>(per_layer));
    values_ = keys_;
    written_.assign(shape.layers, false);
}

uint32_t KvBuffer::checked(uint32_t layer) const {
    if (layer >= shape_.layers)
        throw_input("KV buffer: layer " + std::to_string(layer) + " of " + of(shape_.layers, "layers"));
    return layer;
}

uint64_t KvBuffer::stored_floats(uint32_t layer) const {
    return (uint64_t{seq_len_} + written_[checked(layer)]) * shape_.kv_dim;
}

void KvBuffer::store(uint32_t layer, std::span<const float> key, std::span<const float> value) {
    checked(layer);
    if (key.size() != shape_.kv_dim || value.size() != shape_.kv_dim)
        throw_input("KV buffer: a token has " + of(key.size(), "values of keys and ") +
                    of(value.size(), "of values, expected ") + std::to_string(shape_.kv_dim) + " each");
    if (seq_len_ == max_seq_len_) throw_input("KV buffer: full at " + of(max_seq_len_, "tokens"));
    auto at = static_cast<ptrdiff_t>(uint64_t{seq_len_} * shape_.kv_dim);
    std::copy(key.begin(), key.end(), keys_[layer].begin() + at);
    std::copy(value.begin(), value.end(), values_[layer].begin() + at);
    written_[layer] = true;
}

void KvBuffer::advance() {
    for (uint32_t layer = 0; layer < shape_.layers; ++layer)
        if (!written_[layer])
            throw_input("KV buffer: token " + std::to_string(seq_len_) + " has no keys and values in layer " +
                        std::to_string(layer));
    ++seq_len_;
    written_.assign(shape_.layers, false);
}

std::span<const float> KvBuffer::keys(uint32_t layer) const {
    uint64_t floats = stored_floats(layer);
    return {keys_[layer].data(), floats};
}

std::span<const float> KvBuffer::values(uint32_t layer) const {
    uint64_t floats = stored_floats(layer);
    return {values_[layer].data(), floats};
}

void KvBuffer::truncate(uint32_t tokens) {
    if (tokens > seq_len_)
        throw_input("KV buffer: cannot truncate " + of(seq_len_, "tokens to ") + std::to_string(tokens));
    seq_len_ = tokens;
    written_.assign(shape_.layers, false);
}

KvSnapshot KvBuffer::snapshot(uint32_t tokens) const {
    if (tokens > seq_len_)
        throw_input("KV buffer: snapshot of " + of(tokens, "tokens, there are ") + std::to_string(seq_len_));
    auto floats = static_cast<ptrdiff_t>(uint64_t{tokens} * shape_.kv_dim);
    std::vector<std::vector<float>> keys, values;
    for (uint32_t layer = 0; layer < shape_.layers; ++layer) {
        keys.emplace_back(keys_[layer].begin(), keys_[layer].begin() + floats);
        values.emplace_back(values_[layer].begin(), values_[layer].begin() + floats);
    }
    return {std::move(keys), std::move(values), tokens, shape_.kv_dim};
}

void KvBuffer::load(const KvSnapshot& from, uint32_t tokens) {
    if (!(from.shape() == shape_))
        throw_input("KV buffer: the snapshot has " + of(from.shape().layers, "layers of ") +
                    of(from.shape().kv_dim, "values, the buffer ") + of(shape_.layers, "of ") +
                    std::to_string(shape_.kv_dim));
    if (tokens > from.seq_len())
        throw_input("KV buffer: " + of(tokens, "tokens of a snapshot of ") + std::to_string(from.seq_len()));
    if (tokens > max_seq_len_)
        throw_input("KV buffer: " + of(tokens, "tokens do not fit into ") + std::to_string(max_seq_len_));
    auto floats = static_cast<ptrdiff_t>(uint64_t{tokens} * shape_.kv_dim);
    for (uint32_t layer = 0; layer < shape_.layers; ++layer) {
        std::copy(from.keys(layer).begin(), from.keys(layer).begin() + floats, keys_[layer].begin());
        std::copy(from.values(layer).begin(), from.values(layer).begin() + floats, values_[layer].begin());
    }
    seq_len_ = tokens;
    written_.assign(shape_.layers, false);
}

void KvBuffer::clear() {
    seq_len_ = 0;
    written_.assign(shape_.layers, false);
}

}  // namespace kvsim
