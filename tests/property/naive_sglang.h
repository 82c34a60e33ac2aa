// SGLang's cache manager once more, as its rules say: real tokens, nodes with a map of children, a lock count per node,
// counters that go up and down, every victim found by a scan over all leaves, every decoded token a step. Nothing of it is
// shared with the library.
//
//   key         tokens; a node's children are told apart by the salt and their first page
//   clock       every "now" is the next number
//   leaf set    nodes without children and without locks, but the root
//   need(k)     nothing if k tokens are free; else leaves go, smallest key first (then last access), until k tokens
//               were freed or none is left
#pragma once

#include <algorithm>
#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace kvsim_test {

using SglangTokens = std::vector<uint64_t>;

struct NaiveSglangRequest {
    SglangTokens tokens;  ///< prompt, then output
    int64_t prompt = 0, outputs = 0;
    double priority = 0;
    uint64_t salt = 0;
};

/// What happened, in order: "evicted" with the node's tokens and the request it made room for, and so on.
struct NaiveSglangEvent {
    char kind;  ///< e, s, a
    uint64_t request;
    uint64_t from;  ///< a: hit tokens; else how many tokens stand before
    SglangTokens tokens;
    bool operator==(const NaiveSglangEvent&) const = default;
};

struct NaiveSglangStep {
    int64_t hit = 0;
    bool rejected = false;
    int64_t active = 0, resident = 0, held = 0;
    int64_t evicted_tokens = 0, evicted_nodes = 0;  ///< so far
};

class NaiveSglang {
  public:
    struct Node {
        SglangTokens key;
        Node* parent = nullptr;
        std::map<std::pair<uint64_t, SglangTokens>, Node*> children;
        uint64_t salt = 0;
        int64_t lock = 0;
        uint64_t hits = 0, last = 0, born = 0;
        double priority = 0;
        bool gone = false;
        int64_t size() const { return static_cast<int64_t>(key.size()); }
    };

    NaiveSglang(int64_t capacity, int64_t page, std::string policy, int64_t chunk, bool unified)
        : capacity_(capacity / page * page), page_(page), policy_(std::move(policy)), chunk_(chunk), unified_(unified) {
        nodes_.emplace_back();
        root_ = &nodes_.back();
        root_->lock = 1;
        root_->priority = -1e300;
    }

    NaiveSglangStep serve(const NaiveSglangRequest& r, uint64_t number) {
        r_ = &r;
        number_ = number;
        NaiveSglangStep step;
        int64_t outputs = std::max<int64_t>(1, r.outputs);
        auto [hit, node] = match(first(r.prompt - 1));
        node_ = node;
        own_ = hit;
        int64_t budget = r.prompt - hit + std::min<int64_t>(outputs, 4096) + page_;
        bool room = budget < available() + evictable_;
        if (room) {
            lock(node_, 1);
            room = budget < available() + evictable_;
            if (!room) lock(node_, -1);
        }
        if (room) {
            step.hit = hit;
            events.push_back({'a', number_, static_cast<uint64_t>(hit), {}});
            prefill(hit);
            int64_t committed = r.prompt;
            if (outputs > 1) {
                publish(first(r.prompt), false);
                for (int64_t i = 1; i < outputs; ++i) {
                    int64_t k = committed % page_ == 0 ? page_ : 0;
                    need(k);
                    need(page_ == 1 ? 1 : page_);
                    used_ += k;
                    ++committed;
                }
            }
            step.active = up(committed);
            step.resident = used_;
            step.held = used_ - (up(committed) - committed);
            int64_t there = insert(first(committed), false);
            used_ -= std::max<int64_t>(0, there - own_) + up(committed) - down(committed);
            lock(node_, -1);
        }
        step.rejected = !room;
        step.evicted_tokens = evicted_tokens_;
        step.evicted_nodes = evicted_nodes_;
        return step;
    }

    std::vector<NaiveSglangEvent> events;

    int64_t used() const { return used_; }
    int64_t evictable() const { return evictable_; }
    template <class F>
    void for_each(F&& f) const {
        for (const Node& n : nodes_)
            if (&n != root_ && !n.gone) f(n, path(&n));
    }

  private:
    int64_t down(int64_t n) const { return n / page_ * page_; }
    int64_t up(int64_t n) const { return down(n + page_ - 1); }
    int64_t available() const { return capacity_ - used_; }
    SglangTokens first(int64_t n) const { return {r_->tokens.begin(), r_->tokens.begin() + n}; }
    static SglangTokens part(const SglangTokens& t, int64_t from, int64_t to) { return {t.begin() + from, t.begin() + to}; }
    std::pair<uint64_t, SglangTokens> name(uint64_t salt, const SglangTokens& key) const {
        return {salt, part(key, 0, page_)};
    }
    SglangTokens path(const Node* n) const {
        SglangTokens all;
        for (; n != root_; n = n->parent) all.insert(all.begin(), n->key.begin(), n->key.end());
        return all;
    }
    int64_t common(const SglangTokens& a, const SglangTokens& b) const {
        size_t n = 0;
        while (n < std::min(a.size(), b.size()) && a[n] == b[n]) ++n;
        return down(static_cast<int64_t>(n));
    }

