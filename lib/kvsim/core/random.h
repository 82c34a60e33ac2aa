// Reproducible random numbers: SplitMix64 (Steele, Lea, Flood 2014). Integer arithmetic only, so the same seed
// gives the same stream on every machine; the helpers below avoid libm where a last-bit difference would show.
#pragma once

#include <cstdint>

namespace kvsim {

class Random {
  public:
    explicit Random(uint64_t seed) : state_(seed) {}

    uint64_t next() {
        uint64_t z = (state_ += 0x9E3779B97F4A7C15ull);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
        return z ^ (z >> 31);
    }
    /// Uniform in [0, bound), bound > 0, by multiply-shift: exact enough for workloads, and portable.
    uint64_t below(uint64_t bound) {
        return static_cast<uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
    }
    /// Uniform in [low, high].
    uint64_t between(uint64_t low, uint64_t high) { return low + below(high - low + 1); }
    /// Whole number with mean `mean`: geometric by halving, scaled; long tail, no logarithm.
    uint64_t skewed(uint64_t mean) {
        uint64_t scale = 1;
        while ((next() & 1) != 0 && scale < 16) ++scale;
        return below(mean * scale + 1);
    }

  private:
    uint64_t state_;
};

}  // namespace kvsim
