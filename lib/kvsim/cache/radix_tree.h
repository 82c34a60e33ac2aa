// A radix tree with a payload at some of its keys: the longest stored prefix of a sequence, and the longest prefix it
// shares with anything stored.
//
// Idea: edges carry whole stretches of tokens (Morrison's PATRICIA, 1968; SGLang's radix cache uses it for KV). What
// is done differently here:
//   nodes are rows of a vector with a free list; a node's children are a linked list for walking and ONE hash table
//   of (node, first token) for the whole tree for finding: no allocation per node, no map per node;
//   labels live in slabs and are never copied by a split (radix_labels.h);
//   nothing recurses, so depth costs no stack;
//   the tree is kept minimal: a node without payload has at least two children (the root excepted), so there are
//   fewer than 2 * entries + 1 nodes, every leaf carries a payload, and from any node some entry is near.
// A node that carries a payload keeps its id until it is erased, whatever is split or merged around it.
//
// Cost: O(tokens compared at memcmp speed, or runs) + O(1) expected per edge on the way. erase(): O(1), and the
// length of two labels if these are merged and do not stand side by side.
#pragma once

#include <kvsim/cache/radix_labels.h>
#include <kvsim/core/error.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace kvsim {

template <class Labels, class Payload>
class RadixTree {
  public:
    using Item = typename Labels::Item;
    using Key = std::span<const Item>;
    using NodeId = uint32_t;
    static constexpr NodeId kRoot = 0;
    static constexpr NodeId kNoNode = 0xFFFFFFFFu;

    struct Match {
        uint64_t matched = 0;    ///< tokens that the key shares with some stored key
        NodeId node = kNoNode;   ///< deepest stored key that is a prefix of the key; kNoNode if there is none
        uint64_t depth = 0;      ///< its tokens
        NodeId below = kRoot;    ///< every key at or under this node begins with the `matched` tokens
    };

    RadixTree() { clear(); }

    Match longest_prefix(Key key) const {
        Walk w = walk(key);
        return {w.matched, w.best, w.best == kNoNode ? 0 : nodes_[w.best].depth, w.part == kNoNode ? w.node : w.part};
    }
    /// The node of exactly this key, kNoNode if it is not stored.
    NodeId find(Key key) const {
        Walk w = walk(key);
        return w.part == kNoNode && w.left == 0 && nodes_[w.node].has_payload ? w.node : kNoNode;
    }
    /// Stores or replaces. Throws Error(input) for a key of 2^32 - 1 tokens or more.
    NodeId insert(Key key, Payload payload) {
        Walk w = walk(key);
        if (w.matched + w.left >= kNoNode) throw_input("radix tree: a key has more than 4294967294 tokens");
        NodeId node = w.part == kNoNode ? w.node : split(w.part, w.part_tokens, w.part_at);
        if (w.left > 0) node = add_leaf(node, key, w.at, w.left);
        entries_ += !nodes_[node].has_payload;
        nodes_[node].has_payload = true;
        payloads_[node] = std::move(payload);
        return node;
    }
    /// Takes the payload away, and whatever node is not needed without it.
    void erase(NodeId node) {
        if (!holds(node)) throw_failed("radix tree: erase of a node without payload");
        payloads_[node] = Payload{};
        nodes_[node].has_payload = false;
        --entries_;
        while (node != kRoot && !nodes_[node].has_payload && nodes_[node].first_child == kNoNode) {
            NodeId parent = nodes_[node].parent;
            remove_leaf(node);
            node = parent;
        }
        NodeId child = nodes_[node].first_child;
        if (node != kRoot && !nodes_[node].has_payload && nodes_[child].next == kNoNode) merge(node, child);
        if (store_.wasteful()) compact();
    }
    bool holds(NodeId node) const { return node < nodes_.size() && nodes_[node].has_payload; }
    Payload& payload(NodeId node) { return payloads_[node]; }
    const Payload& payload(NodeId node) const { return payloads_[node]; }
    uint64_t depth(NodeId node) const { return nodes_[node].depth; }

