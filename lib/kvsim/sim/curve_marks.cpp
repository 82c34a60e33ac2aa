#include <kvsim/sim/curve_marks.h>

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <type_traits>

namespace kvsim {

template <class Mark>
static uint64_t rank_of(const Mark& mark) {
    if constexpr (std::is_integral_v<Mark>) {
        return mark;
    } else {
        return mark.at;
    }
}

// By rank: up to eleven bits at a time from the lowest, as many rounds as the largest needs; short lists by comparing.
template <class Mark>
static void sort_marks(std::vector<Mark>& marks) {
    constexpr int kMost = 11;
    if (marks.size() < 1024) {
        std::sort(marks.begin(), marks.end(), [](const Mark& a, const Mark& b) { return rank_of(a) < rank_of(b); });
        return;
    }
    uint64_t largest = 1;
    for (const Mark& m : marks) largest |= rank_of(m);
    int width = 64 - std::countl_zero(largest);
    int rounds = (width + kMost - 1) / kMost;
    int bits = (width + rounds - 1) / rounds;
    uint64_t mask = (uint64_t{1} << bits) - 1;
    std::vector<Mark> other(marks.size());
    for (int round = 0; round < rounds; ++round) {
        int shift = round * bits;
        std::array<size_t, (1 << kMost) + 1> place;
        std::fill_n(place.begin(), mask + 2, size_t{0});
        for (const Mark& m : marks) ++place[(rank_of(m) >> shift & mask) + 1];
        for (size_t i = 1; i <= mask; ++i) place[i] += place[i - 1];
        for (const Mark& m : marks) other[place[rank_of(m) >> shift & mask]++] = m;
        marks.swap(other);
    }
}

template <class Rank>
void CurveMarks<Rank>::merge_steps() {
    sort_marks(steps_);
    size_t kept = 0;
    for (const Mark& s : steps_) {
        if (kept > 0 && steps_[kept - 1].at == s.at) {
            steps_[kept - 1].blocks += s.blocks;
            steps_[kept - 1].tokens += s.tokens;
        } else {
            steps_[kept++] = s;
        }
    }
    steps_.resize(kept);
    merge_at_ = std::max(merge_at_, 2 * kept);
}

template <class Rank>
std::vector<Curve::Knot> CurveMarks<Rank>::knots() {
    sort_marks(begins_);
    sort_marks(ends_);
    sort_marks(bends_);
    merge_steps();
    for (uint64_t rank = 0; rank < table_.size(); ++rank)
        if (table_[rank].blocks != 0) steps_.push_back({rank, table_[rank].blocks, table_[rank].tokens});
    // A last mark beyond all others, so that no list ever runs out.
    constexpr Rank kEnd = std::numeric_limits<Rank>::max();
    begins_.push_back(kEnd);
    ends_.push_back(kEnd);
    bends_.push_back({kEnd, 0, 0});
    steps_.push_back({kEnd, 0, 0});
    std::vector<Curve::Knot> knots;
    // More than needed: pages that stay unused cost nothing, moving does.
    knots.reserve(begins_.size() + ends_.size() + bends_.size() + steps_.size());
    Curve::Knot k;
    size_t begin = 0, end = 0, bend = 0, step = 0;
    for (;;) {
        uint64_t x = std::min<uint64_t>({begins_[begin], ends_[end], bends_[bend].at, steps_[step].at});
        if (x == kEnd) break;
        uint64_t since = x - 1 - k.at.blocks;
        uint64_t first_begin = begin, first_end = end;
        uint64_t blocks = 0, tokens = 0;  // more at each rank; what is less wraps around, and sums come out right
        while (begins_[begin] == x) ++begin;
        while (ends_[end] == x) ++end;
        for (; bends_[bend].at == x; ++bend) {
            blocks += static_cast<uint64_t>(bends_[bend].blocks);
            tokens += static_cast<uint64_t>(bends_[bend].tokens);
        }
        uint64_t usual = (begin - first_begin) - (end - first_end);
        blocks += usual;
        tokens += usual * usual_tokens_;
        bool steps = steps_[step].at == x;
        if (blocks == 0 && tokens == 0 && !steps) continue;
        k.at.blocks = x;
        k.at.hit_blocks += k.more_blocks * since;
        k.at.hit_tokens += k.more_tokens * since;
        k.more_blocks += blocks;
        k.more_tokens += tokens;
        k.at.hit_blocks += k.more_blocks;
        k.at.hit_tokens += k.more_tokens;
        if (steps) {
            k.at.hit_blocks += static_cast<uint64_t>(steps_[step].blocks);
            k.at.hit_tokens += static_cast<uint64_t>(steps_[step].tokens);
            ++step;
        }
        knots.push_back(k);
    }
    *this = CurveMarks(usual_tokens_);
    return knots;
}

template class CurveMarks<uint32_t>;
template class CurveMarks<uint64_t>;

}  // namespace kvsim
