// Sequences each in one contiguous run of an arena, as KV caches were before paging: what paging is compared with.
//
// max: every sequence gets the room of the longest one up front (vLLM's paper calls this baseline Orca (Max), with the
// model's limit in place of the longest). grow: the smallest power of two of blocks that holds it; when it is full the
// next one that does, in place if what follows is free, else by moving, while both runs exist. Nothing is shared, a
// fork copies. What this costs is seen as reserved places that hold no token, and as room that is there but in no hole
// large enough.
// Operations and errors are PagedStore's; O(log holes) each, and O(1) for an append inside the reserved room.
#pragma once

#include <kvsim/block/arena.h>
#include <kvsim/cache/sequence_facts.h>

#include <optional>
#include <string>

namespace kvsim {

struct ContiguousConfig {
    uint64_t blocks = kUnlimited;
    uint32_t block_size = 16;
    uint64_t reserve_tokens = 0;  ///< max: the room of every sequence; 0 = grow
};

class ContiguousStore {
  public:
    using Config = ContiguousConfig;
    using Bookkeeping = ContiguousStore;  ///< the store without what a derived one adds
    explicit ContiguousStore(const ContiguousConfig& config);

    uint32_t block_size() const { return block_size_; }
    uint64_t capacity() const { return arena_.capacity(); }
    /// Reserved blocks, whether tokens are in them or not.
    uint64_t used_blocks() const { return arena_.used(); }
    uint64_t free_blocks() const { return arena_.available(); }
    uint64_t shared_blocks() const { return 0; }
    uint64_t held_tokens() const { return held_tokens_; }
    /// Blocks reserved for a sequence so long.
    uint64_t room_of(const Extent& e) const { return room_for(e.tokens); }
    /// Blocks that a prompt, `samples` - 1 copies of it and `tokens` appended to each of them take in the end. With twice
    /// as many nobody lacks room on the way there, where runs are moved.
    uint64_t room_of_samples(uint64_t prompt, uint64_t tokens, uint64_t samples) const {
        return samples * room_for(prompt + tokens);
    }
    static constexpr bool kRoomIsEnough = false;
    const SequenceStats& stats() const { return stats_; }
    void restore_stats(const SequenceStats& stats) { stats_ = stats; }
    /// The peaks are of what is done from here on.
    void forget_peaks() { stats_.peak_used_blocks = stats_.peak_shared_blocks = 0; }

    bool contains(SequenceId id) const { return id < sequences_.size() && sequences_[id].alive; }
    uint64_t size() const { return alive_; }
    const SequenceFacts& facts(SequenceId id) const { return at(id).facts; }
    Extent extent(SequenceId id) const { return {at(id).facts.tokens, 0, 0}; }
    Run run(SequenceId id) const { return at(id).run; }
    void pin(SequenceId id) { ++at(id).pins; }
    void unpin(SequenceId id);
    bool pinned(SequenceId id) const { return at(id).pins != 0; }

    /// OutOfBlocks.have is the largest hole: a sequence cannot use several.
    std::optional<OutOfBlocks> allocate(SequenceId id, const Extent& extent, double priority = 0);
    std::optional<OutOfBlocks> allocate(SequenceId id, uint64_t tokens, double priority = 0) {
        return allocate(id, Extent{tokens, 0, 0}, priority);
    }
    std::optional<OutOfBlocks> append(SequenceId id, uint64_t tokens);
    std::optional<OutOfBlocks> fork(SequenceId parent, SequenceId child);
    uint64_t free(SequenceId id);
    /// A contiguous run has no holes: trims nothing.
    Trimmed trim(SequenceId, uint64_t, uint64_t) { return {}; }

    std::vector<SequenceId>& risen() { return risen_; }
    void check_invariants() const;
    uint64_t state_bytes() const { return arena_.state_bytes() + sequences_.size() * sizeof(Sequence); }

  private:
    struct Sequence {
        SequenceFacts facts;
        Run run;
        bool alive = false;
        uint32_t pins = 0;
    };
    Sequence& at(SequenceId id) {
        if (!contains(id)) unknown(id);
        return sequences_[id];
    }
    const Sequence& at(SequenceId id) const {
        if (!contains(id)) unknown(id);
        return sequences_[id];
    }
    [[noreturn]] static void unknown(SequenceId id);
    uint64_t room_for(uint64_t tokens) const;
    OutOfBlocks fail(uint64_t need);
    void access(Sequence& s) {
        s.facts.last_access = ++clock_;
        ++s.facts.accesses;
    }

    uint32_t block_size_;
    uint64_t reserve_tokens_;
    Arena arena_;
    std::vector<Sequence> sequences_;
    uint64_t alive_ = 0;
    uint64_t held_tokens_ = 0;
    uint64_t clock_ = 0;
    SequenceStats stats_;
    std::vector<SequenceId> risen_;  ///< stays empty: nothing is shared
};

}  // namespace kvsim
