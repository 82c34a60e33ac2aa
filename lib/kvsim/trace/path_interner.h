// Builds a PrefixIndex from chains of raw 64-bit ids, as a radix tree whose edges are runs.
//
// A chain is matched against the run it starts with, at its end (or where it leaves it) against the runs that
// branch off there, and so on; what is left is a new run. Only run starts are in a hash table, one per row: inside
// a run ids are compared with the array of raw ids, so the cost per known block is one comparison. While new ids
// come numbered one after the other, as published traces do, that array is not even stored: it is arithmetic.
//
// With Names::prefix an id names a block together with everything before it; then the same id in another place is
// an error, which takes a table of all ids to notice once the numbering has gaps. With Names::content ids may
// stand anywhere and a block is the path of ids that leads to it.
#pragma once

#include <kvsim/core/huge_vector.h>
#include <kvsim/trace/prefix_index.h>

#include <cstdint>
#include <string>
#include <vector>

namespace kvsim {

enum class Names : uint8_t { prefix, content };

/// A chain that cannot be: at `position` stands an id that was seen with another block before it.
struct PrefixViolation {
    uint32_t position;
    uint64_t id;
    /// `name`: what the trace calls the id, where it is not the number itself.
    std::string message(const std::string& name = {}) const {
        return "block " + (name.empty() ? std::to_string(id) : name) +
               " stood behind another block before; an id must name a block together with everything before it";
    }
};

class PathInterner {
  public:
    PathInterner(PrefixIndex& index, Names names) : index_(index), names_(names) { begin_scope(); }

    /// From here on ids are unrelated to those before (ids local to a session).
    void begin_scope();

    /// Adds a chain as a new row and returns the row. Throws PrefixViolation and leaves the index as it was.
    uint32_t add(const uint64_t* ids, size_t count) { return extend(kNone, 0, ids, count); }
    /// The same for a chain whose first `same` blocks are those of row `like` (of this scope); `ids` is the rest.
    uint32_t add_after(uint32_t like, uint32_t same, const uint64_t* ids, size_t count) {
        return extend(same == 0 ? kNone : like, same, ids, count);
    }

  private:
    uint32_t extend(uint32_t like, uint32_t same, const uint64_t* ids, size_t count);
    uint64_t raw(BlockId block) const {
        return sequential_ ? first_raw_ + (block - first_block_) : raw_[block - first_block_];
    }
    uint32_t match(BlockId begin, uint32_t room, const uint64_t* ids, size_t count) const;
    void note_new(const uint64_t* ids, size_t count, uint32_t position);
    void leave_sequential();
    bool name_block(uint64_t id, uint32_t local);
    void grow_names(size_t needed);
    uint32_t find_branch(BlockId parent, uint64_t id) const;
    void add_branch(BlockId parent, uint64_t id, uint32_t row);

    PrefixIndex& index_;
    Names names_;
    bool sequential_ = true;
    BlockId first_block_ = 0;  ///< first block of the scope
    uint32_t first_row_ = 0;   ///< first row of the scope
    uint64_t first_raw_ = 0;   ///< raw id of first_block_ while sequential
    HugeVector<uint64_t> raw_;          ///< raw id per block of the scope, unless sequential
    std::vector<BlockId> branch_parent_;  ///< per row of the scope: the block its run hangs below
    std::vector<uint32_t> branches_;     ///< open addressing: row of the scope + 1
    size_t branch_count_ = 0;
    HugeVector<uint32_t> named_;  ///< open addressing over raw_: block of the scope + 1
    size_t named_count_ = 0;
};

}  // namespace kvsim
