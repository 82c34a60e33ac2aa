// LIRS (Jiang, Zhang: LIRS: An Efficient Low Inter-reference Recency Set Replacement Policy, SIGMETRICS 2002).
//
// What counts is not when a block was used last but how many others were used between its last two uses. Blocks for
// which that is little (LIR) stay; the others (HIR) pass through a short queue Q and only its blocks are evicted. A
// stack S, newest use on top, holds all LIR blocks, the HIR blocks used since the oldest LIR block was, and the ids of
// those of them that have gone: who is used again while in S was used twice within the span of the LIR blocks and
// becomes one. With C blocks of room, H = max(1, floor(hir * C)) and L = C - H:
//   hit       LIR: to the top of S. HIR in S: to the top, becomes LIR, leaves Q. HIR out of S: onto S and to the newest
//             end of Q.
//   miss      an id in S goes to its top and becomes LIR; any other block goes onto S, as LIR while there are fewer
//             than L, else as HIR and newest of Q.
//   room      the oldest of Q goes; if it is in S its id stays there.
//   always    more than L LIR blocks: the lowest one of S leaves it and becomes the newest of Q. Then whatever lies
//             below the lowest LIR block leaves S. S has more than 2C entries: the ids in it that went first are
//             forgotten.
// Blocks of Q that are not eligible are stepped over; if it has nobody eligible, the lowest eligible LIR block of S
// goes and leaves no id. Blocks without a name leave none either. With L = 0 (C = 1) nothing stays in S and Q is LRU.
// Differs from the paper by the bound on S and by who goes when Q has nobody to give.
// Cost: O(1) amortized; 9 bytes per block of the trace, 8 per entry of S and per id that has gone.
#pragma once

#include <kvsim/eviction/block_queue.h>

namespace kvsim {

template <bool kLeaves>
class BlockLirs : public BlockStrategyBase {
  public:
    static constexpr bool kKeyed = false;
    static StrategyInfo info() {
        return {"lirs", "keeps blocks with few others between their last two uses", "Jiang, Zhang, SIGMETRICS 2002",
                "pinned flat tree", "published counts and a naive twin", "hir=0.01"};
    }
    explicit BlockLirs(Spec& spec) : part_(spec.number("hir", 0.01, 0, 1)) {}

    void reset(const StrategyContext& context) {
        room_ = std::min(context.capacity_blocks, context.blocks);
        named_ = context.named_blocks;
        uint64_t hir = std::max<uint64_t>(1, static_cast<uint64_t>(part_ * static_cast<double>(room_)));
        most_lir_ = room_ - std::min(hir, room_);
        lir_ = 0;
        in_stack_.assign(context.blocks, 0);
        in_queue_.assign(context.blocks, 0);
        state_.assign(context.blocks, kNowhere);
        stack_.reset(std::min(2 * room_, context.blocks) + 1, in_stack_);
        queue_.reset(room_ - most_lir_ + 1, in_queue_);
        // At most one block is missing from a full cache, and what has gone is not in it.
        gone_.reset(std::min(2 * room_, context.blocks - room_ + 1) + 1, in_queue_);
    }
    void on_lookup(const RequestView&) {
        stack_.begin_request();
        queue_.begin_request();
    }
    void on_hit(BlockId block) {
        if (state_[block] == kLir) {
            stack_.renew(block);
        } else if (in_stack_[block] != 0) {
            stack_.renew(block);
            bool leaf = queue_.is_leaf(block);
            queue_.erase(block);
            become_lir(block);
            if (leaf) stack_.on_leaf(block);
        } else {
            queue_.renew(block);
            stack_.push(block);
        }
        settle();
    }
    template <EligibleBlocks E>
    BlockId pick_victim(BlockId, const E& eligible) {
        BlockId block = queue_.oldest(eligible);
        if (block != kNone) return block;
        return stack_.oldest([&](BlockId b) { return state_[b] == kLir && eligible(b); });
    }
    void on_evict(BlockId block) {
        if (state_[block] == kLir) {
            stack_.erase(block);
            state_[block] = kNowhere;
            --lir_;
            return settle();
        }
        queue_.erase(block);
        state_[block] = kNowhere;
        if (in_stack_[block] == 0) return;
        if (block >= named_) return stack_.erase(block);
        gone_.push(block);
        state_[block] = kGone;
    }
    void on_insert(BlockId block) {
        if (state_[block] == kGone) {
            gone_.erase(block);
            stack_.renew(block);
            become_lir(block);
        } else {
            stack_.push(block);
            if (lir_ < most_lir_) {
                become_lir(block);
            } else {
                state_[block] = kHir;
                queue_.push(block);
            }
        }
        on_leaf(block);
        settle();
    }
    void on_leaf(BlockId block) {
        if (state_[block] == kLir) return stack_.on_leaf(block);
        queue_.on_leaf(block);
    }
    void on_inner(BlockId block) {
        if (state_[block] == kLir) return stack_.on_inner(block);
        queue_.on_inner(block);
    }
    bool contains(BlockId block) const { return state_[block] >= kHir; }
    uint64_t state_bytes() const {
        return in_stack_.size() * 4 + in_queue_.size() * 4 + state_.size() + stack_.state_bytes() +
               queue_.state_bytes() + gone_.state_bytes();
    }

  private:
    enum State : uint8_t { kNowhere, kGone, kHir, kLir };

    void become_lir(BlockId block) {
        state_[block] = kLir;
        ++lir_;
    }
    // What must hold after every step. In the stack only LIR blocks are marked as leaves, in the queue HIR blocks.
    void settle() {
        while (lir_ > most_lir_) {
            prune();
            BlockId lowest = stack_.front();
            bool leaf = stack_.is_leaf(lowest);
            stack_.erase(lowest);
            --lir_;
            state_[lowest] = kHir;
            queue_.push(lowest);
            if (leaf) queue_.on_leaf(lowest);
        }
        prune();
        while (stack_.size() > 2 * room_ && !gone_.empty()) forget(gone_.front());
    }
    void prune() {
        for (BlockId block = stack_.front(); block != kNone && state_[block] != kLir; block = stack_.front()) {
            if (state_[block] == kGone) {
                forget(block);
            } else {
                stack_.erase(block);
            }
        }
    }
    void forget(BlockId block) {
        gone_.erase(block);
        stack_.erase(block);
        state_[block] = kNowhere;
    }

    double part_;
    uint64_t room_ = 0;
    uint64_t named_ = 0;
    uint64_t most_lir_ = 0;
    uint64_t lir_ = 0;
    BlockPlaces in_stack_, in_queue_;  ///< the latter: queue_ or gone_
    HugeVector<State> state_;
    BlockQueue<kLeaves> stack_, queue_;
    BlockQueue<false> gone_;
};

static_assert(BlockStrategy<BlockLirs<false>> && BlockStrategy<BlockLirs<true>>);

}  // namespace kvsim
