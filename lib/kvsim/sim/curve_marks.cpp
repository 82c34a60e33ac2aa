#include <kvsim/sim/curve_marks.h>

#include <algorithm>
#include <array>

namespace kvsim {

// By `at`: eleven bits at a time from the lowest, as many rounds as the largest needs; short lists by comparing.
template <class Mark>
static void sort_marks(std::vector<Mark>& marks) {
    constexpr int kBits = 11;
    if (marks.size() < 2048) {
        std::sort(marks.begin(), marks.end(), [](const Mark& a, const Mark& b) { return a.at < b.at; });
        return;
    }
    uint64_t largest = 0;
    for (const Mark& m : marks) largest = std::max(largest, m.at);
    std::vector<Mark> other(marks.size());
    for (int shift = 0; shift < 64 && largest >> shift != 0; shift += kBits) {
        std::array<uint32_t, (1 << kBits) + 1> place{};
        for (const Mark& m : marks) ++place[(m.at >> shift & ((1 << kBits) - 1)) + 1];
        for (size_t i = 1; i < place.size(); ++i) place[i] += place[i - 1];
        for (const Mark& m : marks) other[place[m.at >> shift & ((1 << kBits) - 1)]++] = m;
        marks.swap(other);
    }
}

void CurveMarks::merge_steps() {
    sort_marks(steps_);
    size_t kept = 0;
    for (const Step& s : steps_) {
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

std::vector<Curve::Knot> CurveMarks::knots() {
    sort_marks(bends_);
    merge_steps();
    std::vector<Curve::Knot> knots;
    knots.reserve(bends_.size() / 2 + steps_.size());
    Curve::Knot k;
    auto bend = bends_.begin();
    auto step = steps_.begin();
    while (bend != bends_.end() || step != steps_.end()) {
        uint64_t x = bend == bends_.end() ? step->at : step == steps_.end() ? bend->at : std::min(bend->at, step->at);
        k.at.hit_blocks += k.more_blocks * (x - 1 - k.at.blocks);
        k.at.hit_tokens += k.more_tokens * (x - 1 - k.at.blocks);
        uint64_t blocks = k.more_blocks, tokens = k.more_tokens;
        for (; bend != bends_.end() && bend->at == x; ++bend) {
            blocks += bend->tokens > 0 ? 1 : ~uint64_t{0};  // counts wrap; sums are right
            tokens += static_cast<uint64_t>(bend->tokens);
        }
        bool bends = blocks != k.more_blocks || tokens != k.more_tokens;
        k.at.blocks = x;
        k.at.hit_blocks += blocks;
        k.at.hit_tokens += tokens;
        k.more_blocks = blocks;
        k.more_tokens = tokens;
        bool steps = step != steps_.end() && step->at == x;
        if (steps) {
            k.at.hit_blocks += step->blocks;
            k.at.hit_tokens += static_cast<uint64_t>(step->tokens);
            ++step;
        }
        if (bends || steps) knots.push_back(k);
    }
    bends_.clear();
    steps_.clear();
    return knots;
}

}  // namespace kvsim
