// The tokens of requests as SGLang's radix tree sees them, page by page, without ever writing a token down.
//
// A page is named by a number that stands for it together with everything before it: its id in the trace's prefix index,
// and for pages without a name (their tokens are their request's own) the request and the position. So two requests
// agree up to a position if and only if they have the same number there, and a key of the tree is a stretch of some
// request's path. One request has one path for all that is done for it: the row of its named output where that
// completes a page, else the row of its prompt. Only full pages count; a partly filled last one is no page here.
// Cost: O(runs of the chain) for everything, independent of the number of tokens.
#pragma once

#include <kvsim/trace/trace.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace kvsim {

class SglangPaths {
  public:
    void reset(const Trace& trace, bool decode) {
        chains_ = &trace.chains;
        rows_.resize(trace.requests());
        for (uint32_t r = 0; r < trace.requests(); ++r) {
            uint32_t row = trace.stored_row(r, decode);
            uint32_t named = trace.chains[row].length;
            if (row == trace.lookup_row(r)) named = std::min(named, trace.prompt_tokens[r] / trace.block_size);
            rows_[r] = {row, named};
        }
    }
    /// The number of the request's page at `position`.
    uint64_t page(uint32_t request, uint32_t position) const {
        const Row& r = rows_[request];
        return position < r.named ? chains_->block_at(r.row, position) : own_page(request, position);
    }
    /// Leading pages that two requests have in common, at most `limit`.
    uint32_t common(uint32_t a, uint32_t b, uint32_t limit) const {
        if (a == b) return limit;
        uint32_t x = rows_[a].row, y = rows_[b].row;
        limit = std::min({limit, rows_[a].named, rows_[b].named});
        // What a row has behind its shared part no earlier row has.
        while (x != y && limit > 0) {
            uint32_t& later = x > y ? x : y;
            limit = std::min(limit, (*chains_)[later].shared);
            later = (*chains_)[later].owner;
        }
        return limit;
    }
    uint64_t state_bytes() const { return rows_.capacity() * sizeof(Row); }

    /// One request's path, read from the front.
    class Walk {
      public:
        void open(const SglangPaths& paths, uint32_t request) {
            const Row& r = paths.rows_[request];
            request_ = request;
            named_ = r.named;
            paths.chains_->segments(r.row, r.named, runs_);
            rewind();
        }
        uint32_t request() const { return request_; }
        void rewind() {
            run_ = 0;
            before_ = 0;
        }
        /// O(1) amortized while positions ascend.
        uint64_t page(uint32_t position) {
            if (position >= named_) return own_page(request_, position);
            while (position < before_) before_ -= runs_[--run_].count;
            while (position - before_ >= runs_[run_].count) before_ += runs_[run_++].count;
            return runs_[run_].begin + (position - before_);
        }

      private:
        uint32_t request_ = 0;
        uint32_t named_ = 0;
        std::vector<Segment> runs_;
        size_t run_ = 0;
        uint32_t before_ = 0;  ///< pages of the runs before
    };

  private:
    struct Row {
        uint32_t row;
        uint32_t named;  ///< leading pages with an id
    };
    static uint64_t own_page(uint32_t request, uint32_t position) {
        return (uint64_t{request} + 1) << 32 | position;  // ids are below 2^32
    }

    const PrefixIndex* chains_ = nullptr;
    std::vector<Row> rows_;
};

}  // namespace kvsim
