#include <kvsim/core/units.h>
#include <kvsim/core/version.h>
#include <kvsim/report/curve_report.h>
#include <kvsim/report/results_json.h>

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace kvsim {

namespace {

void append_column(std::string& out, const char* key, const std::vector<uint64_t>& values, bool last) {
    out += '"';
    out += key;
    out += "\":[";
    for (size_t i = 0; i < values.size(); ++i) {
        if (i > 0) out += ',';
        fmt::format_int digits(values[i]);
        out.append(digits.data(), digits.size());
    }
    out += last ? "]" : "],";
}

/// `count` of them, log-spaced, the first and the last among them.
Curve::Columns thinned(const Curve::Columns& c, uint64_t count) {
    Curve::Columns few;
    double step = std::log(static_cast<double>(c.blocks.size())) / static_cast<double>(count - 1);
    size_t before = c.blocks.size();
    for (uint64_t i = 0; i < count; ++i) {
        auto at = std::min(c.blocks.size() - 1, static_cast<size_t>(std::exp(step * static_cast<double>(i))) - 1);
        if (i + 1 == count) at = c.blocks.size() - 1;
        if (at == before) continue;
        before = at;
        few.blocks.push_back(c.blocks[at]);
        few.hit_blocks.push_back(c.hit_blocks[at]);
        few.hit_tokens.push_back(c.hit_tokens[at]);
    }
    return few;
}

/// What was replayed, whether or not a value changed.
Curve::Columns replayed(const Curve& curve) {
    Curve::Columns c;
    for (const Curve::Knot& k : curve.knots) {
        c.blocks.push_back(k.at.blocks);
        c.hit_blocks.push_back(k.at.hit_blocks);
        c.hit_tokens.push_back(k.at.hit_tokens);
    }
    return c;
}

// Tens of thousands of numbers: written as digits, not through a JSON document.
std::string columns_text(const CurveReport& r, const Curve& curve) {
    Curve::Columns c = r.exact ? curve.columns() : replayed(curve);
    if (r.exact && r.thin_to > 1 && c.blocks.size() > r.thin_to) c = thinned(c, r.thin_to);
    std::string out = "{";
    append_column(out, "blocks", c.blocks, false);
    append_column(out, "hit_blocks", c.hit_blocks, false);
    append_column(out, "hit_tokens", c.hit_tokens, true);
    return out + "}";
}

Json point_json(const CurveReport& r, const CurvePoint& p) {
    Json j = {{"blocks", p.blocks}, {"tokens", p.blocks * r.base.trace->block_size}};
    if (r.base.memory) j["bytes"] = p.blocks * r.base.memory->bytes_per_block;
    j["hit_blocks"] = p.hit_blocks;
    j["hit_tokens"] = p.hit_tokens;
    if (r.curve.all.lookup_blocks != 0) j["block_hit_rate"] = rate_of(p.hit_blocks, r.curve.all.lookup_blocks);
    if (r.curve.all.lookup_tokens != 0) j["token_hit_rate"] = rate_of(p.hit_tokens, r.curve.all.lookup_tokens);
    return j;
}

Json row_json(const CurveReport& r, const CurveRow& row) {
    Json j = point_json(r, row.at);
    if (row.value) j["flop_hit_rate"] = row.value->hit_rate;
    if (!row.bounds) return j;
    auto bound = [](const Bound& b) {
        return Json{{"hit_blocks", b.counted_hit_blocks}, {"hit_tokens", b.counted_hit_tokens}};
    };
    if (row.bounds->any_hits_only) {
        j["bounds"]["optimal"] = {{"any_hit_blocks", row.bounds->optimal.counted_any_hit_blocks}};
    } else {
        j["bounds"]["optimal"] = bound(row.bounds->optimal);
    }
    if (row.bounds->admit) j["bounds"]["optimal_admit"] = bound(*row.bounds->admit);
    return j;
}

Json definitions_json(const CurveReport& r) {
    Json j;
    for (auto& [key, text] : definitions(r.base)) j[key] = text;
    j["curve"] = !r.exact ? "hits of counted requests, replayed at each of these capacities"
                 : r.thin_to == 0
                     ? "hits of counted requests at every capacity where a value changes, exact, from one pass; "
                       "a value holds from its capacity to the next"
                     : "hits of counted requests, exact, from one pass; of the capacities where a value "
                       "changes these, log-spaced";
    if (r.exact && r.curve.exact_from_blocks > 1)
        j["exact_from_blocks"] =
            "the longest request, output blocks included: below it the columns hold pinned's values; "
            "points below it are replayed";
    if (!r.rows.empty() && r.rows.front().bounds) {
        j["points.bounds"] =
            "optimal: the most hit_blocks a cache of this capacity could have, knowing the future; optimal_admit: the "
            "same where every request's whole chain must be stored, as under pinned";
    }
    if (!r.rows.empty() && r.rows.front().value)
        j["flop_hit_rate"] = "prefill FLOPs of the hit prefixes / those of all looked-up tokens; an estimate";
    if (r.tiers)
        j["tiers"] =
            "ideal LRU, no transfer limits: fast = hits of the fast tier alone; inclusive: the slow tier holds a copy "
            "of "
            "what is in the fast one, so both together hit what the slow one hits; exclusive: a block is in one "
            "of them, so together they hit what one of the sum of their sizes hits";
    j["knees"] = "smallest capacity whose hit_tokens reach the share of the most the curve has";
    return j;
}

Json tiers_json(const CurveReport& r) {
    return {{"fast_blocks", r.tiers->fast_blocks},
            {"slow_blocks", r.tiers->slow_blocks},
            {"fast", point_json(r, r.tiers->fast)},
            {"inclusive", point_json(r, r.tiers->inclusive)},
            {"exclusive", point_json(r, r.tiers->exclusive)}};
}

Json knees_json(const CurveReport& r) {
    Json j = Json::array();
    for (const Knee& k : knees(r.curve.all)) {
        Json one = {{"share", k.share}, {"blocks", k.blocks}, {"tokens", k.blocks * r.base.trace->block_size}};
        if (r.base.memory) one["bytes"] = k.blocks * r.base.memory->bytes_per_block;
        j.push_back(std::move(one));
    }
    return j;
}

/// Replaces the marks `"@0@"`, ... of a dumped document by texts.
std::string fill(const std::string& text, const std::vector<std::string>& parts) {
    std::string out;
    size_t at = 0;
    for (size_t i = 0; i < parts.size(); ++i) {
        std::string mark = "\"@" + std::to_string(i) + "@\"";
        size_t found = text.find(mark, at);
        out.append(text, at, found - at);
        out += parts[i];
        at = found + mark.size();
    }
    return out.append(text, at, std::string::npos);
}

}  // namespace

std::string curve_json(const CurveReport& r) {
    std::vector<std::string> parts;
    auto part = [&](const Curve& curve) {
        parts.push_back(columns_text(r, curve));
        return "@" + std::to_string(parts.size() - 1) + "@";
    };
    Json j;
    j["schema_version"] = kSchemaVersion;
    j["kind"] = "curve";
    j["tool"] = {{"version", version()}, {"git", git_commit()}};
    j["trace"] = trace_json(r.base);
    Json config = Json::object();
    for (const auto& [key, value] : r.base.config) std::visit([&, &k = key](const auto& v) { config[k] = v; }, value);
    j["config"] = std::move(config);
    j["definitions"] = definitions_json(r);
    j["lookup_blocks"] = r.curve.all.lookup_blocks;
    j["lookup_tokens"] = r.curve.all.lookup_tokens;
    if (r.exact) j["exact_from_blocks"] = r.curve.exact_from_blocks;
    j["curve"] = part(r.curve.all);
    for (const LruCurve::Group& g : r.curve.groups) {
        Json group = {{"label", g.label},
                      {"requests", g.curve.requests},
                      {"lookup_blocks", g.curve.lookup_blocks},
                      {"lookup_tokens", g.curve.lookup_tokens}};
        group["curve"] = part(g.curve);
        j["by"].push_back(std::move(group));
    }
    for (const CurveRow& row : r.rows) j["points"].push_back(row_json(r, row));
    if (r.tiers) j["tiers"] = tiers_json(r);
    j["knees"] = knees_json(r);
    j["bounds"] = bounds_json(r.base);
    j["timing"] = {{"load_ms", r.base.load_ms}, {"curve_ms", r.curve_ms}, {"bounds_ms", r.bounds_ms}};
    return fill(j.dump(2, ' ', false, Json::error_handler_t::replace), parts) + "\n";
}

// ---- the table -----------------------------------------------------------------------------------------------

namespace {

std::string title(const CurveReport& r) {
    const Trace& t = *r.base.trace;
    const Curve& c = r.curve.all;
    std::string out = fmt::format(
        "{}: {}, decode {}\n  {} requests, {} lookups, {} unique blocks of {} token{}\n", printable(t.name),
        r.base.layout().title(r.base.cache()), r.base.options->run.decode ? "on" : "off", format_count(t.requests()),
        format_count(c.lookup_blocks), format_count(t.unique_blocks()), t.block_size, t.block_size == 1 ? "" : "s");
    if (!r.exact) {
        out += "  replayed at each capacity (" + r.why_not + "); ";
    } else {
        out += "  every capacity in one pass; ";
        if (r.curve.exact_from_blocks > 1)
            out += "below " + format_count(r.curve.exact_from_blocks) + " blocks these here are replayed; ";
    }
    return out + "ceiling " + format_percent(rate_of(r.base.outcome->unlimited->hit_tokens, c.lookup_tokens)) + "\n\n";
}

std::string rows_text(const CurveReport& r) {
    const Curve& c = r.curve.all;
    uint64_t ceiling = r.base.outcome->unlimited->hit_tokens;
    bool memory = r.base.memory.has_value();
    bool bounds = !r.rows.empty() && r.rows.front().bounds && !r.rows.front().bounds->any_hits_only;
    bool flops = !r.rows.empty() && r.rows.front().value;
    std::string out = fmt::format("  {:>12}  {:>15}{}  {:>10}  {:>10}  {:>10}{}{}\n", "blocks", "tokens",
                                  memory ? fmt::format("  {:>11}", "KV bytes") : "", "token hits", "block hits",
                                  "of ceiling", flops ? fmt::format("  {:>9}", "FLOP hits") : "",
                                  bounds ? fmt::format("  {:>13}  {:>9}", "optimal_admit", "optimal") : "");
    auto percent = [&](uint64_t tokens) { return format_percent(rate_of(tokens, c.lookup_tokens)); };
    for (const CurveRow& row : r.rows) {
        const CurvePoint& p = row.at;
        out +=
            fmt::format("  {:>12}  {:>15}", format_count(p.blocks), format_count(p.blocks * r.base.trace->block_size));
        if (memory) out += fmt::format("  {:>11}", format_bytes(p.blocks * r.base.memory->bytes_per_block));
        out += fmt::format("  {:>10}  {:>10}  {:>10}", percent(p.hit_tokens),
                           format_percent(rate_of(p.hit_blocks, c.lookup_blocks)),
                           ceiling == 0 ? "-" : format_percent(rate_of(p.hit_tokens, ceiling), 1));
        if (flops) out += fmt::format("  {:>9}", format_percent(row.value->hit_rate));
        if (bounds)
            out +=
                fmt::format("  {:>13}  {:>9}", row.bounds->admit ? percent(row.bounds->admit->counted_hit_tokens) : "-",
                            percent(row.bounds->optimal.counted_hit_tokens));
        out += "\n";
    }
    return out + "\n";
}

std::string groups_text(const CurveReport& r) {
    if (r.curve.groups.empty()) return "";
    constexpr size_t kMost = 20;
    std::string out = "\n  each group's curve is in the report; it has 90 % of its own ceiling\n";
    for (size_t i = 0; i < std::min(kMost, r.curve.groups.size()); ++i) {
        const LruCurve::Group& g = r.curve.groups[i];
        std::vector<Knee> k = knees(g.curve);
        out += fmt::format("  {}: {} requests{}\n", g.label.empty() ? "(none)" : printable(g.label.substr(0, 40)),
                           format_count(g.curve.requests),
                           k.empty() ? ", no hits" : ", from " + format_count(k.front().blocks) + " blocks on");
    }
    if (r.curve.groups.size() > kMost)
        out += fmt::format("  ... {} more groups, all in the report\n", r.curve.groups.size() - kMost);
    return out;
}

}  // namespace

std::string curve_table(const CurveReport& r) {
    const Curve& c = r.curve.all;
    std::string out = title(r) + rows_text(r);
    for (const Knee& k : knees(c)) {
        out += fmt::format("  {:.0f} % of the ceiling from {} blocks = {} tokens", 100 * k.share,
                           format_count(k.blocks), format_count(k.blocks * r.base.trace->block_size));
        if (r.base.memory) out += " = " + format_bytes(k.blocks * r.base.memory->bytes_per_block);
        out += "\n";
    }
    if (r.tiers) {
        auto rate = [&](const CurvePoint& p) { return format_percent(rate_of(p.hit_tokens, c.lookup_tokens)); };
        out += fmt::format(
            "\n  tiers of {} and {} blocks (ideal LRU, no transfer limits), token hits: {} in the fast one alone,\n"
            "  {} with both if the slow one holds copies (inclusive), {} if not (exclusive)\n",
            format_count(r.tiers->fast_blocks), format_count(r.tiers->slow_blocks), rate(r.tiers->fast),
            rate(r.tiers->inclusive), rate(r.tiers->exclusive));
    }
    out += groups_text(r);
    for (const std::string& note : r.base.notes) out += "  note: " + note + "\n";
    return out;
}

}  // namespace kvsim
