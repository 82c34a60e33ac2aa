// Which resident blocks are partly filled, and how many token places are empty in them: at most one block per request.
//
// A bit per block says whether it is partly filled; the numbers stand in a small hash table of the few there are, which
// stays in the caches where a number per block of the trace would be tens of megabytes to clear. Blocks without a name
// have a bit beside it: whoever leaves the cache and has none of either needs no more care.
// Cost: O(1) to set and clear; a word test per 64 blocks of a run. A quarter of a byte per block of the trace, 16 to 32
// bytes per partly filled block.
#pragma once

#include <kvsim/trace/prefix_index.h>

#include <bit>
#include <cstdint>
#include <vector>

namespace kvsim {

class PartialBlocks {
  public:
    void reset(uint64_t named, uint64_t blocks) {
        named_ = named;
        bits_.assign((blocks + 63) / 64, 0);
        special_ = bits_;
        for (uint64_t block = named; block < blocks; ++block) special_[block >> 6] |= uint64_t{1} << (block & 63);
        slots_.assign(size_t{1} << kFewest, {kNone, 0});
        shift_ = 32 - kFewest;
        count_ = 0;
        total_ = 0;
    }
    bool has(BlockId block) const { return (bits_[block >> 6] >> (block & 63) & 1) != 0; }
    /// Partly filled or without a name.
    bool special(BlockId block) const { return (special_[block >> 6] >> (block & 63) & 1) != 0; }
    void clear(BlockId block) {
        if (!has(block)) return;
        uint64_t bit = uint64_t{1} << (block & 63);
        bits_[block >> 6] &= ~bit;
        if (block < named_) special_[block >> 6] &= ~bit;
        size_t at = find(block);
        total_ -= slots_[at].missing;
        erase(at);
    }
    void clear_run(BlockId begin, uint32_t count) {
        uint64_t end = uint64_t{begin} + count;
        uint64_t mask = ~uint64_t{0} << (begin & 63);
        for (uint64_t word = begin >> 6; word * 64 < end; ++word, mask = ~uint64_t{0}) {
            if (end - word * 64 < 64) mask &= (uint64_t{1} << (end & 63)) - 1;
            for (uint64_t left = bits_[word] & mask; left != 0; left &= left - 1)
                clear(static_cast<BlockId>(word * 64 + static_cast<uint64_t>(std::countr_zero(left))));
        }
    }
    void set(BlockId block, uint64_t missing) {
        clear(block);
        if (missing == 0) return;
        uint64_t bit = uint64_t{1} << (block & 63);
        bits_[block >> 6] |= bit;
        special_[block >> 6] |= bit;
        if (2 * ++count_ > slots_.size()) grow();
        slots_[find(kNone, block)] = {block, static_cast<uint32_t>(missing)};
        total_ += missing;
    }
    uint64_t total() const { return total_; }
    /// Recounted.
    uint64_t sum() const {
        uint64_t n = 0;
        for (uint64_t word = 0; word < bits_.size(); ++word)
            for (uint64_t left = bits_[word]; left != 0; left &= left - 1)
                n += slots_[find(static_cast<BlockId>(word * 64 + static_cast<size_t>(std::countr_zero(left))))].missing;
        return n;
    }
    uint64_t bytes() const { return bits_.size() * 16 + slots_.size() * sizeof(Slot); }

  private:
    struct Slot {
        BlockId block;  ///< kNone: free
        uint32_t missing;
    };
    static constexpr int kFewest = 6;  ///< log2 of the slots at first

    size_t home(BlockId block) const { return block * 0x9E3779B1u >> shift_; }
    size_t next(size_t at) const { return (at + 1) & (slots_.size() - 1); }
    size_t find(BlockId block) const { return find(block, block); }
    // The first slot that holds `what`, from where `block` belongs. There is one.
    size_t find(BlockId what, BlockId block) const {
        size_t at = home(block);
        while (slots_[at].block != what) at = next(at);
        return at;
    }
    // Whoever stands behind and belongs no later moves up, so that every search still ends at a free slot.
    void erase(size_t at) {
        size_t mask = slots_.size() - 1;
        for (size_t from = next(at); slots_[from].block != kNone; from = next(from)) {
            size_t way = (from - home(slots_[from].block)) & mask;
            if (way < ((from - at) & mask)) continue;
            slots_[at] = slots_[from];
            at = from;
        }
        slots_[at].block = kNone;
        --count_;
    }
    void grow() {
        std::vector<Slot> old(slots_.size() * 2, {kNone, 0});
        old.swap(slots_);
        --shift_;
        for (const Slot& slot : old)
            if (slot.block != kNone) slots_[find(kNone, slot.block)] = slot;
    }

    uint64_t named_ = 0;
    std::vector<uint64_t> bits_, special_;
    std::vector<Slot> slots_;
    int shift_ = 0;
    size_t count_ = 0;
    uint64_t total_ = 0;
};

}  // namespace kvsim
