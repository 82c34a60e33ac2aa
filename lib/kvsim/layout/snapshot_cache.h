// A prefix cache of whole KV snapshots with real buffers: store the keys and values computed for a prompt, find them
// again for a prompt that begins alike, restore them bit for bit.
//
// It does what per-prompt snapshot caches of small servers do (one full copy per stored prompt, a radix tree over token
// ids to find it) and differs where these lose:
//   match=token    also reuses a part of a snapshot: the first m tokens of a stored prompt are the KV of those tokens
//                  whatever follows them, so a query that leaves a stored prompt after m tokens gets m of them.
//                  match=exact finds stored boundaries only.
//   reusable       at least one prompt token must be run to get logits: min(match, prompt - 1), beside the match.
//   lengths        key and state must agree; a state that is longer than its prompt is cut by the caller with
//                  KvBuffer::snapshot(prompt). One cache holds one shape.
//   order of use   only the entry that served a hit is refreshed; pinned entries never go; an entry that cannot fit is
//                  rejected before anything else is touched. The limits hold after every call.
// Memory is counted in full copies, which is what is allocated; shared_bytes() is what one copy per edge of the tree
// would take, so their difference is the price of whole snapshots.
#pragma once

#include <kvsim/layout/kv_snapshot.h>
#include <kvsim/layout/snapshot_index.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace kvsim {

enum class SnapshotMatch : uint8_t { token, exact };

struct SnapshotConfig {
    uint64_t max_entries = 256;
    uint64_t max_memory_bytes = uint64_t{512} << 20;
    uint64_t min_prefix_len = 4;
    SnapshotMatch match = SnapshotMatch::token;

    /// "max_entries=256,max_memory_bytes=536870912,min_prefix_len=4,match=token"
    std::string text() const;
};

/// One stored snapshot. Stale once it is evicted, replaced or cleared: then every use throws Error(input).
struct SnapshotHandle {
    uint32_t slot = 0xFFFFFFFFu;
    uint64_t generation = 0;
};

struct SnapshotHit {
    bool hit = false;
    SnapshotHandle handle;    ///< of the entry that serves it
    uint32_t matched = 0;     ///< leading tokens its snapshot holds
    uint32_t reusable = 0;    ///< min(matched, tokens looked up - 1)
};

class SnapshotCache {
  public:
    using Tokens = std::span<const uint32_t>;

    /// Throws Error(input) if a limit is 0.
    explicit SnapshotCache(const SnapshotConfig& config = {});

    const SnapshotConfig& config() const { return config_; }

    SnapshotHit lookup(Tokens tokens) { return lookup(tokens, config_.match); }
    SnapshotHit lookup(Tokens tokens, SnapshotMatch match);

    /// Throws Error(input), unchanged, if tokens and state differ in length or the state's shape is not the cache's.
    StoreOutcome store(Tokens tokens, const KvBuffer& state);
    StoreOutcome store_snapshot(Tokens tokens, KvSnapshot snapshot);

    /// The target becomes the first `tokens` of the snapshot (all of them by default) and has that length.
    void restore(const SnapshotHandle& handle, uint32_t tokens, KvBuffer& target) const;
    void restore(const SnapshotHandle& handle, KvBuffer& target) const;
    const KvSnapshot& snapshot(const SnapshotHandle& handle) const { return data_[checked(handle)].snapshot; }

    /// While pinned, an entry is not evicted and not replaced. Pins count.
    void pin(const SnapshotHandle& handle) { index_.pin(checked(handle)); }
    /// Throws Error(input) if it is not pinned.
    void unpin(const SnapshotHandle& handle);
    bool is_valid(const SnapshotHandle& handle) const;

    uint64_t len() const { return index_.entries(); }
    bool is_empty() const { return len() == 0; }
    /// Bytes of all snapshots, each a full copy: what the limit is about.
    uint64_t memory_usage() const { return index_.cost(); }
    /// Bytes if common beginnings were kept once.
    uint64_t shared_bytes() const { return index_.tree().tokens() * shape_.bytes_per_token(); }
    uint64_t pinned() const { return index_.pinned(); }

    uint64_t hits() const { return index_.counts().hits; }
    uint64_t misses() const { return index_.counts().misses; }
    uint64_t evictions() const { return index_.counts().evictions; }
    uint64_t skipped() const { return index_.counts().skipped; }
    uint64_t rejected() const { return index_.counts().rejected; }
    uint64_t replaced() const { return index_.counts().replaced; }
    uint64_t prompt_tokens() const { return prompt_tokens_; }  ///< looked up
    uint64_t reused_tokens() const { return reused_tokens_; }  ///< sum of reusable

    /// Everything goes, pinned entries too, counters start again, and the next store decides the shape.
    void clear();
    void check_invariants() const;

  private:
    struct Data {
        KvSnapshot snapshot;
        uint64_t generation = 0;
    };

    uint32_t checked(const SnapshotHandle& handle) const;
    void check_store(Tokens tokens, uint32_t seq_len, KvShape shape) const;

    SnapshotConfig config_;
    SnapshotIndex<TokenLabels> index_;
    std::vector<Data> data_;  ///< by slot
    KvShape shape_;           ///< of all snapshots; no layers until one is stored
    uint64_t generation_ = 0;
    uint64_t prompt_tokens_ = 0;
    uint64_t reused_tokens_ = 0;
};

}  // namespace kvsim
