// ARC under flat accounting. The rule is block_arc.h's, its paper variant.
//
// T1's oldest block becomes B1's newest, so the two are one log with an edge in it: eviction moves the edge over as
// many blocks as are to go, forgetting moves the tail, and neither writes anything. Likewise T2 and B2. A block's place,
// the upper half of the numbers being T2's and B2's log, says all there is to know about it. While new blocks enter, the
// target stands still, so whose turn it is changes a few times at most, and is reckoned for a stretch of them at once.
// Such a stretch enters before anybody goes; the order in the logs is the same.
// Blocks without a name leave no ghost, which changes the sizes, so traces with such blocks are served one by one.
// Cost: a few words of bits per run of misses, O(1) per hit; 4 bytes per block of the trace, 26 to 51 per block of the
// capacity.
#pragma once

#include <kvsim/core/error.h>
#include <kvsim/eviction/block_policy.h>
#include <kvsim/eviction/flat_log.h>

namespace kvsim {

class FlatArc : public FlatPolicyBase {
  public:
    /// `places`: how many numbers each log has for its places.
    explicit FlatArc(uint32_t places = kUpper - 2) : places_(places) {}

    void reset(const StrategyContext& context) {
        if (context.blocks > kMostBlocks)
            throw_input("arc: more than 536,870,912 blocks; use --limit or a larger --block-size");
        room_ = std::min(context.capacity_blocks, context.blocks);
        named_ = context.named_blocks;
        all_named_ = context.named_blocks == context.blocks;
        target_ = 0;
        stamp_.assign(context.blocks, 0);
        start(once_, room_, 1);
        start(again_, std::min(2 * room_, context.blocks), kUpper + 1);
    }
    uint32_t lead(BlockId begin, uint32_t count) {
        uint32_t n = 0;
        while (n < count && resident(stamp_[begin + n])) n += renew(begin + n, count - n);
        return n;
    }
    template <class L>
    RunHits use(BlockId begin, uint32_t count, const L& leave) {
        RunHits hits;
        while (count > 0) {
            // Whoever goes meanwhile is not among the absent, so a stretch of them enters at once.
            uint32_t n = 0;
            while (n < count && nowhere(stamp_[begin + n])) ++n;
            if (n > 0) add(begin, n, leave);
            begin += n;
            count -= n;
            n = lead(begin, count);
            hits.count += n;
            hits.last = n > 0;
            begin += n;
            count -= n;
            for (; count > 0 && ghost(stamp_[begin]); ++begin, --count) {
                revive(begin, leave);
                hits.last = false;
            }
        }
        return hits;
    }
    template <class L>
    void add(BlockId begin, uint32_t count, const L& leave) {
        while (count > 0) {
            uint32_t n = all_named_ ? std::min(count, once_.log.longest_run()) : 1;
            push(once_, begin, n);
            reckon(n, leave);
            begin += n;
            count -= n;
        }
    }
    void mark(BlockId block) { list_of(stamp_[block]).log.mark(stamp_[block]); }
    bool contains(BlockId block) const { return resident(stamp_[block]); }
    uint64_t resident() const { return once_.size + again_.size; }
    uint64_t evicted() const { return evicted_; }
    uint64_t state_bytes() const {
        return stamp_.size() * 4 + once_.log.state_bytes() + again_.log.state_bytes();
    }

  private:
    static constexpr uint32_t kUpper = uint32_t{1} << 31;      ///< places from here on are those of T2 and B2
    static constexpr uint64_t kMostBlocks = uint64_t{1} << 29;  ///< for which each log has numbers enough

    /// Those used once, or those used again: ghosts in the places [tail, edge), residents from the edge on.
    struct List {
        FlatLog log;
        uint32_t tail, edge;
        uint64_t size, ghosts;
    };

    void start(List& list, uint64_t live, uint32_t first) {
        list.log.reset(live, first, first + places_);
        list.tail = list.edge = first;
        list.size = list.ghosts = 0;
    }
    List& list_of(uint32_t stamp) { return stamp < kUpper ? once_ : again_; }
    bool resident(uint32_t stamp) const { return stamp >= (stamp < kUpper ? once_.edge : again_.edge); }
    bool nowhere(uint32_t stamp) const { return stamp < (stamp < kUpper ? once_.tail : again_.tail); }
    bool ghost(uint32_t stamp) const { return !resident(stamp) && !nowhere(stamp); }

