// Hyperbolic caching (Blankstein, Sen, Freedman, ATC 2017): the smallest uses / age goes first.
//
// Uses are counted from 1 at insertion; age is the number of block uses (hits and insertions, of any block) since
// then, the one being served included, so it is at least 1. The paper draws a sample and takes its smallest; here the
// smallest of all eligible blocks goes, compared as exact fractions, ties to the earlier insertion. A release changes
// nothing.
// Priorities fall all the time and overtake each other, so no heap can hold them. But among blocks with equal uses the
// one inserted first is always smallest: keep a heap by insertion per number of uses, and only the heads compete. A
// segment tree over the numbers of uses holds the oldest insertion below each node: fewest uses / largest age is a
// lower bound for all below, so a search from the left, fewest uses first, sees few heads. A hit is only counted: an
// entry that has become too small a bound is filed anew when it comes up. Blocks never hit stand in line by insertion.
// Who comes up and is not eligible is dropped until on_hit(), on_release() or on_leaf(), as in key_heap.h.
// Cost: O(1) per hit and insertion, O(log^2 n) per victim in practice; 9 bytes per block, 12 per resident one.
#pragma once

#include <kvsim/eviction/key_heap.h>

#include <functional>

namespace kvsim {

/// The oldest insertion on each level, in a segment tree. Level 0 is the line: used once, as level 1.
class OldestPerLevel {
  public:
    static constexpr uint32_t kNobody = ~uint32_t{0};
    static constexpr size_t kEnd = ~size_t{0};

    void reset() {
        leaves_ = 64;
        oldest_.assign(2 * leaves_, kNobody);
    }
    static uint64_t uses(size_t level) { return std::max<size_t>(level, 1); }
    void set(size_t level, uint32_t inserted) {
        while (level >= leaves_) grow();
        size_t node = leaves_ + level;
        oldest_[node] = inserted;
        for (node /= 2; node > 0; node /= 2) {
            uint32_t least = std::min(oldest_[2 * node], oldest_[2 * node + 1]);
            if (oldest_[node] == least) return;
            oldest_[node] = least;
        }
    }
    /// The first level from `from` on that may hold a block worth looking at: may(uses, oldest insertion).
    template <class May>
    size_t next(size_t from, const May& may) const {
        if (from >= leaves_) return kEnd;
        size_t node = leaves_ + from, width = 1;
        for (;;) {
            size_t first = node * width - leaves_;
            if (oldest_[node] != kNobody && may(uses(first), oldest_[node])) {
                if (node >= leaves_) return first;
                node *= 2;
                width /= 2;
                continue;
            }
            // The next node to the right that does not lie within this one.
            while ((node & 1) != 0) {
                if ((node & (node + 1)) == 0) return kEnd;
                node /= 2;
                width *= 2;
            }
            ++node;
        }
    }
    uint64_t bytes() const { return oldest_.size() * 4; }

  private:
    void grow() {
        std::vector<uint32_t> leaves(oldest_.begin() + static_cast<std::ptrdiff_t>(leaves_), oldest_.end());
        leaves_ *= 2;
        oldest_.assign(2 * leaves_, kNobody);
        for (size_t i = 0; i < leaves.size(); ++i) set(i, leaves[i]);
    }

    size_t leaves_ = 0;
    std::vector<uint32_t> oldest_;  ///< node 1 is the root, leaves_ + i the leaf of level i
};

template <bool kLeaves>
class BlockHyperbolic : public BlockStrategyBase {
  public:
    static StrategyInfo info() {
        return {"hyperbolic", "fewest uses per time since insertion first, exactly", "Blankstein et al., ATC 2017",
                "pinned flat tree", "a naive twin"};
    }
    explicit BlockHyperbolic(Spec&) {}

