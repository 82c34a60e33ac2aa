// One stretch of blocks from which contiguous runs are cut. Best fit: the smallest hole that is large enough, the
// lowest of equal ones; neighbouring holes become one when a run comes back. O(log holes) per operation. An unlimited
// arena grows at its end only when no hole is large enough.
#pragma once

#include <kvsim/cache/cache.h>
#include <kvsim/core/error.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace kvsim {

struct Run {
    uint64_t begin = 0, count = 0;
};

class Arena {
  public:
    explicit Arena(uint64_t blocks) : capacity_(blocks) {
        if (blocks != kUnlimited && blocks > 0) add_hole({0, blocks});
    }
    uint64_t capacity() const { return capacity_; }
    uint64_t used() const { return used_; }
    uint64_t available() const { return capacity_ == kUnlimited ? kUnlimited : capacity_ - used_; }
    uint64_t largest_hole() const {
        if (capacity_ == kUnlimited) return kUnlimited;
        return by_size_.empty() ? 0 : by_size_.rbegin()->first;
    }

    std::optional<Run> take(uint64_t count) {
        if (count == 0) return Run{};
        auto fit = by_size_.lower_bound({count, 0});
        if (fit == by_size_.end()) {
            if (capacity_ != kUnlimited) return std::nullopt;
            Run run{end_, count};
            end_ += count;
            used_ += count;
            return run;
        }
        Run hole{fit->second, fit->first};
        remove_hole(hole);
        if (hole.count > count) add_hole({hole.begin + count, hole.count - count});
        used_ += count;
        return Run{hole.begin, count};
    }
    /// Lengthens a run at its end; false if what follows is not free.
    bool extend(Run& run, uint64_t more) {
        if (run.count == 0) return false;
        if (capacity_ == kUnlimited && run.begin + run.count == end_) {
            end_ += more;
        } else {
            auto next = holes_.find(run.begin + run.count);
            if (next == holes_.end() || next->second < more) return false;
            Run hole{next->first, next->second};
            remove_hole(hole);
            if (hole.count > more) add_hole({hole.begin + more, hole.count - more});
        }
        run.count += more;
        used_ += more;
        return true;
    }
    void give_back(Run run) {
        if (run.count == 0) return;
        used_ -= run.count;
        auto next = holes_.lower_bound(run.begin);
        if (next != holes_.end() && next->first == run.begin + run.count) {
            Run hole{next->first, next->second};
            remove_hole(hole);
            run.count += hole.count;
        }
        auto after = holes_.lower_bound(run.begin);
        if (after != holes_.begin()) {
            auto before = std::prev(after);
            if (before->first + before->second == run.begin) {
                Run hole{before->first, before->second};
                remove_hole(hole);
                run = {hole.begin, hole.count + run.count};
            }
        }
        add_hole(run);
    }
    /// `runs`: all that are taken, in any order.
    void check(std::vector<Run> runs) const {
        uint64_t taken = 0;
        for (const Run& r : runs) taken += r.count;
        for (const auto& [begin, count] : holes_) runs.push_back({begin, count});
        std::sort(runs.begin(), runs.end(), [](const Run& a, const Run& b) { return a.begin < b.begin; });
        uint64_t at = 0;
        for (const Run& r : runs) {
            if (r.count == 0) continue;
            if (r.begin != at) throw_failed("arena: runs and holes overlap or leave a gap");
            at += r.count;
        }
        if (at != (capacity_ == kUnlimited ? end_ : capacity_)) throw_failed("arena: runs and holes do not fill it");
        if (taken != used_ || holes_.size() != by_size_.size()) throw_failed("arena: used blocks do not add up");
    }
    uint64_t state_bytes() const { return holes_.size() * 96; }  // two tree nodes per hole

  private:
    void add_hole(Run hole) {
        holes_.emplace(hole.begin, hole.count);
        by_size_.emplace(hole.count, hole.begin);
    }
    void remove_hole(Run hole) {
        holes_.erase(hole.begin);
        by_size_.erase({hole.count, hole.begin});
    }
    uint64_t capacity_;
    uint64_t used_ = 0;
    uint64_t end_ = 0;  ///< unlimited: blocks that exist
    std::map<uint64_t, uint64_t> holes_;                    ///< begin -> count
    std::set<std::pair<uint64_t, uint64_t>> by_size_;  ///< (count, begin)
};

}  // namespace kvsim
