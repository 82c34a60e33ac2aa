// The block pool of vLLM: who holds a block, what it can be hit as, and which free block is taken next.
//
// Blocks are numbered; 0 is the null block, a placeholder that is never taken, held or hit. Free blocks stand in one
// line: whoever needs one takes the first, and a published one that is taken so is evicted; there is no other eviction.
// Published blocks keep their key when they become free, so a free block can be hit until the line's head reaches it.
// Equal blocks are not merged: a key maps to all its copies in the order of their publication, and a lookup finds the
// oldest that is left. Source: the rules of vLLM v1's BlockPool; this is written from their description.
//
// Differences from the source, in cost alone: keys are dense numbers (a trace names equal prefixes alike), so the map
// is an array and no hash is ever computed; the copies of a key are a ring through the blocks; the line is three parts,
// a stack of unpublished blocks put in front, blocks never taken yet (a counter: a pool larger than what is used costs
// nothing, and an unlimited one works), and a list of released ones. Everything is O(1) per block.
#pragma once

#include <kvsim/cache/cache.h>
#include <kvsim/trace/prefix_index.h>

#include <cstdint>
#include <span>
#include <vector>

namespace kvsim {

class VllmPool {
  public:
    using Id = uint32_t;
    using Key = uint32_t;
    static constexpr Id kNull = 0;
    static constexpr Key kUnpublished = kNone;
    static constexpr Key kUnfindable = kNone - 1;  ///< published, but nobody can look for it

    /// `blocks`: usable ones, or kUnlimited. `unpublished_first`: those go to the head of the line when released.
    VllmPool(uint64_t blocks, uint64_t keys, bool unpublished_first);

    uint64_t usable() const { return usable_; }
    uint64_t free() const { return free_; }
    uint64_t used() const { return usable_ - free_; }
    uint64_t published() const { return published_; }            ///< blocks that have a key, held or free
    uint64_t published_free() const { return published_free_; }
    uint64_t evictions() const { return evictions_; }
    uint64_t duplicates() const { return duplicates_; }          ///< publications of a key that had a copy already

    uint64_t keys() const { return oldest_.size(); }
    void add_keys(uint64_t count) { oldest_.resize(oldest_.size() + count, kNull); }

    /// The copy that a lookup finds; kNull: none.
    Id find(Key key) const { return oldest_[key]; }
    /// What find() reads, first keys of a chain: they are mostly consecutive.
    const Id* oldest() const { return oldest_.data(); }
    uint32_t references(Id id) const { return blocks_[id].references; }
    Key key(Id id) const { return blocks_[id].key; }

    void touch(Id id) {
        Block& b = blocks_[id];
        if (b.references++ != 0) return;
        blocks_[b.next].previous = b.previous;
        blocks_[b.previous].next = b.next;
        --free_;
        --published_free_;
    }

    /// The first free blocks, appended to the table; there must be as many.
    void take(uint64_t count, std::vector<Id>& table) {
        size_t at = table.size();
        table.resize(at + count);
        Id* out = table.data() + at;
        free_ -= count;
        for (; count > 0 && (front_ != kNull || fresh_ <= usable_); --count) *out++ = take_unpublished();
        if (count == 0) return;
        Block* all = blocks_.data();
        Id id = all[kNull].next;
        uint64_t evicted = 0;
        for (; count > 0; --count) {
            Block& b = all[id];
            if (b.key != kUnpublished) {
                ++evicted;
                forget(id, b);
            }
            b.references = 1;
            *out++ = id;
            id = b.next;
        }
        all[kNull].next = id;
        all[id].previous = kNull;
        evictions_ += evicted;
        published_ -= evicted;
        published_free_ -= evicted;
    }

    /// The blocks are held and have no key; null ones are passed over. `key_of(i)`: of the i-th.
    template <class KeyOf>
    void publish(std::span<const Id> ids, uint32_t owner, uint64_t position, const KeyOf& key_of) {
        Block* all = blocks_.data();
        Id* oldest = oldest_.data();
        uint64_t null = 0;
        for (size_t i = 0; i < ids.size(); ++i) {
            Id id = ids[i];
            if (id == kNull) {
                ++null;
                continue;
            }
            Block& b = all[id];
            b.key = key_of(i);
            if (observer_) stored(id, owner, position + i);
            if (b.key == kUnfindable) continue;
            Id first = oldest[b.key];
            if (first == kNull) {
                oldest[b.key] = id;
                b.newer = b.older = id;
            } else {
                add_copy(first, id);
            }
        }
        published_ += ids.size() - null;
    }

    /// One holder gives the blocks up, the last of them first; null blocks among them are passed over.
    void release(std::span<const Id> blocks);

    /// Is told of publications and evictions from now on, in tokens of blocks of `block_tokens`.
    void watch(EngineObserver* observer, uint32_t block_tokens);
    /// For whom blocks are taken, to tell the observer.
    void serve(uint32_t request) { by_ = request; }

    /// The line of free blocks that were taken before, first to last; those never taken stand between the unpublished
    /// ones in front (`front` of them) and the rest: fresh_begin() to usable().
    std::vector<Id> free_line(size_t* front = nullptr) const;
    uint64_t fresh_begin() const { return fresh_; }
    uint64_t blocks() const { return blocks_.size(); }  ///< that were ever taken, and the null block
    /// All copies of a key, oldest first.
    std::vector<Id> copies(Key key) const;

    /// Throws Error(failed) unless line, keys and counts agree with each other.
    void check() const;
    uint64_t state_bytes() const;

  private:
    struct Block {
        Id next = kNull, previous = kNull;  ///< in the line
        uint32_t references = 0;
        Key key = kUnpublished;
        Id newer = kNull, older = kNull;  ///< ring of the copies of the key
    };
    struct Owner {
        uint32_t request = kNone;
        uint64_t position = 0;
    };

    Id new_block();
    void add_copy(Id first, Id id);
    void remove_copy(Id id);
    void stored(Id id, uint32_t owner, uint64_t position);
    void told_evicted(Id id);

    Id take_unpublished() {
        Id id = front_;
        if (id == kNull) {
            id = new_block();
        } else {
            front_ = blocks_[id].next;
        }
        blocks_[id].references = 1;
        return id;
    }

    // The block can no longer be hit.
    void forget(Id id, Block& b) {
        if (observer_) told_evicted(id);
        if (b.key != kUnfindable) {
            if (b.newer == id) {
                oldest_[b.key] = kNull;
            } else {
                remove_copy(id);
            }
        }
        b.key = kUnpublished;
    }

    std::vector<Block> blocks_;  // [0] is the null block and the anchor of the list of released ones
    std::vector<Id> oldest_;
    std::vector<Id> unpublished_;  // of one release
    uint64_t usable_;
    uint64_t free_;
    uint64_t fresh_ = 1;  // never taken: [fresh_, usable_]
    Id front_ = kNull;
    bool unpublished_first_;
    uint64_t published_ = 0, published_free_ = 0, evictions_ = 0, duplicates_ = 0;
    EngineObserver* observer_ = nullptr;
    std::vector<Owner> owners_;  // only if watched
    uint32_t block_tokens_ = 0, by_ = 0;
};

}  // namespace kvsim
