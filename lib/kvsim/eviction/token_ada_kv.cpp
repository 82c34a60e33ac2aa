// Ada-KV (Feng et al. 2024): the heads of a layer share one budget, so that a head whose attention is spread keeps more
// tokens than one that looks at few. Score: that of SnapKV.
//
// All heads of a layer hold heads x budget tokens together; the lowest score of all heads leaves (equal ones: the
// older token, then the lower head). A head gives no token while it holds floor(alpha x budget) or fewer: the
// safeguard. Where no head may give, the head with most tokens (the first of equals) gives by the rule for protected
// tokens; no head holds more than the capacity. The safeguard is that of kvpress (the window counts as part of it);
// the authors' code takes the share alpha of what is left beside the window instead. Cost: as snap_kv, and one pass
// over the tokens of a head for each that it gives.
#include <kvsim/eviction/token_snap_kv.h>

#include <algorithm>

namespace kvsim {

namespace {

class TokenAdaKv final : public SnapTokens {
  public:
    TokenAdaKv(Spec& spec, const TokenContext& context)
        : SnapTokens(spec, context, ask_token_room(spec, context, 0)),
          safe_(floor_share(spec.number("alpha", 0.2, 0, 1), room_.budget)),
          rated_(context.kv_heads) {}

    void on_step(const LayerStep& step) override {
        SnapTokens::on_step(step);
        for (Rated& r : rated_) r.fresh = false;
    }
    bool next_victim(const LayerStep& step, TokenVictim& victim) override {
        size_t held = 0, most = 0;
        for (const HeadTokens& head : *step.heads) {
            held += head.count();
            most = std::max<size_t>(most, head.count());
        }
        bool full = most > std::max<uint64_t>(1, context_.capacity_tokens);
        if (!full && held <= rated_.size() * room_.budget) return false;
        victim.slot = kNoSlot;
        uint32_t oldest = 0, largest = 0;
        double lowest = 0;
        for (uint32_t h = 0; h < rated_.size(); ++h) {
            const HeadTokens& head = (*step.heads)[h];
            if (head.count() > (*step.heads)[largest].count()) largest = h;
            bool gives = full ? head.count() == most : head.count() > safe_;
            uint32_t slot = gives ? lowest_of(step, h) : kNoSlot;
            if (slot == kNoSlot) continue;
            double score = rated_[h].scores[slot];
            bool lower = score < lowest || (score == lowest && head.ids[slot] < oldest);
            if (victim.slot != kNoSlot && !lower) continue;
            victim = {h, slot};
            lowest = score;
            oldest = head.ids[slot];
        }
        if (victim.slot == kNoSlot) victim = {largest, least_protected((*step.heads)[largest].ids, room_.sinks)};
        return true;
    }
    void on_evict(TokenVictim victim, uint32_t last) override {
        SnapTokens::on_evict(victim, last);
        Rated& r = rated_[victim.head];
        if (r.fresh) take_place(r.scores, victim.slot, last);
        r.known = false;
    }

  private:
    struct Rated {
        std::vector<double> scores;  ///< of this step, by slot
        bool fresh = false, known = false;
        uint32_t slot = kNoSlot;  ///< the lowest, if known
    };
    uint32_t lowest_of(const LayerStep& step, uint32_t h) {
        Rated& r = rated_[h];
        if (!r.fresh) pool(step, h, r.scores);
        if (!r.fresh || !r.known) r.slot = lowest(step, h, r.scores.data());
        r.fresh = r.known = true;
        return r.slot;
    }

    uint64_t safe_;
    std::vector<Rated> rated_;
};

}  // namespace

TokenStrategyRow token_ada_kv() {
    TokenStrategyRow row =
        token_row<TokenAdaKv>("ada_kv", "snap_kv with one budget for all heads of a layer", "Feng et al. 2024",
                              "budget=0.2 sinks=0 recent=window window=32 kernel=7 pool=max alpha=0.2");
    row.needs_weights = true;
    return row;
}

}  // namespace kvsim
