// A set of blocks as bits, asked and changed in runs.
//
// Words are read and written where a run begins, at any byte, so that up to 57 blocks of it are one word operation and
// most runs need no loop: loops whose length cannot be guessed cost more than what they do. Little-endian machines
// only, as all that this is built for. An eighth of a byte per block.
#pragma once

#include <kvsim/trace/prefix_index.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

namespace kvsim {

class BlockBits {
  public:
    void reset(uint64_t blocks) { words_.assign((blocks + 63) / 64 + 1, 0); }
    bool has(BlockId block) const { return (words_[block >> 6] >> (block & 63) & 1) != 0; }
    void set(BlockId block) { words_[block >> 6] |= uint64_t{1} << (block & 63); }
    void clear(BlockId block) { words_[block >> 6] &= ~(uint64_t{1} << (block & 63)); }
    [[gnu::always_inline]] void set_run(BlockId begin, uint32_t count) {
        for_pieces(begin, count, [this](BlockId at, uint64_t mask) { write(at, read(at) | mask << (at & 7)); });
    }
    [[gnu::always_inline]] void clear_run(BlockId begin, uint32_t count) {
        for_pieces(begin, count, [this](BlockId at, uint64_t mask) { write(at, read(at) & ~(mask << (at & 7))); });
    }
    /// Whether one of the run may be in the set. Never wrong about runs of up to 57 blocks.
    [[gnu::always_inline]] bool any(BlockId begin, uint32_t count) const {
        return count > kPiece || (read(begin) >> (begin & 7) & ((uint64_t{1} << count) - 1)) != 0;
    }
    /// Calls f(block) for those of the run that are in the set, first to last; f may take them out.
    template <class F>
    void for_each(BlockId begin, uint32_t count, const F& f) const {
        for_pieces(begin, count, [this, &f](BlockId at, uint64_t mask) {
            for (uint64_t left = read(at) >> (at & 7) & mask; left != 0; left &= left - 1)
                f(at + static_cast<BlockId>(std::countr_zero(left)));
        });
    }
    /// Leading blocks of the run that are in the set.
    uint32_t leading(BlockId begin, uint32_t count) const { return leading_of(begin, count, 0); }
    /// Leading blocks of the run that are not.
    uint32_t leading_absent(BlockId begin, uint32_t count) const { return leading_of(begin, count, ~uint64_t{0}); }
    /// The highest block of the run that is in the set; kNone if there is none.
    BlockId last_in(BlockId begin, uint32_t count) const {
        uint64_t last = uint64_t{begin} + count - 1;
        for (uint64_t word = (last >> 6) + 1; word-- > begin >> 6;) {
            uint64_t bits = words_[word];
            if (word == last >> 6) bits &= ~uint64_t{0} >> (63 - (last & 63));
            if (word == begin >> 6) bits &= ~uint64_t{0} << (begin & 63);
            if (bits != 0) return static_cast<BlockId>(word * 64 + 63 - static_cast<uint64_t>(std::countl_zero(bits)));
        }
        return kNone;
    }
    uint64_t count() const {
        uint64_t n = 0;
        for (uint64_t word : words_) n += static_cast<uint64_t>(std::popcount(word));
        return n;
    }
    uint64_t bytes() const { return words_.size() * 8; }

  private:
    static_assert(std::endian::native == std::endian::little);
    static constexpr uint32_t kPiece = 57;  ///< blocks that a word holds wherever it begins

    // The word that begins at the block's byte: the block is bit block % 8 of it.
    uint64_t read(BlockId block) const {
        uint64_t word;
        std::memcpy(&word, reinterpret_cast<const char*>(words_.data()) + (block >> 3), 8);
        return word;
    }
    void write(BlockId block, uint64_t word) {
        std::memcpy(reinterpret_cast<char*>(words_.data()) + (block >> 3), &word, 8);
    }
    template <class F>
    [[gnu::noinline]] static void for_whole_pieces(BlockId begin, uint32_t count, const F& f) {
        for (; count >= kPiece; begin += kPiece, count -= kPiece) f(begin, (uint64_t{1} << kPiece) - 1);
    }
    // Calls f(first block, mask of as many bits as there are blocks) for pieces of at most kPiece blocks.
    template <class F>
    [[gnu::always_inline]] static void for_pieces(BlockId begin, uint32_t count, const F& f) {
        if (count > kPiece) [[unlikely]] {
            for_whole_pieces(begin, count, f);
            begin += count - count % kPiece;
            count %= kPiece;
        }
        f(begin, (uint64_t{1} << count) - 1);
    }
    // Up to the first bit that `flip` does not turn into a 1; 0: bits that are clear.
    uint32_t leading_of(BlockId begin, uint32_t count, uint64_t flip) const {
        uint32_t n = 0;
        for (;;) {
            auto same = static_cast<uint32_t>(std::countr_one((read(begin + n) ^ flip) >> ((begin + n) & 7)));
            if (same < kPiece || n + kPiece >= count) return std::min(n + same, count);
            n += kPiece;
        }
    }

    std::vector<uint64_t> words_;
};

}  // namespace kvsim
