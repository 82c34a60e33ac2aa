// What pinned and tree accounting share under --concurrency: making way for a request before it is admitted, block by
// block. N = 1 never comes here: each request is gone before the next one is looked up, so nothing need be held.
#pragma once

#include <kvsim/layout/prefix_blocks.h>
#include <kvsim/layout/prefix_running.h>

namespace kvsim {

template <BlockStrategy S>
class HoldingPrefix : public PrefixBlocks<S> {
  public:
    using PrefixBlocks<S>::PrefixBlocks;

    void check_invariants() const override {
        PrefixBlocks<S>::check_invariants();
        if (!held_.clean() || unnamed_held_ != 0) throw_failed("prefix: blocks are held by nobody");
    }

  protected:
    /// Tells the strategy which blocks nobody holds any more.
    virtual void release(RunningRequest& running) = 0;

    void prepare() override {
        if (!this->concurrent()) return;
        order_.reset(*this->trace_, this->options_.concurrency);
        requests_.reset(this->trace_->requests());
        held_.reset(this->trace_->chains.unique_blocks());
    }
    uint64_t own_bytes() const override { return held_.bytes() + requests_.bytes(); }

    void make_way(uint32_t r, uint32_t stored, RunResult& result) final {
        for (uint32_t ended = order_.due(r); ended != kNone; ended = order_.due(r)) end(ended);
        uint64_t keep = std::min<uint64_t>(stored, this->capacity());
        if (!order_.any() || active() + keep <= this->capacity()) return;
        const Trace& t = *this->trace_;
        uint32_t row = t.stored_row(r, this->options_.decode);
        this->chain(row, std::min(static_cast<uint32_t>(keep), t.chains[row].length));
        bool waits = false;
        while (order_.any() && active() + keep - held_.leading(this->segments_) > this->capacity()) {
            end(order_.oldest());
            waits = true;
        }
        result.total.waited += waits;
    }
    void release_all() final {
        while (order_.any()) end(order_.oldest());
    }

    /// The request runs from now on; the caller fills in what it holds.
    RunningRequest& start(uint32_t r) {
        order_.start(r);
        return requests_.add(r);
    }
    uint64_t active() const { return held_.size() + unnamed_held_; }

    HeldBlocks held_;
    uint64_t unnamed_held_ = 0;

  private:
    void end(uint32_t r) {
        RunningRequest& running = requests_[r];
        release(running);
        unnamed_held_ -= running.unnamed.size();
        order_.stop(r);
        requests_.remove(r);
    }

    RunningOrder order_;
    RunningRequests requests_;
};

}  // namespace kvsim