    /// Some stored key at or under the node, the newest branch first; kNoNode only in an empty tree.
    NodeId any_entry(NodeId node) const {
        while (node != kNoNode && !nodes_[node].has_payload) node = nodes_[node].first_child;
        return node;
    }
    /// The key of a node.
    std::vector<Item> key(NodeId node) const {
        std::vector<NodeId> path;
        for (; node != kRoot; node = nodes_[node].parent) path.push_back(node);
        std::vector<Item> out;
        for (size_t i = path.size(); i-- > 0;) {
            const LabelRef& label = nodes_[path[i]].label;
            Labels::copy(store_.data(label), {0, label.skip}, label.length, out);
        }
        return out;
    }

    uint64_t entries() const { return entries_; }
    /// Without the root.
    uint64_t nodes() const { return nodes_.size() - free_.size() - 1; }
    /// On all edges: what the stored keys hold together, shared beginnings counted once.
    uint64_t tokens() const { return tokens_; }
    uint64_t state_bytes() const {
        return nodes_.capacity() * sizeof(Node) + payloads_.capacity() * sizeof(Payload) + free_.capacity() * 4 +
               table_.capacity() * 4 + store_.bytes();
    }

    void clear() {
        nodes_.assign(1, Node{});
        payloads_.assign(1, Payload{});
        free_.clear();
        table_.assign(kSmallestTable, kNoNode);
        store_ = {};
        entries_ = tokens_ = 0;
    }

    /// Derives every count and link from scratch and compares; throws Error(failed) naming what differs.
    void check_invariants() const {
        uint64_t live = 0, entries = 0, tokens = 0, in_table = 0;
        std::vector<bool> is_free(nodes_.size());
        for (NodeId n : free_) is_free[n] = true;
        std::vector<uint64_t> slab_items(store_.slabs());
        for (NodeId n = 0; n < nodes_.size(); ++n) {
            const Node& node = nodes_[n];
            if (is_free[n]) {
                expect(!node.has_payload, "a free node has a payload");
                continue;
            }
            ++live;
            entries += node.has_payload;
            check_children(n);
            if (n == kRoot) continue;
            tokens += node.label.length;
            slab_items[node.label.slab] += node.label.items;
            expect(!is_free[node.parent], "a node's parent is free");
            expect(node.label.length > 0, "an empty label");
            expect(node.depth == nodes_[node.parent].depth + node.label.length, "depths do not add up");
            expect(Labels::token(store_.data(node.label), {0, node.label.skip}) == node.first, "a wrong first token");
            expect(table_[slot_of(node.parent, node.first)] == n, "a node that is not found");
        }
        for (NodeId n : table_) in_table += n != kNoNode;
        expect(in_table == live - 1, "the table holds more than the nodes");
        expect(entries == entries_, "entries do not add up");
        expect(tokens == tokens_, "tokens do not add up");
        expect(store_.adds_up(), "slabs do not add up");
        for (uint32_t s = 0; s < slab_items.size(); ++s)
            expect(slab_items[s] == store_.live(s), "items of a slab do not add up");
    }

  private:
    struct Node {
        NodeId parent = kNoNode;
        NodeId first_child = kNoNode;
        NodeId next = kNoNode;  ///< sibling
        NodeId previous = kNoNode;
        LabelRef label;
        uint32_t first = 0;  ///< token its label begins with
        uint32_t depth = 0;  ///< tokens from the root to its end
        bool has_payload = false;
    };
    struct Walk {
        NodeId node = kRoot;         ///< last node whose label matched as a whole
        NodeId part = kNoNode;       ///< its child whose label matched in part
        uint64_t part_tokens = 0;    ///< how far
        LabelPlace part_at;          ///< where in its label
        NodeId best = kNoNode;       ///< deepest whole node with payload
        LabelPlace at;               ///< where in the key
        uint64_t matched = 0, left = 0;
    };
    static constexpr size_t kSmallestTable = 16;

    static void expect(bool holds, const char* what) {
        if (!holds) throw_failed(std::string("radix tree: ") + what);
    }
    void check_children(NodeId n) const {
        uint64_t children = 0;
        NodeId before = kNoNode;
        for (NodeId c = nodes_[n].first_child; c != kNoNode; c = nodes_[c].next) {
            expect(nodes_[c].parent == n && nodes_[c].previous == before, "siblings are linked wrongly");
            before = c;
            ++children;
        }
        expect(n == kRoot || nodes_[n].has_payload || children >= 2, "a node that should have been merged or pruned");
    }

