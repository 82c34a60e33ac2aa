// SGLang's radix tree: nodes are stretches of pages, whole nodes are evicted, leaves first.
//
// Idea: a key is (request, begin, end), a stretch of that request's path (sglang_paths.h), so matching a node is one
// comparison of its last page, and splitting one copies nothing. One request runs at a time: what is locked is the way
// from one node (the lock) up to the root, so the locked tokens are that node's end, and of all leaves at most that
// node is locked. The engine's counters, and the order in which it changes them, are kept to the letter: the clock
// ticks once per walk, once per split and once per new leaf.
// Source: the rules of SGLang's RadixCache and UnifiedRadixCache. Difference: the engine finds children by their tokens
// and rebuilds the heap of leaves on each call; here nodes are in one table by first page and leaves in one order
// (sglang_leaves.h). Cost: O(nodes on the path + runs) per walk, see there for eviction.
#pragma once

#include <kvsim/engine/sglang_leaves.h>
#include <kvsim/engine/sglang_paths.h>

#include <optional>
#include <string>
#include <vector>

namespace kvsim {

enum class SglangPolicy : uint8_t { lru, lfu, fifo, mru, filo, priority, slru };
/// Their names, in this order.
const std::vector<std::string>& sglang_policies();

struct SglangNode {
    uint32_t owner;  ///< its pages are those of this request's path
    uint32_t begin, end;
    uint32_t parent;
    uint32_t children;
    uint32_t hits;
    uint64_t last, born;  ///< clock of the last access and of the making
    double priority;
    uint64_t first_page, last_page;  ///< their numbers
    bool queued;  ///< has an entry in the order of leaves that is no larger than its key
    bool alive;

    uint32_t pages() const { return end - begin; }
};

class SglangTree {
  public:
    static constexpr uint32_t kRoot = 0;
    struct Found {
        uint32_t pages;  ///< that were there already
        uint32_t node;   ///< where they end (match), where the whole key ends (insert)
    };

    SglangTree(SglangPolicy policy, bool unified) : policy_(policy), unified_(unified) {}
    void reset(const SglangPaths& paths);

    /// The longest prefix of the first `pages` pages. Touches and splits.
    Found match(SglangPaths::Walk& path, uint32_t pages);
    /// Makes the first `pages` pages part of the tree. `chunked`: a piece of a prompt, which adds no hits.
    Found insert(SglangPaths::Walk& path, uint32_t pages, double priority, bool chunked);

    /// The one lock: all nodes from `node` up. Nothing else may be locked.
    void lock(uint32_t node) { locked_ = node; }
    void unlock();
    /// Removes the leaf that goes first and returns it as it was; nothing if all leaves are locked.
    std::optional<SglangNode> evict();

    uint64_t pages() const { return pages_; }
    uint64_t locked_pages() const { return nodes_[locked_].end; }
    uint64_t evictable_pages() const { return pages_ - locked_pages(); }
    uint64_t nodes() const { return nodes_.size() - free_.size() - 1; }  ///< without the root
    uint64_t leaves() const;
    uint64_t splits() const { return splits_; }
    uint64_t state_bytes() const;
    /// Every node but the root with its place, in no particular order.
    template <class F>
    void for_each(F&& f) const {
        for (uint32_t i = 1; i < nodes_.size(); ++i)
            if (nodes_[i].alive) f(i, nodes_[i]);
    }
    const SglangNode& node(uint32_t at) const { return nodes_[at]; }
    void check_invariants() const;

  private:
    uint64_t now() { return ++clock_; }
    SglangLeaves::Entry entry(uint32_t node) const;
    bool whole(SglangPaths::Walk& path, const SglangNode& node, uint32_t pages) const {
        return node.end <= pages && path.page(node.end - 1) == node.last_page;
    }
    uint32_t child_of(uint32_t node, SglangPaths::Walk& path, uint32_t position) const;
    void touch(uint32_t node, uint64_t time);
    uint32_t split(uint32_t child, uint32_t at);
    uint32_t add_leaf(uint32_t parent, SglangPaths::Walk& path, uint32_t begin, uint32_t end, double priority);
    uint32_t new_slot();
    void enter(uint32_t node);
    void sweep_if_wasteful();

    SglangPolicy policy_;
    bool unified_;
    const SglangPaths* paths_ = nullptr;
    HugeVector<SglangNode> nodes_;
    std::vector<uint32_t> free_;
    SglangFirstPages first_pages_;
    SglangLeaves leaves_;
    uint32_t locked_ = kRoot;
    uint64_t clock_ = 0;
    uint64_t pages_ = 0;
    uint64_t splits_ = 0;
};

}  // namespace kvsim
