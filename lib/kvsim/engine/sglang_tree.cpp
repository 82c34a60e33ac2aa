#include <kvsim/core/error.h>
#include <kvsim/engine/sglang_tree.h>
#include <kvsim/eviction/key_heap.h>

#include <limits>

namespace kvsim {

const std::vector<std::string>& sglang_policies() {
    static const std::vector<std::string> names = {"lru", "lfu", "fifo", "mru", "filo", "priority", "slru"};
    return names;
}

void SglangTree::reset(const SglangPaths& paths) {
    paths_ = &paths;
    nodes_.clear();
    free_.clear();
    first_pages_.clear();
    leaves_.reset(policy_ == SglangPolicy::lfu || policy_ == SglangPolicy::slru || policy_ == SglangPolicy::priority);
    locked_ = kRoot;
    clock_ = pages_ = splits_ = 0;
    SglangNode root{};
    root.parent = kNone;
    root.priority = -std::numeric_limits<double>::infinity();
    root.alive = true;
    nodes_.push_back(root);
}

// Hits count as in slru once they are two.
SglangLeaves::Entry SglangTree::entry(uint32_t node) const {
    const SglangNode& n = nodes_[node];
    switch (policy_) {
        case SglangPolicy::lru: return {n.last, n.last, node};
        case SglangPolicy::lfu: return {n.hits, n.last, node};
        case SglangPolicy::fifo: return {n.born, n.last, node};
        case SglangPolicy::mru: return {~n.last, n.last, node};
        case SglangPolicy::filo: return {~n.born, n.last, node};
        case SglangPolicy::priority: return {ordered_bits(n.priority), n.last, node};
        case SglangPolicy::slru: break;
    }
    return {uint64_t{n.hits >= 2}, n.last, node};
}

// Numbers of pages stand for all that is before them, so whoever begins with the page is a child of this node.
uint32_t SglangTree::child_of(uint32_t node, SglangPaths::Walk& path, uint32_t position) const {
    uint32_t child = first_pages_.find(path.page(position));
    if (child != kNone && nodes_[child].parent != node) throw_failed("sglang: a page below two nodes");
    return child;
}

void SglangTree::touch(uint32_t node, uint64_t time) {
    nodes_[node].last = time;
    if (policy_ != SglangPolicy::mru) return;
    // The key falls: the entry there is stays behind, and behind the next one.
    nodes_[node].queued = false;
    if (nodes_[node].children == 0) enter(node);
}

void SglangTree::enter(uint32_t node) {
    nodes_[node].queued = true;
    leaves_.push(entry(node));
    if (policy_ == SglangPolicy::mru) sweep_if_wasteful();
}

void SglangTree::sweep_if_wasteful() {
    if (leaves_.size() < 2 * nodes_.size() + 64) return;
    leaves_.sweep([&](const SglangLeaves::Entry& e) {
        const SglangNode& n = nodes_[e.node];
        return n.alive && n.queued && n.last == e.last;
    });
}

uint32_t SglangTree::new_slot() {
    if (free_.empty()) {
        nodes_.emplace_back();
        return static_cast<uint32_t>(nodes_.size() - 1);
    }
    uint32_t slot = free_.back();
    free_.pop_back();
    return slot;
}

uint32_t SglangTree::split(uint32_t child, uint32_t at) {
    uint32_t upper = new_slot();
    SglangNode& c = nodes_[child];
    SglangNode& u = nodes_[upper];
    u = c;
    u.end = at;
    u.children = 1;
    u.last = now();
    if (!unified_) u.born = u.last;
    u.queued = false;
    u.last_page = paths_->page(c.owner, at - 1);
    c.parent = upper;
    c.begin = at;
    c.first_page = paths_->page(c.owner, at);
    first_pages_.set(u.first_page, upper);
    first_pages_.set(c.first_page, child);
    ++splits_;
    return upper;
}

SglangTree::Found SglangTree::match(SglangPaths::Walk& path, uint32_t pages) {
    Found found{0, kRoot};
    if (pages == 0) return found;
    uint64_t time = now();
    path.rewind();
    while (found.pages < pages) {
        uint32_t child = child_of(found.node, path, found.pages);
        if (child == kNone) break;
        touch(child, time);
        const SglangNode& c = nodes_[child];
        if (whole(path, c, pages)) {
            found = {c.end, child};
            continue;
        }
        uint32_t common = paths_->common(path.request(), c.owner, std::min(c.end, pages));
        return {common, split(child, common)};
    }
    return found;
}

SglangTree::Found SglangTree::insert(SglangPaths::Walk& path, uint32_t pages, double priority, bool chunked) {
    uint64_t time = now();
    Found found{0, kRoot};
    path.rewind();
    bool parted = false;
    while (found.pages < pages && !parted) {
        uint32_t child = child_of(found.node, path, found.pages);
        if (child == kNone) break;
        touch(child, time);
        const SglangNode& c = nodes_[child];
        parted = !whole(path, c, pages);
        found.pages = parted ? paths_->common(path.request(), c.owner, std::min(c.end, pages)) : c.end;
        found.node = parted ? split(child, found.pages) : child;
        SglangNode& reached = nodes_[found.node];
        reached.priority = std::max(reached.priority, priority);
        if (!chunked) ++reached.hits;
    }
    if (found.pages == pages) return found;
    uint32_t leaf = add_leaf(found.node, path, found.pages, pages, priority);
    nodes_[leaf].hits = chunked ? 0 : 1;
    enter(leaf);
    return {found.pages, leaf};
}

uint32_t SglangTree::add_leaf(uint32_t parent, SglangPaths::Walk& path, uint32_t begin, uint32_t end, double priority) {
    uint32_t leaf = new_slot();
    SglangNode& n = nodes_[leaf];
    n = {};
    n.owner = path.request();
    n.begin = begin;
    n.end = end;
    n.parent = parent;
    n.last = n.born = now();
    n.priority = priority;
    n.first_page = path.page(begin);
    n.last_page = path.page(end - 1);
    n.alive = true;
    first_pages_.set(n.first_page, leaf);
    ++nodes_[parent].children;
    pages_ += n.pages();
    return leaf;
}

void SglangTree::unlock() {
    uint32_t node = locked_;
    locked_ = kRoot;
    if (node != kRoot && nodes_[node].children == 0 && !nodes_[node].queued) enter(node);
}

std::optional<SglangNode> SglangTree::evict() {
    while (!leaves_.empty()) {
        SglangLeaves::Entry e = leaves_.pop();
        SglangNode& n = nodes_[e.node];
        if (!n.queued) continue;  // stayed behind
        n.queued = false;
        if (n.children != 0 || e.node == locked_) continue;  // enters again when it is a free leaf
        if (SglangLeaves::before(e, entry(e.node))) {
            enter(e.node);
            continue;
        }
        SglangNode gone = n;
        n.alive = false;
        first_pages_.erase(n.first_page);
        free_.push_back(e.node);
        pages_ -= gone.pages();
        SglangNode& parent = nodes_[gone.parent];
        --parent.children;
        if (parent.children == 0 && gone.parent != kRoot && !parent.queued) enter(gone.parent);
        return gone;
    }
    return std::nullopt;
}

uint64_t SglangTree::leaves() const {
    uint64_t n = 0;
    for_each([&](uint32_t, const SglangNode& node) { n += node.children == 0; });
    return n;
}

uint64_t SglangTree::state_bytes() const {
    return nodes_.capacity() * sizeof(SglangNode) + free_.capacity() * sizeof(uint32_t) + first_pages_.state_bytes() +
           leaves_.state_bytes();
}

void SglangTree::check_invariants() const {
    uint64_t pages = 0, count = 0;
    std::vector<uint32_t> children(nodes_.size());
    for_each([&](uint32_t i, const SglangNode& n) {
        const SglangNode& parent = nodes_[n.parent];
        if (!parent.alive || n.begin != parent.end || n.end <= n.begin)
            throw_failed("sglang: a node that does not follow its parent");
        if (n.first_page != paths_->page(n.owner, n.begin) || n.last_page != paths_->page(n.owner, n.end - 1))
            throw_failed("sglang: a node with another's pages");
        if (first_pages_.find(n.first_page) != i) throw_failed("sglang: a node that is not found by its first page");
        if (n.begin != 0 && paths_->page(n.owner, n.begin - 1) != parent.last_page)
            throw_failed("sglang: a node below another prefix than its own");
        if (n.children == 0 && i != locked_ && !n.queued) throw_failed("sglang: a leaf that nothing can evict");
        ++children[n.parent];
        pages += n.pages();
        ++count;
    });
    for (uint32_t i = 0; i < nodes_.size(); ++i)
        if (nodes_[i].alive && children[i] != nodes_[i].children) throw_failed("sglang: children do not add up");
    if (pages != pages_ || count != nodes() || count != first_pages_.size()) throw_failed("sglang: nodes do not add up");
}

}  // namespace kvsim
