// Block strategies: which cached block goes when room is needed. This is the interface of all of them.
//
// A strategy owns its metadata and nothing else: capacity, statistics, which blocks are eligible (pinned, protected,
// with resident children or not) and all invariants belong to the cache, which is a template over the strategy, so no
// call inside a block loop is virtual. Block ids are dense; ids from `named` on are blocks without a name (output),
// which are recycled. A strategy is a class template over `kLeaves`: with it (tree accounting) only leaves are ever
// asked for, and on_leaf and on_inner tell which blocks those are.
#pragma once

#include <kvsim/core/spec.h>
#include <kvsim/trace/trace.h>

#include <concepts>
#include <cstdint>
#include <string>
#include <vector>

namespace kvsim {

struct StrategyInfo {
    std::string id;
    std::string summary;
    std::string source;       ///< paper or system
    std::string accountings;  ///< "pinned flat tree"
    std::string verified;     ///< what stands behind its counts
    std::string parameters = {};  ///< "small=0.1 promote=2": keys with their defaults
    bool knows_future = false;    ///< reads the trace ahead: no cache can be built like that
};

struct StrategyContext {
    uint64_t capacity_blocks = 0;  ///< kUnlimited: nothing is ever evicted
    uint64_t blocks = 0;           ///< ids are below this
    uint64_t named_blocks = 0;     ///< ids below this have names
    uint64_t longest_chain = 0;
    uint64_t references = 0;       ///< accesses the whole run can make
    const Trace* trace = nullptr;
    /// Position of each block in its chain; only for strategies with kNeedsDepth. Of content ids: where they stand first.
    const uint32_t* depth = nullptr;
    bool decode = true;         ///< output is stored too
    bool last_to_first = false;  ///< pinned: a request's blocks are touched from last to first, after all room has been made
    bool concurrent = false;     ///< several requests run: on_release() follows where a request holds what it used
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

/// What most strategies have no use for.
struct BlockStrategyBase {
    /// Touching makes a block the last to go, and the victim is the block touched longest ago. Then a cache may touch
    /// a request's pinned blocks first and evict afterwards without asking who is eligible, both in bulk: see
    /// BulkStrategy.
    static constexpr bool kTouchedLast = false;
    /// The victim is the eligible block with the smallest key; otherwise it is found by walking queues. Under pinned
    /// the former make all room first, the latter block by block while they store.
    static constexpr bool kKeyed = true;
    /// Under pinned accounting no block ever goes before the ones behind it in a chain.
    static constexpr bool kKeepsPrefixes = false;
    static constexpr bool kNeedsDepth = false;
    /// With kNeedsDepth: whether these parameters do.
    bool needs_depth() const { return true; }

    void on_lookup(const RequestView&) {}
    void on_miss(BlockId) {}
    /// Whether one more block is to go before the one that missed is stored, although there is room: a queue of the
    /// strategy is at a limit of its own. Asked after on_miss() and after each on_evict(). If nobody can go, the block
    /// is stored all the same.
    bool wants_room() const { return false; }
    void on_release(BlockId) {}
    void on_leaf(BlockId) {}
    void on_inner(BlockId) {}
};

/// Of a run of blocks: how many were hit, and whether the last one was.
struct RunHits {
    uint32_t count = 0;
    bool last = false;
};
struct NobodyLeaves {
    void operator()(BlockId) const {}
    void run(BlockId, uint32_t) const {}
};
/// What policies for flat accounting have no use for.
struct FlatPolicyBase {
    static constexpr bool kNeedsDepth = false;
    void on_lookup(const RequestView&) {}
    void mark(BlockId) {}
    bool in_order() const { return true; }
};

template <class S>
concept BlockStrategy = requires(S s, const S c, BlockId block, StrategyContext context, RequestView request) {
    { S::info() } -> std::same_as<StrategyInfo>;
    { S::kTouchedLast } -> std::convertible_to<bool>;
    { S::kKeyed } -> std::convertible_to<bool>;
    { S::kKeepsPrefixes } -> std::convertible_to<bool>;
    { S::kNeedsDepth } -> std::convertible_to<bool>;
    { c.needs_depth() } -> std::same_as<bool>;
    { c.wants_room() } -> std::same_as<bool>;
    s.reset(context);
    s.on_lookup(request);
    s.on_hit(block);
    /// `block` is not resident and about to be stored; comes before room is made for it.
    s.on_miss(block);
    s.on_insert(block);
    /// First eligible block in the strategy's order, which on_evict() then takes out. kNone: there is none, or
    /// `incoming`, what needs the room, is better not stored (never under pinned, where everything must be: there
    /// strategies with a key are asked with kNone, for all the room at once). Under pinned a block that is not eligible stays so
    /// until the next on_lookup(), and if it is the running request's, on_hit() follows.
    { s.pick_victim(block, AnyBlock{}) } -> std::same_as<BlockId>;
    s.on_evict(block);
    /// The last running request that held the block has ended (--concurrency other than 1): its last use is now. Not a
    /// use of its own, so nothing is counted. Under tree it is no leaf yet: on_leaf follows where it becomes one.
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
    /// on_evict for the `count` oldest blocks; calls f(block) for each.
    s.evict_oldest(uint64_t{1}, [](BlockId) {});
};

/// What a strategy with a key may offer besides, for pinned accounting: the same in whole runs.
template <class S>
concept RunStrategy = BlockStrategy<S> && S::kKeyed && requires(S s, BlockId block, uint32_t count) {
    /// on_hit, or on_miss and on_insert, for begin + count - 1 down to begin; returns how many were inserted.
    { s.use_run(block, count) } -> std::same_as<uint32_t>;
    /// pick_victim and on_evict `count` times; calls f(block) for each.
    s.evict_smallest(uint64_t{1}, AnyBlock{}, [](BlockId) {});
};

/// What flat accounting runs on: a strategy that stores what is accessed, in runs of consecutive ids. Each run has at least
/// one block; `leave` is told who goes: leave(block), or leave.run(begin, count). Most strategies are made one by
/// layout/flat_steps.h; for those that can do better there is a FlatOf.
template <class P>
concept FlatPolicy = requires(P p, const P c, BlockId block, uint32_t count, StrategyContext context, RequestView request) {
    { P::kNeedsDepth } -> std::convertible_to<bool>;
    p.reset(context);
    p.on_lookup(request);
    /// Touches the resident blocks that the run begins with; returns how many there are.
    { p.lead(block, count) } -> std::same_as<uint32_t>;
    /// Accesses the run first to last: a hit is touched, a miss stored in the place of who goes. Returns the hits.
    { p.use(block, count, NobodyLeaves{}) } -> std::same_as<RunHits>;
    /// The same where no block of the run has been seen before.
    p.add(block, count, NobodyLeaves{});
    /// Of this resident block `leave` must be told when it goes before it is accessed again; of others it may be.
    p.mark(block);
    /// Whoever enters from now on and is never accessed again leaves after all such that entered before it, but for those
    /// from a time when this was not so.
    { c.in_order() } -> std::same_as<bool>;
    { c.contains(block) } -> std::same_as<bool>;
    { c.resident() } -> std::same_as<uint64_t>;
    { c.evicted() } -> std::same_as<uint64_t>;
    { c.state_bytes() } -> std::convertible_to<uint64_t>;
};

/// make(strategy): a FlatPolicy of its own for this strategy with its parameters. Not for what is derived from it.
/// fits(strategy), where there is one: whether there is such a policy for these parameters.
template <class S>
struct FlatOf;

}  // namespace kvsim
