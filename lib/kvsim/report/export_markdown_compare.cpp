// The tables of a compare report in Markdown: what `kvsim compare` prints, from the JSON alone.
#include <kvsim/core/units.h>
#include <kvsim/report/escape.h>
#include <kvsim/report/export_markdown_parts.h>

#include <fmt/format.h>

#include <array>
#include <map>
#include <set>

namespace kvsim {

namespace markdown_compare {

constexpr const char* kRate = "results.hits.token_hit_rate";

/// Cells by row and column.
struct CellGrid {
    std::vector<std::string> rows, columns;  ///< who; capacities as given
    std::map<std::pair<size_t, size_t>, const Json*> cells;

    const Json* at(size_t row, size_t column) const {
        auto found = cells.find({row, column});
        return found == cells.end() ? nullptr : found->second;
    }
};

bool is_ok(const Json& cell) { return text_at(cell, "status") == "ok"; }
bool has_hits(const Json& cell) { return is_ok(cell) && find_value(cell, "results.hits"); }
bool is_measured(const Json& cell) { return find_value(cell, "results.compression.held_values") != nullptr; }
double rate_at(const Json& cell) { return number_at(cell, kRate).value_or(0); }

/// What the others are compared with.
bool is_versus(const Json& report, const Json& cell) {
    std::string versus = text_at(report, "config.versus");
    return !versus.empty() && (text_at(cell, "axes.eviction") == versus || text_at(cell, "axes.engine") == versus);
}

size_t place_in(std::vector<std::string>& names, const std::string& name) {
    auto at = std::find(names.begin(), names.end(), name);
    if (at == names.end()) at = names.insert(names.end(), name);
    return static_cast<size_t>(at - names.begin());
}

CellGrid grid_of(const CellTable& table) {
    std::set<std::string> layouts, accountings;
    for (const Json* c : table.cells) {
        if (std::string layout = text_at(*c, "axes.layout"); !layout.empty()) layouts.insert(layout);
        if (std::string accounting = text_at(*c, "axes.accounting"); !accounting.empty()) accountings.insert(accounting);
    }
    CellGrid g;
    for (const Json* c : table.cells) {
        const Json* axes = find_value(*c, "axes");
        if (!axes) continue;
        size_t row = place_in(g.rows, cell_name(*axes, layouts.size() > 1, accountings.size() > 1));
        g.cells[{row, place_in(g.columns, text_at(*axes, "capacity"))}] = c;
    }
    return g;
}

/// Which bound its hits are held against; empty: none.
std::string bound_of(const Json& cell) {
    std::string id = text_at(cell, "axes.accounting").rfind("pinned", 0) == 0 ? "optimal_admit" : "optimal";
    return find_value(cell, "bounds." + id + ".hit_blocks") ? id : "";
}

/// Highest rate of a column that a real cache reached.
double best_of(const CellGrid& g, size_t column) {
    double best = 0;
    for (size_t r = 0; r < g.rows.size(); ++r)
        if (const Json* c = g.at(r, column); c && has_hits(*c) && !true_at(*c, "knows_future")) best = std::max(best, rate_at(*c));
    return best;
}

bool is_best(const Json& cell, double best) { return best > 0 && rate_at(cell) == best && !true_at(cell, "knows_future"); }

/// A finished cell of the column in blocks of the table's size; else any of it.
const Json* any_of_column(const CellGrid& g, size_t column, const CellTable& table) {
    const Json* any = nullptr;
    for (size_t r = 0; r < g.rows.size(); ++r) {
        const Json* c = g.at(r, column);
        if (!c || !is_ok(*c)) continue;
        if (!table.trace || whole_at(*c, "axes.block_size") == whole_at(*table.trace, "block_size")) return c;
        any = any ? any : c;
    }
    return any;
}

// "**49.28** · 73.5 · +": rate, share of the bound's hit blocks, verdict.
std::string cell_text(const Json* c, double best) {
    if (!c) return "";
    std::string status = text_at(*c, "status");
    if (status != "ok") return status == "interrupted" ? "not run" : markdown_text(status);
    if (!has_hits(*c)) return count_at(*c, "results.requests.rejected") + " / " + count_at(*c, "results.requests.recomputed_tokens");
    std::string rate = number_at(*c, kRate) ? fmt::format("{:.2f}", 100 * rate_at(*c)) : "-", verdict = text_at(*c, "difference.verdict");
    if (is_best(*c, best)) rate = "**" + rate + "**";
    if (std::string bound = bound_of(*c); !bound.empty()) {
        std::optional<double> most = number_at(*c, "bounds." + bound + ".hit_blocks"), hits = number_at(*c, "results.hits.hit_blocks");
        rate += " · " + (most && hits && *most > 0 ? fmt::format("{:.1f}", 100 * *hits / *most) : "-");
    }
    return rate + (verdict == "better" ? " · +" : verdict == "worse" ? " · -" : verdict.empty() ? "" : " · =");
}

std::string cells_table(const CellGrid& g, const CellTable& table) {
    MarkdownTable text;
    std::vector<std::string> head = {"capacity"}, blocks = {"blocks"}, tokens = {"tokens"}, bytes = {"KV bytes"};
    bool with_bytes = false;
    for (size_t k = 0; k < g.columns.size(); ++k) {
        head.push_back(markdown_text(g.columns[k]));
        const Json* c = any_of_column(g, k, table);
        blocks.push_back(c ? count_at(*c, "capacity.blocks") : "");
        tokens.push_back(c ? count_at(*c, "capacity.tokens") : "");
        bytes.push_back(c ? bytes_at(*c, "capacity.bytes") : "");
        with_bytes = with_bytes || (c && find_value(*c, "capacity.bytes"));
    }
    text.add(head);
    text.add(blocks);
    text.add(tokens);
    if (with_bytes) text.add(bytes);
    std::vector<double> best;
    for (size_t k = 0; k < g.columns.size(); ++k) best.push_back(best_of(g, k));
    for (size_t r = 0; r < g.rows.size(); ++r) {
        std::vector<std::string> row = {markdown_code(g.rows[r])};
        bool all_skipped = true;
        for (size_t k = 0; k < g.columns.size(); ++k) {
            const Json* c = g.at(r, k);
            row.push_back(cell_text(c, best[k]));
            all_skipped = all_skipped && (!c || text_at(*c, "status") == "skipped");
        }
        if (!all_skipped) text.add(row);
    }
    for (const char* bound : {"optimal_admit", "optimal"}) {
        std::vector<std::string> row = {"(" + markdown_text(bound) + ")"};
        bool any = false;
        for (size_t k = 0; k < g.columns.size(); ++k) {
            std::string of;
            for (size_t r = 0; r < g.rows.size() && of.empty(); ++r)
                if (const Json* c = g.at(r, k))
                    if (std::optional<double> hits = number_at(*c, std::string("bounds.") + bound + ".hit_tokens"))
                        of = percent_of(hits, number_at(*c, "results.hits.lookup_tokens"));
            any = any || !of.empty();
            row.push_back(of);
        }
        if (any) text.add(row);
    }
    return text.str();
}

std::string legend(const Json& report, const CellGrid& g) {
    bool hits = false, bounds = false, compared = false, sequences = false;
    std::string future;
    for (const auto& [place, c] : g.cells) {
        if (!is_ok(*c)) continue;
        (has_hits(*c) ? hits : sequences) = true;
        bounds = bounds || !bound_of(*c).empty();
        compared = compared || find_value(*c, "difference.verdict");
        if (true_at(*c, "knows_future")) future = g.rows[place.first];
    }
    std::string out;
    if (hits) {
        out += "Token hit rate in %, the best of a column in bold";
        if (!future.empty()) out += " (but for " + markdown_code(future) + ", which knows the future)";
        if (bounds) out += "; then hit blocks in % of the optimum (optimal\\_admit under pinned, else optimal)";
        if (compared)
            out += "; then + better, - worse than " + markdown_code(text_at(report, "config.versus")) + ", = no difference that this trace can show";
        out += ".";
    }
    if (sequences) out += std::string(out.empty() ? "" : " ") + "Where nothing is looked up: rejected requests / tokens computed again.";
    return out.empty() ? out : out + "\n\n";
}

// The bests, the one that others are compared with, then the highest on average; last the bound.
std::string chart_of(const Json& report, const CellGrid& g) {
    MermaidChart chart{"Token hit rate by capacity", "capacity", "token hit rate in percent", {}, {}};
    for (const std::string& c : g.columns) {
        bool digits = !c.empty() && c.size() < 19 && c.find_first_not_of("0123456789") == std::string::npos;
        chart.labels.push_back(digits ? format_count(std::stoull(c)) : c);
    }
    struct Row {
        ChartLine line;
        int rank = 0;  ///< 2: best somewhere; 1: compared with
        double sum = 0;
    };
    std::vector<Row> rows;
    ChartLine bound{"", {}, true};
    for (size_t r = 0; r < g.rows.size(); ++r) {
        Row row{{g.rows[r], {}, false}, 0, 0};
        ChartLine most{"", {}, true};
        for (size_t k = 0; k < g.columns.size(); ++k) {
            const Json* c = g.at(r, k);
            if (!c || !has_hits(*c) || !number_at(*c, kRate) || true_at(*c, "knows_future")) break;
            row.line.values.push_back(100 * rate_at(*c));
            row.sum += rate_at(*c);
            if (row.rank == 0 && is_versus(report, *c)) row.rank = 1;
            if (is_best(*c, best_of(g, k))) row.rank = 2;
            std::string id = bound_of(*c);
            std::optional<double> hits = number_at(*c, "bounds." + id + ".hit_tokens"), all = number_at(*c, "results.hits.lookup_tokens");
            if (!id.empty() && hits && all && *all > 0) most.values.push_back(100 * *hits / *all), most.name = "(" + id + ")";
        }
        if (row.line.values.size() == g.columns.size()) rows.push_back(std::move(row));
        if (most.values.size() == g.columns.size() && (bound.name.empty() || most.name < bound.name)) bound = most;
    }
    std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.rank != b.rank ? a.rank > b.rank : a.sum > b.sum; });
    for (size_t i = 0; i < std::min(rows.size(), kMostChartLines); ++i) chart.lines.push_back(std::move(rows[i].line));
    if (!chart.lines.empty() && !bound.name.empty()) chart.lines.push_back(std::move(bound));
    return mermaid_chart(chart);
}

