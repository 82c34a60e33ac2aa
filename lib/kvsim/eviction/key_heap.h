// Blocks in the order of a key: what strategies that evict the smallest key are made of.
//
// The order is (key, tie, block id), smallest first; the tie is usually the time of the last use. A 4-ary heap with
// three shortcuts, since almost nothing that happens to a block needs the heap:
//   lazy   A key that grows is only written down. The entry keeps the smaller one, a lower bound, and sinks when it
//          comes to the top. So a hit costs two stores. A key that gets smaller enters once more; entries that are
//          behind their block's key are dropped when they come up.
//   line   Whoever enters with a key no smaller than all who did so before stands in line instead, a plain FIFO, and
//          enters the heap only if its key has grown by the time it is first in line, or when its key gets smaller.
//          Most blocks are never used again: they come and go without the heap.
//   hole   Who has gone leaves the top empty, and the next one to enter falls from there. Under tree accounting that is
//          the victim's parent, which mostly stays on top: below the victim's key it is below everybody's.
// Whoever comes up and is not eligible is dropped, not put back: under pinned accounting on_hit() or on_release()
// follows before it is eligible again, and of inner nodes on_leaf(). Protected leaves are set aside until the next
// request. With leaves, those just inserted wait in a tiny buffer, since the next block makes them inner nodes.
// Cost: O(1) per hit, O(log n) amortized per victim, O(1) for those in line; 13 bytes per block of the trace, 16 per
// entry of the heap, 4 per place in line.
#pragma once

#include <kvsim/core/error.h>
#include <kvsim/core/huge_vector.h>
#include <kvsim/eviction/block_policy.h>
#include <kvsim/eviction/byte_number.h>
#include <kvsim/eviction/use_time.h>

#include <algorithm>
#include <bit>

namespace kvsim {

/// A number's place in the order of all finite doubles, for keys that are fractions.
inline uint64_t ordered_bits(double value) {
    auto bits = std::bit_cast<uint64_t>(value + 0.0);  // no negative zero
    return (bits >> 63) != 0 ? ~bits : bits | uint64_t{1} << 63;
}

template <bool kLeaves>
class KeyHeap {
  public:
    /// At most `largest` blocks will be resident at once.
    void reset(uint64_t blocks, uint64_t largest = ~uint64_t{0}) {
        largest_ = std::min(blocks, largest);
        key_.assign(blocks, 0);
        tie_.assign(blocks, 0);
        state_.assign(blocks, kGone);
        heap_.assign(kRoot, {});
        line_.assign(64, kNone);
        first_ = last_ = 0;
        queued_ = 0;
        fresh_ = 0;
        hole_ = false;
        aside_.clear();
    }
    bool contains(BlockId block) const { return (state_[block] & kResident) != 0; }
    uint64_t key(BlockId block) const { return key_[block]; }
    uint32_t tie(BlockId block) const { return tie_[block]; }

