// Belady's rule (1966): the block that is used again farthest in the future goes. It reads the trace ahead, so no real
// cache can do this; it says what the others leave on the table.
//
// A use is a lookup, and time counts in requests: of the blocks that the same request looks up next the deepest goes
// first, since the front of a prefix is worth nothing less without its end. Of those never used again the deepest goes
// first too, then the one used longest ago. Then nothing is ever kept behind a missing block, and the greedy rule is
// the optimum of its accounting: pinned, where every block must be stored, is the bound `optimal_admit`; tree, where a
// block is only stored if it is used again, and sooner than the one that would have to go, is the bound `optimal`; flat
// is MIN with forced insertion, with bypass=on MIN that may decline. Ids that name content (under flat) are known by
// reference, not by request, since a chunk can stand twice in one.
//
// Not the optimum: with --concurrency, where running requests take choices away, and tree:protect=chain.
// Cost: next uses are runs, computed once per trace (12 bytes per run, 1.0 to 1.4 runs per request) and written out
// request by request; O(log n) per use and victim; 17 bytes per block and 16 per entry of the heap. See key_heap.h.
#pragma once

#include <kvsim/eviction/key_heap.h>
#include <kvsim/eviction/next_requests.h>

namespace kvsim {

template <bool kLeaves>
class BlockBelady : public BlockStrategyBase {
  public:
    static constexpr bool kNeedsDepth = true;
    static StrategyInfo info() {
        return {"belady", "the block used again farthest in the future first: knows the trace", "Belady 1966",
                "pinned flat tree", "published counts, the offline bounds and a naive twin",
                "bypass=off (under tree: on; not under pinned)", true};
    }
    explicit BlockBelady(Spec& spec) : bypass_(spec.on_off("bypass", kLeaves)) {}

    void reset(const StrategyContext& context) {
        depth_ = context.depth;
        named_ = context.named_blocks;
        last_to_first_ = context.last_to_first;
        heap_.reset(context.blocks, context.capacity_blocks);
        time_.reset(context);
        next_.assign(context.blocks, kNone);
        content_ = nullptr;
        if (!kLeaves && !last_to_first_ && context.trace->content) {
            content_ = &context.trace->content_ids;
            references_ = next_references(*content_);
        } else {
            requests_.reset(*context.trace, context.decode);
        }
    }
    void on_lookup(const RequestView& view) {
        heap_.begin_request();
        if (content_) {
            reference_ = content_->begin[view.request];
            return;
        }
        requests_.tell(view.request, next_);
        auto tell_heap = [this](BlockId block) {
            if (heap_.contains(block)) heap_.change(block, key(block), heap_.tie(block));
        };
        // Until this request would store it, it was of no use after; from here on it is what this request leaves.
        requests_.for_outputs(view.request, tell_heap);
        // Looked up, but pinned touches only what is stored.
        if (last_to_first_) requests_.for_tails(view.request, tell_heap);
    }
    void on_hit(BlockId block) {
        pass(block);
        heap_.change(block, key(block), time_.next());
    }
    void on_miss(BlockId block) { pass(block); }
    void on_insert(BlockId block) { heap_.insert(block, key(block), time_.next()); }
    template <EligibleBlocks E>
    BlockId pick_victim(BlockId incoming, const E& eligible) {
        BlockId victim = heap_.smallest(eligible);
        if (!bypass_ || incoming == kNone || victim == kNone) return victim;
        bool sooner = next_[incoming] != kNone && key(incoming) > heap_.key(victim);
        return sooner ? victim : kNone;
    }
    void on_evict(BlockId block) { heap_.erase(block); }
    void on_release(BlockId block) { heap_.raise(block, heap_.key(block), time_.next()); }
    void on_leaf(BlockId block) { heap_.on_leaf(block); }
    void on_inner(BlockId block) { heap_.on_inner(block); }
    bool contains(BlockId block) const { return heap_.contains(block); }
    uint64_t state_bytes() const {
        return heap_.state_bytes() + next_.size() * 4 + references_.size() * 4 + requests_.bytes();
    }

  private:
    // The farthest first, so the smallest key is the largest next use.
    uint64_t key(BlockId block) const {
        bool by_reference = content_ && next_[block] != kNone;
        return ~(by_reference ? uint64_t{next_[block]} : uint64_t{next_[block]} << 32 | depth_[block]);
    }
    // One more reference of the request has come.
    void pass(BlockId block) {
        if (content_ && block < named_) next_[block] = references_[reference_++];
    }

    bool bypass_;
    bool last_to_first_ = false;
    const uint32_t* depth_ = nullptr;
    uint64_t named_ = 0;
    KeyHeap<kLeaves> heap_;
    UseTime time_;
    HugeVector<uint32_t> next_;  ///< request (content: reference) that uses the block next, as of its last use
    NextRequests requests_;
    const ContentColumn* content_ = nullptr;  ///< where blocks are known by reference
    std::vector<uint32_t> references_;
    uint64_t reference_ = 0;
};

static_assert(BlockStrategy<BlockBelady<false>> && BlockStrategy<BlockBelady<true>>);

}  // namespace kvsim