// Of the best of each column and of the one that others are compared with.
std::string misses_of(const Json& report, const CellGrid& g) {
    MarkdownTable text(2);
    text.add({"capacity", "strategy", "hits %", "compulsory %", "stranded %", "capacity %", "regret %"});
    for (size_t k = 0; k < g.columns.size(); ++k) {
        double best = best_of(g, k);
        bool found = false;  // of several bests the first
        for (size_t r = 0; r < g.rows.size(); ++r) {
            const Json* c = g.at(r, k);
            if (!c || !find_value(*c, "results.misses")) continue;
            bool first = is_best(*c, best) && !found;
            if (!first && !is_versus(report, *c)) continue;
            found = found || first;
            std::optional<double> all = number_at(*c, "results.hits.lookup_blocks");
            std::vector<std::string> row = {markdown_text(g.columns[k]), markdown_code(g.rows[r]), percent_of(number_at(*c, "results.hits.hit_blocks"), all)};
            for (const char* cause : {"compulsory", "stranded", "capacity", "regret"})
                row.push_back(percent_of(number_at(*c, std::string("results.misses.") + cause), all));
            text.add(row);
        }
    }
    return text.empty() ? "" : "Looked-up blocks by what became of them, of the best and of " + markdown_code(text_at(report, "config.versus")) + ":\n\n" + text.str();
}

