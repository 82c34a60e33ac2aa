// A count per block in one byte each. Most counts are small - a block of a chain mostly has one child - so the few that
// do not fit stand in a table. Cost: O(1); a byte per block, some 50 per count above 254.
#pragma once

#include <kvsim/core/huge_vector.h>
#include <kvsim/eviction/byte_number.h>
#include <kvsim/trace/prefix_index.h>

#include <unordered_map>

namespace kvsim {

class ByteCounts {
  public:
    void reset(uint64_t blocks) {
        bytes_.assign(blocks, ByteNumber{0});
        many_.clear();
    }
    uint32_t operator[](BlockId block) const {
        return bytes_[block] == kMany ? many_.at(block) : uint32_t{bytes_[block]};
    }
    /// One more. True: it is the first.
    bool add(BlockId block) {
        uint8_t count = bytes_[block];
        if (count == kMany) {
            ++many_[block];
            return false;
        }
        if (count + 1 == kMany) many_[block] = kMany;
        bytes_[block] = static_cast<ByteNumber>(count + 1);
        return count == 0;
    }
    /// One less; there is one. True: none is left.
    bool remove(BlockId block) {
        if (bytes_[block] != kMany) return (bytes_[block] = static_cast<ByteNumber>(bytes_[block] - 1)) == 0;
        auto at = many_.find(block);
        if (--at->second == kMany - 1) {
            bytes_[block] = static_cast<ByteNumber>(kMany - 1);
            many_.erase(at);
        }
        return false;
    }
    uint64_t bytes() const { return bytes_.size() + many_.size() * 48; }

  private:
    static constexpr uint8_t kMany = 255;  ///< look into the table
    HugeVector<ByteNumber> bytes_;
    std::unordered_map<BlockId, uint32_t> many_;
};

}  // namespace kvsim
