// `fifo:leaf=off` under tree accounting: the FIFO of the published hit-rate lab (kvcache-ai/kvcache-blog), which is a
// plain queue over nodes. The whole request is looked up first; then its nodes that are not resident enter front to
// back, each pushing out the node that entered longest ago, wherever that one stands in the tree: no leaf rule, no
// protection, and insertion never stops. Nodes can stay behind without their parents, as under flat.
//
// What it does to the queue is what flat accounting does, since hits change nothing: the leading hits are those of
// `fifo` under flat on ids that name prefixes. The difference is that nothing is counted as hit, or missed, because of
// what the request itself has just pushed out. Cost: O(1) per block.
#pragma once

#include <kvsim/eviction/block_fifo.h>
#include <kvsim/layout/prefix_blocks.h>

namespace kvsim {

class PlainQueuePrefix : public PrefixBlocks<BlockFifo<false>> {
  public:
    explicit PlainQueuePrefix(BlockFifo<false> strategy) : PrefixBlocks(std::move(strategy)) {}

  protected:
    bool can_strand() const override { return true; }
    bool notes_uses() const override { return true; }

    void prepare() override {
        if (concurrent())
            throw_input("--concurrency has no effect on fifo:leaf=off, which never pins a block; expected 1");
    }

    uint64_t serve(uint32_t r, uint32_t stored, RunResult& result) override {
        const Trace& t = *trace_;
        chain(t.lookup_row(r), t.lookup_blocks(r));
        result.hit_blocks[r] = leading_hits();
        count_behind(r, result.hit_blocks[r], result);
        const bool observed = options_.observer != nullptr;
        if (observed) use_hits(result.hit_blocks[r]);
        uint32_t row = t.stored_row(r, options_.decode);
        uint32_t named = t.chains[row].length;
        if (row != t.lookup_row(r)) chain(row, named);
        uint32_t position = 0;
        for (const Segment& s : segments_)
            for (uint32_t i = 0; i < s.count; ++i) enter(r, s.begin + i, ++position == stored, stored, observed);
        for (uint32_t i = named; i < stored; ++i) enter(r, take_unnamed(i), i + 1 == stored, stored, observed);
        return std::min<uint64_t>(stored, capacity());
    }

  private:
    void use_hits(uint32_t hits) {
        std::vector<BlockId> ids;
        expand(ids);
        for (uint32_t i = 0; i < hits; ++i) used(ids[i]);
    }
    void enter(uint32_t r, BlockId block, bool last, uint32_t stored, bool observed) {
        if (!strategy_.contains(block)) {
            if (full()) evict(strategy_.pick_victim(block, AnyBlock{}));
            insert(block);
        }
        if (observed) used(block);
        if (last) {
            fill_last(r, stored, block);
        } else {
            fill_whole(block);
        }
    }
};

}  // namespace kvsim
