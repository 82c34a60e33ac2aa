// A store of sequences whose tokens are there: every operation of the store is also done to real keys and values, by
// kernels, on a backend.
//
// The idea: bookkeeping decides (block/paged_store.h, block/contiguous_store.h), and what it decided is carried out at
// once: new tokens are appended, a copy-on-write copies the block, a contiguous sequence that forks, moves or grows takes
// its rows along. A replay is the same template over either store, so data mode is the bookkeeping replay, with data.
// One pool serves all sequences; there is one owner of a length, the store. Differences to the original (a cache per
// sequence with copies of its length and of its table in four places): see docs/FEATURES.md, rows 3 and 4.
// Cost: that of the kernels; a handful of small copies to the backend per operation and layer.
#pragma once

#include <kvsim/backend/cache_handle.h>
#include <kvsim/backend/kv_memory.h>
#include <kvsim/backend/token_values.h>
#include <kvsim/block/contiguous_store.h>
#include <kvsim/block/paged_store.h>
#include <kvsim/core/error.h>

#include <optional>

namespace kvsim {

/// Where a sequence's tokens are.
inline Place place_of(const PagedStore& store, const KvMemory& memory, SequenceId id) {
    Place p;
    p.pool = memory.pool();
    for (BlockId block : store.block_table(id))
        if (block != kNone) p.blocks.push_back(block);
    Extent e = store.extent(id);
    p.tokens = e.tokens - uint64_t{e.hole_end - e.hole_begin} * store.block_size();
    return p;
}
inline Place place_of_run(const KvMemory& memory, Run run, uint64_t tokens) {
    Place p;
    p.pool = memory.run_of(run.begin, run.count);
    if (run.count > 0) p.blocks = {0};
    p.tokens = tokens;
    return p;
}
inline Place place_of(const ContiguousStore& store, const KvMemory& memory, SequenceId id) {
    return place_of_run(memory, store.run(id), store.extent(id).tokens);
}
inline std::vector<uint32_t> blocks_of(const PagedStore& store, SequenceId id) { return store.block_table(id); }
inline std::vector<uint32_t> blocks_of(const ContiguousStore& store, SequenceId id) {
    std::vector<uint32_t> blocks;
    Run run = store.run(id);
    for (uint64_t i = 0; i < run.count; ++i) blocks.push_back(static_cast<uint32_t>(run.begin + i));
    return blocks;
}

/// What a KvCache works with beside its store. `memory` null: nothing is stored, but `reach_blocks` rises to one more than
/// the largest block that was ever used, which is how many a pool needs.
struct KvCacheData {
    KvMemory* memory = nullptr;
    const TokenValues* values = nullptr;
    bool attend = false;  ///< attention of each token that is appended, over all tokens so far
    uint64_t reach_blocks = 0;
    /// Called before a sequence gives its blocks back, and by finish() for those that are there; `original` gives what
    /// was written of its resident tokens.
    std::function<void(const CacheHandle& handle, const KvMemory::Source& original)> leaving;
    /// Set by the cache: every sequence that is there leaves, as far as `leaving` is concerned.
    std::function<void()> finish;
};

template <class Store>
class KvCache : public Store, private HandleTarget {
  public:
    struct Config {
        typename Store::Config store;
        KvCacheData* data = nullptr;
    };
    explicit KvCache(const Config& config) : Store(config.store), data_(config.data), self_(std::make_shared<HandleTarget*>(static_cast<HandleTarget*>(this))) {
        data_->finish = [self = self_] { static_cast<KvCache*>(*self)->finish(); };
    }
    ~KvCache() = default;
    KvCache(const KvCache&) = delete;
    KvCache& operator=(const KvCache&) = delete;
    KvCache& operator=(KvCache&&) = delete;
    KvCache(KvCache&& other) noexcept
        : Store(std::move(other)), HandleTarget(), data_(other.data_), owners_(std::move(other.owners_)),
          generations_(std::move(other.generations_)), next_clone_(other.next_clone_), self_(std::move(other.self_)) {
        *self_ = this;
    }