    void reset(const StrategyContext& context) {
        time_.reset(context);
        now_ = 0;
        uses_.assign(context.blocks, 0);
        inserted_.assign(context.blocks, 0);
        state_.assign(context.blocks, 0);
        levels_.assign(2, {});
        line_.assign(64, kNone);
        first_ = last_ = 0;
        heads_.reset();
        aside_.clear();
    }
    void on_lookup(const RequestView&) {
        for (BlockId block : aside_)
            if ((state_[block] & (kLeaf | kFiled)) == kLeaf) file(block);
        aside_.clear();
    }
    void on_hit(BlockId block) {
        now_ = time_.next();
        ++uses_[block];
        come_back(block);
    }
    void on_insert(BlockId block) {
        now_ = time_.next();
        uses_[block] = 1;
        inserted_[block] = now_;
        state_[block] = kLeaf | kFiled;
        if (last_ - first_ == line_.size()) lengthen();
        line_[last_++ & (line_.size() - 1)] = block;
        if (last_ - first_ == 1) heads_.set(0, now_);
    }
    void on_release(BlockId block) { come_back(block); }
    template <EligibleBlocks E>
    BlockId pick_victim(BlockId, const E& eligible) {
        BlockId best = kNone;
        auto may = [&](uint64_t uses, uint32_t inserted) { return best == kNone || smaller(uses, inserted, best); };
        for (size_t level = heads_.next(0, may); level != OldestPerLevel::kEnd; level = heads_.next(level + 1, may)) {
            BlockId head = settle(level, eligible);
            if (head == kNone || !may(uses_[head], inserted_[head])) continue;
            best = head;
            best_level_ = level;
        }
        return best;
    }
    void on_evict(BlockId block) {
        pop(best_level_);
        note_head(best_level_);
        state_[block] = 0;
    }
    void on_leaf(BlockId block) {
        if (!kLeaves) return;
        state_[block] |= kLeaf;
        come_back(block);
    }
    void on_inner(BlockId block) {
        if (kLeaves) state_[block] = static_cast<uint8_t>((state_[block] & kFiled) | kInner);
    }
    bool contains(BlockId block) const { return state_[block] != 0; }
    uint64_t state_bytes() const {
        uint64_t entries = 0;
        for (const auto& level : levels_) entries += level.capacity();
        return state_.size() * 9 + entries * 8 + levels_.capacity() * sizeof(std::vector<uint64_t>) + line_.size() * 4 +
               aside_.capacity() * 4 + heads_.bytes();
    }

  private:
    static constexpr uint8_t kLeaf = 1;   ///< may go (without leaves: always)
    static constexpr uint8_t kInner = 2;  ///< keeps it resident
    static constexpr uint8_t kFiled = 4;  ///< has an entry on a level that is no higher than its uses

    // uses / (now - inserted) against that of `other`.
    bool smaller(uint64_t uses, uint32_t inserted, BlockId other) const {
        uint64_t now = uint64_t{now_} + 1;
        uint64_t ours = uses * (now - inserted_[other]), theirs = uses_[other] * (now - inserted);
        return ours != theirs ? ours < theirs : inserted < inserted_[other];
    }
    void come_back(BlockId block) {
        if ((state_[block] & (kLeaf | kFiled)) == kLeaf) file(block);
    }
    void file(BlockId block) {
        state_[block] |= kFiled;
        size_t level = uses_[block];
        if (level >= levels_.size()) levels_.resize(std::max(level + 1, 2 * levels_.size()));
        levels_[level].push_back(uint64_t{inserted_[block]} << 32 | block);
        std::push_heap(levels_[level].begin(), levels_[level].end(), std::greater<>());
        if (static_cast<BlockId>(levels_[level].front()) == block) note_head(level);
    }
    bool empty(size_t level) const { return level == 0 ? first_ == last_ : levels_[level].empty(); }
    BlockId head(size_t level) const {
        return level == 0 ? line_[first_ & (line_.size() - 1)] : static_cast<BlockId>(levels_[level].front());
    }
    void note_head(size_t level) {
        heads_.set(level, empty(level) ? OldestPerLevel::kNobody : inserted_[head(level)]);
    }
    void pop(size_t level) {
        if (level == 0) {
            ++first_;
            return;
        }
        std::pop_heap(levels_[level].begin(), levels_[level].end(), std::greater<>());
        levels_[level].pop_back();
    }
    // Drops or files anew whoever is at the head and does not belong there. Returns the head then.
    template <EligibleBlocks E>
    BlockId settle(size_t level, const E& eligible) {
        bool popped = false;
        BlockId found = kNone;
        while (!empty(level)) {
            BlockId block = head(level);
            uint8_t state = state_[block];
            bool may_go = (state & kLeaf) != 0, risen = uses_[block] > OldestPerLevel::uses(level);
            if (may_go && !risen && eligible(block)) {
                found = block;
                break;
            }
            pop(level);
            popped = true;
            state_[block] = static_cast<uint8_t>(state & ~kFiled);
            if (may_go && risen) {
                file(block);
            } else if (kLeaves && may_go) {
                aside_.push_back(block);
            }
        }
        if (popped) note_head(level);
        return found;
    }
    void lengthen() {
        HugeVector<BlockId> longer(line_.size() * 2, kNone);
        for (uint64_t i = first_; i != last_; ++i) longer[i & (longer.size() - 1)] = line_[i & (line_.size() - 1)];
        line_.swap(longer);
    }

    UseTime time_;
    uint32_t now_ = 0;
    HugeVector<uint32_t> uses_, inserted_;
    HugeVector<uint8_t> state_;
    std::vector<std::vector<uint64_t>> levels_;  ///< by uses: heaps of (insertion, block)
    HugeVector<BlockId> line_;                   ///< a ring: used once, by insertion
    uint64_t first_ = 0, last_ = 0;
    OldestPerLevel heads_;
    size_t best_level_ = 0;
    std::vector<BlockId> aside_;
};

static_assert(BlockStrategy<BlockHyperbolic<false>> && BlockStrategy<BlockHyperbolic<true>>);

}  // namespace kvsim
