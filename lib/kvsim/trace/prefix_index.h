// The prefix index: chains of blocks as one 16-byte record per row instead of one number per block.
//
// A chain that names prefixes is some leading blocks that an earlier chain holds too, followed by blocks nobody
// had before. Give blocks dense numbers in order of first appearance, and the new part is a run of consecutive
// numbers. So (owner, shared, length) says everything: block ids are implicit, memory does not depend on chain
// length, and replay algorithms can work on runs instead of blocks. Block numbers are nodes of a forest: a
// node's parent is the block before it in every chain that holds it.
// Idea: the suffix-run method of docs/DESIGN.md section 3.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace kvsim {

using BlockId = uint32_t;
inline constexpr uint32_t kNone = 0xFFFFFFFFu;
/// Distinct blocks a trace may have (ids 0 .. 2^32 - 3; kNone and one more stay free).
inline constexpr uint64_t kMaxBlocks = 0xFFFFFFFEu;

/// A row's chain: blocks [0, shared) stand in row `owner` too, blocks [shared, length) are new with this row.
struct ChainRecord {
    uint32_t owner;   ///< the row that introduced block shared - 1; kNone if shared == 0
    uint32_t shared;  ///< leading blocks that an earlier row holds
    uint32_t length;  ///< named blocks
    BlockId first_new;  ///< id of block `shared`; the next free id if there is none
};
static_assert(sizeof(ChainRecord) == 16);

/// Consecutive block ids begin, begin + 1, ...
struct Segment {
    BlockId begin;
    uint32_t count;
};

/// The first `length` blocks of a row.
struct RowPart {
    uint32_t row;
    uint32_t length;
};

class PrefixIndex {
  public:
    uint32_t rows() const { return static_cast<uint32_t>(records_.size()); }
    uint64_t unique_blocks() const { return unique_; }
    const ChainRecord& operator[](uint32_t row) const { return records_[row]; }
    /// Id of the row's first new block; also valid (as the next free id) when the row has none.
    BlockId first_new(uint32_t row) const { return records_[row].first_new; }

    /// The record that the row's chain goes on in is asked for, so that it is at hand soon.
    void prefetch(uint32_t row) const {
        if (records_[row].shared != 0) __builtin_prefetch(&records_[records_[row].owner]);
    }

    void reserve(size_t rows) { records_.reserve(rows); }
    /// Throws Error(input) beyond kMaxBlocks distinct blocks.
    uint32_t append(uint32_t owner, uint32_t shared, uint32_t length);

    /// The ids of the row's first `length` blocks, first to last. O(runs); `out` is replaced.
    void segments(uint32_t row, uint32_t length, std::vector<Segment>& out) const;
    /// Row and position are known to hold a block: its id. O(runs between).
    BlockId block_at(uint32_t row, uint32_t position) const;
    /// Leading blocks that two rows have in common. O(runs).
    uint32_t common_prefix(uint32_t a, uint32_t b) const;
    /// Parent of every block (kNone for first blocks). O(unique).
    std::vector<BlockId> parents() const;
    /// Row that introduced the block at `position` of `row`'s chain. O(runs between).
    uint32_t introducer(uint32_t row, uint32_t position) const;

    /// The same chains with rows in another order, or only some of them. O(rows + runs).
    PrefixIndex reordered(std::span<const uint32_t> order) const;
    /// The same for leading parts of rows; a row may be given more than once.
    PrefixIndex rebuilt(std::span<const RowPart> parts) const;

  private:
    std::vector<ChainRecord> records_;
    uint64_t unique_ = 0;
};

/// How many tokens each row has, and which of its blocks may be named after re-blocking.
struct RowTokens {
    uint32_t tokens;       ///< tokens of the row; the last named block may be partly filled
    bool full_blocks_only;  ///< never name a partly filled block (chains of completed output)
};

/// Re-blocks from `from` to `to` tokens per block. Two tokens are equal if their block's name, their offset in it
/// and so their whole prefix are equal; a new block is named by its last token. A partly filled last block keeps
/// a name of its own if the row named all its tokens. When `to` divides `from` and every block has the same fill
/// wherever it stands, this multiplies three numbers per row; otherwise chains are rebuilt, O(new blocks).
/// Throws Error(input) beyond kMaxBlocks distinct blocks, naming a block size that fits.
PrefixIndex reblock(const PrefixIndex& index, std::span<const RowTokens> rows, uint32_t from, uint32_t to);

/// The slow half of reblock() for any sizes: for tests and for what the fast half cannot do.
PrefixIndex reblock_by_token(const PrefixIndex& index, std::span<const RowTokens> rows, uint32_t from,
                             uint32_t to);

}  // namespace kvsim
