#include <kvsim/backend/token_values.h>
#include <kvsim/core/error.h>
#include <kvsim/core/random.h>

#include <algorithm>

namespace kvsim {

namespace {

uint64_t mixed(uint64_t x) { return Random(x).next(); }

class Synthetic final : public TokenValues {
  public:
    Synthetic(uint32_t kv_heads, uint32_t query_heads, uint32_t head_dim)
        : row_(uint64_t{kv_heads} * head_dim), query_row_(uint64_t{query_heads} * head_dim) {}

    void rows(uint64_t owner, uint32_t layer, uint64_t first, uint32_t count, float* keys, float* values) const override {
        for (uint32_t t = 0; t < count; ++t) {
            uint64_t token = token_of(owner, first + t);
            fill(token, layer, 0, row_, keys + t * row_);
            fill(token, layer, 1, row_, values + t * row_);
        }
    }
    void query(uint64_t owner, uint32_t layer, uint64_t position, float* queries) const override {
        fill(token_of(owner, position), layer, 2, query_row_, queries);
    }

  private:
    static uint64_t token_of(uint64_t owner, uint64_t position) { return mixed(mixed(owner) ^ position); }
    static void fill(uint64_t token, uint32_t layer, uint32_t what, uint64_t count, float* out) {
        uint64_t key = mixed(token ^ (uint64_t{layer} * 4 + what) * 0xD6E8FEB86659FD93u);
        for (uint64_t i = 0; i < count; ++i) {
            uint64_t bits = (key + i) * 0x9E3779B97F4A7C15u;
            bits = (bits ^ (bits >> 32)) * 0xD6E8FEB86659FD93u;
            out[i] = static_cast<float>(static_cast<int32_t>(bits >> 32)) * 0x1p-30f;
        }
    }
    uint64_t row_, query_row_;
};

class Recorded final : public TokenValues {
  public:
    explicit Recorded(const KvData& data) : data_(data) {}
    void rows(uint64_t owner, uint32_t layer, uint64_t first, uint32_t count, float* keys, float* values) const override {
        check(first + count);
        auto s = static_cast<uint32_t>(owner % data_.sequences);
        uint64_t row = uint64_t{data_.kv_heads} * data_.head_dim;
        for (uint32_t t = 0; t < count; ++t) {
            std::copy_n(data_.k_row(s, layer, static_cast<uint32_t>(first) + t), row, keys + t * row);
            std::copy_n(data_.v_row(s, layer, static_cast<uint32_t>(first) + t), row, values + t * row);
        }
    }
    void query(uint64_t owner, uint32_t layer, uint64_t position, float* queries) const override {
        check(position + 1);
        std::copy_n(data_.q_row(static_cast<uint32_t>(owner % data_.sequences), layer, static_cast<uint32_t>(position)),
                    size_t{data_.query_heads} * data_.head_dim, queries);
    }

  private:
    void check(uint64_t tokens) const {
        if (tokens > data_.tokens)
            throw_input("a sequence has " + std::to_string(tokens) + " tokens or more, but those of " + data_.name + " have " +
                        std::to_string(data_.tokens));
    }
    const KvData& data_;
};

}  // namespace

std::unique_ptr<TokenValues> synthetic_values(uint32_t kv_heads, uint32_t query_heads, uint32_t head_dim) {
    return std::make_unique<Synthetic>(kv_heads, query_heads, head_dim);
}
std::unique_ptr<TokenValues> recorded_values(const KvData& data) { return std::make_unique<Recorded>(data); }

}  // namespace kvsim