    Node* split(Node* child, int64_t k) {
        nodes_.emplace_back();
        Node* upper = &nodes_.back();
        upper->parent = child->parent;
        upper->key = part(child->key, 0, k);
        upper->salt = child->salt;
        upper->last = upper->born = ++time_;
        if (unified_) upper->born = child->born;
        upper->hits = child->hits;
        upper->lock = child->lock;
        upper->priority = child->priority;
        upper->parent->children[name(child->salt, child->key)] = upper;
        child->key = part(child->key, k, child->size());
        child->parent = upper;
        upper->children[name(child->salt, child->key)] = child;
        return upper;
    }
    Node* child_of(Node* node, const SglangTokens& key) const {
        auto found = node->children.find(name(r_->salt, key));
        return found == node->children.end() ? nullptr : found->second;
    }
    std::pair<int64_t, Node*> match(SglangTokens key) {
        key.resize(static_cast<size_t>(down(static_cast<int64_t>(key.size()))));
        if (key.empty()) return {0, root_};
        uint64_t now = ++time_;
        Node* node = root_;
        int64_t length = 0;
        while (!key.empty()) {
            Node* child = child_of(node, key);
            if (!child) break;
            child->last = now;
            int64_t n = common(key, child->key);
            length += n;
            if (n < child->size()) return {length, split(child, n)};
            node = child;
            key = part(key, n, static_cast<int64_t>(key.size()));
        }
        return {length, node};
    }
    int64_t insert(SglangTokens key, bool chunked) {
        key.resize(static_cast<size_t>(down(static_cast<int64_t>(key.size()))));
        uint64_t now = ++time_;
        Node* node = root_;
        int64_t there = 0;
        while (!key.empty()) {
            Node* child = child_of(node, key);
            if (!child) break;
            child->last = now;
            int64_t n = common(key, child->key);
            there += n;
            key = part(key, n, static_cast<int64_t>(key.size()));
            node = n < child->size() ? split(child, n) : child;
            node->priority = std::max(node->priority, r_->priority);
            if (!chunked) ++node->hits;
        }
        if (key.empty()) return there;
        nodes_.emplace_back();
        Node* leaf = &nodes_.back();
        leaf->key = key;
        leaf->parent = node;
        leaf->salt = r_->salt;
        leaf->last = leaf->born = ++time_;
        leaf->hits = chunked ? 0 : 1;
        leaf->priority = r_->priority;
        node->children[name(r_->salt, key)] = leaf;
        evictable_ += leaf->size();
        events.push_back({'s', number_, static_cast<uint64_t>(there), key});
        return there;
    }
    void lock(Node* node, int64_t by) {
        for (; node != root_; node = node->parent) {
            if (by > 0 && node->lock == 0) evictable_ -= node->size();
            node->lock += by;
            if (by < 0 && node->lock == 0) evictable_ += node->size();
        }
    }
    std::pair<double, uint64_t> key_of(const Node& n) const {
        auto last = static_cast<double>(n.last), born = static_cast<double>(n.born);
        double key = 0;
        if (policy_ == "lru") key = last;
        if (policy_ == "mru") key = -last;
        if (policy_ == "fifo") key = born;
        if (policy_ == "filo") key = -born;
        if (policy_ == "lfu") key = static_cast<double>(n.hits);
        if (policy_ == "slru") key = n.hits >= 2 ? 1 : 0;
        if (policy_ == "priority") key = n.priority;
        return {key, n.last};
    }
    void need(int64_t k) {
        if (available() >= k) return;
        for (int64_t freed = 0; freed < k;) {
            Node* victim = nullptr;
            for (Node& n : nodes_) {
                bool leaf = !n.gone && n.children.empty() && n.lock == 0;
                if (leaf && (!victim || key_of(n) < key_of(*victim))) victim = &n;
            }
            if (!victim) return;
            SglangTokens all = path(victim);
            events.push_back({'e', number_, all.size() - victim->key.size(), victim->key});
            freed += victim->size();
            used_ -= victim->size();
            evictable_ -= victim->size();
            evicted_tokens_ += victim->size();
            ++evicted_nodes_;
            victim->gone = true;
            victim->parent->children.erase(name(victim->salt, victim->key));
            if (nodes_.size() > 4000) nodes_.remove_if([](const Node& n) { return n.gone; });
        }
    }
    void publish(const SglangTokens& key, bool chunked) {
        int64_t there = insert(key, chunked);
        used_ -= std::max<int64_t>(0, there - own_);
        auto [length, node] = match(key);
        own_ = length;
        lock(node_, -1);
        lock(node, 1);
        node_ = node;
    }
    void prefill(int64_t hit) {
        int64_t length = r_->prompt;
        int64_t start = hit;
        int64_t end = length;
        if (chunk_ != 0 && up(length - hit) > chunk_) end = down(hit + down(chunk_));
        while (true) {
            int64_t n = end - start;
            need(page_ == 1 ? n : n + page_);
            used_ += up(end) - up(start);
            if (end == length) return;
            publish(first(end), true);
            start = end;
            end += std::min(length - end, chunk_);
        }
    }

    int64_t capacity_, page_;
    std::string policy_;
    int64_t chunk_;
    bool unified_;
    std::list<Node> nodes_;
    Node* root_ = nullptr;
    uint64_t time_ = 0;
    int64_t used_ = 0, evictable_ = 0, evicted_tokens_ = 0, evicted_nodes_ = 0;
    // Of the request being served.
    const NaiveSglangRequest* r_ = nullptr;
    uint64_t number_ = 0;
    Node* node_ = nullptr;
    int64_t own_ = 0;
};

}  // namespace kvsim_test
