// One f32 scale for a whole tensor, as nvfp4 has it: values are divided by it before they are stored and multiplied
// afterwards, so that scales of blocks fall where E4M3 is fine. A cache does not see its tensor as a whole: the largest
// value comes from elsewhere, a calibration, and is a parameter. The 4 bytes belong to the model, not to the cache.
#include <kvsim/quant/family.h>

#include <vector>

namespace kvsim {

namespace {

class Scaled final : public Codec {
  public:
    Scaled(std::unique_ptr<Codec> inner, float scale)
        : Codec(inner->shape(), inner->unit_heads(), inner->unit_tokens(), inner->residual_tokens()),
          inner_(std::move(inner)),
          scale_(scale) {}

    StoredBytes unit_bytes(uint32_t tokens) const override { return inner_->unit_bytes(tokens); }
    void encode(const float* values, uint32_t tokens, uint8_t* out) const override {
        std::vector<float> scaled(values, values + size_t{tokens} * unit_values());
        for (float& x : scaled) x /= scale_;
        inner_->encode(scaled.data(), tokens, out);
    }
    void decode(const uint8_t* in, uint32_t tokens, float* values) const override {
        inner_->decode(in, tokens, values);
        for (size_t i = 0; i < size_t{tokens} * unit_values(); ++i) values[i] *= scale_;
    }
    /// The inner bound in units of the scale, and the rounding of a division and a product.
    bool error_bounds(const uint8_t* in, uint32_t tokens, float* bounds) const override {
        if (!inner_->error_bounds(in, tokens, bounds)) return false;
        std::vector<float> values(size_t{tokens} * unit_values());
        inner_->decode(in, tokens, values.data());
        for (size_t i = 0; i < values.size(); ++i) {
            double most = (values[i] < 0 ? -double{values[i]} : double{values[i]}) + double{bounds[i]};
            bounds[i] = static_cast<float>(double{scale_} * (double{bounds[i]} + most * 0x1p-22));
        }
        return true;
    }

  private:
    std::unique_ptr<Codec> inner_;
    float scale_;
};

}  // namespace

std::unique_ptr<Codec> with_scale(std::unique_ptr<Codec> codec, float scale) {
    if (scale == 1) return codec;
    return std::make_unique<Scaled>(std::move(codec), scale);
}

}  // namespace kvsim
