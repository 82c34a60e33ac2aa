// Workload-aware eviction (Wang and others, "KVCache Cache in the Wild", USENIX ATC 2025). Requests fall into classes
// w, category and turn number; how soon a block is used again depends on the class of the request that used it last.
// For each class the time to the next use is taken to be exponential with rate lambda_w. With t seconds gone since its
// last use, a block is used again within the next `life` seconds with probability
//   P_w(t) = F(t + life) - F(t) = exp(-lambda_w t) (1 - exp(-lambda_w life)),
// and the block with the smallest (P_w(t), -offset) goes: of equals the one further back in its prefix, then the
// one used longest ago. P falls with t, so within a class the order is that of the last use, and the victim is the
// head of one of the classes' queues. Blocks of one request are queued as if it had used them from last to first.
//
// What the paper leaves open, here: lambda_w is fitted as the run goes. Each time a block with a name is used again, be
// it resident or not, the seconds since its last use are one observation of the class of that last use; below 0.3 s
// they are left out, as in the authors' profiler (system prompts). lambda_w is the number of recent observations
// divided by their sum, see ReuseFit; `history` is how many are recent. It is fitted anew when a request arrives, from
// what requests before it did. A class without observations has the rate of all classes together, before the first
// observation 1 / life. Probabilities are compared as logarithms. Written from descriptions of the paper; its traces
// were not at hand, so its gains are not reproduced.
//
// With one class (classes=none) this is LRU in the order of pinned accounting. Differs from LRU only through classes.
// Cost: O(classes) per victim, O(log64 n) per use; 13 bytes per block, see class_log.h.
#pragma once

#include <kvsim/core/error.h>
#include <kvsim/eviction/class_log.h>
#include <kvsim/eviction/trace_clock.h>
#include <kvsim/eviction/workload_classes.h>

#include <cmath>

namespace kvsim {

template <bool kLeaves>
class BlockWorkloadAware : public BlockStrategyBase {
  public:
    static constexpr bool kNeedsDepth = true;
    static StrategyInfo info() {
        return {"workload_aware", "least likely to be used again soon, judged by category and turn, first",
                "KVCache Cache in the Wild, USENIX ATC 2025", "pinned flat tree", "from reading; a naive twin",
                "classes=category+turn life=600 history=10000 turns=8"};
    }
    explicit BlockWorkloadAware(Spec& spec)
        : classes_by_(spec.choice("classes", "category+turn", {"category+turn", "category", "turn", "none"})),
          life_(spec.number("life", 600, 1e-3, 1e12)),
          history_(spec.whole("history", 10000, 1, 1'000'000'000'000)),
          turns_(spec.whole("turns", 8, 1, kMostClasses)) {
        if (spec.has("turns") && !by_turn())
            throw_input("workload_aware: parameter turns has no effect with classes=" + classes_by_);
    }

    void reset(const StrategyContext& context) {
        depth_ = context.depth;
        named_ = context.named_blocks;
        reverse_ = !context.last_to_first;
        clock_.reset(*context.trace, "workload_aware");
        bool by_category = classes_by_.rfind("category", 0) == 0;
        classes_ = workload_classes(*context.trace, by_category, by_turn(), static_cast<int64_t>(turns_));
        log_.reset(context, classes_.count);
        last_use_.assign(context.blocks, kNone);
        arrived_.clear();
        fits_.assign(classes_.count + 1, {});
        for (ReuseFit& fit : fits_) fit.reset(history_);
        rates_.assign(classes_.count, rate_of(1 / life_));
        fitted_ = true;
    }
    void on_lookup(const RequestView& view) {
        clock_.on_lookup(view.request);
        arrived_.push_back(clock_.now());
        class_ = classes_.of[view.request];
        if (!fitted_) fit();
        log_.begin_request(uint64_t{view.lookup_blocks} + view.stored_blocks, reverse_);
    }
    void on_hit(BlockId block) {
        observe(block);
        log_.use(block, class_);
    }
    void on_insert(BlockId block) {
        observe(block);
        log_.insert(block, class_);
    }
    // Of the class it has, and no observation. At the arrival of the next request.
    void on_release(BlockId block) {
        log_.end_request();
        log_.use(block, log_.class_of(block));
        last_use_[block] = request() + 1;
    }
    template <EligibleBlocks E>
    BlockId pick_victim(BlockId, const E& eligible) {
        BlockId victim = kNone;
        double least = 0;
        for (uint32_t c = 0; c < classes_.count; ++c) {
            BlockId block = log_.oldest(c, eligible);
            if (block == kNone) continue;
            double chance = rates_[c].log_share - rates_[c].lambda * (clock_.now() - arrived_[last_use_[block]]);
            if (victim != kNone && (chance != least ? chance > least : !goes_before(block, victim))) continue;
            victim = block;
            least = chance;
        }
        return victim;
    }
    void on_evict(BlockId block) { log_.erase(block); }
    void on_leaf(BlockId block) { log_.on_leaf(block); }
    void on_inner(BlockId block) { log_.on_inner(block); }
    bool contains(BlockId block) const { return log_.contains(block); }
    uint64_t state_bytes() const {
        return log_.state_bytes() + last_use_.size() * 4 + classes_.of.size() + arrived_.size() * 8;
    }

  private:
    static constexpr double kSystemPrompt = 0.3;  ///< seconds

    struct Rate {
        double lambda;
        double log_share;  ///< log(1 - exp(-lambda life))
    };
    bool by_turn() const { return classes_by_ == "category+turn" || classes_by_ == "turn"; }
    uint32_t request() const { return static_cast<uint32_t>(arrived_.size() - 1); }
    bool goes_before(BlockId a, BlockId b) const {
        return depth_[a] != depth_[b] ? depth_[a] > depth_[b] : log_.place(a) < log_.place(b);
    }
    Rate rate_of(double lambda) const { return {lambda, std::log(-std::expm1(-lambda * life_))}; }
    void observe(BlockId block) {
        uint32_t before = block < named_ ? last_use_[block] : kNone;
        last_use_[block] = request();
        if (before == kNone) return;
        double seconds = clock_.now() - arrived_[before];
        if (seconds < kSystemPrompt) return;
        fits_[log_.class_of(block)].observe(seconds);
        fits_.back().observe(seconds);
        fitted_ = false;
    }
    void fit() {
        fitted_ = true;
        Rate all = rate_of(fits_.back().lambda());
        for (uint32_t c = 0; c < classes_.count; ++c) rates_[c] = fits_[c].empty() ? all : rate_of(fits_[c].lambda());
    }

    std::string classes_by_;
    double life_;
    uint64_t history_, turns_;
    const uint32_t* depth_ = nullptr;
    uint64_t named_ = 0;
    bool reverse_ = false;
    TraceClock clock_;
    std::vector<double> arrived_;  ///< the clock at each request so far
    WorkloadClasses classes_;
    uint8_t class_ = 0;  ///< of the request being served
    ClassLog<kLeaves> log_;
    HugeVector<uint32_t> last_use_;  ///< request, also of blocks that have gone; kNone: never
    std::vector<ReuseFit> fits_;     ///< per class, and of all
    std::vector<Rate> rates_;
    bool fitted_ = true;
};

static_assert(BlockStrategy<BlockWorkloadAware<false>> && BlockStrategy<BlockWorkloadAware<true>>);

}  // namespace kvsim
