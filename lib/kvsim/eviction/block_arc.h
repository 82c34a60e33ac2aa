// ARC (Megiddo, Modha: ARC: A Self-Tuning, Low Overhead Replacement Cache, FAST 2003).
//
// T1 holds blocks used once, T2 blocks used again, both LRU; B1 and B2 remember the ids of what went from either. A
// miss on an id in B1 says that T1 was too small, one in B2 that T2 was, and moves the target p of T1's size: by 1, or
// by the ratio of the ghost lists where that is more. With C blocks of room:
//   hit       to the newest end of T2.
//   in B1     p = min(p + max(|B2| / |B1|, 1), C); in B2 p = max(p - max(|B1| / |B2|, 1), 0): real numbers, sizes with
//             the ghost still there. It is taken out, room is made, the block enters T2.
//   miss      if |T1| + |B1| = C the oldest of B1 is forgotten, or, if B1 is empty, the oldest of T1 goes without a
//             trace; else, if all four lists have 2C ids, the oldest of B2 is forgotten. The block enters T1.
//   room      from T1 (to B1) if |T1| > p, or |T1| = p and the block was in B2, or T2 is empty; else from T2 (to B2).
// variant=vllm is the rule of vLLM's CPU tier: the same target, but what comes back from a ghost list enters T1 like
// any other block; room is made in T1 while its size is at least the whole part of p, else in T2; each ghost list keeps
// C ids, whatever T1 and T2 hold; a ghost that is hit becomes the newest of its list and leaves it when the block is
// stored. Where vLLM differs from this: it touches and evicts for a whole request at once, stores none of a request
// whose blocks do not all find room, does not look in T1 when it was T2's turn and T2 has nobody to give, and leaves a
// block that is touched before it has been written in T1.
// The oldest eligible block of a list goes, as if the others were not there; if the list has none, that of the other
// list. Blocks without a name leave no ghost. Ghost lists are trimmed when the miss comes, before room is made.
// Cost: O(1) amortized; 5 bytes per block of the trace, 16 per block of the cache and per ghost.
#pragma once

#include <kvsim/eviction/block_queue.h>
#include <kvsim/eviction/flat_arc.h>

namespace kvsim {

template <bool kLeaves>
class BlockArc : public BlockStrategyBase {
  public:
    static constexpr bool kKeyed = false;
    static StrategyInfo info() {
        return {"arc", "adapts between recency and frequency by what was missed too early",
                "Megiddo, Modha, FAST 2003; vLLM's CPU tier", "pinned flat tree",
                "published counts and a naive twin; variant=vllm: a naive twin", "variant=paper"};
    }
    explicit BlockArc(Spec& spec) : vllm_(spec.choice("variant", "paper", {"paper", "vllm"}) == "vllm") {}

    bool is_vllm() const { return vllm_; }

