// The first sentence. It is made of the report's integers: best, ties and gaps are decided before anything is rounded,
// and a difference that the confidence intervals do not show is not claimed.
#include <kvsim/core/units.h>
#include <kvsim/report/headline.h>
#include <kvsim/report/headline_parts.h>

#include <fmt/format.h>

#include <algorithm>

namespace kvsim {

std::string share_text(double fraction) {
    if (fraction > 0 && fraction < 0.0005) return "below 0.1 %";
    if (fraction < 1 && fraction >= 0.9995) return "above 99.9 %";
    return format_percent(fraction, 1);
}

std::string points_text(double fraction) {
    if (fraction > 0 && fraction < 0.0005) return "less than 0.1 points";
    std::string number = fmt::format("{:.1f}", 100 * fraction);
    return number + (number == "1.0" ? " point" : " points");
}

std::string short_room_text(const Json& capacity) {
    std::optional<uint64_t> blocks = whole_at(capacity, "blocks"), bytes = whole_at(capacity, "bytes");
    if (!blocks) return {};
    return format_count(*blocks) + (bytes ? " (" + format_bytes(*bytes) + ")" : "");
}

std::string room_text(const Json& capacity) {
    std::optional<uint64_t> blocks = whole_at(capacity, "blocks"), bytes = whole_at(capacity, "bytes");
    if (!blocks) return {};
    return format_count(*blocks) + (*blocks == 1 ? " block" : " blocks") + (bytes ? " (" + format_bytes(*bytes) + ")" : "");
}

std::string joined(const std::vector<std::string>& parts) {
    std::string out;
    for (size_t i = 0; i < parts.size(); ++i) out += (i == 0 ? "" : i + 1 == parts.size() ? " and " : ", ") + parts[i];
    return out;
}

std::string cleaned(const std::string& name) {
    constexpr size_t kMost = 80;
    std::string out = printable(name);
    if (out.size() <= kMost) return out;
    size_t end = kMost;
    while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0) == 0x80) --end;  // not inside a character
    return out.substr(0, end) + "...";
}

std::optional<Gap> gap_of(const Json& cell, bool pinned) {
    std::optional<uint64_t> bound = whole_at(cell, pinned ? "bounds.optimal_admit.hit_tokens" : "bounds.optimal.hit_tokens");
    std::optional<uint64_t> hits = whole_at(cell, "results.hits.hit_tokens"), all = whole_at(cell, "results.hits.lookup_tokens");
    if (!bound || !hits || !all || *all == 0) return {};
    double whole = static_cast<double>(*all);
    std::optional<uint64_t> of_blocks = whole_at(cell, pinned ? "bounds.optimal_admit.hit_blocks" : "bounds.optimal.hit_blocks");
    std::optional<uint64_t> blocks = whole_at(cell, "results.hits.hit_blocks");
    return Gap{static_cast<double>(*bound) / whole, *bound > *hits ? static_cast<double>(*bound - *hits) / whole : 0.0,
               of_blocks && blocks && *blocks >= *of_blocks};
}

