// A store of sequences (paged or contiguous) with a strategy that says which sequence goes when room is needed.
// Mechanism only: it fails cleanly and never evicts by itself; sequence_events.h and sequence_requests.h decide what happens then.
#pragma once

#include <kvsim/block/contiguous_store.h>
#include <kvsim/block/paged_store.h>
#include <kvsim/core/units.h>
#include <kvsim/eviction/sequence_order.h>

#include <string>
#include <vector>

namespace kvsim {

struct Evicted {
    SequenceId id = 0;
    uint64_t freed_blocks = 0;
    uint64_t tokens = 0;  ///< tokens that left with them, not those that others hold too
};

/// What evict_to() did. Stops early when no sequence can give anything back.
struct EvictedTo {
    std::vector<Evicted> victims;
    bool reached = false;
};

template <class Store>
class SequenceCache {
  public:
    template <class Config>
    SequenceCache(const Config& config, const SequenceStrategy& strategy) : store_(config), order_(strategy) {}

    const Store& store() const { return store_; }
    Store& store() { return store_; }
    const SequenceStrategy& strategy() const { return order_.strategy(); }

    std::optional<OutOfBlocks> allocate(SequenceId id, const Extent& extent, double priority = 0) {
        auto failure = store_.allocate(id, extent, priority);
        if (!failure) order_.changed(id);
        return failure;
    }
    std::optional<OutOfBlocks> allocate(SequenceId id, uint64_t tokens, double priority = 0) {
        return allocate(id, Extent{tokens, 0, 0}, priority);
    }
    std::optional<OutOfBlocks> append(SequenceId id, uint64_t tokens) {
        uint64_t own = store_.facts(id).freeable_blocks;
        auto failure = store_.append(id, tokens);
        if (!failure && (order_.strategy().falls_on_access || own == 0)) order_.changed(id);
        settle();
        return failure;
    }
    std::optional<OutOfBlocks> fork(SequenceId parent, SequenceId child) {
        auto failure = store_.fork(parent, child);
        if (!failure) {
            order_.changed(parent);
            order_.changed(child);
        }
        return failure;
    }
    uint64_t free(SequenceId id) {
        uint64_t freed = store_.free(id);
        settle();
        return freed;
    }
    void pin(SequenceId id) { store_.pin(id); }
    void unpin(SequenceId id) {
        store_.unpin(id);
        order_.changed(id);
    }
    Trimmed trim(SequenceId id, uint64_t sink, uint64_t window) {
        Trimmed t = store_.trim(id, sink, window);
        settle();
        return t;
    }

    /// Who would go: not pinned, none of the two, and giving back at least a block. Nothing if there is none.
    std::optional<SequenceId> select_victim(SequenceId but = kNone, SequenceId nor = kNone) {
        auto victim = order_.first(
            [&](SequenceId id) {
                return id != but && id != nor && store_.contains(id) && !store_.pinned(id) &&
                       store_.facts(id).freeable_blocks > 0;
            },
            [&](SequenceId id) -> const SequenceFacts& { return store_.facts(id); });
        for (SequenceId id : {but, nor})
            if (id != kNone && store_.contains(id)) order_.changed(id);
        return victim;
    }
    /// Frees the sequence that select_victim() names.
    std::optional<Evicted> evict(SequenceId but = kNone, SequenceId nor = kNone) {
        std::optional<SequenceId> victim = select_victim(but, nor);
        if (!victim) return std::nullopt;
        return evict_sequence(*victim);
    }
    Evicted evict_sequence(SequenceId victim) {
        uint64_t before = store_.held_tokens();
        uint64_t blocks = free(victim);
        return {victim, blocks, before - store_.held_tokens()};
    }
    /// used / capacity; 0 for a capacity of 0 or without limit.
    double utilization() const {
        uint64_t capacity = store_.capacity();
        if (capacity == 0 || capacity == kUnlimited) return 0;
        return static_cast<double>(store_.used_blocks()) / static_cast<double>(capacity);
    }
    /// At the threshold or above it.
    bool needs_eviction(double threshold) const { return utilization() >= threshold; }
    /// Evicts until the utilization is at `target` or below.
    EvictedTo evict_to(double target, SequenceId but = kNone, SequenceId nor = kNone) {
        EvictedTo out;
        while (utilization() > target) {
            std::optional<Evicted> gone = evict(but, nor);
            if (!gone) return out;
            out.victims.push_back(*gone);
        }
        out.reached = true;
        return out;
    }

    /// A line for people: room, sequences, counters.
    std::string describe() const {
        const SequenceStats& s = store_.stats();
        bool limited = store_.capacity() != kUnlimited;
        std::string text = format_count(store_.used_blocks()) + (limited ? " of " + format_count(store_.capacity()) : "") +
                           " blocks of " + std::to_string(store_.block_size()) + " tokens used";
        if (limited) text += " (" + format_percent(utilization()) + ")";
        text += ", " + format_count(store_.shared_blocks()) + " shared; " + format_count(store_.size()) + " sequences, " +
                format_count(store_.held_tokens()) + " tokens; " + format_count(s.allocated_blocks) + " blocks allocated, " +
                format_count(s.freed_blocks) + " freed, " + format_count(s.forks) + " forks, " +
                format_count(s.cow_copies) + " copies on write, " + format_count(s.failed_allocations) +
                " failed allocations, peak " + format_count(s.peak_used_blocks);
        return text;
    }
    uint64_t state_bytes() const { return store_.state_bytes() + order_.state_bytes(); }

  private:
    void settle() {
        if (store_.risen().empty()) return;
        for (SequenceId id : store_.risen())
            if (store_.contains(id)) order_.changed(id);
        store_.risen().clear();
    }
    Store store_;
    SequenceOrder order_;
};

using PagedCache = SequenceCache<PagedStore>;
using ContiguousCache = SequenceCache<ContiguousStore>;

}  // namespace kvsim
