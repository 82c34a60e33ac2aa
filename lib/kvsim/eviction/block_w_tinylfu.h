// W-TinyLFU (Einziger, Friedman, Manes: TinyLFU: A Highly Efficient Cache Admission Policy, ACM TOS 2017; Caffeine).
//
// New blocks enter a small LRU window. Who leaves it contests the oldest block of the main part, and the one used more
// often of late stays: a block used once does not push out one that is used again and again, a burst has the window.
// Main is LRU in two parts: probation and, after a hit there, protected. With C blocks of room, W = max(1, C -
// floor((1 - window) * C)), main = C - W, at most floor(protected * main) of it protected, numbers as doubles:
//   hit       window, protected: to the newest end. Probation: to the newest end of protected; what is then too much
//             there goes back, oldest first, to the newest end of probation.
//   miss      to the newest end of the window. If that is more than W and main has room, the window's oldest block
//             moves to the newest end of probation.
//   room      the window's oldest block against the oldest of probation (of protected, if that is empty): if it was
//             used more often it moves to the newest end of probation and the other goes, else it goes itself.
//   often     estimated by a sketch to which every hit and miss adds one: see frequency_sketch.h. A block without a
//             name has no history: it counts as used once.
// Each queue's oldest eligible block contests; where window or main has nobody eligible, the other's goes. The estimate
// depends on how ids hash, so counts cannot be compared with those of other programs; counts=exact keeps one counter
// per block instead (halved likewise), which no hash can mislead.
// Caffeine besides lets a loser with a count above 5 win now and then, against attackers, and adapts the window's size.
// Cost: O(1) amortized; 5 bytes per block of the trace (5.5 exact), about 23 per block of the cache.
#pragma once

#include <kvsim/eviction/block_queue.h>
#include <kvsim/eviction/frequency_sketch.h>

namespace kvsim {

/// The same without collisions: a counter of 4 bits per block.
class FrequencyTable {
  public:
    void reset(uint64_t blocks, uint64_t room) {
        pairs_.assign((blocks + 1) / 2, 0);
        period_ = 10 * std::max<uint64_t>(1, room);
        added_ = 0;
    }
    void add(BlockId block) {
        if (estimate(block) == 15) return;
        pairs_[block >> 1] = static_cast<uint8_t>(pairs_[block >> 1] + (1u << shift(block)));
        if (++added_ == period_) halve();
    }
    unsigned estimate(BlockId block) const { return pairs_[block >> 1] >> shift(block) & 15u; }
    uint64_t state_bytes() const { return pairs_.size(); }

  private:
    static unsigned shift(BlockId block) { return (block & 1) * 4; }
    void halve() {
        for (uint8_t& pair : pairs_) pair = pair >> 1 & 0x77;
        added_ /= 2;
    }
    HugeVector<uint8_t> pairs_;
    uint64_t period_ = 10;
    uint64_t added_ = 0;
};

template <bool kLeaves>
class BlockWTinyLfu : public BlockStrategyBase {
  public:
    static constexpr bool kKeyed = false;
    static StrategyInfo info() {
        return {"w_tinylfu", "newcomers must have been used more often than the block they replace",
                "Einziger, Friedman, Manes, ACM TOS 2017; Caffeine", "pinned flat tree",
                "twin only: depends on the hash of ids", "window=0.01 protected=0.8 counts=sketch"};
    }
    explicit BlockWTinyLfu(Spec& spec)
        : window_part_(spec.number("window", 0.01, 0, 1)),
          protected_part_(spec.number("protected", 0.8, 0, 1)),
          exact_(spec.choice("counts", "sketch", {"sketch", "exact"}) == "exact") {}

