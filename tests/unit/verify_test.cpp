// --verify replays in another way: what only one of the ways gets wrong is found.
#include <kvsim/eviction/block_fifo.h>
#include <kvsim/layout/block_row.h>
#include <kvsim/sim/replay.h>

#include <algorithm>

#include "unit/timed_strategies.h"

namespace verify_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

/// FIFO that looks no further than one block where it is asked about a run, see FlatOf below.
template <bool kLeaves>
class ShortSighted : public BlockFifo<kLeaves> {
  public:
    using BlockFifo<kLeaves>::BlockFifo;
    static StrategyInfo info() {
        StrategyInfo info = BlockFifo<kLeaves>::info();
        info.id = "short_sighted";
        return info;
    }
};
struct ShortSightedRuns : FlatFifo {
    uint32_t lead(BlockId begin, uint32_t count) const { return FlatFifo::lead(begin, std::min(count, 1u)); }
};

ReplayOutcome verified(const Trace& trace, const char* eviction, const char* accounting) {
    ReplayOptions options;
    options.cache.eviction = eviction;
    options.cache.accounting = accounting;
    options.run.capacity_blocks = 4;
    options.verify = true;
    return replay(trace, options);
}

}  // namespace

}  // namespace verify_test

template <>
struct kvsim::FlatOf<verify_test::ShortSighted<false>> {
    static verify_test::ShortSightedRuns make(const verify_test::ShortSighted<false>&) { return {}; }
};

namespace verify_test {

TEST_CASE("verify: flat in runs against flat block by block") {
    if (!block_strategies().find("short_sighted")) block_strategies().add(block_row<ShortSighted>());
    Trace t = load_text(kHead + chain("a", 0, "0,1,2", 3) + chain("b", 1, "0,1,2", 3));
    CHECK(verified(t, "fifo", "flat").run.hit_blocks == std::vector<uint32_t>{0, 3});
    CHECK(verified(t, "short_sighted", "pinned").run.hit_blocks == std::vector<uint32_t>{0, 3});
    std::string said;
    try {
        verified(t, "short_sighted", "flat");
    } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::failed);
        said = e.what();
    }
    CHECK(said == "--verify: hits differ from the block-level replay");
}

}  // namespace verify_test
