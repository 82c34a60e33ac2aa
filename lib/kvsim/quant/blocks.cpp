// The block formats of other programs (kernels/common/blocks.h).
#include <kernels/cpu/quant.h>
#include <kvsim/quant/family.h>
#include <kvsim/quant/rows.h>

#include <cmath>
#include <limits>

namespace kvsim {

namespace {

using kv::BlockFormat;

/// Half the distance of an E2M1 value to the farther neighbour.
double e2m1_half_step(uint32_t code) {
    uint32_t size = code & 7;
    return size < 4 ? 0.25 : size < 6 ? 0.5 : 1.0;
}
double f16_half_ulp(double x) { return std::max(std::fabs(x) * 0x1p-11, 0x1p-25); }

class Blocks final : public Codec {
  public:
    Blocks(RowShape shape, uint32_t heads, BlockFormat format, uint32_t residual)
        : Codec(shape, heads, 1, residual), format_(format) {}

    StoredBytes unit_bytes(uint32_t tokens) const override {
        uint64_t n = blocks(tokens), metadata = n * kv::block_metadata_bytes(format_);
        return {n * kv::block_bytes(format_) - metadata, metadata, 0};
    }
    void encode(const float* values, uint32_t tokens, uint8_t* out) const override {
        kv::cpu::encode_blocks(format_, blocks(tokens), values, out);
    }
    void decode(const uint8_t* in, uint32_t tokens, float* values) const override {
        kv::cpu::decode_blocks(format_, blocks(tokens), in, values);
    }
    void encode_units(const float* values, uint64_t units, uint8_t* out) const override {
        kv::cpu::encode_blocks(format_, blocks(units), values, out);
    }
    void decode_units(const uint8_t* in, uint64_t units, float* values) const override {
        kv::cpu::decode_blocks(format_, blocks(units), in, values);
    }
    bool error_bounds(const uint8_t* in, uint32_t tokens, float* bounds) const override {
        uint32_t values = kv::block_values(format_);
        for (uint64_t b = 0; b < blocks(tokens); ++b, in += kv::block_bytes(format_), bounds += values)
            for (uint32_t j = 0; j < values; ++j) bounds[j] = static_cast<float>(bound(in, j));
        return true;
    }

  private:
    uint64_t blocks(uint64_t units) const { return units * unit_values() / kv::block_values(format_); }

    /// The stored code of value j of a block.
    uint32_t code(const uint8_t* block, uint32_t j) const {
        const uint8_t* codes = block + kv::block_metadata_bytes(format_);
        if (format_ == BlockFormat::q8_0) return codes[j];
        if (format_ == BlockFormat::nvfp4) return kv::code_at(codes, j, 4);
        return j < 16 ? codes[j] & 15u : codes[j - 16] >> 4;
    }
    double bound(const uint8_t* block, uint32_t j) const {
        constexpr double kInfinite = std::numeric_limits<double>::infinity();
        if (format_ == BlockFormat::mxfp4) {  // values up to 8 are cut off at 6
            double scale = kv::f32_of_e8m0(block[0]);
            return scale * ((code(block, j) & 7) == 7 ? 2.0 : e2m1_half_step(code(block, j)));
        }
        if (format_ == BlockFormat::nvfp4) {  // a scale that was rounded down cuts off
            double scale = kv::f32_of_e4m3(block[0]), rounding = std::max(scale / 16, 0x1p-10);
            if (scale >= 448) return kInfinite;
            double half_step = scale * e2m1_half_step(code(block, j)) * (1 + 0x1p-20);
            bool cut = scale == 0 || (code(block, j) & 7) == 7;
            return cut ? std::max(half_step, 6.0 * rounding) : half_step;
        }
        double scale = std::fabs(static_cast<double>(kv::f16_at(block))), rounding = f16_half_ulp(scale);
        double low = format_ == BlockFormat::q4_1 ? std::fabs(static_cast<double>(kv::f16_at(block + 2))) : 0;
        if (scale >= kv::kLargestF16 || low >= kv::kLargestF16) return kInfinite;
        // Codes follow from the unrounded scale: its rounding counts once for every step from zero. The farthest value
        // of the other sign of q4_0 is 8 steps away and stored as 7.
        double steps = format_ == BlockFormat::q8_0 ? 127 : format_ == BlockFormat::q4_0 ? 8 : 15;
        double half_step = format_ == BlockFormat::q4_0 && code(block, j) == 15 ? 1.0 : 0.5;
        double exact = (scale + rounding) * half_step + steps * rounding;
        if (format_ == BlockFormat::q4_1) exact += f16_half_ulp(low);
        return exact + (low + steps * scale) * 0x1p-22;
    }

    BlockFormat format_;
};

void add_blocks(Registry<KvDtypeRow>& r, const char* id, BlockFormat format, const char* summary) {
    bool scaled = format == BlockFormat::nvfp4;
    r.add({id, summary, std::string(scaled ? "tensor_amax=0 " : "") + kCommonParameters, kv::block_bits(format),
           [format, scaled](Spec& spec, RowShape shape) {
               CommonParameters common = CommonParameters::ask(spec);
               uint32_t heads = unit_heads_of(spec.id(), shape, kv::block_values(format));
               double largest = scaled ? spec.number("tensor_amax", 0, 0, 1e30) : 0;
               std::unique_ptr<Codec> codec = std::make_unique<Blocks>(shape, heads, format, common.residual);
               if (largest > 0) codec = with_scale(std::move(codec), static_cast<float>(largest / (448 * 6)));
               return with_rotation(spec.id(), common, kv::block_values(format), std::move(codec));
           },
           scaled});
}

}  // namespace

void add_block_dtypes(Registry<KvDtypeRow>& r) {
    add_blocks(r, "q8_0", BlockFormat::q8_0, "ggml's 34 bytes per 32 values: an f16 scale and bytes");
    add_blocks(r, "q4_0", BlockFormat::q4_0, "ggml's 18 bytes per 32 values: an f16 scale and 4 bits each");
    add_blocks(r, "q4_1", BlockFormat::q4_1, "ggml's 20 bytes per 32 values: f16 scale and minimum, 4 bits each");
    add_blocks(r, "mxfp4", BlockFormat::mxfp4, "17 bytes per 32 values: a power of two and 4-bit floats (OCP E2M1)");
    add_blocks(r, "nvfp4", BlockFormat::nvfp4,
               "9 bytes per 16 values: an E4M3 scale and 4-bit floats (E2M1); tensor_amax: the whole tensor's largest value, divided "
               "by 448 x 6 its f32 scale (with data the data's, else none)");
}

}  // namespace kvsim