    void reset(const StrategyContext& context) {
        room_ = std::min(context.capacity_blocks, context.blocks);
        named_ = context.named_blocks;
        target_ = 0;
        places_.assign(context.blocks, 0);
        where_.assign(context.blocks, kNowhere);
        t1_.reset(room_, places_);
        t2_.reset(room_, places_);
        // At most one block is missing from a full cache, and ghosts are not in it.
        uint64_t ghosts = std::min(room_, context.blocks - room_ + 1) + 1;
        b1_.reset(ghosts, places_);
        b2_.reset(ghosts, places_);
    }
    void on_lookup(const RequestView&) {
        t1_.begin_request();
        t2_.begin_request();
    }
    void on_hit(BlockId block) {
        if (where_[block] == kT2) return t2_.renew(block);
        t1_.move_to(t2_, block);
        where_[block] = kT2;
    }
    void on_miss(BlockId block) {
        from_ = where_[block];
        no_ghost_ = false;
        if (from_ == kNowhere) {
            if (!vllm_) trim();
            return;
        }
        adapt();
        Ghosts& ghosts = from_ == kB1 ? b1_ : b2_;
        if (vllm_) return ghosts.renew(block);
        forget(ghosts, block);
    }
    template <EligibleBlocks E>
    BlockId pick_victim(BlockId, const E& eligible) {
        bool first = from_t1();
        BlockId block = first ? t1_.oldest(eligible) : t2_.oldest(eligible);
        if (block == kNone) block = first ? t2_.oldest(eligible) : t1_.oldest(eligible);
        return block;
    }
    void on_evict(BlockId block) {
        bool first = where_[block] == kT1;
        if (first) {
            t1_.erase(block);
        } else {
            t2_.erase(block);
        }
        where_[block] = kNowhere;
        if (no_ghost_ || block >= named_) return;
        Ghosts& ghosts = first ? b1_ : b2_;
        ghosts.push(block);
        where_[block] = first ? kB1 : kB2;
        if (vllm_ && ghosts.size() > room_) forget(ghosts, ghosts.front());
    }
    void on_insert(BlockId block) {
        if (where_[block] != kNowhere) forget(where_[block] == kB1 ? b1_ : b2_, block);
        bool second = !vllm_ && from_ != kNowhere;
        Queue& queue = second ? t2_ : t1_;
        queue.push(block);
        queue.on_leaf(block);
        where_[block] = second ? kT2 : kT1;
    }
    void on_leaf(BlockId block) { queue_of(block).on_leaf(block); }
    void on_inner(BlockId block) { queue_of(block).on_inner(block); }
    bool contains(BlockId block) const { return where_[block] >= kT1; }
    uint64_t state_bytes() const {
        return places_.size() * 4 + where_.size() + t1_.state_bytes() + t2_.state_bytes() + b1_.state_bytes() +
               b2_.state_bytes();
    }

  private:
    enum Where : uint8_t { kNowhere, kB1, kB2, kT1, kT2 };
    using Queue = BlockQueue<kLeaves>;
    using Ghosts = BlockQueue<false>;

    Queue& queue_of(BlockId block) { return where_[block] == kT1 ? t1_ : t2_; }

    void adapt() {
        auto b1 = static_cast<double>(b1_.size()), b2 = static_cast<double>(b2_.size());
        if (from_ == kB1) {
            target_ = std::min(target_ + std::max(b2 / b1, 1.0), static_cast<double>(room_));
        } else {
            target_ = std::max(target_ - std::max(b1 / b2, 1.0), 0.0);
        }
    }
    void trim() {
        uint64_t once = t1_.size() + b1_.size();
        if (once >= room_) {
            no_ghost_ = b1_.empty();
            if (!no_ghost_) forget(b1_, b1_.front());
        } else if (once + t2_.size() + b2_.size() >= 2 * room_) {
            forget(b2_, b2_.front());
        }
    }
    void forget(Ghosts& ghosts, BlockId block) {
        ghosts.erase(block);
        where_[block] = kNowhere;
    }
    bool from_t1() const {
        if (vllm_) return t1_.size() >= static_cast<uint64_t>(target_);
        auto once = static_cast<double>(t1_.size());
        return no_ghost_ || t2_.empty() || (once > 0 && (once > target_ || (once == target_ && from_ == kB2)));
    }

    bool vllm_;
    uint64_t room_ = 0;
    uint64_t named_ = 0;
    double target_ = 0;      ///< of T1's size
    Where from_ = kNowhere;  ///< where the block that is missing now was
    bool no_ghost_ = false;  ///< T1 alone fills the cache: its oldest goes without a trace
    BlockPlaces places_;
    HugeVector<Where> where_;
    Queue t1_, t2_;
    Ghosts b1_, b2_;
};

static_assert(BlockStrategy<BlockArc<false>> && BlockStrategy<BlockArc<true>>);

template <>
struct FlatOf<BlockArc<false>> {
    static bool fits(const BlockArc<false>& arc) { return !arc.is_vllm(); }
    static FlatArc make(const BlockArc<false>&) { return FlatArc(); }
};

}  // namespace kvsim