std::string knees_of(const Json& report, const CellTable& table) {
    std::string out;
    for (const Json& k : array_at(report, "knees")) {
        if (!table.trace || text_at(k, "trace") != text_at(*table.trace, "name") || whole_at(k, "block_size") != whole_at(*table.trace, "block_size")) continue;
        std::string shares, blocks;
        for (const Json& knee : array_at(k, "of_ceiling")) {
            const char* comma = shares.empty() ? "" : ", ";
            shares += comma + fmt::format("{:.0f}", 100 * number_at(knee, "share").value_or(0));
            blocks += comma + count_at(knee, "blocks");
        }
        if (!shares.empty())
            out += "- " + markdown_code(text_at(k, "eviction")) + " (" + markdown_text(text_at(k, "accounting")) + ") reaches " + shares +
                   " % of the ceiling's hit tokens from " + blocks + " blocks on\n";
    }
    return out;
}

// Rejections, seeds, blame and reasons, each said once.
std::string remarks_of(const CellGrid& g) {
    std::vector<std::string> lines;
    auto say = [&](const std::string& line) {
        if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(line);
    };
    for (const auto& [place, c] : g.cells) {
        std::string who = markdown_code(g.rows[place.first]), where = who + " at " + markdown_text(g.columns[place.second]);
        if (text_at(*c, "status") == "skipped") say("skipped " + who + ": " + markdown_text(text_at(*c, "reason")));
        if (whole_at(*c, "results.requests.rejected").value_or(0) > 0 && find_value(*c, "engine"))
            say(where + ": " + count_at(*c, "results.requests.rejected") + " of " + count_at(*c, "results.requests.total") + " requests rejected, they found no room");
        if (find_value(*c, "seeds"))
            say(where + ": median of " + count_at(*c, "seeds.runs") + " seeds, from " + percent_of(number_at(*c, "seeds.token_hit_rate_low"), 1) + " to " +
                percent_of(number_at(*c, "seeds.token_hit_rate_high"), 1) + " %");
        for (const auto& [key, words] : {std::pair{"prefixes", "prefix first seen in "}, {"sessions", "session "}, {"categories", "category "}})
            for (const Json& b : array_at(*c, std::string("blame.") + key))
                say(where + ": " + words + markdown_code(text_at(b, "label")) + ": " + count_at(b, "regret_blocks") + " blocks regretted in " +
                    count_at(b, "requests") + " requests");
    }
    std::string out;
    for (const std::string& line : lines) out += "- " + line + "\n";
    return out;
}