    Walk walk(Key key) const {
        Walk w;
        w.left = Labels::length(key);
        if (nodes_[kRoot].has_payload) w.best = kRoot;
        while (w.left > 0) {
            NodeId child = table_[slot_of(w.node, Labels::token(key.data(), w.at))];
            if (child == kNoNode) break;
            const LabelRef& label = nodes_[child].label;
            LabelPlace place{0, label.skip};
            uint64_t limit = std::min<uint64_t>(label.length, w.left);
            uint64_t n = Labels::common(store_.data(label), place, key.data(), w.at, limit);
            w.matched += n;
            w.left -= n;
            if (n < label.length) {
                w.part = child;
                w.part_tokens = n;
                w.part_at = place;
                break;
            }
            w.node = child;
            if (nodes_[child].has_payload) w.best = child;
        }
        return w;
    }

    // Children: an open-addressing table of node ids, at most half full, linear probing; what a slot stands for is
    // read from the node (its parent and first token). Removal shifts back what follows, so there are no tombstones.
    size_t home(NodeId parent, uint32_t first) const {
        uint64_t h = ((uint64_t{parent} << 32) | first) * 0x9E3779B97F4A7C15ull;
        h ^= h >> 32;
        return static_cast<size_t>((h * 0xD6E8FEB86659FD93ull) >> 20) & (table_.size() - 1);
    }
    /// The slot of this child, or the empty one where it would go.
    size_t slot_of(NodeId parent, uint32_t first) const {
        size_t slot = home(parent, first);
        while (table_[slot] != kNoNode) {
            const Node& n = nodes_[table_[slot]];
            if (n.first == first && n.parent == parent) break;
            slot = (slot + 1) & (table_.size() - 1);
        }
        return slot;
    }
    void enter(NodeId node) {
        if (2 * (nodes() + 1) > table_.size()) {
            std::vector<NodeId> old(2 * table_.size(), kNoNode);
            old.swap(table_);
            for (NodeId n : old)
                if (n != kNoNode) table_[slot_of(nodes_[n].parent, nodes_[n].first)] = n;
        }
        table_[slot_of(nodes_[node].parent, nodes_[node].first)] = node;
    }
    void leave(NodeId node) {
        size_t hole = slot_of(nodes_[node].parent, nodes_[node].first);
        size_t mask = table_.size() - 1;
        for (size_t slot = (hole + 1) & mask; table_[slot] != kNoNode; slot = (slot + 1) & mask) {
            const Node& n = nodes_[table_[slot]];
            // It may move back into the hole unless its home lies behind the hole.
            if (((slot - home(n.parent, n.first)) & mask) < ((slot - hole) & mask)) continue;
            table_[hole] = table_[slot];
            hole = slot;
        }
        table_[hole] = kNoNode;
    }

    NodeId take_node() {
        if (!free_.empty()) {
            NodeId node = free_.back();
            free_.pop_back();
            nodes_[node] = Node{};
            return node;
        }
        if (nodes_.size() >= kNoNode) throw_input("radix tree: more than 4294967294 nodes");
        nodes_.emplace_back();
        payloads_.emplace_back();
        return static_cast<NodeId>(nodes_.size() - 1);
    }

    NodeId add_leaf(NodeId parent, Key key, LabelPlace at, uint64_t tokens) {
        LabelRef label = store_.append(key.size() - at.item, [&](auto& out) {
            Labels::copy(key.data(), at, tokens, out);
        });
        label.length = static_cast<uint32_t>(tokens);
        NodeId node = take_node();
        Node& n = nodes_[node];
        n.parent = parent;
        n.label = label;
        n.first = Labels::token(key.data(), at);
        n.depth = nodes_[parent].depth + label.length;
        n.next = nodes_[parent].first_child;
        if (n.next != kNoNode) nodes_[n.next].previous = node;
        nodes_[parent].first_child = node;
        tokens_ += tokens;
        enter(node);
        return node;
    }

    /// `fresh` takes the place of `old` under its parent; both begin with the same token.
    void take_place(NodeId old, NodeId fresh) {
        Node& o = nodes_[old];
        Node& f = nodes_[fresh];
        table_[slot_of(o.parent, o.first)] = fresh;
        f.parent = o.parent;
        f.first = o.first;
        f.next = o.next;
        f.previous = o.previous;
        if (o.next != kNoNode) nodes_[o.next].previous = fresh;
        (o.previous != kNoNode ? nodes_[o.previous].next : nodes_[o.parent].first_child) = fresh;
    }

