#include <kvsim/core/units.h>
#include <kvsim/report/replay_report.h>
#include <kvsim/report/rows.h>

#include <fmt/format.h>

#include <algorithm>

namespace kvsim {

namespace {

std::string share(uint64_t part, uint64_t whole) {
    if (whole == 0) return "-";
    return format_percent(static_cast<double>(part) / static_cast<double>(whole));
}

std::string of(uint64_t part, uint64_t whole) { return format_count(part) + " of " + format_count(whole); }

std::string capacity_line(const ReplayReport& report) {
    if (!report.limited() && report.options->cache.layout == "quantized")
        return "unlimited (give --blocks, --tokens or --memory for a limit)";
    if (!report.limited()) return "unlimited: nothing is ever evicted (give --blocks, --tokens or --memory for a limit)";
    uint64_t blocks = report.options->run.capacity_blocks;
    std::string line = format_count(blocks) + (blocks == 1 ? " block = " : " blocks = ") +
                       format_count(blocks * report.trace->block_size) + " tokens";
    if (report.memory)
        line += " = " + format_bytes(blocks * report.memory->bytes_per_block) + " of " + report.memory->model;
    return line;
}

void add_hits(Rows& rows, const ReplayReport& report) {
    const HitCounts& h = report.outcome->metrics.hits;
    const UnlimitedHits& u = *report.outcome->unlimited;
    rows.add("token hit rate", share(h.hit_tokens, h.lookup_tokens), of(h.hit_tokens, h.lookup_tokens) + " looked up");
    rows.add("block hit rate", share(h.hit_blocks, h.lookup_blocks), of(h.hit_blocks, h.lookup_blocks) + " looked up");
    if (h.any_hit_blocks != h.hit_blocks)
        rows.add("any-block hit rate", share(h.any_hit_blocks, h.lookup_blocks),
                 of(h.any_hit_blocks, h.lookup_blocks) + ", hits behind a miss included");
    if (report.limited()) {
        rows.add("ceiling", share(u.hit_tokens, h.lookup_tokens), "token hit rate if nothing were ever evicted");
        rows.add("of the ceiling", share(h.hit_tokens, u.hit_tokens), "of its hit tokens");
    }
    if (report.outcome->bounds && !report.outcome->bounds->any_hits_only) {
        AccountingKind kind = Accounting::parse(report.options->cache.accounting).kind;
        const Bound& b = report.outcome->bounds->of(kind);
        rows.add("of the optimum", share(h.hit_blocks, b.counted_hit_blocks),
                 fmt::format("of the {} hit blocks of {}", format_count(b.counted_hit_blocks),
                             kind == AccountingKind::pinned ? "a cache that knows the future and stores every request"
                                                            : "a cache that knows the future"));
    }
    if (report.outcome->misses) {
        const MissCounts& m = report.outcome->misses->counted;
        rows.add("missed blocks", format_count(h.lookup_blocks - h.hit_blocks),
                 fmt::format("{} never seen before, {} stranded, {} beyond any strategy, {} regretted",
                             format_count(m.compulsory), format_count(m.stranded), format_count(m.capacity),
                             format_count(m.regret)));
    }
    if (report.outcome->value)
        rows.add("FLOP-weighted hit rate", format_percent(report.outcome->value->hit_rate), "prefill work saved (estimate)");
    if (report.outcome->value && report.cost && !report.cost->gpu.empty())
        rows.add("prefill time saved", fmt::format("{:.3g} s", report.outcome->value->flops_saved / report.cost->flops_per_s),
                 fmt::format("modelled for {}; loading a short prefix beats computing it above {:.2g} GB/s", report.cost->gpu,
                             report.cost->break_even_bytes_per_s / 1e9));
    if (report.outcome->run.is_any_rejected())
        rows.add("rejected requests", format_count(report.outcome->run.rejected_from(report.options->run.warmup_requests)), "never got room");
    if (report.options->run.concurrency != 1)
        rows.add("requests that waited", share(report.outcome->run.counted().waited, h.requests),
                 format_count(report.outcome->run.counted().waited) + " made an older one end early");
    rows.add("requests with a hit", share(h.with_hit, h.requests), of(h.with_hit, h.requests));
    if (report.outcome->metrics.spread) {
        const HitSpread& s = *report.outcome->metrics.spread;
        rows.add("hit rate per request",
                 format_percent(s.p50), fmt::format("median; p10 {}, p90 {}", format_percent(s.p10), format_percent(s.p90)));
    }
}

// Layouts of whole sequences: what became of them.
void add_sequences(Rows& rows, const ReplayReport& report) {
    const RunResult& run = report.outcome->run;
    Tally sum = run.counted();
    uint64_t total = report.outcome->metrics.hits.requests;
    uint64_t rejected = run.rejected_from(report.options->run.warmup_requests);
    rows.add("completed requests", format_count(total - rejected),
             "of " + format_count(total) + (rejected == 0 ? "" : "; " + format_count(rejected) + " rejected"));
    if (sum.waited != 0) rows.add("requests that waited", format_count(sum.waited), "for room");
    if (sum.evicted_sequences != 0) rows.add("evicted sequences", format_count(sum.evicted_sequences));
    if (sum.preempted != 0) rows.add("preempted", format_count(sum.preempted), "running sequences");
    if (sum.trim_requested_tokens != 0)
        rows.add("trimmed tokens", format_count(sum.trim_dropped_tokens),
                 "of " + format_count(sum.trim_requested_tokens) + " outside sinks and window (whole blocks)");
    if (sum.recomputed_tokens != 0)
        rows.add("recomputed tokens", format_count(sum.recomputed_tokens), "stored again after an eviction or preemption");
    rows.add("forks", format_count(sum.forks));
    if (sum.forks != 0) {
        rows.add("peak shared blocks", format_count(run.shared_blocks_peak), "held by more than one sequence");
        rows.add("copy-on-write copies", format_count(sum.cow_copies), "of partly filled blocks");
    }
    if (sum.copied_tokens != 0) rows.add("copied tokens", format_count(sum.copied_tokens), "by forks and growth");
}

void add_usage(Rows& rows, const ReplayReport& report) {
    const RunResult& run = report.outcome->run;
    Tally sum = run.counted();
    if (report.options->cache.layout == "quantized")
        rows.add("evicted tokens", format_count(sum.evicted_tokens), "beyond the budgets, each counted once for all layers and heads");
    else
        rows.add("evicted blocks", format_count(sum.evicted_blocks),
             sum.evicted_tokens != 0      ? "with " + format_count(sum.evicted_tokens) + " tokens"
             : run.stranded_blocks == 0 ? ""
                                        : format_count(run.stranded_blocks) + " stranded at the end");
    rows.add("peak resident blocks", format_count(run.peak_resident_blocks),
             report.memory ? format_bytes(report.peak_bytes()) : "");
    const RunOptions& o = report.options->run;
    bool alone = o.concurrency == 1 && o.arrivals == Arrivals::sequential && report.layout().prefix_hits;
    rows.add("peak active blocks", format_count(run.peak_active_blocks), alone ? "held by one running request" : "held by running requests");
    const std::optional<Utilization>& u = report.outcome->metrics.utilization;
    if (report.limited() && u)
        rows.add("mean utilization", format_percent(u->active + u->evictable),
                 "active " + format_percent(u->active) + ", evictable " + format_percent(u->evictable));
    if (!report.trace->content && u && u->token_fill > 0)
        rows.add("mean token fill", format_percent(u->token_fill), "of the places in resident blocks");
    if (report.memory) rows.add("KV bytes per token", format_count(report.memory->bytes_per_token), report.memory->model);
}

std::string decode_words(const ReplayReport& report) {
    bool on = report.options->run.decode;
    if (!report.layout().prefix_hits) return on ? "on" : "off";
    if (!on) return "off (prompts only)";
    if (report.options->cache.match.rfind("snapshot", 0) == 0) return "on (no effect: output is never stored)";
    if (report.trace->linked_outputs != kNone)
        return fmt::format("linked (assumes that the next turn repeats the output: {} of {} requests)",
                           format_count(report.trace->linked_outputs), format_count(report.trace->requests()));
    return "on (output takes blocks, never hit unless the trace names it)";
}

std::string concurrency_words(const RunOptions& run) {
    if (run.concurrency == 1) return {};
    if (run.concurrency == kByTrace) return ", running until their recorded ends";
    return ", " + format_count(run.concurrency) + " running at once";
}

std::string groups_table(const ReplayReport& report) {
    const auto& groups = report.outcome->metrics.groups;
    if (groups.empty()) return {};
    size_t width = 5;
    for (const GroupHits& g : groups) width = std::max(width, std::min<size_t>(g.label.size(), 40));
    std::string out = fmt::format("\n  {:<{}}  {:>10}  {:>14}  {:>14}\n", "group", width, "requests", "token hits",
                                  "hit tokens");
    size_t shown = 0;
    for (const GroupHits& g : groups) {
        if (++shown > 40) {
            out += fmt::format("  ... {} more groups, all in the report\n", groups.size() - 40);
            break;
        }
        std::string label = g.label.empty() ? "(none)" : printable(g.label.substr(0, 40));
        out += fmt::format("  {:<{}}  {:>10}  {:>14}  {:>14}\n", label, width, format_count(g.hits.requests),
                           share(g.hits.hit_tokens, g.hits.lookup_tokens), format_count(g.hits.hit_tokens));
    }
    return out;
}

}  // namespace

std::string replay_table(const ReplayReport& report, bool color) {
    const Trace& t = *report.trace;
    const ReplayOptions& o = *report.options;
    const HitCounts& h = report.outcome->metrics.hits;
    std::string out = fmt::format("{}: {}, decode {}{}\n", printable(t.name), report.layout().title(report.cache()),
                                  decode_words(report), concurrency_words(o.run));
    if (report.has_hits()) {
        std::string unit = t.objects ? "single objects, a block each"
                                     : fmt::format("{} {} token{}", t.content ? "chunks of at most" : "blocks of",
                                                   t.block_size, t.block_size == 1 ? "" : "s");
        out += fmt::format("  {} requests, {} lookups of {}, {} unique\n", format_count(t.requests()),
                           format_count(h.lookup_blocks), unit, format_count(t.unique_blocks()));
    } else if (report.layout().prefix_hits) {
        out += fmt::format("  {} requests, lengths only, in blocks of {} tokens\n  {}\n", format_count(t.requests()),
                           t.block_size, kNoNames);
    } else {
        out += fmt::format("  {} requests{}, blocks of {} tokens\n", format_count(t.requests()),
                           t.events.empty() ? "" : fmt::format(" in {} events", format_count(t.events.size())), t.block_size);
    }
    if (!t.approximation.empty()) out += "  approximate: " + t.approximation + "\n";
    if (o.run.warmup_requests != 0)
        out += fmt::format("  {} warm-up requests are replayed but not counted\n", format_count(o.run.warmup_requests));
    out += "  capacity " + capacity_line(report) + "\n\n";
    Rows rows;
    if (report.has_hits()) {
        add_hits(rows, report);
        rows.gap();
    } else if (!report.layout().prefix_hits) {
        add_sequences(rows, report);
        rows.gap();
    }
    add_usage(rows, report);
    add_compression(rows, report);
    add_engine(rows, report);
    if (report.outcome->metrics.observed) {
        const Observed& ob = *report.outcome->metrics.observed;
        rows.gap();
        rows.add("observed token hit rate", share(ob.hit_tokens, ob.lookup_tokens),
                 "cached_tokens of " + format_count(ob.requests) + " requests");
        rows.add("equal to this run", share(ob.requests_equal, ob.requests), of(ob.requests_equal, ob.requests));
        if (ob.first_difference)
            rows.add("first difference", fmt::format("i {}", *ob.first_difference),
                     "sequence " + printable(t.sequence_name(*ob.first_difference)));
    }
    out += rows.str(color);
    out += groups_table(report);
    out += compression_table(report);
    out += kernels_table(report);
    out += explanation_text(report);
    if (!report.notes.empty()) out += "\n";
    for (const std::string& note : report.notes) out += "  note: " + note + "\n";
    return out;
}

}  // namespace kvsim
