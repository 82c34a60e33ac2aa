// hadamard=on: values are rotated before they are stored and rotated back afterwards (kernels/common/hadamard.h), so
// that one large channel does not set the scale of its whole group. Keys and queries may be rotated alike without
// changing a score; here rows come back unrotated, so that errors compare with those of other dtypes.
#include <kernels/cpu/quant.h>
#include <kvsim/core/error.h>
#include <kvsim/quant/family.h>

#include <algorithm>
#include <cmath>
#include <vector>

namespace kvsim {

CommonParameters CommonParameters::ask(Spec& spec) {
    CommonParameters p;
    p.hadamard = spec.on_off("hadamard", false);
    p.residual = static_cast<uint32_t>(spec.whole("residual", 0, 0, uint64_t{1} << 30));
    return p;
}

uint32_t unit_heads_of(const std::string& dtype, RowShape shape, uint64_t group) {
    uint32_t heads = heads_of_whole_groups(dtype, shape, static_cast<uint32_t>(group));
    if (uint64_t{heads} * shape.head_dim > UINT32_MAX)
        throw_input("KV dtype '" + dtype + "': groups of " + std::to_string(group) + " values and heads of " +
                    std::to_string(shape.head_dim) + " meet only after " +
                    std::to_string(uint64_t{heads} * shape.head_dim) + " values: too many");
    return heads;
}

namespace {

class Rotated final : public Codec {
  public:
    Rotated(std::unique_ptr<Codec> inner, uint32_t width)
        : Codec(inner->shape(), inner->unit_heads(), inner->unit_tokens(), inner->residual_tokens()),
          inner_(std::move(inner)),
          width_(width) {}

    StoredBytes unit_bytes(uint32_t tokens) const override { return inner_->unit_bytes(tokens); }
    void encode(const float* values, uint32_t tokens, uint8_t* out) const override {
        inner_->encode(rotated(values, uint64_t{tokens} * unit_values()), tokens, out);
    }
    void decode(const uint8_t* in, uint32_t tokens, float* values) const override {
        inner_->decode(in, tokens, values);
        kv::cpu::rotate(values, size_t{tokens} * unit_values(), width_);
    }
    void encode_units(const float* values, uint64_t units, uint8_t* out) const override {
        uint64_t one = uint64_t{unit_tokens()} * unit_values(), at_once = std::max<uint64_t>(kAtOnce / one, 1);
        uint64_t bytes = unit_bytes(unit_tokens()).total();
        for (uint64_t i = 0; i < units; i += at_once) {
            uint64_t n = std::min(at_once, units - i);
            inner_->encode_units(rotated(values + i * one, n * one), n, out + i * bytes);
        }
    }
    void decode_units(const uint8_t* in, uint64_t units, float* values) const override {
        uint64_t one = uint64_t{unit_tokens()} * unit_values(), at_once = std::max<uint64_t>(kAtOnce / one, 1);
        uint64_t bytes = unit_bytes(unit_tokens()).total();
        for (uint64_t i = 0; i < units; i += at_once) {
            uint64_t n = std::min(at_once, units - i);
            inner_->decode_units(in + i * bytes, n, values + i * one);
            kv::cpu::rotate(values + i * one, n * one, width_);
        }
    }
    /// Errors e of a rotated run come back as H e / sqrt(width): each at most their sum / sqrt(width). To that the
    /// rounding of two transforms of log2(width) sums is added, measured by the length of the run.
    bool error_bounds(const uint8_t* in, uint32_t tokens, float* bounds) const override {
        if (!inner_->error_bounds(in, tokens, bounds)) return false;
        size_t count = size_t{tokens} * unit_values();
        std::vector<float> values(count);
        inner_->decode(in, tokens, values.data());
        double root = std::sqrt(static_cast<double>(width_)), rounds = std::log2(static_cast<double>(width_)) + 2;
        for (size_t i = 0; i < count; i += width_) {
            double sum = 0, squares = 0;
            for (size_t j = i; j < i + width_; ++j) {
                sum += bounds[j];
                double most = std::fabs(static_cast<double>(values[j])) + bounds[j];
                squares += most * most;
            }
            double bound = sum / root + rounds * 0x1p-22 * std::sqrt(squares);
            std::fill_n(bounds + i, width_, static_cast<float>(bound));
        }
        return true;
    }

  private:
    static constexpr uint64_t kAtOnce = 4096;  ///< values that stay in the first-level cache

    const float* rotated(const float* values, uint64_t count) const {
        thread_local std::vector<float> room;
        if (room.size() < count) room.resize(count);
        std::copy_n(values, count, room.data());
        kv::cpu::rotate(room.data(), count, width_);
        return room.data();
    }

    std::unique_ptr<Codec> inner_;
    uint32_t width_;
};

}  // namespace

std::unique_ptr<Codec> with_rotation(const std::string& dtype, const CommonParameters& common, uint64_t group,
                                     std::unique_ptr<Codec> codec) {
    if (!common.hadamard) return codec;
    uint64_t width = std::max<uint64_t>(codec->shape().head_dim, group);
    if ((width & (width - 1)) != 0 || codec->shape().values() % width != 0)
        throw_input("KV dtype '" + dtype + "': hadamard=on rotates " + std::to_string(width) +
                    " values (the larger of head_dim and group): expected a power of two that divides a row of " +
                    std::to_string(codec->shape().heads) + " heads x " + std::to_string(codec->shape().head_dim));
    return std::make_unique<Rotated>(std::move(codec), static_cast<uint32_t>(width));
}

}  // namespace kvsim
