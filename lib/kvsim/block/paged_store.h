// Sequences in fixed blocks, as a paged KV cache keeps them: a table of blocks per sequence, blocks shared by forks.
//
// The idea (vLLM's block manager, Kwon et al. 2023): a sequence of n tokens holds ceil(n / B) blocks wherever they are;
// a fork shares all of its parent's; whoever appends into a partly filled block that others hold too gets a copy of
// that block first (copy-on-write), and the last holder writes in place. Differences: needs are known before anything
// is changed, the copy included, so a failure is a value and changes nothing; trimming keeps every token's place, so
// the table may have a hole (kNone) and no sink or window token moves or is lost; no clock but the operation number.
// Cost: append O(1) inside a block, fork and free O(blocks).
#pragma once

#include <kvsim/block/block_pool.h>

#include <optional>

namespace kvsim {

/// A block whose contents must be copied before the append that reported it writes.
struct CopyOnWrite {
    BlockId from = kNone, to = kNone;
    uint32_t tokens = 0;  ///< filled places to copy
};

struct PagedConfig {
    uint64_t blocks = kUnlimited;
    uint32_t block_size = 16;
    FreeOrder free_order = FreeOrder::fifo;
};

/// Ids are small numbers chosen by the caller; those of freed sequences may be used again. Every operation on an
/// unknown id, and starting a known one, throws Error(input).
class PagedStore {
  public:
    using Config = PagedConfig;
    using Bookkeeping = PagedStore;  ///< the store without what a derived one adds
    /// Throws Error(input) on a block size of 0.
    explicit PagedStore(const PagedConfig& config);

    uint32_t block_size() const { return block_size_; }
    uint64_t capacity() const { return pool_.capacity(); }
    uint64_t used_blocks() const { return pool_.used(); }
    uint64_t free_blocks() const { return pool_.available(); }
    uint64_t shared_blocks() const { return pool_.shared(); }
    /// Blocks that a sequence so long takes when it shares none.
    uint64_t room_of(const Extent& e) const { return blocks_for(e.tokens) - (e.hole_end - e.hole_begin); }
    /// Blocks that a prompt, `samples` - 1 forks of it and `tokens` appended to each of them take, which is also the most
    /// while they are stored: every sample but the last copies a partly filled tail before it writes.
    uint64_t room_of_samples(uint64_t prompt, uint64_t tokens, uint64_t samples) const {
        uint64_t blocks = blocks_for(prompt);
        if (tokens == 0) return blocks;
        uint64_t empty = blocks * block_size_ - prompt;
        uint64_t copies = empty != 0 ? samples - 1 : 0;
        return blocks + copies + (tokens > empty ? samples * blocks_for(tokens - empty) : 0);
    }
    /// Whether so much room is enough however it is placed.
    static constexpr bool kRoomIsEnough = true;
    /// Token places written in used blocks, shared ones once.
    uint64_t held_tokens() const { return held_tokens_; }
    const SequenceStats& stats() const { return stats_; }
    void restore_stats(const SequenceStats& stats) { stats_ = stats; }
    /// The peaks are of what is done from here on.
    void forget_peaks() { stats_.peak_used_blocks = stats_.peak_shared_blocks = 0; }

    bool contains(SequenceId id) const { return id < sequences_.size() && sequences_[id].alive; }
    uint64_t size() const { return alive_; }
    /// Ascending.
    std::vector<SequenceId> ids() const;
    const SequenceFacts& facts(SequenceId id) const { return at(id).facts; }
    Extent extent(SequenceId id) const;
    /// Physical block of every logical one; kNone where it was trimmed away.
    const std::vector<BlockId>& block_table(SequenceId id) const { return at(id).table; }
    uint32_t references(BlockId block) const { return pool_.references(block); }
    /// Sequences are never victims while pinned. Counted: unpin as often.
    void pin(SequenceId id) { ++at(id).pins; }
    void unpin(SequenceId id);
    bool pinned(SequenceId id) const { return at(id).pins != 0; }

    std::optional<OutOfBlocks> allocate(SequenceId id, uint64_t tokens, double priority = 0) {
        return allocate(id, Extent{tokens, 0, 0}, priority);
    }
    /// With a hole: as trimming left it.
    std::optional<OutOfBlocks> allocate(SequenceId id, const Extent& extent, double priority);
    std::optional<OutOfBlocks> append(SequenceId id, uint64_t tokens, CopyOnWrite* copied = nullptr) {
        Sequence& s = at(id);
        if (tokens <= s.room && !s.tail_shared) {
            s.room -= static_cast<uint32_t>(tokens);
            grow(s, tokens);
            return std::nullopt;
        }
        return append_blocks(s, id, tokens, copied);
    }
    /// The child starts with its parent's tokens, blocks and priority. Never lacks room.
    std::optional<OutOfBlocks> fork(SequenceId parent, SequenceId child);
    /// Blocks that went back to the pool.
    uint64_t free(SequenceId id);
    /// Frees the whole blocks between the first `sink` and the last `window` tokens: blocks [ceil(sink / B),
    /// floor((n - window) / B)). Nothing moves. Not an access. A sequence has one hole: throws Error(input) if these
    /// neither overlap nor adjoin what was trimmed before.
    Trimmed trim(SequenceId id, uint64_t sink, uint64_t window);

    /// Sequences whose freeable_blocks rose through another sequence's operation, since the list was last cleared.
    std::vector<SequenceId>& risen() { return risen_; }

    /// Counts everything again from the tables; throws Error(failed).
    void check_invariants() const;
    uint64_t state_bytes() const;

  private:
    struct Sequence {
        SequenceFacts facts;
        uint32_t room = 0;  ///< empty places of the last block
        bool tail_shared = false;  ///< the last block may have other holders
        bool alive = false;
        uint32_t pins = 0;
        uint32_t hole_begin = 0, hole_end = 0;
        std::vector<BlockId> table;
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
    Sequence& start(SequenceId id);
    void grow(Sequence& s, uint64_t tokens) {
        s.facts.tokens += tokens;
        held_tokens_ += tokens;
        access(s);
    }
    void access(Sequence& s) {
        s.facts.last_access = ++clock_;
        ++s.facts.accesses;
    }
    std::optional<OutOfBlocks> append_blocks(Sequence& s, SequenceId id, uint64_t tokens, CopyOnWrite* copied);
    bool release(Sequence& s, SequenceId id, size_t logical);
    uint64_t blocks_for(uint64_t tokens) const { return tokens / block_size_ + (tokens % block_size_ != 0); }
    void note_peaks();

    uint32_t block_size_;
    BlockPool pool_;
    std::vector<Sequence> sequences_;
    uint64_t alive_ = 0;
    uint64_t held_tokens_ = 0;
    uint64_t clock_ = 0;
    SequenceStats stats_;
    std::vector<SequenceId> risen_;
};

}  // namespace kvsim