    void reset(const StrategyContext& context) {
        uint64_t room = std::min(context.capacity_blocks, context.blocks);
        named_ = context.named_blocks;
        auto outside = static_cast<uint64_t>((1 - window_part_) * static_cast<double>(room));
        window_size_ = std::max<uint64_t>(1, room - outside);
        main_size_ = room - std::min(window_size_, room);
        protected_size_ = static_cast<uint64_t>(protected_part_ * static_cast<double>(main_size_));
        // Nothing is evicted, nobody asks.
        uint64_t counted = context.capacity_blocks >= context.blocks ? 0 : room;
        sketch_.reset(exact_ ? 0 : counted);
        table_.reset(exact_ ? named_ : 0, counted);
        places_.assign(context.blocks, 0);
        where_.assign(context.blocks, kNowhere);
        window_.reset(room - main_size_ + 1, places_);
        probation_.reset(main_size_ + 1, places_);
        protected_.reset(protected_size_ + 1, places_);
    }
    void on_lookup(const RequestView&) {
        window_.begin_request();
        probation_.begin_request();
        protected_.begin_request();
    }
    void on_hit(BlockId block) {
        count(block);
        if (where_[block] == kWindow) return window_.renew(block);
        if (where_[block] == kProtected) return protected_.renew(block);
        probation_.move_to(protected_, block);
        where_[block] = kProtected;
        if (protected_.size() <= protected_size_) return;
        BlockId oldest = protected_.front();
        protected_.move_to(probation_, oldest);
        where_[oldest] = kProbation;
    }
    void on_miss(BlockId block) { count(block); }
    template <EligibleBlocks E>
    BlockId pick_victim(BlockId, const E& eligible) {
        BlockId candidate = window_.oldest(eligible);
        BlockId rival = probation_.oldest(eligible);
        if (rival == kNone) rival = protected_.oldest(eligible);
        if (candidate == kNone) return rival;
        if (rival == kNone || often(candidate) <= often(rival)) return candidate;
        to_main(candidate);
        return rival;
    }
    void on_evict(BlockId block) {
        queue_of(block).erase(block);
        where_[block] = kNowhere;
    }
    void on_insert(BlockId block) {
        window_.push(block);
        window_.on_leaf(block);
        where_[block] = kWindow;
        bool room = probation_.size() + protected_.size() < main_size_;
        if (window_.size() > window_size_ && room) to_main(window_.front());
    }
    void on_leaf(BlockId block) { queue_of(block).on_leaf(block); }
    void on_inner(BlockId block) { queue_of(block).on_inner(block); }
    bool contains(BlockId block) const { return where_[block] != kNowhere; }
    uint64_t state_bytes() const {
        return places_.size() * 4 + where_.size() + window_.state_bytes() + probation_.state_bytes() +
               protected_.state_bytes() + sketch_.state_bytes() + table_.state_bytes();
    }

  private:
    enum Where : uint8_t { kNowhere, kWindow, kProbation, kProtected };
    using Queue = BlockQueue<kLeaves>;

    Queue& queue_of(BlockId block) {
        if (where_[block] == kWindow) return window_;
        return where_[block] == kProbation ? probation_ : protected_;
    }
    void to_main(BlockId block) {
        window_.move_to(probation_, block);
        where_[block] = kProbation;
    }
    void count(BlockId block) {
        if (block >= named_) return;
        if (exact_) return table_.add(block);
        sketch_.add(block);
    }
    unsigned often(BlockId block) const {
        if (block >= named_) return 1;
        return exact_ ? table_.estimate(block) : sketch_.estimate(block);
    }

    double window_part_, protected_part_;
    bool exact_;
    uint64_t named_ = 0;
    uint64_t window_size_ = 1, main_size_ = 0, protected_size_ = 0;
    FrequencySketch sketch_;
    FrequencyTable table_;
    BlockPlaces places_;
    HugeVector<Where> where_;
    Queue window_, probation_, protected_;
};

static_assert(BlockStrategy<BlockWTinyLfu<false>> && BlockStrategy<BlockWTinyLfu<true>>);

}  // namespace kvsim