// Cells that were measured on keys and values: bytes against errors.
std::string trade_off(const CellTable& table) {
    MarkdownTable text(4);
    text.add({"keys", "values", "strategy", "capacity", "bits", "kept %", "of f16 %", "key NMSE", "value NMSE", "output NMSE", "retained %"});
    for (const Json* c : table.cells) {
        if (!is_measured(*c)) continue;
        const Json& m = *find_value(*c, "results.compression");
        auto number = [&](const char* key, const char* format) {
            std::optional<double> x = number_at(m, key);
            return x ? fmt::format(fmt::runtime(format), *x) : "-";
        };
        std::optional<double> appended = number_at(m, "appended_values");
        double bytes = number_at(m, "data_bytes").value_or(0) + number_at(m, "metadata_bytes").value_or(0) + number_at(m, "padding_bytes").value_or(0);
        std::string output = number("output_nmse", "{:.3g}");
        text.add({markdown_code(text_at(m, "keys.dtype")), markdown_code(text_at(m, "values.dtype")), markdown_code(text_at(*c, "axes.eviction")),
                  markdown_text(text_at(*c, "axes.capacity")), number("bits_per_value", "{:.3f}"), percent_of(number_at(m, "held_values"), appended),
                  percent_of(bytes, 2 * appended.value_or(0)), number("key_nmse", "{:.3g}"), number("value_nmse", "{:.3g}"),
                  true_at(*c, "pareto") ? "**" + output + "**" : output, percent_of(number_at(m, "retained_mass"), 1)});
    }
    if (text.empty()) return {};
    return text.str() + "Bold: no other cell is smaller and nearer to full attention.\n\n";
}

std::string facts_of(const CellGrid& g, const CellTable& table) {
    if (!table.trace) return {};
    std::string out = count_at(*table.trace, "requests") + " requests";
    std::optional<uint64_t> all = whole_at(*table.trace, "requests"), counted = whole_at(*table.trace, "counted_requests");
    if (all && counted && *counted < *all) out += ", the first " + format_count(*all - *counted) + " not counted";
    if (find_value(*table.trace, "unique_blocks")) out += ", " + count_at(*table.trace, "unique_blocks") + " unique blocks";
    for (size_t k = 0; k < g.columns.size(); ++k)
        if (const Json* c = any_of_column(g, k, table); c && has_hits(*c))
            return out + ", " + count_at(*c, "results.hits.lookup_blocks") + " lookups; ceiling " +
                   percent_of(number_at(*c, "bounds.unlimited.hit_tokens"), number_at(*c, "results.hits.lookup_tokens")) + " %\n\n";
    return out + "\n\n";
}

// Over several traces: how often a strategy was better or worse.
std::string summary_of(const Json& report) {
    if (array_at(report, "traces").size() < 2) return {};
    std::vector<std::string> names;
    std::vector<std::array<uint64_t, 3>> scores;
    for (const Json& c : array_at(report, "cells")) {
        std::string verdict = text_at(c, "difference.verdict");
        if (verdict.empty()) continue;
        size_t at = place_in(names, cell_name(find_value(c, "axes") ? c["axes"] : c, false, false));
        scores.resize(names.size());
        ++scores[at][verdict == "better" ? 0 : verdict == "worse" ? 1 : 2];
    }
    MarkdownTable text;
    text.add({"against " + markdown_code(text_at(report, "config.versus")), "better", "worse", "no difference"});
    for (size_t i = 0; i < names.size(); ++i)
        text.add({markdown_code(names[i]), format_count(scores[i][0]), format_count(scores[i][1]), format_count(scores[i][2])});
    return text.empty() ? "" : "### All tables\n\nCells of each strategy and engine, by verdict:\n\n" + text.str();
}

static std::string whole(const Json& report) {
    std::string out;
    for (const CellTable& table : cell_tables(report)) {
        out += "### " + markdown_text(table_name(table)) + "\n\n";
        CellGrid g = grid_of(table);
        out += facts_of(g, table);
        bool traded = std::all_of(table.cells.begin(), table.cells.end(), [](const Json* c) { return is_measured(*c) || text_at(*c, "status") == "skipped"; });
        if (!traded) out += cells_table(g, table) + legend(report, g) + chart_of(report, g) + misses_of(report, g);
        out += trade_off(table);
        std::string notes = knees_of(report, table) + remarks_of(g);
        out += notes + (notes.empty() ? "" : "\n");
    }
    return out + summary_of(report);
}

}  // namespace markdown_compare

std::string compare_markdown(const Json& report) { return markdown_compare::whole(report); }

}  // namespace kvsim
