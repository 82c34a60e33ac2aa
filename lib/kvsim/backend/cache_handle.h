// What a model's code holds of a cache: one sequence of it, whatever the layout and the backend.
//
// The idea: a handle is a small value that names a sequence and the moment it was stored; it owns nothing. Freed, evicted
// or gone with its cache, it is stale, also when the sequence's number is used again (a generation tells), and every use
// but is_valid() is an error then. The number of tokens is the cache's own: there is one owner of it.
#pragma once

#include <kvsim/cache/sequence_facts.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace kvsim {

struct CacheHandleStats {
    uint64_t memory_bytes = 0;  ///< of its blocks, keys and values, in all layers; shared blocks as a whole
    uint64_t blocks = 0;
    uint64_t tokens = 0;
    double utilization = 0;     ///< tokens / (blocks x block size); 0 without blocks
    uint64_t last_access = 0;   ///< tick, SequenceFacts::last_access
};

/// The cache as handles see it.
class HandleTarget {
  public:
    virtual ~HandleTarget() = default;
    virtual std::string backend_name() const = 0;
    virtual uint32_t num_layers() const = 0;
    virtual uint32_t kv_heads() const = 0;
    virtual uint32_t head_dim() const = 0;
    virtual bool alive(SequenceId id, uint64_t generation) const = 0;
    virtual uint64_t resident_tokens(SequenceId id) const = 0;
    virtual std::vector<uint32_t> table_of(SequenceId id) const = 0;
    virtual CacheHandleStats stats_of(SequenceId id) const = 0;
    virtual void read_layer(SequenceId id, uint32_t layer, std::vector<float>& keys, std::vector<float>& values) = 0;
    /// A sequence of its own with the same tokens; throws Error(input) where there is no room for it.
    virtual SequenceId clone_of(SequenceId id) = 0;
    virtual uint64_t generation_of(SequenceId id) const = 0;
};

/// Copyable; copies are the same handle, clone() is another. Errors are Error(input).
class CacheHandle {
  public:
    CacheHandle(std::weak_ptr<HandleTarget*> target, SequenceId id, uint64_t generation);

    /// Unique over all handles of the process that clone() or a cache made of a sequence.
    uint64_t cache_id() const { return cache_id_; }
    SequenceId sequence() const { return id_; }
    bool is_valid() const;

    // All of these throw "stale handle" unless is_valid().
    std::string device() const { return target().backend_name(); }
    uint32_t num_layers() const { return target().num_layers(); }
    uint32_t kv_heads() const { return target().kv_heads(); }
    uint32_t head_dim() const { return target().head_dim(); }
    /// That can be read: those that were trimmed away do not count.
    uint64_t num_tokens() const { return target().resident_tokens(id_); }
    /// Logical to physical blocks; kNone where they were trimmed away. A contiguous cache: the blocks of its run.
    std::vector<uint32_t> block_table() const { return target().table_of(id_); }
    CacheHandleStats stats() const { return target().stats_of(id_); }
    /// [tokens, kv_heads, head_dim], decoded. Throws on a layer there is not.
    std::vector<float> key_cache(uint32_t layer) const;
    std::vector<float> value_cache(uint32_t layer) const;
    /// Both at once.
    void kv_cache(uint32_t layer, std::vector<float>& keys, std::vector<float>& values) const;
    /// A sequence of its own that shares all blocks (their reference counts rise, nothing is copied; a contiguous cache
    /// copies). Its data outlive the original.
    CacheHandle clone() const;

  private:
    HandleTarget& target() const;

    std::weak_ptr<HandleTarget*> target_;
    SequenceId id_;
    uint64_t generation_;
    uint64_t cache_id_;
};

}  // namespace kvsim
