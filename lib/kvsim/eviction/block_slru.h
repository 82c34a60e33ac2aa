// Segmented LRU: blocks climb from one LRU queue to the next as they are hit (Karedla 1994, with two; here any number).
//
// `segments` queues of floor(C / segments) blocks each. A hit takes a block to the newest end of the next segment (in
// the highest: of that one). If that segment is over its size now, it hands its oldest block down to the newest end of
// the one below, which has just lost one. A new block enters the lowest segment that has room, so that a cold cache
// fills one after the other, and the lowest if none has. The victim is the oldest block of the lowest segment that is
// not empty.
//
// Where C is not a multiple of `segments`, the lowest segment holds the remainder as well; with C < segments it holds
// everything and this is LRU. libCacheSim, whose rule this is, then evicts from the lowest segment already on a hit, so
// that the cache shrinks; here blocks go only when room is needed. For multiples the counts are the same.
//
// `variant=sglang`: the key (hits >= 2, last access) of SGLang's radix cache, by blocks and with one hit for each use
// after the insertion. Two segments without sizes, so nothing climbs down, and the second hit lets a block climb: what
// was hit less than twice goes first, then the rest, each oldest first. (There a request may count more than one hit,
// and whole nodes go at once: that is the engine's matter.)
//
// The end of the last running request that holds a block renews it within its segment. A block that is not eligible
// climbs, is handed down and keeps its place like any other; the oldest eligible one of the lowest segment that has one
// goes. Cost: O(1) amortized for hits, O(segments) at worst for insertions and victims; 13 bytes per block.
#pragma once

#include <kvsim/eviction/block_queue.h>
#include <kvsim/eviction/byte_number.h>

namespace kvsim {

template <bool kLeaves>
class BlockSlru : public BlockStrategyBase {
  public:
    static constexpr bool kKeyed = false;
    static StrategyInfo info() {
        return {"slru", "LRU segments that blocks climb as they are hit; lowest segment first", "Karedla 1994",
                "pinned flat tree", "published counts and a naive twin", "segments=4 variant=classic"};
    }
    explicit BlockSlru(Spec& spec) {
        sized_ = spec.choice("variant", "classic", {"classic", "sglang"}) == "classic";
        segments_.resize(sized_ ? spec.whole("segments", 4, 1, 64) : 2);
        steps_ = sized_ ? 0 : 1;
    }

    void reset(const StrategyContext& context) {
        uint64_t capacity = std::min(context.capacity_blocks, context.blocks);
        size_ = sized_ ? capacity / segments_.size() : capacity;
        places_.assign(context.blocks, 0);
        level_.assign(context.blocks, ByteNumber{0});
        uint64_t rest = sized_ ? capacity % segments_.size() : 0;
        for (auto& segment : segments_) {
            segment.reset(size_ + rest + 1, places_);
            rest = 0;
        }
    }
    void on_lookup(const RequestView&) {
        for (auto& segment : segments_) segment.begin_request();
    }
    void on_hit(BlockId block) {
        size_t top = (segments_.size() - 1) << steps_;
        move(block, std::min<size_t>(level_[block] + 1, top));
        size_t segment = level_[block] >> steps_;
        if (segment > 0 && segments_[segment].size() > size_) move(segments_[segment].front(), segment - 1);
    }
    void on_insert(BlockId block) {
        size_t to = 0;
        while (to < segments_.size() && segments_[to].size() >= size_) ++to;
        if (to == segments_.size()) to = 0;
        level_[block] = static_cast<ByteNumber>(to);
        segments_[to].push(block);
        segments_[to].on_leaf(block);
    }
    template <EligibleBlocks E>
    BlockId pick_victim(BlockId, const E& eligible) {
        for (auto& segment : segments_) {
            BlockId block = segment.oldest(eligible);
            if (block != kNone) return block;
        }
        return kNone;
    }
    void on_evict(BlockId block) { segment_of(block).erase(block); }
    void on_release(BlockId block) { segment_of(block).renew(block); }
    void on_leaf(BlockId block) { segment_of(block).on_leaf(block); }
    void on_inner(BlockId block) { segment_of(block).on_inner(block); }
    bool contains(BlockId block) const { return places_[block] != 0; }
    uint64_t state_bytes() const {
        uint64_t bytes = places_.size() * 4 + level_.size();
        for (const auto& segment : segments_) bytes += segment.state_bytes();
        return bytes;
    }

  private:
    BlockQueue<kLeaves>& segment_of(BlockId block) { return segments_[level_[block] >> steps_]; }
    void move(BlockId block, size_t level) {
        segment_of(block).move_to(segments_[level >> steps_], block);
        level_[block] = static_cast<ByteNumber>(level);
    }

    bool sized_ = true;
    int steps_ = 0;      ///< a segment is 1 << steps_ levels
    uint64_t size_ = 0;  ///< of a segment
    BlockPlaces places_;
    HugeVector<ByteNumber> level_;  ///< of each block that has a place
    std::vector<BlockQueue<kLeaves>> segments_;  ///< lowest first
};

static_assert(BlockStrategy<BlockSlru<false>> && BlockStrategy<BlockSlru<true>>);

}  // namespace kvsim