    void push(List& list, BlockId begin, uint32_t count) {
        if (!list.log.fits(count, list.tail)) [[unlikely]] list.log.renew(stamp_, list.tail, list.edge);
        list.log.push_run(stamp_, begin, count);
        list.size += count;
    }
    // Hits: the block, which is resident, and those behind it that stand behind it. Returns how many.
    uint32_t renew(BlockId block, uint32_t most) {
        const uint32_t* stamp = stamp_.data() + block;
        most = std::min(most, again_.log.longest_run());
        uint32_t place = stamp[0], n = 1;
        while (n < most && stamp[n] == place + n) ++n;
        List& list = list_of(place);
        list.log.drop(place, n);
        list.size -= n;
        push(again_, block, n);
        return n;
    }
    // A miss on a ghost: it moves the target, and enters T2.
    template <class L>
    void revive(BlockId block, const L& leave) {
        uint32_t place = stamp_[block];
        bool once = place < kUpper;
        auto b1 = static_cast<double>(once_.ghosts), b2 = static_cast<double>(again_.ghosts);
        if (once) {
            target_ = std::min(target_ + std::max(b2 / b1, 1.0), static_cast<double>(room_));
        } else {
            target_ = std::max(target_ - std::max(b1 / b2, 1.0), 0.0);
        }
        List& list = list_of(place);
        list.log.drop(place, 1);
        --list.ghosts;
        if (resident() >= room_) {
            auto size = static_cast<double>(once_.size);
            bool first = again_.size == 0 || (size > 0 && (size > target_ || (size == target_ && !once)));
            evict(first ? once_ : again_, 1, leave);
        }
        push(again_, block, 1);
    }
    // What `count` misses on blocks that are nowhere did, which stand in T1's log by now.
    template <class L>
    void reckon(uint32_t count, const L& leave) {
        once_.size -= count;
        while (count > 0) {
            uint64_t once = once_.size + once_.ghosts, all = once + again_.size + again_.ghosts;
            uint64_t free = room_ - resident(), n = count;
            // For as long as nothing of this changes:
            bool full = free == 0, once_full = once >= room_, all_full = all >= 2 * room_;
            bool from_once = once_full && once_.ghosts == 0;
            from_once |= again_.size == 0 || static_cast<double>(once_.size) > target_;
            if (!full) n = std::min(n, free);
            if (!once_full) n = std::min(n, all_full ? n : 2 * room_ - all);
            if (!once_full) n = std::min(n, room_ - once);
            if (full && !from_once) {
                n = std::min({n, again_.size, static_cast<uint64_t>(target_) + 1 - once_.size});
            }
            // B1 loses one each time, and gets one only if T1 loses one.
            if (once_full && !(full && from_once)) n = std::min(n, once_.ghosts);
            auto steps = static_cast<uint32_t>(n);
            once_.size += steps;
            if (full) evict(from_once ? once_ : again_, steps, leave);
            if (once_full) {
                forget(once_, std::min<uint64_t>(steps, once_.ghosts));  // one without a name left none
            } else if (all_full) {
                forget(again_, steps);
            }
            count -= steps;
        }
    }
    template <class L>
    void evict(List& list, uint32_t count, const L& leave) {
        uint32_t to = list.log.pass(list.edge, count);
        evicted_ += count;
        list.size -= count;
        list.ghosts += count;
        list.log.tell(list.edge, to, [&](uint32_t place) {
            BlockId block = list.log.block(place);
            leave(block);
            if (block < named_) return;
            list.log.drop(place, 1);
            stamp_[block] = 0;
            --list.ghosts;
        });
        list.edge = to;
    }
    static void forget(List& list, uint64_t count) {
        list.tail = list.log.pass(list.tail, static_cast<uint32_t>(count));
        list.ghosts -= count;
    }

    uint32_t places_;
    uint64_t room_ = 0;  ///< blocks resident at once
    uint64_t named_ = 0;
    bool all_named_ = true;
    double target_ = 0;  ///< of T1's size
    uint64_t evicted_ = 0;
    BlockStamps stamp_;
    List once_, again_;
};

static_assert(FlatPolicy<FlatArc>);

}  // namespace kvsim
