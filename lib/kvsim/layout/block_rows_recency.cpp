// Block strategies whose order is that of time alone.
#include <kvsim/eviction/block_fifo.h>
#include <kvsim/eviction/block_filo.h>
#include <kvsim/eviction/block_lru.h>
#include <kvsim/eviction/block_mru.h>
#include <kvsim/eviction/block_tlru.h>
#include <kvsim/eviction/block_ttl.h>
#include <kvsim/layout/block_row.h>
#include <kvsim/layout/block_rows.h>
#include <kvsim/layout/prefix_plain_queue.h>

namespace kvsim {

// FIFO has a cache of its own under tree: leaf=off.
static std::unique_ptr<Cache> make_fifo(const std::string& text, const Accounting& accounting) {
    Spec spec = Spec::parse(text);
    bool leaf = spec.on_off("leaf", true);
    if (spec.has("leaf") && accounting.kind != AccountingKind::tree)
        throw_input("fifo: parameter leaf has no effect under --accounting " + accounting.text() +
                    ", which has no leaf rule; expected --accounting tree");
    if (leaf) return make_block_cache<BlockFifo>(spec, accounting);
    if (accounting.protect_chain)
        throw_input("fifo:leaf=off protects no block; expected --accounting tree without protect=chain");
    spec.finish();
    return std::make_unique<PlainQueuePrefix>(BlockFifo<false>(spec));
}

static BlockStrategyRow fifo_row() {
    StrategyInfo info = BlockFifo<false>::info();
    return {info.id, info, make_fifo};
}

void add_recency_strategies(BlockStrategies& to) {
    to.add(block_row<BlockLru>());
    to.add(fifo_row());
    to.add(block_row<BlockMru>());
    to.add(block_row<BlockFilo>());
    to.add(block_row<BlockTtl>());
    to.add(block_row<BlockTlru>());
}

}  // namespace kvsim
