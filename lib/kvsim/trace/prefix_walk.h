// The walk along a chain that says who used each of its shared blocks last, in runs instead of blocks.
//
// Later requests take over prefixes of a chain, so what a row is still the latest user of is one interval of it,
// (cut, length]. The users of a new row's shared blocks are found by walking up from its deepest shared block: the
// holder at position p has exactly (cut, p]; the next position is its cut, the next holder is who took that. On
// real traces that is 1.0 to 1.4 steps per row.
//
// Two things keep the walk short. Every request of a conversation takes the first blocks from its predecessor, so
// these would be found only after many steps; but the blocks common to *all* rows of a root belong to the latest of
// them (Root). And `up` links may skip a row that has itself been passed as far (path halving). At worst, where prefixes of
// one prompt come by falling length and their shortest is asked for again and again, each time takes a step for each.
#pragma once

#include <kvsim/trace/prefix_index.h>

#include <algorithm>
#include <vector>

namespace kvsim {

/// What the walk keeps of a row; an algorithm's own state may derive from it.
struct WalkState {
    uint32_t cut;   ///< leading blocks that later rows have taken over
    uint32_t up;    ///< a later row that took blocks 1 .. cut
    uint32_t root;  ///< which first block its chain begins with
};

template <class State>
class PrefixWalk {
  public:
    void reset(uint32_t rows) {
        states_.clear();
        states_.resize(rows);
        roots_.clear();
    }
    uint32_t rows() const { return static_cast<uint32_t>(states_.size()); }
    State& operator[](uint32_t row) { return states_[row]; }
    const State& operator[](uint32_t row) const { return states_[row]; }
    uint64_t bytes() const { return states_.size() * sizeof(State) + roots_.size() * sizeof(Root); }

    /// Rows come in order, each once. Moves the leading shared blocks to `row`, deepest run first, and calls
    /// on_run(holder, its state, low, high) before each move: blocks (low, high], 1-based; low is the holder's cut.
    template <class F>
    void take(const ChainRecord& record, uint32_t row, F&& on_run) {
        State& own = states_[row];
        own.cut = 0;
        own.up = kNone;
        uint32_t position = record.shared;
        if (position == 0) {
            own.root = static_cast<uint32_t>(roots_.size());
            roots_.push_back({row, record.length});
            return;
        }
        uint32_t holder = record.owner;
        own.root = states_[holder].root;
        Root& root = roots_[own.root];
        while (position > 0) {
            if (position <= root.shared) holder = root.last;
            State* h = &states_[holder];
            while (position <= h->cut) {
                State& next = states_[h->up];
                if (position <= next.cut && next.cut >= h->cut) h->up = next.up;
                holder = h->up;
                h = &states_[holder];
            }
            uint32_t before = h->cut;
            uint32_t above = h->up;
            on_run(holder, *h, before, position);
            h->cut = position;
            h->up = row;
            position = before;
            holder = above;
        }
        root.last = row;
        root.shared = std::min(root.shared, record.shared);
    }

  private:
    struct Root {
        uint32_t last;    ///< the latest row of this root: it holds all of its chain
        uint32_t shared;  ///< leading blocks that all rows of this root have in common
    };
    std::vector<State> states_;
    std::vector<Root> roots_;
};

}  // namespace kvsim
