// Which resident blocks are partly filled, and how many token places are empty in them: at most one block per request.
//
// A bit per block says whether it is partly filled; the numbers stand in a small hash table of the few there are, which
// stays in the caches where a number per block of the trace would be tens of megabytes to clear. Whoever leaves the
// cache with neither the bit nor the number of a block without a name needs no more care.
// Cost: O(1) to set and clear; a word test per 57 blocks of a run. An eighth of a byte per block of the trace, 16 to 32
// bytes per partly filled block.
#pragma once

#include <kvsim/eviction/block_bits.h>

#include <cstdint>
#include <vector>

namespace kvsim {

class PartialBlocks {
  public:
    void reset(uint64_t named, uint64_t blocks) {
        named_ = named;
        bits_.reset(blocks);
        slots_.assign(size_t{1} << kFewest, {kNone, 0});
        shift_ = 32 - kFewest;
        count_ = 0;
        total_ = 0;
    }
    bool has(BlockId block) const { return bits_.has(block); }
    /// Partly filled or without a name.
    bool special(BlockId block) const { return block >= named_ || has(block); }
    void clear(BlockId block) {
        if (has(block)) drop(block);
    }
    [[gnu::always_inline]] void clear_run(BlockId begin, uint32_t count) {
        if (count_ > 0 && bits_.any(begin, count)) [[unlikely]] drop_run(begin, count);
    }
    /// Calls f(block) for those of the run that are partly filled or without a name; f may clear them.
    template <class F>
    void for_special(BlockId begin, uint32_t count, const F& f) const {
        if (begin + count > named_) [[unlikely]] return for_unnamed(begin, count, f);
        if (count_ > 0 && bits_.any(begin, count)) [[unlikely]] for_partial(begin, count, f);
    }
    void set(BlockId block, uint64_t missing) {
        clear(block);
        if (missing == 0) return;
        bits_.set(block);
        if (2 * ++count_ > slots_.size()) grow();
        slots_[find(kNone, block)] = {block, static_cast<uint32_t>(missing)};
        total_ += missing;
    }
    uint64_t total() const { return total_; }
    /// Recounted.
    uint64_t sum() const {
        uint64_t n = 0;
        for (const Slot& slot : slots_)
            if (slot.block != kNone && bits_.has(slot.block)) n += slot.missing;
        return n;
    }
    uint64_t bytes() const { return bits_.bytes() + slots_.size() * sizeof(Slot); }

  private:
    struct Slot {
        BlockId block;  ///< kNone: free
        uint32_t missing;
    };
    static constexpr int kFewest = 6;  ///< log2 of the slots at first

    template <class F>
    [[gnu::noinline]] void for_partial(BlockId begin, uint32_t count, const F& f) const {
        bits_.for_each(begin, count, f);
    }
    // The last blocks of the run have no name.
    template <class F>
    [[gnu::noinline]] void for_unnamed(BlockId begin, uint32_t count, const F& f) const {
        auto named = static_cast<uint32_t>(named_ > begin ? named_ - begin : 0);
        if (named > 0) bits_.for_each(begin, named, f);
        for (uint32_t i = named; i < count; ++i) f(begin + i);
    }
    [[gnu::noinline]] void drop_run(BlockId begin, uint32_t count) {
        bits_.for_each(begin, count, [this](BlockId block) { drop(block); });
    }
    void drop(BlockId block) {
        bits_.clear(block);
        size_t at = find(block);
        total_ -= slots_[at].missing;
        erase(at);
    }
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
    BlockBits bits_;
    std::vector<Slot> slots_;
    int shift_ = 0;
    size_t count_ = 0;
    uint64_t total_ = 0;
};

}  // namespace kvsim