    /// Makes a node that ends after `tokens` of the node's label, which is the place `at` in it. Returns it.
    NodeId split(NodeId node, uint64_t tokens, LabelPlace at) {
        NodeId middle = take_node();
        take_place(node, middle);
        Node& n = nodes_[node];
        Node& m = nodes_[middle];
        auto upper = static_cast<uint32_t>(tokens);
        auto item = static_cast<uint32_t>(at.item);
        m.label = {n.label.slab, n.label.begin, item + (at.offset > 0 ? 1 : 0), n.label.skip, upper};
        m.depth = n.depth - n.label.length + upper;
        m.first_child = node;
        n.first = Labels::token(store_.data(n.label), at);
        n.label = {n.label.slab, n.label.begin + item, n.label.items - item, at.offset, n.label.length - upper};
        n.parent = middle;
        n.next = n.previous = kNoNode;
        if (at.offset > 0) store_.retain(n.label.slab, 1);  // both halves hold the run they share
        enter(node);
        return middle;
    }

    void remove_leaf(NodeId node) {
        Node& n = nodes_[node];
        leave(node);
        if (n.next != kNoNode) nodes_[n.next].previous = n.previous;
        (n.previous != kNoNode ? nodes_[n.previous].next : nodes_[n.parent].first_child) = n.next;
        tokens_ -= n.label.length;
        store_.release(n.label.slab, n.label.items);
        free_.push_back(node);
    }

    /// The node has no payload and one child: the child takes its place and its label.
    void merge(NodeId node, NodeId child) {
        leave(child);
        take_place(node, child);
        nodes_[child].label = joined(nodes_[node].label, nodes_[child].label);
        free_.push_back(node);
    }

    LabelRef joined(const LabelRef& a, const LabelRef& b) {
        LabelPlace end = Labels::advanced(store_.data(a), {0, a.skip}, a.length);
        uint32_t length = a.length + b.length;
        auto end_item = static_cast<uint32_t>(end.item);
        if (a.slab == b.slab && a.begin + end_item == b.begin && end.offset == b.skip) {  // side by side
            uint32_t items = end_item + b.items;
            store_.release(a.slab, a.items + b.items - items);
            return {a.slab, a.begin, items, a.skip, length};
        }
        LabelRef out;
        if (end.offset == 0 && store_.can_grow(a, b.items)) {  // the second behind the first
            LabelRef tail = store_.append(b.items, [&](auto& to) {
                Labels::copy(store_.data(b), {0, b.skip}, b.length, to);
            });
            out = {a.slab, a.begin, a.items + tail.items, a.skip, length};
        } else {
            out = store_.append(uint64_t{a.items} + b.items, [&](auto& to) {
                Labels::copy(store_.data(a), {0, a.skip}, a.length, to);
                Labels::copy(store_.data(b), {0, b.skip}, b.length, to);
            });
            out.length = length;
            store_.release(a.slab, a.items);
        }
        store_.release(b.slab, b.items);
        return out;
    }

    /// All labels into a new store, parents before children, so that chains stand side by side.
    void compact() {
        LabelStore<Item> fresh;
        for (NodeId n = nodes_[kRoot].first_child; n != kNoNode;) {
            LabelRef& label = nodes_[n].label;
            LabelRef moved = fresh.append(label.items, [&](auto& to) {
                Labels::copy(store_.data(label), {0, label.skip}, label.length, to);
            });
            moved.length = label.length;
            label = moved;
            if (nodes_[n].first_child != kNoNode) {
                n = nodes_[n].first_child;
                continue;
            }
            while (n != kRoot && nodes_[n].next == kNoNode) n = nodes_[n].parent;
            n = n == kRoot ? kNoNode : nodes_[n].next;
        }
        store_ = std::move(fresh);
    }

    std::vector<Node> nodes_;
    std::vector<Payload> payloads_;
    std::vector<NodeId> free_;
    std::vector<NodeId> table_;
    LabelStore<Item> store_;
    uint64_t entries_ = 0;
    uint64_t tokens_ = 0;
};

}  // namespace kvsim
