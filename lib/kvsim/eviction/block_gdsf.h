// GDSF, Greedy-Dual-Size-Frequency (Cherkasova 1998), for blocks of equal size: the smallest rank L + uses * cost goes
// first, among equals the one used longest ago.
//
// Uses are counted from 1 at insertion; the rank is taken anew with the present L at every use, and at a miss before
// room is made. L is the rank of the last victim, so that what is not used any more is overtaken; it never falls (it
// could where a small rank was not eligible). Under flat accounting the incoming block competes: if its rank is the
// smallest it is not stored, and L becomes that rank. A release moves a block behind its equals.
// Cost of a miss: one; tokens: the tokens of the running request's prompt in the block (output: a whole block); flops:
// 1 + position / p_star, the position being that of the block's first token and p_star where attention costs as much as
// all that is linear (default: Llama-3.1-8B). Only the order counts, so ranks are whole numbers: in tokens, or in
// 1 / p_star.
// With cost=one blocks used once have ranks in the order in which they came, so they stand in line (key_heap.h).
#pragma once

#include <kvsim/eviction/flat_gdsf.h>
#include <kvsim/eviction/key_heap.h>

namespace kvsim {

template <bool kLeaves>
class BlockGdsf : public BlockStrategyBase {
  public:
    static StrategyInfo info() {
        return {"gdsf", "smallest uses * cost first, on top of the last victim's", "Cherkasova 1998",
                "pinned flat tree", "published counts and a naive twin", "cost=one p_star=30600"};
    }
    static constexpr bool kNeedsDepth = true;
    bool needs_depth() const { return cost_ != Cost::one; }
    explicit BlockGdsf(Spec& spec) {
        std::string cost = spec.choice("cost", "one", {"one", "tokens", "flops"});
        cost_ = cost == "one" ? Cost::one : cost == "tokens" ? Cost::tokens : Cost::flops;
        if (cost_ != Cost::flops && spec.has("p_star"))
            throw_input("gdsf: parameter p_star has no effect with cost=" + cost + "; expected cost=flops");
        p_star_ = spec.whole("p_star", 30600, 1, 1000000000);
    }

    void reset(const StrategyContext& context) {
        time_.reset(context);
        heap_.reset(context.blocks, context.capacity_blocks);
        uses_.assign(context.blocks, 0);
        depth_ = context.depth;
        trace_ = context.trace;
        named_ = context.named_blocks;
        floor_ = 0;
    }
    void on_lookup(const RequestView& request) {
        heap_.begin_request();
        request_ = request;
    }
    void on_hit(BlockId block) {
        uint64_t rank = floor_ + uint64_t{++uses_[block]} * cost(block);
        if (cost_ == Cost::tokens) {
            heap_.change(block, rank, time_.next());  // a prompt that ends earlier makes it cheaper
        } else {
            heap_.raise(block, rank, time_.next());
        }
    }
    void on_miss(BlockId block) { incoming_rank_ = floor_ + cost(block); }
    void on_insert(BlockId block) {
        uses_[block] = 1;
        if (cost_ == Cost::one) {
            heap_.insert_last(block, incoming_rank_, time_.next());
        } else {
            heap_.insert(block, incoming_rank_, time_.next());
        }
    }
    void on_release(BlockId block) { heap_.raise(block, heap_.key(block), time_.next()); }
    template <EligibleBlocks E>
    BlockId pick_victim(BlockId incoming, const E& eligible) {
        BlockId victim = heap_.smallest(eligible);
        if (victim == kNone) return kNone;
        uint64_t rank = heap_.key(victim);
        bool declined = !kLeaves && incoming != kNone && incoming_rank_ < rank;
        floor_ = std::max(floor_, declined ? incoming_rank_ : rank);
        return declined ? kNone : victim;
    }
    void on_evict(BlockId block) { heap_.erase(block); }
    void on_leaf(BlockId block) { heap_.on_leaf(block); }
    void on_inner(BlockId block) { heap_.on_inner(block); }
    bool contains(BlockId block) const { return heap_.contains(block); }
    uint64_t state_bytes() const { return heap_.state_bytes() + uses_.size() * 4; }

  private:
    enum class Cost : uint8_t { one, tokens, flops };

    uint64_t cost(BlockId block) const {
        if (cost_ == Cost::one) return 1;
        uint32_t position = depth_[block];
        if (cost_ == Cost::flops) return p_star_ + uint64_t{position} * trace_->block_size;
        if (position < request_.lookup_blocks) return trace_->block_tokens(request_.request, position);
        // A chunk of content may stand earlier here than where it stood first; all of a request weigh the same.
        if (trace_->content && block < named_) return trace_->block_tokens(request_.request, 0);
        return trace_->block_size;
    }

    Cost cost_;
    uint64_t p_star_;
    UseTime time_;
    KeyHeap<kLeaves> heap_;
    HugeVector<uint32_t> uses_;
    const uint32_t* depth_ = nullptr;
    const Trace* trace_ = nullptr;
    uint64_t named_ = 0;
    uint64_t floor_ = 0;  ///< L
    uint64_t incoming_rank_ = 0;
    RequestView request_{};
};

static_assert(BlockStrategy<BlockGdsf<false>> && BlockStrategy<BlockGdsf<true>>);

template <>
struct FlatOf<BlockGdsf<false>> {
    static bool fits(const BlockGdsf<false>& gdsf) { return !gdsf.needs_depth(); }  // costs are equal
    static FlatGdsf make(const BlockGdsf<false>&) { return FlatGdsf(); }
};

}  // namespace kvsim