    // The store's operations, with data.
    std::optional<OutOfBlocks> allocate(SequenceId id, const Extent& extent, double priority = 0) {
        if (auto failure = Store::allocate(id, extent, priority)) return failure;
        owners_.begin(id);
        stored(id);
        write(id, 0);
        return std::nullopt;
    }
    std::optional<OutOfBlocks> allocate(SequenceId id, uint64_t tokens, double priority = 0) {
        return allocate(id, Extent{tokens, 0, 0}, priority);
    }
    std::optional<OutOfBlocks> append(SequenceId id, uint64_t tokens) {
        uint64_t before = held(id);
        if (auto failure = grow(id, tokens, before)) return failure;
        note_reach(id);
        write(id, before);
        return std::nullopt;
    }
    std::optional<OutOfBlocks> fork(SequenceId parent, SequenceId child) {
        if (auto failure = Store::fork(parent, child)) return failure;
        owners_.fork(parent, child, Store::extent(parent).tokens);
        stored(child);
        if constexpr (!kShares)
            if (data_->memory) data_->memory->move(place_of(*this, *data_->memory, parent), place_of(*this, *data_->memory, child));
        return std::nullopt;
    }
    uint64_t free(SequenceId id) {
        leave(id);
        ++generations_[id];
        return Store::free(id);
    }
    void finish() {
        for (SequenceId id = 0; id < generations_.size(); ++id)
            if (Store::contains(id)) leave(id);
    }

    /// Throws Error(input) on an unknown sequence.
    CacheHandle handle(SequenceId id) const {
        if (!Store::contains(id)) throw_input("sequence " + std::to_string(id) + ": there is none to hold");
        return {self_, id, generations_[id]};
    }

  private:
    static constexpr bool kShares = std::is_same_v<typename Store::Bookkeeping, PagedStore>;

    uint64_t held(SequenceId id) const {
        Extent e = Store::extent(id);
        return e.tokens - uint64_t{e.hole_end - e.hole_begin} * Store::block_size();
    }
    std::optional<OutOfBlocks> grow(SequenceId id, uint64_t tokens, [[maybe_unused]] uint64_t before) {
        KvMemory* memory = data_->memory;
        if constexpr (kShares) {
            CopyOnWrite copied;
            if (auto failure = Store::append(id, tokens, &copied)) return failure;
            if (copied.to != kNone && memory) memory->copy_block(copied.from, copied.to, copied.tokens);
        } else {
            Run old = Store::run(id);
            if (auto failure = Store::append(id, tokens)) return failure;
            Run now = Store::run(id);
            if (memory && (now.begin != old.begin || now.count != old.count))
                memory->move(place_of_run(*memory, old, before), place_of_run(*memory, now, before));
        }
        return std::nullopt;
    }
    void stored(SequenceId id) {
        if (id >= generations_.size()) generations_.resize(size_t{id} + 1, 0);
        ++generations_[id];
        note_reach(id);
    }
    void note_reach(SequenceId id) {
        if (data_->memory) return;
        for (uint32_t block : blocks_of(*this, id))
            if (block != kNone) data_->reach_blocks = std::max(data_->reach_blocks, uint64_t{block} + 1);
    }
    /// f(owner, first position, count, tokens before) over resident tokens [first, first + count) of a sequence.
    template <class F>
    void each_piece(SequenceId id, uint64_t first, uint64_t count, F&& f) const {
        Extent e = Store::extent(id);
        uint64_t hole_begin = uint64_t{e.hole_begin} * Store::block_size();
        uint64_t hole = uint64_t{e.hole_end - e.hole_begin} * Store::block_size();
        uint64_t done = 0;
        auto part = [&](uint64_t begin, uint64_t n) {
            owners_.each(id, begin, n, [&](uint64_t owner, uint64_t position, uint64_t m) {
                f(owner, position, m, done);
                done += m;
            });
        };
        uint64_t before_hole = hole == 0 ? count : first < hole_begin ? std::min(count, hole_begin - first) : 0;
        if (before_hole > 0) part(first, before_hole);
        if (before_hole < count) part(first + before_hole + hole, count - before_hole);
    }
    KvMemory::Source source_of(SequenceId id) const {
        uint64_t row = uint64_t{data_->memory->layout().kv_heads} * data_->memory->layout().head_dim;
        return [this, id, row](uint32_t layer, uint64_t at, uint32_t count, float* keys, float* values) {
            each_piece(id, at, count, [&](uint64_t owner, uint64_t position, uint64_t n, uint64_t done) {
                data_->values->rows(owner, layer, position, static_cast<uint32_t>(n), keys + done * row, values + done * row);
            });
        };
    }
    void write(SequenceId id, uint64_t first) {
        KvMemory* memory = data_->memory;
        if (!memory) return;
        Place place = place_of(*this, *memory, id);
        KvMemory::Source source = source_of(id);
        if (!data_->attend || first == 0) return memory->write(place, first, source);
        for (uint64_t all = place.tokens, t = first; t < all; ++t) {
            place.tokens = t + 1;
            memory->write(place, t, source);
            memory->attend(place, [&](uint32_t layer, float* queries) {
                each_piece(id, t, 1, [&](uint64_t owner, uint64_t position, uint64_t, uint64_t) {
                    data_->values->query(owner, layer, position, queries);
                });
            });
        }
    }
    void leave(SequenceId id) {
        if (data_->leaving && data_->memory) data_->leaving(handle(id), source_of(id));
    }

