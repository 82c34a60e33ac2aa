// The keys and values of a prefix cache: what a replay block by block did is done to real blocks after each request.
//
// First the leading hits are gathered, as a prefill that found them would read them; then the blocks that left give their
// places up, and those that came are appended: a block that was there with fewer tokens gets the rest. With `attend` each
// output token attends over the request's tokens up to itself, as long as its blocks are there.
// A named block's values follow from its name, so whoever stores it again stores the same. Cost: that of the kernels,
// and a look at every resident block after a request that evicted.
#pragma once

#include <kvsim/backend/cache_handle.h>
#include <kvsim/backend/kv_memory.h>
#include <kvsim/backend/token_values.h>
#include <kvsim/cache/cache.h>

#include <unordered_map>

namespace kvsim {

class PrefixKv : public BlockObserver, private HandleTarget {
  public:
    using Leaving = std::function<void(const CacheHandle& handle, const KvMemory::Source& original)>;

    /// `memory` has at least as many blocks as the cache. `check`, where given, is called with each request once it is
    /// stored, and by finish() with each block that is there.
    PrefixKv(const Trace& trace, bool decode, KvMemory& memory, const TokenValues& values, bool attend, Leaving check);

    void served(const Served& request, const std::function<bool(BlockId)>& resident) override;
    void finish();
    uint64_t resident_blocks() const { return blocks_.size(); }

  private:
    struct Block {
        uint32_t place = 0;
        uint32_t tokens = 0;
        uint64_t owner = 0;  ///< whose values it has
    };
    void drop(BlockId id);
    void store(BlockId id, uint64_t owner, uint32_t tokens);
    void attend_output(uint32_t request, const std::vector<BlockId>& chain);
    void look(SequenceId id, const std::vector<BlockId>& chain);

    // Handles: of what `chain_` names, until the next request.
    std::string backend_name() const override { return memory_.backend().name(); }
    uint32_t num_layers() const override { return memory_.layout().layers; }
    uint32_t kv_heads() const override { return memory_.layout().kv_heads; }
    uint32_t head_dim() const override { return memory_.layout().head_dim; }
    bool alive(SequenceId id, uint64_t generation) const override { return id == held_ && generation == generation_; }
    uint64_t generation_of(SequenceId) const override { return generation_; }
    uint64_t resident_tokens(SequenceId) const override { return place_.tokens; }
    std::vector<uint32_t> table_of(SequenceId) const override { return place_.blocks; }
    CacheHandleStats stats_of(SequenceId) const override;
    void read_layer(SequenceId, uint32_t layer, std::vector<float>& keys, std::vector<float>& values) override {
        memory_.read(place_, layer, keys, values);
    }
    SequenceId clone_of(SequenceId) override;

    const Trace& trace_;
    bool decode_, attend_;
    KvMemory& memory_;
    const TokenValues& values_;
    Leaving check_;
    std::unordered_map<BlockId, Block> blocks_;
    std::vector<uint32_t> free_places_;
    uint64_t evicted_ = 0;
    uint64_t unnamed_owners_;
    SequenceId held_ = kNone;
    uint64_t generation_ = 0;
    Place place_;  ///< of the held chain
    std::shared_ptr<HandleTarget*> self_;
};

}  // namespace kvsim