    /// on_lookup(): whoever was protected may be eligible now.
    void begin_request() {
        if constexpr (kLeaves) {
            while (fresh_ > 0) enter_fresh(0);
            for (BlockId block : aside_)
                if ((state_[block] & (kLeaf | kQueued)) == kLeaf) push(block);
            aside_.clear();
        }
    }
    /// on_insert().
    void insert(BlockId block, uint64_t key, uint32_t tie) {
        note(block, key, tie);
        if constexpr (kLeaves) {
            if (fresh_ == kFreshRoom) enter_fresh(0);
            fresh_blocks_[fresh_++] = block;
            state_[block] = ByteNumber{kResident | kLeaf | kWaiting};
        } else {
            mark(block, kResident);
            push(block);
        }
    }
    /// The same for a (key, tie) that is no smaller than those of all earlier calls.
    void insert_last(BlockId block, uint64_t key, uint32_t tie) {
        if (kLeaves || (state_[block] & kVoid) != 0) return insert(block, key, tie);
        note(block, key, tie);
        state_[block] = ByteNumber{kResident | kWaiting};
        if (last_ - first_ == line_.size()) lengthen();
        line_[last_++ & (line_.size() - 1)] = block;
    }
    /// The same for any (key, tie), where most are no smaller than those before. Not beside insert_last().
    void insert_if_last(BlockId block, uint64_t key, uint32_t tie) {
        Entry e{key, tie, block};
        if (kLeaves || (first_ != last_ && before(e, newest_))) return insert(block, key, tie);
        newest_ = e;
        insert_last(block, key, tie);
    }
    /// How many of begin + count - 1, begin + count - 2, ... are not resident before the first one that is.
    uint32_t absent_before(BlockId begin, uint32_t count) const {
        const ByteNumber* state = state_.data() + begin;
        uint32_t n = 0;
        while (n < count && (state[count - 1 - n] & kResident) == 0) ++n;
        return n;
    }
    /// insert_last() for begin + count - 1 down to begin: equal keys, ties from `tie` on. None of them is resident, and
    /// change() has never been called.
    void insert_run_last(BlockId begin, uint32_t count, uint64_t key, uint32_t tie) {
        static_assert(!kLeaves, "leaves are told one by one");
        while (last_ - first_ + count > line_.size()) lengthen();
        // Plain loops over neighbours, which the compiler turns into vector code.
        std::fill_n(key_.data() + begin, count, key);
        std::fill_n(state_.data() + begin, count, ByteNumber{kResident | kWaiting});
        uint32_t* ties = tie_.data() + begin;
        uint32_t last_tie = tie + count - 1;
        for (uint32_t i = 0; i < count; ++i) ties[i] = last_tie - i;
        BlockId next = begin + count;
        while (count > 0) {
            uint64_t at = last_ & (line_.size() - 1);
            auto here = static_cast<uint32_t>(std::min<uint64_t>(count, line_.size() - at));
            BlockId* line = line_.data() + at;
            for (uint32_t i = 0; i < here; ++i) line[i] = next - 1 - i;
            next -= here;
            count -= here;
            last_ += here;
        }
    }
    /// A (key, tie) that is no smaller than the block's present one. on_hit() and on_release() must come here or to
    /// change(), be it with the same key.
    void raise(BlockId block, uint64_t key, uint32_t tie) {
        note(block, key, tie);
        uint8_t state = state_[block];
        if constexpr (kLeaves) {
            if ((state & (kLeaf | kQueued | kWaiting)) == kLeaf) push(block);
        } else {
            if ((state & kWaiting) != 0) {
                state_[block] = static_cast<ByteNumber>(state | kRaised);
            } else if ((state & kQueued) == 0) {
                push(block);
            }
        }
    }
    /// Any (key, tie).
    void change(BlockId block, uint64_t key, uint32_t tie) {
        bool lower = key != key_[block] ? key < key_[block] : tie < tie_[block];
        if (!kLeaves && lower && (state_[block] & kWaiting) != 0) {
            unmark(block, kWaiting | kRaised);
            mark(block, kVoid);
        }
        if (!lower || (state_[block] & kQueued) == 0) return raise(block, key, tie);
        note(block, key, tie);
        --queued_;  // its entry stays behind
        push(block);
    }
    void on_leaf(BlockId block) {
        if constexpr (kLeaves) {
            mark(block, kLeaf);
            if ((state_[block] & (kQueued | kWaiting)) == 0) push(block);
        }
    }
    void on_inner(BlockId block) {
        if constexpr (kLeaves) {
            unmark(block, kLeaf);
            if ((state_[block] & kWaiting) != 0) forget_fresh(block);
        }
    }
    /// The smallest eligible block; kNone: there is none. It stays; only the block returned last may be erased.
    template <EligibleBlocks E>
    BlockId smallest(const E& eligible) {
        if (hole_) close_hole();
        if constexpr (kLeaves) {
            return smallest_leaf(eligible);
        } else {
            for (;;) {
                while (first_ != last_ && (state_[line_front()] & (kRaised | kVoid)) != 0) leave_line();
                bool in_line = first_ != last_;
                if (in_line && (heap_.size() == kRoot || !before(heap_[kRoot], entry(line_front())))) {
                    BlockId block = line_front();
                    if (eligible(block)) return block;
                    state_[block] = ByteNumber{kResident};
                    ++first_;
                } else {
                    if (!settle()) {
                        if (in_line) continue;
                        return kNone;
                    }
                    BlockId block = heap_[kRoot].block;
                    if (in_line && before(entry(line_front()), heap_[kRoot])) continue;
                    if (eligible(block)) return block;
                    drop_top();
                }
            }
        }
    }
    /// smallest() and erase() `count` times; calls f(block) for each. So many there must be.
    template <EligibleBlocks E, class F>
    void take_smallest(uint64_t count, const E& eligible, const F& f) {
        while (count > 0) {
            if (!kLeaves) take_from_line(count, eligible, f);
            if (count == 0) return;
            BlockId block = smallest(eligible);
            erase(block);
            f(block);
            --count;
        }
    }
    /// on_evict().
    void erase(BlockId block) {
        if ((state_[block] & kWaiting) == 0) {
            hole_ = true;
            --queued_;
        } else if constexpr (kLeaves) {
            forget_fresh(block);
        } else {
            ++first_;
        }
        state_[block] = static_cast<ByteNumber>(state_[block] & kVoid);
    }

