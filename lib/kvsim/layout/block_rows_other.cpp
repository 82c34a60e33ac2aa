// Block strategies that belong nowhere else.
#include <kvsim/eviction/block_belady.h>
#include <kvsim/eviction/block_priority.h>
#include <kvsim/eviction/block_workload_aware.h>
#include <kvsim/eviction/block_random.h>
#include <kvsim/layout/block_row.h>
#include <kvsim/layout/block_rows.h>

namespace kvsim {

static std::unique_ptr<Cache> make_belady(const std::string& text, const Accounting& accounting) {
    Spec spec = Spec::parse(text);
    if (spec.has("bypass") && accounting.kind == AccountingKind::pinned)
        throw_input("belady: parameter bypass has no effect under --accounting pinned, where every block must be "
                    "stored; expected --accounting flat or tree");
    return make_block_cache<BlockBelady>(spec, accounting);
}

void add_other_strategies(BlockStrategies& to) {
    to.add(block_row<BlockPriority>());
    to.add(block_row<BlockWorkloadAware>());
    to.add(block_row<BlockRandom>());
    to.add({"belady", BlockBelady<false>::info(), make_belady});
}

}  // namespace kvsim
