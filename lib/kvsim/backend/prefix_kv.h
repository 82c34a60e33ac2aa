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
    /// Gives the blocks of a clone back. Throws Error(input) where there is none of that number.
    void free(SequenceId clone);
    uint64_t resident_blocks() const { return blocks_.size(); }

  private:
    struct Block {
        uint32_t place = 0;
        uint32_t tokens = 0;
        uint64_t owner = 0;  ///< whose values it has
    };
    /// Blocks that lead a chain, each by its place.
    struct Chain {
        Place place;
        std::vector<Block> blocks;
    };
    void drop(BlockId id);
    void give_back(uint32_t place);
    const Chain& chain_of(SequenceId id) const;
    void store(BlockId id, uint64_t owner, uint32_t tokens);
    void attend_output(uint32_t request, const std::vector<BlockId>& chain);
    void look(SequenceId id, const std::vector<BlockId>& chain);

    // Handles: of the request that was stored last, until the next; of clones, until they are freed.
    std::string backend_name() const override { return memory_.backend().name(); }
    uint32_t num_layers() const override { return memory_.layout().layers; }
    uint32_t kv_heads() const override { return memory_.layout().kv_heads; }
    uint32_t head_dim() const override { return memory_.layout().head_dim; }
    bool alive(SequenceId id, uint64_t generation) const override {
        return clones_.count(id) != 0 ? generation == 0 : id == held_ && generation == generation_;
    }
    uint64_t generation_of(SequenceId id) const override { return clones_.count(id) != 0 ? 0 : generation_; }
    uint64_t resident_tokens(SequenceId id) const override { return chain_of(id).place.tokens; }
    std::vector<uint32_t> table_of(SequenceId id) const override { return chain_of(id).place.blocks; }
    CacheHandleStats stats_of(SequenceId id) const override;
    void read_layer(SequenceId id, uint32_t layer, std::vector<float>& keys, std::vector<float>& values) override {
        memory_.read(chain_of(id).place, layer, keys, values);
    }
    SequenceId clone_of(SequenceId id) override;

    const Trace& trace_;
    bool decode_, attend_;
    KvMemory& memory_;
    const TokenValues& values_;
    Leaving check_;
    std::unordered_map<BlockId, Block> blocks_;
    std::vector<uint32_t> free_places_;
    std::vector<uint32_t> references_;  ///< per place: the cache's own and those of clones
    uint64_t evicted_ = 0;
    uint64_t unnamed_owners_;
    SequenceId held_ = kNone;
    uint64_t generation_ = 0;
    Chain chain_;  ///< of the request held_
    std::unordered_map<SequenceId, Chain> clones_;  ///< never used again, so of generation 0
    SequenceId next_clone_ = ~SequenceId{0} - 1;    ///< downwards: requests and blocks count up
    std::shared_ptr<HandleTarget*> self_;
};

}  // namespace kvsim