    uint64_t state_bytes() const {
        return key_.size() * 13 + heap_.capacity() * sizeof(Entry) + line_.size() * sizeof(BlockId) +
               aside_.capacity() * sizeof(BlockId);
    }

  private:
    struct Entry {
        uint64_t key;
        uint32_t tie;
        BlockId block;
    };
    static constexpr ByteNumber kGone{0};
    static constexpr uint8_t kResident = 1;
    static constexpr uint8_t kLeaf = 2;
    static constexpr uint8_t kQueued = 4;   ///< has an entry in the heap that is no larger than its key
    static constexpr uint8_t kWaiting = 8;  ///< in line, or (leaves) just inserted
    static constexpr uint8_t kRaised = 16;  ///< in line, with a larger key than it came with
    static constexpr uint8_t kVoid = 32;    ///< has left a place in line that stands for nobody, also when it has gone
    /// Children stand at 4 (i - 2) and behind, so that the four share a cache line.
    static constexpr size_t kRoot = 3;
    static constexpr uint32_t kFreshRoom = 4;

    // One comparison of 128 bits, without a branch.
    static bool before(const Entry& a, const Entry& b) {
        auto whole = [](const Entry& e) {
            return static_cast<unsigned __int128>(e.key) << 64 | (uint64_t{e.tie} << 32 | e.block);
        };
        return whole(a) < whole(b);
    }
    Entry entry(BlockId block) const { return {key_[block], tie_[block], block}; }
    void mark(BlockId block, uint8_t what) { state_[block] = static_cast<ByteNumber>(state_[block] | what); }
    void unmark(BlockId block, uint8_t what) { state_[block] = static_cast<ByteNumber>(state_[block] & ~what); }
    void note(BlockId block, uint64_t key, uint32_t tie) {
        key_[block] = key;
        tie_[block] = tie;
    }

    // ---- the line ----

    BlockId line_front() const { return line_[first_ & (line_.size() - 1)]; }
    void lengthen() {
        HugeVector<BlockId> longer(line_.size() * 2, kNone);
        for (uint64_t i = first_; i != last_; ++i) longer[i & (longer.size() - 1)] = line_[i & (line_.size() - 1)];
        line_.swap(longer);
    }
    // As long as nobody in the heap can be smaller.
    template <EligibleBlocks E, class F>
    void take_from_line(uint64_t& count, const E& eligible, const F& f) {
        if (hole_) close_hole();
        const Entry top = heap_.size() > kRoot ? heap_[kRoot] : Entry{~uint64_t{0}, ~uint32_t{0}, kNone};
        ByteNumber* state = state_.data();
        const BlockId* line = line_.data();
        uint64_t mask = line_.size() - 1, at = first_, left = count;
        for (; at != last_ && left > 0; ++at) {
            BlockId block = line[at & mask];
            if ((state[block] & (kRaised | kVoid)) != 0 || before(top, entry(block))) break;
            bool goes = eligible(block);
            state[block] = goes ? kGone : ByteNumber{kResident};
            left -= goes;
            if (goes) f(block);
        }
        first_ = at;
        count = left;
    }
    // The first place, whose block has another key than it came with.
    void leave_line() {
        BlockId block = line_front();
        ++first_;
        bool raised = (state_[block] & kRaised) != 0;
        unmark(block, kWaiting | kRaised | kVoid);
        if (raised) push(block);
    }

    // ---- leaves ----

    void enter_fresh(uint32_t i) {
        BlockId block = fresh_blocks_[i];
        forget_fresh(block);
        push(block);
    }
    void forget_fresh(BlockId block) {
        unmark(block, kWaiting);
        if (fresh_blocks_[--fresh_] == block) return;  // mostly the newest
        BlockId* end = fresh_blocks_ + fresh_ + 1;
        BlockId* at = std::find(fresh_blocks_, end, block);
        std::move(at + 1, end, at);
    }
    template <EligibleBlocks E>
    BlockId smallest_leaf(const E& eligible) {
        BlockId best = kNone;
        for (uint32_t i = 0; i < fresh_; ++i) {
            BlockId block = fresh_blocks_[i];
            if ((best == kNone || before(entry(block), entry(best))) && eligible(block)) best = block;
        }
        for (;;) {
            // An entry is a lower bound: whoever is smaller need not wait until it is settled.
            if (best != kNone && (heap_.size() == kRoot || before(entry(best), heap_[kRoot]))) return best;
            if (!settle()) return best;
            if (best != kNone && before(entry(best), heap_[kRoot])) return best;
            BlockId block = heap_[kRoot].block;
            if (eligible(block)) return block;
            aside_.push_back(block);
            drop_top();
        }
    }

