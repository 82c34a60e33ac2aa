#include <kvsim/core/error.h>
#include <kvsim/eviction/workload_classes.h>

#include <algorithm>
#include <utility>

namespace kvsim {

// Per request, 1 .. turns; 0: none.
static std::vector<int64_t> turns_of(const Trace& trace, int64_t turns) {
    std::vector<int64_t> turn(trace.requests(), 0);
    std::vector<int64_t> met(trace.session.names().size(), 0);
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        if (!trace.turn.empty()) {
            if (trace.turn.has(r)) turn[r] = std::clamp<int64_t>(trace.turn[r], 1, turns);
        } else if (trace.session.id(r) != kNone) {
            turn[r] = std::min(++met[trace.session.id(r)], turns);
        }
    }
    return turn;
}

WorkloadClasses workload_classes(const Trace& trace, bool by_category, bool by_turn, int64_t turns) {
    if (by_category && trace.category.empty())
        throw_input("--eviction workload_aware: the trace has no categories; expected classes=turn or classes=none");
    if (by_turn && trace.turn.empty() && trace.session.empty())
        throw_input("--eviction workload_aware: the trace has neither turns nor sessions; expected classes=category or "
                    "classes=none");
    std::vector<int64_t> turn(trace.requests(), 0);
    if (by_turn) turn = turns_of(trace, turns);
    using Class = std::pair<uint32_t, int64_t>;
    std::vector<Class> all;
    for (uint32_t r = 0; r < trace.requests(); ++r) all.emplace_back(by_category ? trace.category.id(r) : 0, turn[r]);
    std::vector<Class> known = all;
    std::sort(known.begin(), known.end());
    known.erase(std::unique(known.begin(), known.end()), known.end());
    if (known.size() > kMostClasses)
        throw_input("--eviction workload_aware: the requests make " + std::to_string(known.size()) +
                    " classes; expected at most " + std::to_string(kMostClasses) + ", use fewer turns=");
    WorkloadClasses classes;
    classes.count = std::max<uint32_t>(1, static_cast<uint32_t>(known.size()));
    for (const Class& c : all)
        classes.of.push_back(static_cast<uint8_t>(std::lower_bound(known.begin(), known.end(), c) - known.begin()));
    return classes;
}

}  // namespace kvsim