    // Handles.
    std::string backend_name() const override { return data_->memory->backend().name(); }
    uint32_t num_layers() const override { return data_->memory->layout().layers; }
    uint32_t kv_heads() const override { return data_->memory->layout().kv_heads; }
    uint32_t head_dim() const override { return data_->memory->layout().head_dim; }
    bool alive(SequenceId id, uint64_t generation) const override {
        return Store::contains(id) && generations_[id] == generation;
    }
    uint64_t generation_of(SequenceId id) const override { return generations_[id]; }
    uint64_t resident_tokens(SequenceId id) const override { return held(id); }
    std::vector<uint32_t> table_of(SequenceId id) const override { return blocks_of(*this, id); }
    CacheHandleStats stats_of(SequenceId id) const override {
        CacheHandleStats s;
        for (uint32_t block : blocks_of(*this, id)) s.blocks += block != kNone;
        s.tokens = held(id);
        uint64_t places = s.blocks * Store::block_size();
        s.memory_bytes = places * data_->memory->layout().layers * data_->memory->pool().token_bytes();
        s.utilization = places == 0 ? 0 : static_cast<double>(s.tokens) / static_cast<double>(places);
        s.last_access = Store::facts(id).last_access;
        return s;
    }
    void read_layer(SequenceId id, uint32_t layer, std::vector<float>& keys, std::vector<float>& values) override {
        data_->memory->read(place_of(*this, *data_->memory, id), layer, keys, values);
    }
    SequenceId clone_of(SequenceId id) override {
        SequenceId child = std::max(next_clone_, static_cast<SequenceId>(generations_.size()));
        next_clone_ = child + 1;
        if (auto failure = fork(id, child))
            throw_input("sequence " + std::to_string(id) + " cannot be cloned: " + std::to_string(failure->need) +
                        " blocks needed, " + std::to_string(failure->have) + " free");
        return child;
    }

    KvCacheData* data_;
    TokenOwners owners_;
    std::vector<uint64_t> generations_;  ///< per sequence: raised when it is stored and when it leaves
    SequenceId next_clone_ = 0;
    std::shared_ptr<HandleTarget*> self_;
};

}  // namespace kvsim
