#include <kvsim/eviction/token_base.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace kvsim {

namespace {

constexpr uint64_t kMostTokens = uint64_t{1} << 32;  // as many as ids

}  // namespace

uint64_t floor_share(double share, uint64_t whole) {
    return static_cast<uint64_t>(std::floor(share * static_cast<double>(whole) * (1 + 1e-12)));
}

TokenRoom ask_token_room(Spec& spec, const TokenContext& context, uint64_t default_sinks) {
    TokenRoom room;
    std::string text = spec.text("budget", "0.2");
    room.asked = spec.has("budget");
    uint64_t tokens = 0;
    double share = 0;
    if (parse_whole(text, tokens) && tokens > 0 && tokens <= kMostTokens) {
        room.exact = static_cast<double>(tokens);
    } else if (parse_number(text, share) && share > 0 && share < 1) {
        room.exact = share * static_cast<double>(context.sequence_tokens);
        tokens = floor_share(share, context.sequence_tokens);
    } else {
        throw_input(spec.id() + ": parameter budget=" + text +
                    ": expected a share of the sequence above 0 and below 1, or a whole number of tokens from 1 to 4294967296");
    }
    room.uncapped = std::max<uint64_t>(1, tokens);
    room.budget = std::max<uint64_t>(1, std::min(tokens, context.capacity_tokens));
    room.sinks = spec.whole("sinks", default_sinks, 0, kMostTokens);
    if (room.asked && share == 0 && spec.has("sinks") && room.sinks >= tokens)
        throw_input(spec.id() + ": parameter sinks=" + std::to_string(room.sinks) +
                    ": expected fewer than the budget of " + std::to_string(tokens) + " tokens");
    return room;
}

TokenRoom ask_token_room(Spec& spec, const TokenContext& context, uint64_t default_sinks, uint64_t default_recent) {
    TokenRoom room = ask_token_room(spec, context, default_sinks);
    room.recent = ask_recent(spec, default_recent);
    return room;
}

uint64_t ask_recent(Spec& spec, uint64_t fallback) { return spec.whole("recent", fallback, 0, kMostTokens); }

namespace {

constexpr double kHighest = std::numeric_limits<double>::infinity();
constexpr size_t kLanes = 8, kTile = 16 * kLanes;

/// The lowest score of a tile among ids in [first, first + span]; in lanes, since a minimum of doubles is one chain
/// otherwise.
double lowest_of(const uint32_t* ids, const double* scores, size_t count, uint32_t first, uint32_t span) {
    double lane[kLanes];
    std::fill_n(lane, kLanes, kHighest);
    size_t i = 0;
    for (; i + kLanes <= count; i += kLanes)
        for (size_t j = 0; j < kLanes; ++j) {
            // NOLINTNEXTLINE(bugprone-narrowing-conversions): between doubles
            double score = ids[i + j] - first <= span ? scores[i + j] : kHighest;
            lane[j] = score < lane[j] ? score : lane[j];
        }
    for (; i < count; ++i)
        if (ids[i] - first <= span && scores[i] < lane[0]) lane[0] = scores[i];
    return *std::min_element(lane, lane + kLanes);
}

}  // namespace

uint32_t lowest_score(const std::vector<uint32_t>& ids, const double* scores, uint32_t first, uint32_t last) {
    if (last < first) return kNoSlot;
    uint32_t span = last - first, slot = kNoSlot, oldest = 0;
    double best = kHighest;
    for (size_t begin = 0; begin < ids.size(); begin += kTile) {
        size_t count = std::min(kTile, ids.size() - begin);
        double lowest = lowest_of(ids.data() + begin, scores + begin, count, first, span);
        if (lowest > best || lowest == kHighest) continue;
        if (lowest < best) slot = kNoSlot;
        best = lowest;
        for (size_t i = begin; i < begin + count; ++i) {
            if (scores[i] != best || ids[i] - first > span || (slot != kNoSlot && ids[i] > oldest)) continue;
            slot = static_cast<uint32_t>(i);
            oldest = ids[i];
        }
    }
    return slot;
}

uint32_t least_protected(const std::vector<uint32_t>& ids, uint64_t sinks) {
    uint32_t oldest = kNoSlot;  // no id is as high
    auto first = static_cast<uint32_t>(std::min<uint64_t>(sinks, kNoSlot));
    for (uint32_t id : ids) oldest = std::min(oldest, id < first ? kNoSlot : id);
    if (oldest == kNoSlot)
        for (uint32_t id : ids) oldest = oldest == kNoSlot ? id : std::max(oldest, id);
    return static_cast<uint32_t>(std::find(ids.begin(), ids.end(), oldest) - ids.begin());
}

uint32_t ScoredTokens::lowest(const LayerStep& step, uint32_t head, const double* scores) const {
    if (room_.recent > step.token) return kNoSlot;
    auto last = static_cast<uint32_t>(step.token - room_.recent);
    auto first = static_cast<uint32_t>(std::min<uint64_t>(room_.sinks, kNoSlot));
    return lowest_score((*step.heads)[head].ids, scores, first, last);
}

bool ScoredTokens::next_victim(const LayerStep& step, TokenVictim& victim) {
    for (uint32_t head = 0; head < step.heads->size(); ++head) {
        const std::vector<uint32_t>& ids = (*step.heads)[head].ids;
        if (ids.size() <= room_.budget) continue;
        victim = {head, lowest(step, head, rate(step, head))};
        if (victim.slot == kNoSlot) victim.slot = least_protected(ids, room_.sinks);
        return true;
    }
    return false;
}

TokenRule token_rule_of(const TokenRoom& room, TokenRule::Scores scores) {
    TokenRule rule;
    rule.keep = room.budget;
    rule.sinks = std::min(room.sinks, rule.keep);
    rule.window = std::min(room.recent, rule.keep - rule.sinks);
    rule.scores = scores;
    return rule;
}

const std::vector<float>& ScoredTokens::weights(const LayerStep& step, uint32_t head) const {
    if (!step.weights)
        throw_input(id_ + " needs attention weights: recorded queries and keys, or scores in the trace");
    const std::vector<float>& row = (*step.weights)[head];
    if (row.size() != (*step.heads)[head].count())
        throw_input(id_ + ": attention weights of token " + std::to_string(step.token) + ", head " +
                    std::to_string(head) + ": expected " + std::to_string((*step.heads)[head].count()) + ", found " +
                    std::to_string(row.size()));
    return row;
}

}  // namespace kvsim
