// The KV cache manager of vLLM over its block pool: block tables of requests, in one or several groups of layers.
//
// A group sees everything before a token, or a sliding window of it. All groups take blocks of the same pool; a block
// is hit per group, under a key of its own. What leaves a window is given back and stands in the table as a null block.
// Lookups are pure; allocate() first tests whether there is room and otherwise changes nothing but that what has left a
// window is gone. Blocks become hittable when they are allocated to be computed, not when they have been.
// Source and cost: vllm_pool.h. Lookups, touches, publications and releases are O(1) per block; a step inside a block
// is O(groups).
#pragma once

#include <kvsim/engine/vllm_options.h>
#include <kvsim/engine/vllm_pool.h>

#include <cstdint>
#include <vector>

namespace kvsim {

/// A request as the manager knows it; tables of groups in the order of VllmOptions::windows.
struct VllmSequence {
    struct Group {
        std::vector<VllmPool::Id> table;
        std::vector<VllmPool::Id> hits;  ///< of the last lookup; null where blocks before a window are not needed
        uint64_t published = 0;          ///< leading blocks of the table that were hit, published or are null
        uint64_t skipped = 0;            ///< leading null blocks
    };
    uint32_t request = 0;
    bool admitted = false;               ///< has room: its tables are allocated further, not anew
    std::vector<uint32_t> names;         ///< what its leading full blocks are called in the trace
    VllmPool::Key own_keys = kNone;  ///< of its blocks without name, from the first on; kNone: nobody looks for them
    uint64_t length = 0;                 ///< prompt and output so far
    uint64_t computed = 0;
    uint64_t quiet_tokens = 0;           ///< up to so many tokens there is room, and no block gets full
    uint64_t loose_tokens = 0;           ///< tokens in blocks that it holds and that have no key
    std::vector<Group> groups;

    uint64_t hit_blocks() const { return groups[0].hits.size(); }
};

class VllmManager {
  public:
    /// `names`: how many distinct names of blocks there are. `blocks`: usable ones, or kUnlimited.
    VllmManager(const VllmOptions& options, uint64_t blocks, uint32_t block_tokens, uint64_t names);

    VllmPool& pool() { return pool_; }
    const VllmPool& pool() const { return pool_; }
    uint32_t block_tokens() const { return block_; }
    /// N: with the null block; 0: unlimited.
    uint64_t num_gpu_blocks() const { return limited_ ? pool_.usable() + 1 : 0; }
    uint64_t loose_tokens() const { return loose_tokens_; }
    const std::vector<uint32_t>& windows() const { return windows_; }

    /// A sequence that holds nothing and has no names yet.
    void reset(VllmSequence& sequence, uint32_t request, uint64_t length) const;
    /// Keys of `blocks` unnamed blocks, so that the request itself can find them again. Throws Error(input) past 2^32.
    VllmPool::Key add_own_keys(uint64_t blocks);

    /// Fills the groups' hits and returns their common length in blocks.
    uint64_t look_up(VllmSequence& sequence) const;

    struct Admission {
        bool others_running = false;  ///< then the watermark counts
        uint64_t batch_tokens = 0;    ///< most tokens of one step
        EngineObserver* observer = nullptr;
        bool again = false;
    };
    /// Room for the next n tokens of a sequence that was just looked up, behind its hits.
    bool admit(VllmSequence& sequence, uint64_t n, const Admission& admission);
    /// Room for n more tokens of an admitted one.
    bool extend(VllmSequence& sequence, uint64_t n);
    /// Its blocks are given back, group by group; it may be looked up again.
    void free(VllmSequence& sequence);

    /// How many of the next tokens of an admitted sequence, at most n, can be allocated at once with the same effect as
    /// one by one.
    uint64_t stride(const VllmSequence& sequence, uint64_t n) const;

    uint64_t key(const VllmSequence& s, uint64_t block, size_t group) const {
        if (block < s.names.size()) return uint64_t{s.names[block]} * windows_.size() + group;
        if (s.own_keys == kNone) return VllmPool::kUnfindable;
        return s.own_keys + (block - s.names.size()) * windows_.size() + group;
    }

  private:
    struct Kind {
        uint32_t window;
        std::vector<size_t> groups;
    };
    VllmPool::Id found(const VllmSequence& s, uint64_t block, size_t group) const;
    void find_all(VllmSequence& s, const Kind& kind, uint64_t blocks) const;
    void find_window(VllmSequence& s, const Kind& kind, uint64_t blocks) const;
    uint64_t find_in_every_group(VllmSequence& s, uint64_t most) const;
    uint64_t needed(const VllmSequence& s, uint64_t tokens, uint64_t batch_tokens) const;
    void skip(VllmSequence& s);
    void touch_hits(VllmSequence& s);
    void publish(VllmSequence& s, size_t group, uint64_t full);
    void take_and_publish(VllmSequence& s, uint64_t tokens);
    uint64_t skipped_at(size_t group, uint64_t tokens) const {
        uint64_t window = windows_[group];
        return window == 0 || tokens < window ? 0 : (tokens - window + 1) / block_;
    }

    std::vector<uint32_t> windows_;
    std::vector<Kind> kinds_;  // groups with the same window are looked up together
    VllmPool pool_;
    uint32_t block_;
    bool caching_, reserve_full_, limited_, has_windows_;
    uint64_t watermark_blocks_ = 0;
    uint64_t loose_tokens_ = 0;
};

}  // namespace kvsim
