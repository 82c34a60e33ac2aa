// The tables of `kvsim compare` for people: rows = strategies and engines, columns = capacities.
#include <kvsim/core/spec.h>
#include <kvsim/core/units.h>
#include <kvsim/report/compare_report.h>
#include <kvsim/report/text_table.h>

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace kvsim {

bool knows_future(const CompareCell& c) {
    if (c.spec.options.cache.eviction.empty()) return false;
    const BlockStrategyRow* row = block_strategies().find(Spec::parse(c.spec.options.cache.eviction).id());
    return row && row->info.knows_future;
}

namespace {

/// One table: cells by row label and column.
struct Grid {
    std::vector<std::string> rows;
    std::map<std::pair<size_t, size_t>, const CompareCell*> cells;
    size_t columns = 0;
    bool several_layouts = false, several_accountings = false;
    std::string layout, accounting;  ///< of the first that has one
    bool engines = false;
    uint32_t block_size = 0;  ///< the title's: of all cells, or where they differ the table's

    const CompareCell* at(size_t row, size_t column) const {
        auto found = cells.find({row, column});
        return found == cells.end() ? nullptr : found->second;
    }
    /// A finished cell of the column.
    const CompareCell* any(size_t column) const {
        for (size_t row = 0; row < rows.size(); ++row)
            if (const CompareCell* c = at(row, column); c && c->result.status == CellStatus::ok && usual(*c)) return c;
        return nullptr;
    }
    /// In blocks of the title's size.
    bool usual(const CompareCell& c) const { return c.spec.trace->block_size == block_size; }
};

// What the cells of the table have in common.
void look_over(Grid& g, const CompareReport& report, size_t table) {
    for (const CompareCell& c : report.cells) {
        if (c.table != table) continue;
        uint32_t block_size = c.spec.trace->block_size;
        if (g.block_size == 0) g.block_size = block_size;
        if (g.block_size != block_size) g.block_size = report.traces[table].trace->block_size;
        g.engines = g.engines || !c.engine.empty();
        if (!c.engine.empty()) continue;
        const CacheConfig& cache = c.spec.options.cache;
        if (g.layout.empty()) g.layout = cache.layout;
        if (g.accounting.empty()) g.accounting = cache.accounting;
        g.several_layouts = g.several_layouts || cache.layout != g.layout;
        g.several_accountings = g.several_accountings || (!cache.accounting.empty() && cache.accounting != g.accounting);
    }
}

std::string row_label(const Grid& g, const CompareCell& c) {
    if (!c.engine.empty()) return c.engine;
    const CacheConfig& cache = c.spec.options.cache;
    return (g.several_layouts ? cache.layout + " " : "") +
           (g.several_accountings && !cache.accounting.empty() ? cache.accounting + " " : "") +
           (cache.eviction.empty() ? cache.layout : cache.eviction);
}

Grid grid_of(const CompareReport& report, size_t table) {
    Grid g;
    look_over(g, report, table);
    for (const CompareCell& c : report.cells) {
        if (c.table != table) continue;
        std::string label = row_label(g, c);
        auto row = static_cast<size_t>(std::find(g.rows.begin(), g.rows.end(), label) - g.rows.begin());
        if (row == g.rows.size()) g.rows.push_back(label);
        g.cells[{row, c.column}] = &c;
        g.columns = std::max(g.columns, c.column + 1);
    }
    return g;
}

bool has_hits(const CompareCell& c) { return cell_report(c).has_hits(); }

const Bound* reference(const CompareCell& c) {
    if (!c.result.outcome.bounds || c.result.outcome.bounds->any_hits_only) return nullptr;
    return &c.result.outcome.bounds->of(Accounting::parse(c.spec.options.cache.accounting).kind);
}

double token_hit_rate(const CompareCell& c) {
    const HitCounts& h = c.result.outcome.metrics.hits;
    return rate_of(h.hit_tokens, h.lookup_tokens);
}

/// What the cells of one column show; each part has its place, there or not.
struct TableColumn {
    double best = 0;  ///< highest rate that a real cache reached; 0: none
    bool share = false, verdict = false;

    std::string text(const std::string& rate, char mark, const std::string& of_bound, char judged) const {
        std::string out = rate + mark;
        if (share) out += fmt::format(" {:>5}", of_bound);
        if (verdict) out += std::string(" ") + judged;
        return out;
    }
};

std::vector<TableColumn> columns_of(const CompareReport& report, const Grid& g) {
    std::vector<TableColumn> out(g.columns);
    for (const auto& [place, c] : g.cells) {
        if (c->result.status != CellStatus::ok || !has_hits(*c)) continue;
        TableColumn& column = out[place.second];
        if (!knows_future(*c)) column.best = std::max(column.best, token_hit_rate(*c));
        column.share = column.share || reference(*c);
        column.verdict = report.confidence;
    }
    return out;
}

/// "21.16*  57.7 +": token hit rate, best of its column, share of the bound's hit blocks, verdict.
std::string cell_text(const CompareReport& report, const CompareCell* c, const TableColumn& column) {
    if (!c) return "";
    if (c->result.status == CellStatus::skipped) return "skipped";
    if (c->result.status == CellStatus::interrupted) return "not run";
    if (!has_hits(*c)) {
        uint64_t rejected = c->result.outcome.run.rejected_from(c->spec.options.run.warmup_requests);
        return format_count(rejected) + " / " + format_count(c->result.outcome.run.counted().recomputed_tokens);
    }
    double rate = token_hit_rate(*c);
    bool best = column.best > 0 && rate == column.best && !knows_future(*c);
    const Bound* bound = reference(*c);
    std::string share;
    if (bound && bound->counted_hit_blocks > 0)
        share =
            fmt::format("{:.1f}", 100 * rate_of(c->result.outcome.metrics.hits.hit_blocks, bound->counted_hit_blocks));
    char verdict = ' ';
    if (report.confidence && c->compared)
        verdict = c->difference.verdict == Verdict::better ? '+' : c->difference.verdict == Verdict::worse ? '-' : '=';
    return column.text(fmt::format("{:.2f}", 100 * rate), best ? '*' : ' ', bound && share.empty() ? "-" : share,
                       verdict);
}

void add_heading(TextTable& text, const Grid& g) {
    std::vector<std::string> blocks = {"blocks"}, tokens = {"tokens"}, bytes = {"KV bytes"};
    bool with_bytes = false;
    for (size_t k = 0; k < g.columns; ++k) {
        const CompareCell* c = g.any(k);
        if (!c) c = g.at(0, k);
        uint64_t n = c ? c->spec.options.run.capacity_blocks : kUnlimited;
        bool limited = n != kUnlimited;
        blocks.push_back(!limited ? c ? c->capacity : "" : g.usual(*c) ? format_count(n) : "-");
        tokens.push_back(limited ? format_count(n * c->spec.trace->block_size) : "");
        bytes.push_back(limited && c->memory ? format_bytes(n * c->memory->bytes_per_block) : "");
        with_bytes = with_bytes || (c && c->memory);
    }
    text.add(blocks);
    text.add(tokens);
    if (with_bytes) text.add(bytes);
}

void add_bound_rows(TextTable& text, const Grid& g, const std::vector<TableColumn>& columns, bool admit) {
    std::vector<std::string> row = {admit ? "(optimal_admit)" : "(optimal)"};
    bool any = false;
    for (size_t k = 0; k < g.columns; ++k) {
        const CompareCell* c = nullptr;
        for (size_t r = 0; r < g.rows.size() && !c; ++r) {
            const CompareCell* here = g.at(r, k);
            if (!here || !here->result.outcome.bounds) continue;
            const BoundsAt& b = *here->result.outcome.bounds;
            if (!b.any_hits_only && (!admit || b.admit)) c = here;
        }
        any = any || c;
        row.emplace_back();
        if (!c) continue;
        const BoundsAt& b = *c->result.outcome.bounds;
        const Bound& bound = admit ? *b.admit : static_cast<const Bound&>(b.optimal);
        double rate = rate_of(bound.counted_hit_tokens, c->result.outcome.metrics.hits.lookup_tokens);
        row.back() = columns[k].text(fmt::format("{:.2f}", 100 * rate), ' ', "", ' ');
    }
    if (any) text.add(row);
}

void add_rows(TextTable& text, const CompareReport& report, const Grid& g, const std::vector<TableColumn>& columns) {
    for (size_t r = 0; r < g.rows.size(); ++r) {
        std::vector<std::string> row = {g.rows[r]};
        bool all_skipped = true;
        for (size_t k = 0; k < g.columns; ++k) {
            const CompareCell* c = g.at(r, k);
            row.push_back(cell_text(report, c, columns[k]));
            all_skipped = all_skipped && (!c || c->result.status == CellStatus::skipped);
        }
        if (!all_skipped) text.add(row);
    }
}

// An engine may serve but a part, and then its rate says little.
std::string rejections(const CompareCell& c) {
    if (c.engine.empty() || c.result.status != CellStatus::ok) return {};
    uint64_t rejected = c.result.outcome.run.rejected_from(c.spec.options.run.warmup_requests);
    if (rejected == 0) return {};
    return fmt::format("{} at {}: {} of {} requests rejected, they found no room", c.engine, c.capacity, format_count(rejected),
                       format_count(c.result.outcome.metrics.hits.requests));
}

// Rejections, reasons and seeds, each said once.
std::string remarks(const Grid& g) {
    std::vector<std::string> lines;
    auto say = [&](const std::string& line) {
        if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(line);
    };
    for (const auto& [place, c] : g.cells) {
        if (std::string line = rejections(*c); !line.empty()) say(line);
        if (c->result.status == CellStatus::skipped) say("skipped " + g.rows[place.first] + ": " + c->result.reason);
        if (c->result.by_seed.empty()) continue;
        SeedSpread s = spread_over_seeds(c->result.by_seed);
        say(fmt::format("{} at {}: median of {} seeds, from {} to {}", g.rows[place.first], c->capacity,
                        c->result.by_seed.size(), format_percent(s.low), format_percent(s.high)));
    }
    std::string out;
    for (const std::string& line : lines) out += "  " + line + "\n";
    return out;
}

std::string blame_text(const Grid& g) {
    std::string out;
    for (const auto& [place, c] : g.cells) {
        const BlameTable& b = c->result.blame;
        const std::pair<const char*, const std::vector<Blame>*> kinds[] = {
            {"prefix first seen in", &b.prefixes}, {"session", &b.sessions}, {"category", &b.categories}};
        for (const auto& [kind, rows] : kinds)
            for (const Blame& x : *rows)
                out += fmt::format("  {} at {}: {} {}: {} blocks regretted in {} requests\n", g.rows[place.first],
                                   c->capacity, kind, printable(x.label.empty() ? "(none)" : x.label),
                                   format_count(x.regret_blocks), format_count(x.requests));
    }
    return out;
}

// "200"; "30 to 200" where traces are shorter than ten blocks.
std::string drawn(const CompareReport& report) {
    uint32_t low = report.tables.front().block_requests, high = low;
    for (const ConfidenceTable& t : report.tables) {
        low = std::min(low, t.block_requests);
        high = std::max(high, t.block_requests);
    }
    return low == high ? std::to_string(low) : std::to_string(low) + " to " + std::to_string(high);
}

std::string legend(const CompareReport& report, const Grid& g) {
    bool hits = false, bounds = false, sequences = false;
    std::string future;
    for (const auto& [place, c] : g.cells) {
        if (c->result.status != CellStatus::ok) continue;
        (has_hits(*c) ? hits : sequences) = true;
        bounds = bounds || (has_hits(*c) && reference(*c));
        if (has_hits(*c) && knows_future(*c)) future = c->spec.options.cache.eviction;
    }
    std::string out;
    if (hits) {
        out += "  cells: token hit rate in %, * the best of its column";
        out += (future.empty() ? "" : " (but for " + future + ", which knows the future)") + "\n";
    }
    if (bounds)
        out +=
            "    then hit blocks in % of the most that a cache could hit that knows the future: (optimal_admit), which "
            "must\n"
            "    store every request, under pinned; (optimal), which may decline, under flat and tree\n";
    if (hits && report.confidence)
        out += fmt::format(
            "    then + better, - worse than {}, = no difference that this trace can show\n"
            "    ({:.0f} % intervals, bootstrap in blocks of {} requests, {} draws, Holm-corrected)\n",
            report.versus, 100 * report.bootstrap.level, drawn(report), format_count(report.bootstrap.draws));
    if (sequences)
        out += std::string("  cells") + (hits ? " of layouts that look nothing up" : "") +
               ": rejected requests / tokens computed again\n";
    return out;
}

// Over several traces: how often a strategy was better or worse than the baseline.
std::string summary(const CompareReport& report) {
    if (!report.confidence || report.traces.size() < 2) return {};  // one table says it itself
    struct Score {
        size_t wins = 0, losses = 0, ties = 0;
    };
    std::vector<std::pair<std::string, Score>> scores;
    bool engines = false;
    for (const CompareCell& c : report.cells) {
        engines = engines || !c.engine.empty();
        if (!c.compared) continue;
        const std::string& id = c.who();
        auto at = std::find_if(scores.begin(), scores.end(), [&](const auto& s) { return s.first == id; });
        if (at == scores.end()) at = scores.insert(scores.end(), {id, {}});
        ++(c.difference.verdict == Verdict::better  ? at->second.wins
           : c.difference.verdict == Verdict::worse ? at->second.losses
                                                    : at->second.ties);
    }
    TextTable text;
    text.add({"against " + report.versus, "better", "worse", "no difference"});
    for (const auto& [id, s] : scores)
        text.add({id, format_count(s.wins), format_count(s.losses), format_count(s.ties)});
    return "all tables: cells of each " + std::string(engines ? "strategy and engine" : "strategy") + ", by verdict\n" + text.str() + "\n";
}

const CompareCell* any_with_hits(const Grid& g) {
    for (const auto& [place, c] : g.cells)
        if (c->result.status == CellStatus::ok && has_hits(*c) && g.usual(*c)) return c;
    return nullptr;
}

double ceiling_of(const CompareCell& c) {
    return rate_of(c.result.outcome.unlimited->hit_tokens, c.result.outcome.metrics.hits.lookup_tokens);
}

// Engines whose blocks are not those of the title.
std::string other_blocks(const Grid& g) {
    std::string out, said;
    for (const auto& [place, c] : g.cells) {
        if (c->engine.empty() || g.usual(*c) || c->result.status != CellStatus::ok || said == c->engine) continue;
        said = c->engine;
        uint32_t size = c->spec.trace->block_size;
        out += fmt::format("  {}: in blocks of {} token{}, as many as the same room holds", c->engine, size, size == 1 ? "" : "s");
        out += has_hits(*c) ? fmt::format("; ceiling {}\n", format_percent(ceiling_of(*c))) : "\n";
    }
    return out;
}

std::string caches_of(const Grid& g) {
    if (g.layout.empty()) return "engines";
    std::string out = g.several_layouts ? "several layouts" : g.layout + " layout";
    if (!g.several_layouts && !g.several_accountings && !g.accounting.empty()) out += ", " + g.accounting;
    return out + (g.engines ? ", and engines" : "");
}

std::string arrivals_of(const Grid& g) {
    for (const auto& [place, c] : g.cells) {
        if (c->spec.options.run.arrivals == Arrivals::sequential) continue;
        return std::string(", arrivals of engines by ") + (c->spec.options.run.arrivals == Arrivals::step ? "step" : "time");
    }
    return {};
}

std::string title(const CompareReport& report, const Grid& g, size_t table) {
    const ReplayReport& t = report.traces[table];
    const CompareCell* c = g.at(0, 0);
    std::string out = printable(t.trace->name) + ": " + caches_of(g) + ", decode " + (c->spec.options.run.decode ? "on" : "off");
    out += arrivals_of(g) + fmt::format(", blocks of {} token{}", g.block_size, g.block_size == 1 ? "" : "s");
    if (c->memory) out += ", " + c->memory->model + (c->kv_dtype.empty() ? "" : " in " + c->kv_dtype);
    if (c->memory && !c->k_dtype.empty()) out += ", keys in " + c->k_dtype;
    if (c->memory && !c->v_dtype.empty()) out += ", values in " + c->v_dtype;
    uint64_t warmup = c->spec.options.run.warmup_requests;
    out += fmt::format("\n  {} requests{}", format_count(t.trace->requests()),
                       warmup == 0 ? "" : ", the first " + format_count(warmup) + " not counted");
    if (const CompareCell* any = any_with_hits(g)) {
        const HitCounts& h = any->result.outcome.metrics.hits;
        out += fmt::format(", {} lookups, {} unique blocks; ceiling {}", format_count(h.lookup_blocks),
                           format_count(any->spec.trace->unique_blocks()), format_percent(ceiling_of(*any)));
    }
    return out + "\n\n";
}

}  // namespace

// Where LRU comes near the ceiling, whatever capacities were asked for.
static std::string knees_text(const CompareReport& report, const Grid& g, size_t table) {
    std::string out;
    for (const LruKnees& k : report.knees) {
        if (k.table != table || k.knees.empty()) continue;
        std::string shares, blocks;
        for (const Knee& knee : k.knees) {
            const char* comma = shares.empty() ? "" : ", ";
            shares += fmt::format("{}{:.0f}", comma, 100 * knee.share);
            blocks += comma + format_count(knee.blocks);
        }
        out += fmt::format("  curve of lru{}: {} % of the ceiling's hit tokens from {} blocks on\n",
                           g.several_accountings ? " under " + k.accounting : "", shares, blocks);
    }
    return out;
}

std::string compare_table(const CompareReport& report) {
    std::string out;
    for (size_t table = 0; table < report.traces.size(); ++table) {
        Grid g = grid_of(report, table);
        bool traded = std::all_of(g.cells.begin(), g.cells.end(), [](const auto& c) { return c.second->result.outcome.compression || c.second->result.status == CellStatus::skipped; });
        if (g.rows.empty() || traded) continue;
        out += title(report, g, table);
        TextTable text;
        add_heading(text, g);
        std::vector<TableColumn> columns = columns_of(report, g);
        add_rows(text, report, g, columns);
        bool pinned = std::any_of(g.cells.begin(), g.cells.end(), [](const auto& c) {
            return c.second->spec.options.cache.accounting == "pinned";
        });
        if (pinned) add_bound_rows(text, g, columns, true);
        add_bound_rows(text, g, columns, false);
        out += text.str() + "\n" + legend(report, g) + other_blocks(g) + knees_text(report, g, table) + remarks(g) + blame_text(g) + "\n";
    }
    out += trade_off_table(report);
    out += summary(report);
    for (const std::string& note : report.notes) out += "  note: " + note + "\n";
    return out;
}

}  // namespace kvsim