    // ---- the heap ----

    void push(BlockId block) {
        mark(block, kQueued);
        ++queued_;
        if (hole_) {
            hole_ = false;
            Entry e = entry(block);
            if (!before(e, heap_[kRoot])) return sink(kRoot, e);
            heap_[kRoot] = e;  // below who has gone, and so below everybody
            return;
        }
        if (heap_.size() == heap_.capacity()) make_room();
        heap_.push_back({});
        rise(heap_.size() - 1, entry(block));
    }
    // Until the top is a candidate with its present key. False: nobody is left.
    bool settle() {
        while (heap_.size() > kRoot) {
            const Entry& top = heap_[kRoot];
            BlockId block = top.block;
            uint8_t state = state_[block];
            Entry now = entry(block);
            if ((state & kQueued) == 0 || before(now, top)) {
                remove_top();  // gone, or behind a smaller entry
            } else if (kLeaves && (state & kLeaf) == 0) {
                drop_top();
            } else if (before(top, now)) {
                sink(kRoot, now);
            } else {
                return true;
            }
        }
        return false;
    }
    void drop_top() {
        unmark(heap_[kRoot].block, kQueued);
        --queued_;
        remove_top();
    }
    void close_hole() {
        hole_ = false;
        remove_top();
    }
    void remove_top() {
        Entry last = heap_.back();
        heap_.pop_back();
        if (heap_.size() > kRoot) sink(kRoot, last);
    }
    void rise(size_t at, const Entry& e) {
        while (at > kRoot) {
            size_t up = at / 4 + 2;
            if (!before(e, heap_[up])) break;
            heap_[at] = heap_[up];
            at = up;
        }
        heap_[at] = e;
    }
    // Which of four is the least is a coin toss that branches would guess wrong, so there are none.
    size_t least_of_four(size_t at) const {
        const Entry* four = heap_.data() + at;
        size_t a = before(four[1], four[0]), b = 2 + before(four[3], four[2]);
        return at + a + (b - a) * before(four[b], four[a]);
    }
    size_t least_of(size_t begin, size_t end) const {
        size_t least = begin;
        for (size_t i = begin + 1; i < end; ++i) least = before(heap_[i], heap_[least]) ? i : least;
        return least;
    }
    void sink(size_t at, const Entry e) {
        size_t size = heap_.size();
        for (;;) {
            size_t child = 4 * (at - 2);
            if (child >= size) break;
            size_t least = child + 4 <= size ? least_of_four(child) : least_of(child, size);
            if (!before(heap_[least], e)) break;
            heap_[at] = heap_[least];
            at = least;
        }
        heap_[at] = e;
    }
    // Entries left behind go first, where they are a fifth; else twice the room, but no more than all resident blocks
    // need and a quarter for what they leave behind.
    void make_room() {
        auto and_left = [](size_t entries) { return entries + entries / 4 + 64; };
        size_t size = heap_.size(), all = kRoot + 1 + largest_;
        if (size > and_left(queued_ + kRoot)) rebuild();
        if (heap_.size() == size) heap_.reserve(std::min(2 * size + 64, size < all ? all : and_left(all)));
    }
    // One entry per candidate, with its present key.
    void rebuild() {
        size_t to = kRoot;
        for (size_t i = kRoot; i < heap_.size(); ++i) {
            BlockId block = heap_[i].block;
            if ((state_[block] & kQueued) == 0) continue;
            unmark(block, kQueued);
            heap_[to++] = entry(block);
        }
        heap_.resize(to);
        for (size_t i = kRoot; i < to; ++i) mark(heap_[i].block, kQueued);
        for (size_t i = to; i-- > kRoot;) sink(i, heap_[i]);
    }

    HugeVector<uint64_t> key_;
    HugeVector<uint32_t> tie_;
    HugeVector<ByteNumber> state_;
    HugeVector<Entry> heap_;
    HugeVector<BlockId> line_;  ///< a ring
    uint64_t first_ = 0, last_ = 0;
    Entry newest_{};  ///< what the last that entered by insert_if_last() came with
    uint64_t queued_ = 0;
    uint64_t largest_ = 0;
    std::vector<BlockId> aside_;
    BlockId fresh_blocks_[kFreshRoom] = {};
    uint32_t fresh_ = 0;
    bool hole_ = false;
};

}  // namespace kvsim
