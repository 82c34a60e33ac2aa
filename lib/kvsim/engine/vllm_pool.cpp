#include <kvsim/core/error.h>
#include <kvsim/engine/vllm_pool.h>

#include <algorithm>

namespace kvsim {

static constexpr uint64_t kEndless = uint64_t{1} << 62;  // usable blocks of an unlimited pool

VllmPool::VllmPool(uint64_t blocks, uint64_t keys, bool unpublished_first)
    : blocks_(1), oldest_(keys, kNull), usable_(std::min(blocks, kEndless)), free_(usable_),
      unpublished_first_(unpublished_first) {
    static constexpr uint64_t kReserve = uint64_t{1} << 16;
    blocks_.reserve(std::min(usable_, kReserve) + 1);
}

VllmPool::Id VllmPool::new_block() {
    if (fresh_ >= kNone - 1) throw_input("more than 2^32 - 3 blocks are in use at once: give fewer --blocks");
    blocks_.emplace_back();
    if (observer_) owners_.emplace_back();
    return static_cast<Id>(fresh_++);
}

void VllmPool::add_copy(Id first, Id id) {
    Block& b = blocks_[id];
    b.newer = first;
    b.older = blocks_[first].older;
    blocks_[b.older].newer = id;
    blocks_[first].older = id;
    ++duplicates_;
}

void VllmPool::remove_copy(Id id) {
    const Block& b = blocks_[id];
    blocks_[b.newer].older = b.older;
    blocks_[b.older].newer = b.newer;
    if (oldest_[b.key] == id) oldest_[b.key] = b.newer;
}

void VllmPool::release(std::span<const Id> blocks) {
    unpublished_.clear();
    Block* all = blocks_.data();
    Id last = all[kNull].previous;
    uint64_t freed = 0, published = 0;
    for (size_t i = blocks.size(); i-- > 0;) {
        Id id = blocks[i];
        if (id == kNull) continue;
        Block& b = all[id];
        if (--b.references != 0) continue;
        ++freed;
        if (b.key != kUnpublished) {
            ++published;
        } else if (unpublished_first_) {
            unpublished_.push_back(id);
            continue;
        }
        all[last].next = id;
        b.previous = last;
        last = id;
    }
    all[last].next = kNull;
    all[kNull].previous = last;
    free_ += freed;
    published_free_ += published;
    for (size_t i = unpublished_.size(); i-- > 0;) {
        all[unpublished_[i]].next = front_;
        front_ = unpublished_[i];
    }
}

void VllmPool::watch(EngineObserver* observer, uint32_t block_tokens) {
    observer_ = observer;
    block_tokens_ = block_tokens;
    owners_.resize(blocks_.size());
}

void VllmPool::stored(Id id, uint32_t owner, uint64_t position) {
    owners_[id] = {owner, position};
    observer_->stored(owner, position * block_tokens_, (position + 1) * block_tokens_);
}

void VllmPool::told_evicted(Id id) {
    const Owner& o = owners_[id];
    observer_->evicted(o.request, o.position * block_tokens_, (o.position + 1) * block_tokens_, by_);
}

std::vector<VllmPool::Id> VllmPool::free_line(size_t* front) const {
    std::vector<Id> line;
    for (Id id = front_; id != kNull; id = blocks_[id].next) line.push_back(id);
    if (front) *front = line.size();
    for (Id id = blocks_[kNull].next; id != kNull; id = blocks_[id].next) line.push_back(id);
    return line;
}

std::vector<VllmPool::Id> VllmPool::copies(Key key) const {
    std::vector<Id> all;
    Id first = oldest_[key];
    for (Id id = first; id != kNull;) {
        all.push_back(id);
        id = blocks_[id].newer;
        if (id == first) break;
    }
    return all;
}

void VllmPool::check() const {
    auto must = [](bool holds, const char* what) {
        if (!holds) throw_failed(std::string("engine: the block pool is wrong: ") + what);
    };
    std::vector<Id> line = free_line();
    must(line.size() + (usable_ + 1 - fresh_) == free_, "count of free blocks");
    std::vector<bool> is_free(blocks_.size());
    for (Id id : line) {
        must(id != kNull && !is_free[id], "a block is twice in the line of free ones");
        must(blocks_[id].references == 0, "a free block is held");
        is_free[id] = true;
    }
    uint64_t published = 0, published_free = 0, found = 0, unfindable = 0;
    for (Id id = 1; id < blocks_.size(); ++id) {
        must(is_free[id] == (blocks_[id].references == 0), "a block that nobody holds is not free");
        if (blocks_[id].key == kUnpublished) continue;
        ++published;
        published_free += is_free[id];
        unfindable += blocks_[id].key == kUnfindable;
    }
    must(published == published_ && published_free == published_free_, "count of published blocks");
    for (Key key = 0; key < oldest_.size(); ++key) {
        if (oldest_[key] == kNull) continue;
        for (Id id : copies(key)) {
            ++found;
            must(blocks_[id].key == key, "a key finds a block of another");
            must(blocks_[blocks_[id].newer].older == id, "the ring of copies is broken");
        }
    }
    must(found + unfindable == published, "a published block cannot be found");
}

uint64_t VllmPool::state_bytes() const {
    return blocks_.capacity() * sizeof(Block) + oldest_.capacity() * sizeof(Id);
}

}  // namespace kvsim