namespace {

// "lru", "vllm", "paged with lru"
std::string who(const Json& report) {
    if (std::string engine = text_at(report, "config.engine"); !engine.empty()) return cleaned(engine.substr(0, engine.find(':')));
    std::string eviction = cleaned(text_at(report, "config.eviction")), layout = cleaned(text_at(report, "config.layout"));
    if (layout == "prefix" || layout.empty()) return eviction.empty() ? "the cache" : eviction;
    return "the " + layout + " layout" + (eviction.empty() || eviction == "none" ? "" : " with " + eviction);
}

bool is_pinned(const Json& report) { return text_at(report, "config.accounting").substr(0, 6) == "pinned"; }

// ", 3.2 points below the best possible (27.3 %)", or what can be said instead.
std::string gap_words(const Json& report) {
    if (std::optional<Gap> gap = gap_of(report, is_pinned(report))) {
        if (gap->gap == 0 && gap->reached) return std::string(", as many as any cache of this size ") + (is_pinned(report) ? "that stores every request" : "could");
        if (gap->gap == 0) return ", as many as the cache that hits the most blocks";
        return ", " + points_text(gap->gap) + " below the best possible (" + share_text(gap->best) + ")";
    }
    std::optional<uint64_t> most = whole_at(report, "bounds.unlimited.hit_tokens"), hits = whole_at(report, "results.hits.hit_tokens"),
                            all = whole_at(report, "results.hits.lookup_tokens");
    if (!most || !hits || !all || *all == 0 || *most < *hits) return {};
    if (*most == *hits) return ", as many as with unlimited room";
    return ", " + points_text(static_cast<double>(*most - *hits) / static_cast<double>(*all)) + " below unlimited room (" +
           share_text(static_cast<double>(*most) / static_cast<double>(*all)) + ")";
}

// Of the misses, what no cache could help and what a better choice would have kept.
std::string miss_words(const Json& report) {
    std::optional<uint64_t> compulsory = whole_at(report, "results.misses.compulsory"), regret = whole_at(report, "results.misses.regret"),
                            stranded = whole_at(report, "results.misses.stranded"), capacity = whole_at(report, "results.misses.capacity");
    if (!compulsory || !regret || !stranded || !capacity) return {};
    double all = static_cast<double>(*compulsory + *regret + *stranded + *capacity);
    if (all == 0) return {};
    return " Of the blocks it missed, " + share_text(static_cast<double>(*compulsory) / all) + " had never been seen and " +
           share_text(static_cast<double>(*regret) / all) + " an optimal choice would have kept.";
}

std::string rejected_words(const Json& report) {
    std::optional<uint64_t> rejected = whole_at(report, "results.requests.rejected"), total = whole_at(report, "results.requests.total");
    if (!rejected || !total || *rejected == 0) return {};
    return " " + format_count(*rejected) + " of " + format_count(*total) + " requests were rejected: they found no room.";
}

// "", ", 16.00 bits a value and an output error (NMSE) of 0.0133"
std::string compression_words(const Json& report) {
    std::optional<double> bits = number_at(report, "results.compression.bits_per_value"),
                          error = number_at(report, "results.compression.output_nmse");
    std::string out;
    if (bits) out += fmt::format(", at {:.2f} bits a value", *bits);
    if (error) out += fmt::format("{}an error of the attention output (NMSE) of {:.3g}", bits ? " and " : ", with ", *error);
    return out;
}

// Layouts that look nothing up, and traces that name no blocks.
std::string served_headline(const Json& report, const std::string& room) {
    std::optional<uint64_t> completed = whole_at(report, "results.requests.completed"), total = whole_at(report, "results.requests.total"),
                            peak = whole_at(report, "results.utilization.peak_resident_blocks");
    if (!completed || !total) return {};
    std::string out = (room.empty() ? "With unlimited room, " : "At " + room + ", ") + who(report) + " serves " +
                      (*completed == *total ? "all " + format_count(*total) : format_count(*completed) + " of " + format_count(*total)) +
                      (*total == 1 ? " request" : " requests");
    if (peak) out += " and holds at most " + format_count(*peak) + (*peak == 1 ? " block" : " blocks");
    out += compression_words(report) + "." + rejected_words(report);
    if (std::optional<uint64_t> again = whole_at(report, "results.requests.recomputed_tokens"); again && *again > 0)
        out += " " + format_count(*again) + (*again == 1 ? " token was" : " tokens were") + " computed again.";
    return out;
}

std::string replay_headline(const Json& report) {
    const Json* capacity = find_value(report, "capacity");
    std::string room = capacity ? room_text(*capacity) : "";
    std::optional<double> rate = number_at(report, "results.hits.token_hit_rate");
    if (!rate) return served_headline(report, room);
    std::string out = (room.empty() ? "With unlimited room, " : "At " + room + ", ") + who(report) + " hits " + share_text(*rate) + " of the prompt tokens";
    bool all = whole_at(report, "results.hits.hit_tokens") == whole_at(report, "bounds.unlimited.hit_tokens");
    if (!room.empty() || !all) out += gap_words(report);
    else if (text_at(report, "config.engine").empty()) out += ", all that can be hit";
    return out + "." + miss_words(report) + rejected_words(report);
}

std::string curve_headline(const Json& report) {
    const Json& knees = array_at(report, "knees");
    std::string name = who(report);
    if (knees.empty()) {
        const Json& most = array_at(report, "curve.hit_tokens");
        bool nothing = !most.empty() && std::all_of(most.begin(), most.end(), [](const Json& v) { return v.is_number() && v.get<double>() == 0; });
        return nothing ? name + " hits no prompt token at any capacity." : "";
    }
    std::vector<std::string> rooms;
    for (const Json& knee : knees)
        if (std::optional<double> share = number_at(knee, "share"))
            rooms.push_back(room_text(knee) + " for " + fmt::format("{:.0f} %", 100 * *share));
    std::string out = name + " needs " + joined(rooms) + " of the most it can hit";
    const Json& columns = array_at(report, "curve.hit_tokens");
    std::optional<uint64_t> all = whole_at(report, "lookup_tokens");
    // The most: a strategy that is no stack may hit less in the largest of the capacities.
    double most = 0;
    for (const Json& v : columns)
        if (v.is_number()) most = std::max(most, v.get<double>());
    if (most > 0 && all && *all > 0) out += ", " + share_text(most / static_cast<double>(*all)) + " of the prompt tokens";
    return out + ".";
}

std::string size_headline(const Json& report) {
    const Json* capacity = find_value(report, "capacity");
    std::optional<double> value = number_at(report, "goal.value"), rate = number_at(report, "results.hits.token_hit_rate");
    std::string metric = text_at(report, "goal.metric"), room = capacity ? room_text(*capacity) : "";
    if (!value || room.empty()) return {};
    // As it was asked for: 0.333 is not 33 %.
    std::string goal = fmt::format("{:.6g} %", 100 * *value);
    std::string what = metric == "token_hit_rate" ? "to hit " + goal + " of the prompt tokens"
                     : metric == "block_hit_rate" ? "to hit " + goal + " of the looked-up blocks"
                                                  : "to hit " + goal + " of the tokens that any cache could hit";
    std::string out = who(report) + " needs " + room + " " + what;
    if (rate) out += metric == "token_hit_rate" ? "; it hits " + share_text(*rate) : "; it then hits " + share_text(*rate) + " of the prompt tokens";
    out += rate ? gap_words(report) + "." : ".";
    std::optional<uint64_t> needed = whole_at(report, "goal.blocks_for_goal"), active = whole_at(report, "goal.peak_active_blocks");
    if (needed && active && *active > *needed)
        out += " For the goal alone " + format_count(*needed) + " would do, but " + format_count(*active) + " are in use at once.";
    return out;
}

std::string bench_headline(const Json& report) {
    size_t measured = 0, all = 0;
    std::vector<std::string> backends, names;
    auto add = [](std::vector<std::string>& to, const std::string& name) {
        if (std::find(to.begin(), to.end(), name) == to.end()) to.push_back(name);
    };
    for (const Json& k : array_at(report, "kernels")) {
        ++all;
        if (text_at(k, "status") != "ok") continue;
        ++measured;
        add(names, text_at(k, "name"));
        std::string device = cleaned(text_at(k, "device"));
        add(backends, cleaned(text_at(k, "backend")) + (device.empty() ? "" : " (" + device + ")"));
    }
    if (all == 0) return {};
    if (measured == 0) return fmt::format("None of {} kernel timings could be measured here.", all);
    return fmt::format("{} of {} timings of {} kernel{} were measured on {}.", measured, all, names.size(), names.size() == 1 ? "" : "s",
                       joined(backends));
}

std::string check_headline(const Json& report) {
    const Json* passed = find_value(report, "passed");
    if (!passed || !passed->is_boolean()) return {};
    std::string of = cleaned(text_at(report, "report")), baseline = cleaned(text_at(report, "baseline"));
    return std::string(passed->get<bool>() ? "Passed" : "FAILED") + (of.empty() ? "" : ": " + of) + (baseline.empty() ? "" : " against " + baseline) + ".";
}

}  // namespace

std::string headline(const Json& report) {
    std::string kind = text_at(report, "kind");
    if (kind == "compare") return compare_headline(report);
    if (kind == "replay") return replay_headline(report);
    if (kind == "curve") return curve_headline(report);
    if (kind == "size") return size_headline(report);
    if (kind == "bench") return bench_headline(report);
    if (kind == "check") return check_headline(report);
    return {};
}

}  // namespace kvsim
