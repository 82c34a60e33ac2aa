// Block strategies: which cached block goes when room is needed. This is the interface of all of them.
//
// A strategy owns its metadata and nothing else: capacity, statistics, which blocks are eligible (pinned, protected,
// with resident children or not) and all invariants belong to the cache, which is a template over the strategy, so no
// call inside a block loop is virtual. Block ids are dense; ids from `named` on are blocks without a name (output),
// which are recycled.
#pragma once

#include <kvsim/trace/prefix_index.h>

#include <concepts>
#include <cstdint>
#include <string>
#include <vector>

namespace kvsim {

struct StrategyInfo {
    std::string id;
    std::string summary;
    std::string source;      ///< paper or system
    std::string accountings;  ///< "pinned flat tree"
    std::string verified;    ///< what stands behind its counts
};

struct StrategyContext {
    uint64_t capacity_blocks;  ///< kUnlimited: nothing is ever evicted
    uint64_t blocks;           ///< ids are below this
    uint64_t longest_chain;
    uint64_t references;       ///< accesses the whole run can make
};

/// Which request is being served, before its blocks are looked up.
struct RequestView {
    uint32_t request;
    uint32_t lookup_blocks;
    uint32_t stored_blocks;
};

/// A predicate over blocks.
template <class E>
concept EligibleBlocks = requires(const E& eligible, BlockId block) {
    { eligible(block) } -> std::same_as<bool>;
};

struct AnyBlock {
    bool operator()(BlockId) const { return true; }
};

template <class S>
concept BlockStrategy = requires(S s, const S c, BlockId block, StrategyContext context, RequestView request) {
    { S::info() } -> std::same_as<StrategyInfo>;
    /// Touching makes a block the last to go, and the victim is the block touched longest ago. Then a cache may touch
    /// a request's pinned blocks first and evict afterwards without asking who is eligible, both in bulk: see
    /// BulkStrategy.
    { S::kTouchedLast } -> std::convertible_to<bool>;
    s.reset(context);
    s.on_lookup(request);
    s.on_hit(block);
    s.on_insert(block);
    /// First eligible block in the strategy's order, kNone if there is none. `incoming` is what needs the room.
    { s.pick_victim(block, AnyBlock{}) } -> std::same_as<BlockId>;
    s.on_evict(block);
    /// The last running request that held the block has ended (--concurrency other than 1). Under tree it is no leaf
    /// yet: on_leaf follows where it becomes one.
    s.on_release(block);
    /// Tree accounting: the block has just got, or lost, its last resident child. Victims are leaves there.
    s.on_leaf(block);
    s.on_inner(block);
    { c.contains(block) } -> std::same_as<bool>;
    { c.state_bytes() } -> std::convertible_to<uint64_t>;
};

/// What a strategy with kTouchedLast offers besides: the same in whole runs.
template <class S>
concept BulkStrategy = BlockStrategy<S> && S::kTouchedLast && requires(S s, BlockId block, uint32_t count) {
    /// on_hit or on_insert for begin + count - 1 down to begin; returns how many were inserted.
    { s.touch_run(block, count) } -> std::same_as<uint32_t>;
    /// The same blocks are resident from now on and nothing evicts them until touch_run() releases them: which touches
    /// lie between does not matter, since the release is the last. Returns how many were inserted.
    { s.hold_run(block, count) } -> std::same_as<uint32_t>;
    /// on_evict for the `count` oldest blocks; calls f(block) for those that special(block) says.
    s.evict_oldest(uint64_t{1}, [](BlockId) { return true; }, [](BlockId) {});
};

}  // namespace kvsim
