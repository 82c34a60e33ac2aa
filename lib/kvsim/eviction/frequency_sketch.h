// How often blocks were used of late, estimated in little memory: a count-min sketch (Cormode, Muthukrishnan 2005) that
// forgets by halving, as TinyLFU has it (Einziger, Friedman, Manes: TinyLFU, ACM TOS 2017).
//
// Four counters of 4 bits stand for a block; adding raises those below 15, the smallest is the estimate. After ten
// additions per block of the cache that raised anything, all counters and the number of additions are halved.
// The hash of block b is the first number that Random(b) gives. Its upper half, times the number of lines, is the line
// of 64 bytes that holds all four; byte i of its lower half says which of the 32 counters in the line's words 2i and
// 2i + 1: bit 0 the word, bits 1 to 4 the counter. Lines: one per eight blocks of the cache.
// Follows Caffeine in layout and ageing; there the number of lines is a power of two, the hash another, and halving
// also subtracts what rounding took.
// Cost: one cache line per addition and estimate; 8 bytes per block of the cache.
#pragma once

#include <kvsim/core/huge_vector.h>
#include <kvsim/core/random.h>

#include <algorithm>
#include <cstdint>

namespace kvsim {

class FrequencySketch {
  public:
    void reset(uint64_t blocks) {
        lines_ = std::max<uint64_t>(1, (blocks + 7) / 8);
        words_.assign(lines_ * 8, 0);
        period_ = 10 * std::max<uint64_t>(1, blocks);
        added_ = 0;
    }
    void add(uint32_t block) {
        uint64_t hash = Random(block).next();
        uint64_t* line = &words_[line_of(hash)];
        bool raised = false;
        for (unsigned i = 0; i < 4; ++i, hash >>= 8) {
            uint64_t& word = line[size_t{2} * i + (hash & 1)];
            unsigned shift = (hash >> 1 & 15) * 4;
            if ((word >> shift & 15) == 15) continue;
            word += uint64_t{1} << shift;
            raised = true;
        }
        if (raised && ++added_ == period_) halve();
    }
    unsigned estimate(uint32_t block) const {
        uint64_t hash = Random(block).next();
        const uint64_t* line = &words_[line_of(hash)];
        uint64_t least = 15;
        for (unsigned i = 0; i < 4; ++i, hash >>= 8)
            least = std::min(least, line[size_t{2} * i + (hash & 1)] >> (hash >> 1 & 15) * 4 & 15);
        return static_cast<unsigned>(least);
    }
    uint64_t state_bytes() const { return words_.size() * 8; }

  private:
    uint64_t line_of(uint64_t hash) const { return ((hash >> 32) * lines_ >> 32) * 8; }
    void halve() {
        for (uint64_t& word : words_) word = word >> 1 & 0x7777777777777777ull;
        added_ /= 2;
    }

    HugeVector<uint64_t> words_;
    uint64_t lines_ = 1;
    uint64_t period_ = 10;
    uint64_t added_ = 0;  ///< since the last halving, and half of what was before it
};

}  // namespace kvsim
