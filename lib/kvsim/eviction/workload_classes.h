// Classes of requests, and how soon what a class leaves in the cache is used again: for strategy workload_aware.
#pragma once

#include <kvsim/trace/trace.h>

#include <string>
#include <vector>

namespace kvsim {

struct WorkloadClasses {
    std::vector<uint8_t> of;  ///< per request
    uint32_t count = 1;
};
inline constexpr uint32_t kMostClasses = 60;

/// By category and / or turn, as found in the trace; whoever has none is a class as well. A trace without turn numbers
/// but with sessions: the requests of a session are numbered from 1 on. Turn `turns` stands for all later ones.
/// Throws Error(input) where the trace has neither, or for more than kMostClasses classes.
WorkloadClasses workload_classes(const Trace& trace, bool by_category, bool by_turn, int64_t turns);

/// Exponential distribution of the time to the next use, fitted to recent observations by maximum likelihood: lambda is
/// their number divided by their sum. Recent are those since the last two multiples of `history` observations: between
/// `history` and twice as many, fewer at first.
class ReuseFit {
  public:
    void reset(uint64_t history) {
        *this = {};
        history_ = history;
    }
    void observe(double seconds) {
        ++count_[0];
        sum_[0] += seconds;
        if (count_[0] < history_) return;
        count_[1] = count_[0];
        sum_[1] = sum_[0];
        count_[0] = 0;
        sum_[0] = 0;
    }
    bool empty() const { return count_[0] + count_[1] == 0; }
    double lambda() const { return static_cast<double>(count_[0] + count_[1]) / (sum_[0] + sum_[1]); }

  private:
    uint64_t history_ = 1;
    uint64_t count_[2] = {0, 0};  ///< since the last multiple, and before it
    double sum_[2] = {0, 0};
};

}  // namespace kvsim
