// The first sentence of a comparison: the best strategy at each capacity, how far it is from the best possible, and
// whether the trace can show that it is better than the one it was compared with.
#include <kvsim/core/units.h>
#include <kvsim/report/headline_parts.h>

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace kvsim {

namespace {

constexpr size_t kTold = 3;  ///< columns told one by one, and tables; more are summed up

struct Winner {
    std::vector<const Json*> cells;  ///< more than one: a tie
    std::vector<std::string> names;
    size_t of = 0;     ///< how many were compared
    size_t no_difference = 0;  ///< those of the others that the trace cannot tell from the baseline
    bool engines = false;
    Json capacity;     ///< of the table's blocks
};

/// Cells of one trace, block size, model and dtype, by capacity as given.
struct Table {
    std::string title;
    std::vector<std::string> order;
    std::map<std::string, std::vector<const Json*>> columns;
    bool layouts = false, accountings = false;  ///< whether names need these
};

std::string name_of(const Json& cell, const Table& t) {
    if (std::string engine = text_at(cell, "axes.engine"); !engine.empty()) return cleaned(engine);
    std::string eviction = text_at(cell, "axes.eviction"), layout = text_at(cell, "axes.layout"), accounting = text_at(cell, "axes.accounting");
    return cleaned((t.layouts ? layout + " " : "") + (t.accountings && !accounting.empty() ? accounting + " " : "") +
                   (eviction.empty() ? layout : eviction));
}

// The table that a cell is in; reports that do not say are taken apart by their axes.
std::string table_of(const Json& cell) {
    if (std::optional<uint64_t> table = whole_at(cell, "table")) return std::to_string(*table);
    std::string key;
    for (const char* axis : {"axes.trace", "axes.model", "axes.kv_dtype", "axes.k_dtype", "axes.v_dtype"}) key += text_at(cell, axis) + '\n';
    return text_at(cell, "axes.engine").empty() ? key + std::to_string(whole_at(cell, "axes.block_size").value_or(0)) : key;
}

std::string cell_title(const Json& cell) {
    std::string out = cleaned(text_at(cell, "axes.trace"));
    if (std::optional<uint64_t> size = whole_at(cell, "axes.block_size")) out += ", blocks of " + format_count(*size);
    for (const char* axis : {"axes.model", "axes.kv_dtype", "axes.k_dtype", "axes.v_dtype"})
        if (std::string value = cleaned(text_at(cell, axis)); !value.empty()) out += ", " + value;
    return out;
}

std::vector<Table> headline_tables(const Json& report) {
    std::vector<Table> out;
    std::map<std::string, size_t> place;
    std::map<std::string, std::pair<std::string, std::string>> first;  // layout and accounting
    for (const Json& cell : array_at(report, "cells")) {
        std::string key = table_of(cell);
        auto [at, added] = place.try_emplace(key, out.size());
        if (added) out.push_back({cell_title(cell), {}, {}});
        Table& t = out[at->second];
        std::string capacity = text_at(cell, "axes.capacity");
        if (!t.columns.count(capacity)) t.order.push_back(capacity);
        t.columns[capacity].push_back(&cell);
        if (!text_at(cell, "axes.engine").empty()) continue;
        std::pair<std::string, std::string> is = {text_at(cell, "axes.layout"), text_at(cell, "axes.accounting")};
        auto [before, fresh] = first.try_emplace(key, is);
        if (fresh) continue;
        t.layouts = t.layouts || before->second.first != is.first;
        t.accountings = t.accountings || (before->second.second != is.second && !is.second.empty());
    }
    return out;
}

/// What makes a cell the best: more is better.
std::optional<double> merit(const Json& cell) {
    if (text_at(cell, "status") != "ok" || true_at(cell, "knows_future")) return {};
    return number_at(cell, "results.hits.token_hit_rate");
}

std::optional<Winner> winner_of(const Table& t, const std::vector<const Json*>& column) {
    Winner w;
    double best = -1;
    for (const Json* cell : column) {
        std::optional<double> m = merit(*cell);
        if (!m) continue;
        ++w.of;
        w.engines = w.engines || !text_at(*cell, "axes.engine").empty();
        w.no_difference += text_at(*cell, "difference.verdict") == "no_difference";
        if (*m > best) w.cells.clear(), best = *m;
        if (*m == best) w.cells.push_back(cell);
    }
    if (w.cells.empty()) return {};
    for (const Json* cell : w.cells) w.names.push_back(name_of(*cell, t));
    // An engine may count in blocks of its own: the room is named in the blocks of the others.
    for (const Json* cell : column) {
        const Json* capacity = find_value(*cell, "capacity");
        if (capacity && text_at(*cell, "status") == "ok" && (w.capacity.is_null() || text_at(*cell, "axes.engine").empty())) {
            w.capacity = *capacity;
            if (text_at(*cell, "axes.engine").empty()) break;
        }
    }
    return w;
}

std::string names_text(const Winner& w) {
    constexpr size_t kMost = 3;
    if (w.names.size() <= kMost) return joined(w.names);
    if (w.names.size() == w.of) return "all " + std::to_string(w.of) + " strategies";
    return w.names[0] + ", " + w.names[1] + " and " + std::to_string(w.names.size() - 2) + " others";
}

double rate_of(const Winner& w) { return *number_at(*w.cells.front(), "results.hits.token_hit_rate"); }

bool cell_pinned(const Json& cell) { return text_at(cell, "axes.accounting").substr(0, 6) == "pinned"; }

// "23 strategies", "5 strategies and engines"
std::string everyone(size_t number, const std::vector<Winner>& winners) {
    bool engines = false;
    for (const Winner& w : winners) engines = engines || w.engines;
    return std::to_string(number) + (engines ? " strategies and engines" : number == 1 ? " strategy" : " strategies");
}

// "3.2 points below the best possible"; an engine has a ceiling of its own. "" where nothing is known. Cells that tie
// under different accountings have bounds of their own: then from the least gap to the largest.
std::string gap_words(const Winner& w, bool with_best) {
    const Json& cell = *w.cells.front();
    if (std::optional<Gap> gap = gap_of(cell, cell_pinned(cell))) {
        double least = gap->gap, largest = gap->gap;
        for (const Json* other : w.cells)
            if (std::optional<Gap> g = gap_of(*other, cell_pinned(*other))) least = std::min(least, g->gap), largest = std::max(largest, g->gap);
        if (points_text(least) != points_text(largest)) return points_text(least) + " to " + points_text(largest) + " below what their accountings make possible";
        if (gap->gap == 0 && gap->reached) return cell_pinned(cell) ? "the best possible for a cache that stores every request" : "the best possible";
        if (gap->gap == 0) return "as many as the cache that hits the most blocks";
        return points_text(gap->gap) + " below the best possible" + (with_best ? " (" + share_text(gap->best) + ")" : "");
    }
    std::optional<uint64_t> most = whole_at(cell, "bounds.unlimited.hit_tokens"), hits = whole_at(cell, "results.hits.hit_tokens"),
                            all = whole_at(cell, "results.hits.lookup_tokens");
    if (!most || !hits || !all || *all == 0 || *most < *hits) return {};
    return *most == *hits ? "as many as with unlimited room"
                          : points_text(static_cast<double>(*most - *hits) / static_cast<double>(*all)) + " below unlimited room";
}

/// What the intervals say of the best and of the cell it was compared with.
enum class Shown { nothing, better, no_difference };

Shown shown(const Winner& w) {
    bool compared = false, better = false;
    for (const Json* cell : w.cells) {
        std::string verdict = text_at(*cell, "difference.verdict");
        compared = compared || !verdict.empty();
        better = better || verdict == "better";
        if (verdict.empty()) return Shown::nothing;  // the baseline itself
    }
    return better ? Shown::better : compared ? Shown::no_difference : Shown::nothing;
}

std::string versus_words(const Winner& w, double level) {
    const Json& cell = *w.cells.front();
    std::string versus = cleaned(text_at(cell, "difference.versus"));
    std::optional<double> low = number_at(cell, "difference.low"), high = number_at(cell, "difference.high");
    switch (shown(w)) {
        case Shown::better:
            if (w.cells.size() > 1 || !low || !high) return " That is more than " + versus + ", as far as this trace shows.";
            return fmt::format(" That is {:.1f} to {:.1f} points more than {} ({:.3g} % interval).", 100 * *low, 100 * *high, versus, 100 * level);
        case Shown::no_difference: return " This trace does not show that it is better than " + versus + ".";
        case Shown::nothing: break;
    }
    // The baseline itself.
    if (w.names.size() > 1 || w.no_difference == 0 || w.no_difference == w.of) return {};
    return " This trace does not show that it is better than " + std::to_string(w.no_difference) + " of the other " + std::to_string(w.of - 1) + ".";
}

std::string rejected_words(const Winner& w) {
    const Json& cell = *w.cells.front();
    std::optional<uint64_t> rejected = whole_at(cell, "results.requests.rejected"), total = whole_at(cell, "results.requests.total");
    if (!rejected || !total || *rejected == 0) return {};
    return " It rejected " + format_count(*rejected) + " of " + format_count(*total) + " requests.";
}

std::string one_capacity(const Winner& w, double level) {
    std::string room = room_text(w.capacity), gap = gap_words(w, true);
    std::string out = room.empty() ? "With unlimited room, " : "At " + room + ", ";
    bool tie = w.names.size() > 1;
    out += names_text(w) + (tie ? " hit " : " hits ") + share_text(rate_of(w)) + " of the prompt tokens";
    if (tie) out += " each";
    if (w.of > w.names.size()) out += ", the most of " + everyone(w.of, {w});
    if (!gap.empty()) out += (w.of > 1 ? (gap.find("as many") == std::string::npos ? " and " : ", ") : ", ") + gap;
    return out + "." + versus_words(w, level) + rejected_words(w);
}

// Winners that follow one another with the same names.
struct Span {
    size_t first, last;
};

std::vector<Span> spans_of(const std::vector<Winner>& winners) {
    std::vector<Span> out;
    for (size_t i = 0; i < winners.size(); ++i) {
        if (!out.empty() && winners[out.back().last].names == winners[i].names) out.back().last = i;
        else out.push_back({i, i});
    }
    return out;
}

std::string rate_words(const Winner& w) {
    std::string gap = gap_words(w, false);
    return share_text(rate_of(w)) + (gap.empty() ? "" : ", " + gap);
}

// "at 5,000", "at 1,000 and 5,000", "from 1,000 to 10,000"; the first and the last column with their bytes, all with
// `full`.
std::string where_words(const std::vector<Winner>& w, const Span& s, bool full) {
    auto at = [&](size_t i) {
        if (room_text(w[i].capacity).empty()) return std::string("unlimited room");
        if (i == 0 || full) return room_text(w[i].capacity);
        return i + 1 == w.size() ? short_room_text(w[i].capacity) : format_count(*whole_at(w[i].capacity, "blocks"));
    };
    if (s.first == s.last) return "at " + at(s.first);
    return (s.first + 1 == s.last ? "at " + at(s.first) + " and " : "from " + at(s.first) + " to ") + at(s.last);
}

// Where the intervals do not show that the best is better than the baseline.
std::string doubts(const std::vector<Winner>& winners) {
    std::vector<std::string> rooms;
    std::string versus;
    for (const Winner& w : winners) {
        if (shown(w) != Shown::no_difference) continue;
        versus = cleaned(text_at(*w.cells.front(), "difference.versus"));
        std::string room = room_text(w.capacity);
        rooms.push_back(room.empty() ? "unlimited room" : format_count(*whole_at(w.capacity, "blocks")));
    }
    if (rooms.empty()) return {};
    if (rooms.back() != "unlimited room") rooms.back() += " blocks";
    bool all = rooms.size() == winners.size();
    return (all ? std::string(" At none of them does this trace show") : " At " + joined(rooms) + " this trace does not show") + " that the best is better than " + versus + ".";
}

std::string several_capacities(const std::vector<Winner>& winners) {
    size_t compared = 0;
    for (const Winner& w : winners) compared = std::max(compared, w.of);
    const Winner &first = winners.front(), &last = winners.back();
    std::vector<Span> spans = spans_of(winners);
    bool one = first.names.size() == 1;
    std::string all = everyone(compared, winners);
    if (spans.size() == 1) {  // one answer for all capacities
        std::string out = names_text(first) + (one ? " hits " : " hit ") + (!one && first.names.size() == compared ? "equally many prompt tokens"
                                                                            : compared > 1 ? "the most prompt tokens of " + all : "prompt tokens");
        return out + " " + where_words(winners, spans.front(), true) + ": from " + rate_words(first) + ", to " + rate_words(last) + "." + doubts(winners);
    }
    bool told = winners.size() <= kTold;
    std::string out = "Of " + all + ", these hit the most prompt tokens: ";
    for (const Span& s : spans) {
        out += (s.first == 0 ? "" : "; ") + names_text(winners[s.first]) + " " + where_words(winners, s, told);
        if (told) out += " with " + rate_words(winners[s.first]);
        if (told && s.first != s.last) out += ", and " + rate_words(winners[s.last]);
    }
    if (!told) out += ". Hit rates go from " + rate_words(first) + ", to " + rate_words(last);
    return out + "." + doubts(winners);
}

// Layouts that look nothing up: fewest rejected, then fewest tokens computed again.
std::string served(const Table& t) {
    std::string out;
    for (const std::string& column : t.order) {
        const Json* best = nullptr;
        std::pair<uint64_t, uint64_t> least{};
        size_t of = 0;
        for (const Json* cell : t.columns.at(column)) {
            std::optional<uint64_t> rejected = whole_at(*cell, "results.requests.rejected");
            if (text_at(*cell, "status") != "ok" || !rejected || find_value(*cell, "results.hits")) continue;
            std::pair<uint64_t, uint64_t> is = {*rejected, whole_at(*cell, "results.requests.recomputed_tokens").value_or(0)};
            ++of;
            if (!best || is < least) best = cell, least = is;
        }
        if (!best) continue;
        const Json* capacity = find_value(*best, "capacity");
        std::string room = capacity ? room_text(*capacity) : "";
        out += (out.empty() ? "" : " ") + (room.empty() ? "With unlimited room, " : "At " + room + ", ") + name_of(*best, t) + " rejects " +
               format_count(least.first) + " requests and computes " + format_count(least.second) + " tokens again" +
               (of > 1 ? ", no other of " + std::to_string(of) + " less." : ".");
        if (&column == &t.order[std::min(t.order.size(), kTold) - 1]) break;
    }
    return out;
}

std::string table_headline(const Table& t, double level) {
    std::vector<Winner> winners;
    for (const std::string& column : t.order)
        if (std::optional<Winner> w = winner_of(t, t.columns.at(column))) winners.push_back(std::move(*w));
    if (winners.empty()) return served(t);
    auto blocks = [](const Winner& w) { return whole_at(w.capacity, "blocks").value_or(~uint64_t{0}); };
    std::stable_sort(winners.begin(), winners.end(), [&](const Winner& a, const Winner& b) { return blocks(a) < blocks(b); });
    return winners.size() == 1 ? one_capacity(winners.front(), level) : several_capacities(winners);
}

// Bytes against error: the ends of the frontier.
std::string compression_headline(const Json& report) {
    const Json *smallest = nullptr, *nearest = nullptr;
    size_t measured = 0, best = 0;
    auto bytes = [](const Json& c) {
        return number_at(c, "results.compression.data_bytes").value_or(0) + number_at(c, "results.compression.metadata_bytes").value_or(0) +
               number_at(c, "results.compression.padding_bytes").value_or(0);
    };
    auto error = [](const Json& c) { return *number_at(c, "results.compression.output_nmse"); };
    for (const Json& c : array_at(report, "cells")) {
        if (!number_at(c, "results.compression.output_nmse")) continue;
        ++measured;
        if (!true_at(c, "pareto")) continue;
        ++best;
        if (!smallest || bytes(c) < bytes(*smallest)) smallest = &c;
        if (!nearest || error(c) < error(*nearest)) nearest = &c;
    }
    if (!smallest) return {};
    auto words = [&](const Json& c) {
        std::string k = text_at(c, "results.compression.keys.dtype"), v = text_at(c, "results.compression.values.dtype");
        double f16 = 2 * number_at(c, "results.compression.appended_values").value_or(0);
        std::string out = cleaned(k == v ? k : k + "/" + v) + " " + cleaned(text_at(c, "axes.eviction"));
        if (f16 > 0) out += ", " + share_text(bytes(c) / f16) + " of the bytes of f16";
        return out + fmt::format(" and an output error (NMSE) of {:.3g}", error(c));
    };
    if (smallest == nearest) return fmt::format("Of {} measured, one is both smallest and nearest: {}.", measured, words(*smallest));
    return fmt::format("Of {} measured, {} trade bytes for error and no other is better in both: from {}, to {}.", measured, best,
                       words(*smallest), words(*nearest));
}

}  // namespace

std::string compare_headline(const Json& report) {
    if (std::string out = compression_headline(report); !out.empty()) return out;
    std::string out;
    std::vector<Table> tables = headline_tables(report);
    double level = number_at(report, "confidence.level").value_or(0.95);
    size_t told = 0, all = 0;
    for (const Table& t : tables) {
        std::string sentence = table_headline(t, level);
        if (sentence.empty() || ++all > kTold) continue;
        ++told;
        out += (out.empty() ? "" : " ") + (tables.size() > 1 ? t.title + ": " : "") + sentence;
    }
    if (all > told) out += fmt::format(" {} more tables are not summed up here.", all - told);
    return out;
}

}  // namespace kvsim
