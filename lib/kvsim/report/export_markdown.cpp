// Markdown for a pull request or the summary of a CI job: the headline, tables, charts in Mermaid, definitions folded
// away. Rates are percentages here and nowhere else. Names are set as code, so nothing in them is markup.
#include <kvsim/core/units.h>
#include <kvsim/report/check.h>
#include <kvsim/report/escape.h>
#include <kvsim/report/export_markdown.h>
#include <kvsim/report/export_markdown_parts.h>
#include <kvsim/report/headline.h>

#include <fmt/format.h>

#include <cmath>
#include <map>

namespace kvsim {

namespace markdown_export {

bool ends_with(std::string_view text, std::string_view end) {
    return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

size_t columns_of(std::string_view text) {  // of UTF-8, roughly
    return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

bool is_share(std::string_view key) {
    if (key.find("hit_rate") != std::string_view::npos) return true;
    for (const char* end : {"_fraction", "token_fill", "fragmentation", ".p10", ".p50", ".p90", "retained_mass", "share"})
        if (ends_with(key, end)) return true;
    return false;
}

bool is_bytes(std::string_view key) { return ends_with(key, "bytes") || ends_with(key, "bytes_per_token") || ends_with(key, "bytes_per_block"); }

}  // namespace markdown_export

std::string MarkdownTable::str() const {
    using markdown_export::columns_of;
    if (empty()) return {};
    std::vector<size_t> widths;
    for (const auto& row : rows_)
        for (size_t i = 0; i < row.size(); ++i) {
            widths.resize(std::max(widths.size(), i + 1), 3);
            widths[i] = std::max(widths[i], columns_of(row[i]));
        }
    std::string out;
    for (size_t r = 0; r < rows_.size(); ++r) {
        for (size_t i = 0; i < widths.size(); ++i) {
            std::string text = i < rows_[r].size() ? rows_[r][i] : "", space(widths[i] - columns_of(text), ' ');
            out += i < left_ ? "| " + text + space + " " : "| " + space + text + " ";
        }
        out += "|\n";
        if (r > 0) continue;
        for (size_t i = 0; i < widths.size(); ++i) out += i < left_ ? "|" + std::string(widths[i] + 2, '-') : "|" + std::string(widths[i] + 1, '-') + ":";
        out += "|\n";
    }
    return out + "\n";
}

std::string shown(const std::string& key, const Json& value) {
    using namespace markdown_export;
    if (value.is_string()) return markdown_text(value.get_ref<const std::string&>());
    if (value.is_number() && is_share(key)) return format_percent(value.get<double>());
    if (value.is_number_unsigned()) {
        uint64_t n = value.get<uint64_t>();
        return is_bytes(key) ? format_bytes(n) : format_count(n);
    }
    return value.is_number_float() ? fmt::format("{:.4g}", value.get<double>()) : text_of(value);
}

std::string percent_of(std::optional<double> part, std::optional<double> whole) {
    if (!part || !whole || *whole == 0) return "-";
    return fmt::format("{:.2f}", 100 * *part / *whole);
}

std::string count_at(const Json& json, std::string_view path) {
    std::optional<uint64_t> n = whole_at(json, path);
    return n ? format_count(*n) : "-";
}

std::string bytes_at(const Json& json, std::string_view path) {
    std::optional<uint64_t> n = whole_at(json, path);
    return n ? format_bytes(*n) : "-";
}

std::string folded(const std::string& title, const std::string& text) {
    if (text.empty()) return {};
    return "<details>\n<summary>" + title + "</summary>\n\n" + text + "\n</details>\n\n";
}

namespace markdown_export {

std::string list_of(const Json& report, const char* key) {
    const Json* object = find_value(report, key);
    if (!object || !object->is_object()) return {};
    std::string out;
    for (const auto& [name, value] : object->items()) {
        std::string text;
        if (value.is_array()) {
            for (const Json& item : value) text += (text.empty() ? "" : ", ") + markdown_code(text_of(item));
        } else {
            text = value.is_string() && std::string_view(key) == "config" ? markdown_code(text_of(value)) : markdown_text(text_of(value));
        }
        out += "- **" + markdown_text(name) + "**: " + text + "\n";
    }
    return out;
}

void add_row(MarkdownTable& table, const std::string& what, const std::string& value, const std::string& of) {
    if (value != "-") table.add({what, of, value});
}

// What people look for first; everything else is folded below it.
std::string key_numbers(const Json& report) {
    MarkdownTable table(2);
    table.add({"", "of", ""});
    bool pinned = text_at(report, "config.accounting").rfind("pinned", 0) == 0;
    const char* bound = pinned ? "bounds.optimal_admit.hit_blocks" : "bounds.optimal.hit_blocks";
    auto percent = [](const std::string& number) { return number == "-" ? number : number + " %"; };
    auto ratio = [&](const char* part, const char* whole) { return percent(percent_of(number_at(report, part), number_at(report, whole))); };
    add_row(table, "capacity in blocks", count_at(report, "capacity.blocks"), "");
    add_row(table, "capacity in tokens", count_at(report, "capacity.tokens"), "");
    add_row(table, "capacity in KV bytes", bytes_at(report, "capacity.bytes"), "");
    add_row(table, "token hit rate", ratio("results.hits.hit_tokens", "results.hits.lookup_tokens"),
            count_at(report, "results.hits.lookup_tokens") + " looked-up tokens");
    add_row(table, "block hit rate", ratio("results.hits.hit_blocks", "results.hits.lookup_blocks"),
            count_at(report, "results.hits.lookup_blocks") + " looked-up blocks");
    add_row(table, "ceiling", ratio("bounds.unlimited.hit_tokens", "results.hits.lookup_tokens"), "the same, if nothing were ever evicted");
    add_row(table, "of the optimum", ratio("results.hits.hit_blocks", bound),
            count_at(report, bound) + " hit blocks of a cache that knows the future" + (pinned ? " and stores every request" : ""));
    for (const char* cause : {"compulsory", "stranded", "capacity", "regret"})
        add_row(table, std::string("misses: ") + cause, ratio(("results.misses." + std::string(cause)).c_str(), "results.hits.lookup_blocks"),
                "looked-up blocks");
    add_row(table, "requests completed", count_at(report, "results.requests.completed"), count_at(report, "results.requests.total") + " requests");
    add_row(table, "evicted blocks", count_at(report, "results.evictions.blocks"), "");
    add_row(table, "peak resident blocks", count_at(report, "results.utilization.peak_resident_blocks"), "");
    add_row(table, "peak resident KV bytes", bytes_at(report, "results.memory.peak_bytes"), "");
    return table.str();
}

std::string all_numbers(const Json& report) {
    MarkdownTable table;
    table.add({"key", "value"});
    Fields fields;
    add_fields(fields, report, std::vector<const char*>{"capacity", "engine", "results", "bounds", "timing"});
    for (const auto& [key, value] : fields) table.add({markdown_code(key), shown(key, *value)});
    return table.str();
}

std::string groups(const Json& report) {
    MarkdownTable table;
    table.add({"group", "requests", "token hits %", "block hits %", "hit tokens"});
    for (const Json& g : array_at(report, "results.by"))
        table.add({markdown_code(text_at(g, "label")), count_at(g, "requests"), percent_of(number_at(g, "hit_tokens"), number_at(g, "lookup_tokens")),
                   percent_of(number_at(g, "hit_blocks"), number_at(g, "lookup_blocks")), count_at(g, "hit_tokens")});
    return table.str();
}

std::string kernels(const Json& report, bool bench) {
    MarkdownTable table(bench ? 4 : 3);
    std::vector<std::string> head = {"kernel", "backend", "shape"};
    if (bench) head.emplace_back("status");
    for (const char* column : {"calls", "median us", "p95 us", "moves", "GB/s", "of copy %"}) head.emplace_back(column);
    table.add(head);
    auto number = [](const Json& k, const char* key) {
        const Json* value = find_value(k, key);
        return !value ? "-" : value->is_number() ? fmt::format("{:.2f}", value->get<double>()) : shown(key, *value);
    };
    for (const Json& k : array_at(report, "kernels")) {
        const Json *shape = find_value(k, "shape"), *share = find_value(k, "fraction_of_copy");
        std::vector<std::string> row = {markdown_code(text_at(k, "name")), markdown_code(text_at(k, "backend")), shape ? markdown_text(shape_words(*shape)) : ""};
        if (bench) row.push_back(markdown_text(text_at(k, "status") + (text_at(k, "reason").empty() ? "" : ": " + text_at(k, "reason"))));
        for (const std::string& text : {count_at(k, "calls"), number(k, "median_us"), number(k, "p95_us"), bytes_at(k, "bytes"), number(k, "gb_per_s"),
                                        share && share->is_number() ? percent_of(share->get<double>(), 1) : number(k, "fraction_of_copy")})
            row.push_back(text);
        table.add(row);
    }
    return table.str();
}

std::string layers(const Json& report) {
    MarkdownTable table;
    table.add({"layer", "key NMSE", "value NMSE", "output NMSE", "retained"});
    for (const Json& l : array_at(report, "results.compression.layers")) {
        std::vector<std::string> row;
        for (const char* key : {"layer", "key_nmse", "value_nmse", "output_nmse", "retained_mass"}) {
            const Json* value = find_value(l, key);
            row.push_back(value ? shown(key, *value) : "-");
        }
        table.add(row);
    }
    return table.str();
}

// --timeline: what the room held, and the hit rate of the last requests.
std::string timeline(const Json& report) {
    constexpr size_t kMost = 24;
    const Json& ranks = array_at(report, "series.timeline.requests");
    std::optional<double> capacity = number_at(report, "capacity.blocks");
    MermaidChart chart{"Over time", "requests", "percent", {}, {}};
    std::vector<size_t> at;
    size_t few = std::min(kMost, ranks.size());
    for (size_t i = 0; i < few; ++i) at.push_back(few == 1 ? 0 : i * (ranks.size() - 1) / (few - 1));
    std::vector<uint64_t> shown_ranks;
    for (size_t i : at) shown_ranks.push_back(ranks[i].is_number_unsigned() ? ranks[i].get<uint64_t>() + 1 : i);
    chart.labels = short_labels(shown_ranks);
    auto line = [&](const char* name, const char* key, std::optional<double> whole) {
        const Json& values = array_at(report, key);
        if (!whole || *whole == 0 || values.size() != ranks.size()) return;
        ChartLine l{name, {}, false};
        for (size_t i : at) {
            if (!values[i].is_number()) return;
            l.values.push_back(100 * values[i].get<double>() / *whole);
        }
        chart.lines.push_back(std::move(l));
    };
    line("token hit rate of the window", "series.timeline.window_token_hit_rate", 1);
    line("active blocks", "series.timeline.active_blocks", capacity);
    line("evictable blocks", "series.timeline.evictable_blocks", capacity);
    return mermaid_chart(chart);
}

std::string run_markdown(const Json& report) {
    std::string out, bytes;
    for (const Json& b : array_at(report, "bytes"))
        bytes += "- " + bytes_at(b, "bytes") + " of " + markdown_code(text_at(b, "model")) +
                 (text_at(b, "kv_dtype").empty() ? "" : " in " + markdown_code(text_at(b, "kv_dtype"))) + "\n";
    if (!bytes.empty()) out += bytes + "\n";
    out += key_numbers(report) + groups(report) + layers(report) + timeline(report) + kernels(report, false);
    if (std::string text = text_at(report, "explain.text"); !text.empty())
        out += "Request " + count_at(report, "explain.request") + ": " + markdown_text(text) + "\n\n";
    return out + folded("All numbers", all_numbers(report));
}

// ---- curve ---------------------------------------------------------------------------------------------------

/// Hit tokens at a capacity: a value holds from its capacity to the next.
double value_at(const Json& blocks, const Json& values, double capacity) {
    double found = 0;
    for (size_t i = 0; i < std::min(blocks.size(), values.size()); ++i) {
        if (!blocks[i].is_number() || !values[i].is_number() || blocks[i].get<double>() > capacity) break;
        found = values[i].get<double>();
    }
    return found;
}

std::vector<uint64_t> log_spaced(double from, double to, size_t count) {
    std::vector<uint64_t> out;
    for (size_t i = 0; i < count; ++i) {
        auto x = static_cast<uint64_t>(std::round(from * std::pow(to / from, static_cast<double>(i) / static_cast<double>(count - 1))));
        if (out.empty() || x > out.back()) out.push_back(x);
    }
    return out;
}

// Capacities: those of the points, which have bounds, or log-spaced ones of the columns.
std::vector<uint64_t> chart_capacities(const Json& report) {
    constexpr size_t kFew = 8, kMost = 30, kPoints = 20;
    std::vector<uint64_t> at;
    for (const Json& p : array_at(report, "points"))
        if (std::optional<uint64_t> blocks = whole_at(p, "blocks")) at.push_back(*blocks);
    std::sort(at.begin(), at.end());
    at.erase(std::unique(at.begin(), at.end()), at.end());
    if (at.size() >= kFew && at.size() <= kMost) return at;
    const Json& blocks = array_at(report, "curve.blocks");
    if (blocks.empty() || !blocks.front().is_number() || !blocks.back().is_number()) return {};
    double from = std::clamp(blocks.front().get<double>(), 1.0, 1e18), to = std::clamp(blocks.back().get<double>(), from, 1e18);
    return log_spaced(from, to, kPoints);
}

std::string curve_chart(const Json& report) {
    MermaidChart chart{"Token hit rate by capacity", "blocks", "token hit rate in percent", {}, {}};
    std::vector<uint64_t> at = chart_capacities(report);
    chart.labels = short_labels(at);
    auto line = [&](const std::string& name, const Json& of) {
        std::optional<double> all = number_at(of, "lookup_tokens");
        if (!all || *all == 0) return;
        ChartLine l{name, {}, false};
        for (uint64_t x : at)
            l.values.push_back(100 * value_at(array_at(of, "curve.blocks"), array_at(of, "curve.hit_tokens"), static_cast<double>(x)) / *all);
        chart.lines.push_back(std::move(l));
    };
    std::optional<double> all = number_at(report, "lookup_tokens");
    if (!all || *all == 0) return {};
    auto of_points = [&](const std::string& name, const char* key) {
        std::map<uint64_t, double> known;
        for (const Json& p : array_at(report, "points"))
            if (std::optional<double> hits = number_at(p, key)) known[whole_at(p, "blocks").value_or(0)] = 100 * *hits / *all;
        ChartLine l{name, {}, false};
        for (uint64_t x : at)
            if (known.count(x) != 0) l.values.push_back(known[x]);
        if (l.values.size() != at.size()) return false;
        chart.lines.push_back(std::move(l));
        return true;
    };
    std::string who = text_at(report, "config.eviction").empty() ? "hits" : text_at(report, "config.eviction");
    if (!of_points(who, "hit_tokens")) line(who, report);  // points are exact where the columns are not
    of_points("optimal_admit", "bounds.optimal_admit.hit_tokens");
    of_points("optimal", "bounds.optimal.hit_tokens");
    std::vector<const Json*> by;
    for (const Json& group : array_at(report, "by")) by.push_back(&group);
    std::stable_sort(by.begin(), by.end(), [](const Json* a, const Json* b) { return number_at(*a, "requests").value_or(0) > number_at(*b, "requests").value_or(0); });
    for (const Json* group : by)
        if (chart.lines.size() < kMostChartLines) line(text_at(*group, "label").empty() ? "(none)" : text_at(*group, "label"), *group);
    if (std::optional<double> ceiling = number_at(report, "bounds.unlimited.hit_tokens"))
        chart.lines.push_back({"ceiling", std::vector<double>(at.size(), 100 * *ceiling / *all), true});
    return mermaid_chart(chart);
}

std::string curve_points(const Json& report) {
    std::optional<double> all = number_at(report, "lookup_tokens"), ceiling = number_at(report, "bounds.unlimited.hit_tokens");
    const Json& points = array_at(report, "points");
    auto has = [&](const char* key) { return std::any_of(points.begin(), points.end(), [&](const Json& p) { return find_value(p, key); }); };
    bool bytes = has("bytes"), flops = has("flop_hit_rate"), admit = has("bounds.optimal_admit.hit_tokens"), optimal = has("bounds.optimal.hit_tokens");
    MarkdownTable table(0);
    std::vector<std::string> head = {"blocks", "tokens"};
    if (bytes) head.emplace_back("KV bytes");
    for (const char* column : {"token hits %", "block hits %", "of ceiling %"}) head.emplace_back(column);
    if (flops) head.emplace_back("FLOP hits %");
    if (admit) head.emplace_back("optimal_admit %");
    if (optimal) head.emplace_back("optimal %");
    table.add(head);
    for (const Json& p : points) {
        std::vector<std::string> row = {count_at(p, "blocks"), count_at(p, "tokens")};
        if (bytes) row.push_back(bytes_at(p, "bytes"));
        row.push_back(percent_of(number_at(p, "hit_tokens"), all));
        row.push_back(percent_of(number_at(p, "hit_blocks"), number_at(report, "lookup_blocks")));
        row.push_back(percent_of(number_at(p, "hit_tokens"), ceiling));
        if (flops) row.push_back(percent_of(number_at(p, "flop_hit_rate"), 1));
        if (admit) row.push_back(percent_of(number_at(p, "bounds.optimal_admit.hit_tokens"), all));
        if (optimal) row.push_back(percent_of(number_at(p, "bounds.optimal.hit_tokens"), all));
        table.add(row);
    }
    return table.str();
}

std::string curve_markdown(const Json& report) {
    MarkdownTable knees(0);
    knees.add({"of the ceiling's hit tokens %", "blocks", "tokens", "KV bytes"});
    for (const Json& k : array_at(report, "knees"))
        knees.add({percent_of(number_at(k, "share"), 1), count_at(k, "blocks"), count_at(k, "tokens"), bytes_at(k, "bytes")});
    return curve_chart(report) + knees.str() + curve_points(report);
}

// ---- bench ---------------------------------------------------------------------------------------------------

std::string bench_markdown(const Json& report) {
    std::string out;
    for (const Json& b : array_at(report, "backends")) {
        std::string device = text_at(b, "device"), reason = text_at(b, "reason");
        out += "- " + markdown_code(text_at(b, "id")) + ": " + markdown_text(device.empty() ? text_at(b, "status") + (reason.empty() ? "" : ": " + reason) : device) + "\n";
    }
    return out + (out.empty() ? "" : "\n") + kernels(report, true);
}

std::string one_report(const Json& report) {
    if (text_at(report, "kind") == "check") return check_markdown(report);
    std::string kind = text_at(report, "kind"), names, out = "## kvsim " + markdown_text(kind);
    std::vector<std::string> said;
    auto name = [&](const Json& trace) {
        std::string text = text_at(trace, "name");
        if (text.empty() || std::find(said.begin(), said.end(), text) != said.end()) return;
        names += (said.empty() ? ": " : ", ") + markdown_code(text);
        said.push_back(text);
    };
    if (const Json* trace = find_value(report, "trace")) name(*trace);
    for (const Json& trace : array_at(report, "traces")) name(trace);
    out += names + "\n\n";
    if (std::string first = headline(report); !first.empty()) out += markdown_text(first) + "\n\n";
    out += kind == "compare" ? compare_markdown(report) : kind == "curve" ? curve_markdown(report) : kind == "bench" ? bench_markdown(report) : run_markdown(report);
    out += folded("Configuration", list_of(report, "config")) + folded("What the numbers mean", list_of(report, "definitions"));
    return out + "<sub>kvsim " + markdown_text(text_at(report, "tool.version")) + "</sub>\n";
}

}  // namespace markdown_export

bool markdown_takes(std::string_view kind) {
    return kind == "check" || kind == "replay" || kind == "compare" || kind == "curve" || kind == "size" || kind == "bench";
}

std::string export_markdown(const NamedReports& reports) {
    std::string out;
    for (const NamedReport& r : reports) out += (out.empty() ? "" : "\n") + markdown_export::one_report(*r.report);
    return out;
}

}  // namespace kvsim
