// Mooncake JSONL: timestamp (ms), input_length, output_length, hash_ids; besides, session_id, category and
// turn where the trace has them, which our reader takes and others ignore. Ids are numbered by first
// appearance, as published.
//
// One reading holds for the whole file: either a partly filled last block has an id or it has none. A trace
// that has both kinds of requests is written without ids for partly filled blocks.
#include <kvsim/core/error.h>
#include <kvsim/trace/writer.h>
#include <kvsim/trace/writer_text.h>

#include <algorithm>
#include <cmath>

namespace kvsim {
namespace {

struct Shape {
    bool partial = false;    ///< some request names a partly filled last block
    bool unnamed = false;    ///< some request does not
    uint64_t partials = 0;   ///< requests of the first kind
    uint64_t too_short = 0;  ///< requests that do not even name all their full blocks
    bool cut() const { return partial && unnamed; }
};

Shape shape_of(const Trace& trace) {
    Shape s;
    if (trace.content) return s;
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        uint32_t full = trace.prompt_tokens[r] / trace.block_size;
        uint32_t named = trace.lookup_blocks(r);
        s.too_short += named < full;
        if (trace.prompt_tokens[r] % trace.block_size == 0) continue;
        s.partials += named > full;
        (named > full ? s.partial : s.unnamed) = true;
    }
    return s;
}

/// Milliseconds that read back as the same seconds, if there are any.
double milliseconds(double seconds) {
    double ms = seconds * 1e3;
    for (double near : {ms, std::nextafter(ms, 0.0), std::nextafter(ms, HUGE_VAL), std::round(ms)})
        if (near / 1e3 == seconds)
            return near == std::round(ms) || std::round(ms) / 1e3 != seconds ? near : std::round(ms);
    return ms;
}

uint64_t forks_of(const Trace& trace) {
    return static_cast<uint64_t>(std::count_if(trace.events.begin(), trace.events.end(),
                                               [](const Event& e) { return e.kind == EventKind::fork; }));
}

void lost_columns(const Trace& t, std::vector<std::string>& lost) {
    std::vector<std::string> columns;
    const std::pair<bool, const char*> there[] = {
        {!t.sequence.empty(), "seq"},      {!t.parent.empty(), "parent"},
        {!t.priority.empty(), "priority"}, {!t.end_s.empty(), "t_end"},
        {!t.step.empty(), "step"},         {!t.max_tokens.empty(), "max_tokens"},
        {!t.samples.empty(), "n"},         {!t.cached_tokens.empty(), "cached_tokens"},
        {!t.salt.empty(), "salt"},         {!t.lora.empty(), "lora"}};
    for (auto [has, name] : there)
        if (has) columns.emplace_back(name);
    if (!columns.empty()) lost.push_back("columns: " + join(columns));
}

std::vector<std::string> lost_mooncake(const Trace& trace) {
    std::vector<std::string> out;
    Shape shape = shape_of(trace);
    if (!trace.approximation.empty()) out.push_back("that it is approximate: " + trace.approximation);
    if (trace.objects) out.emplace_back(kLostObjects);
    if (trace.content) {
        out.push_back("that ids name content chunks: read them with --format mooncake:ids=content,tokens_per_id=" +
                      std::to_string(trace.block_size));
    } else {
        out.push_back(
            "the block size: it is inferred from the lengths, or given with --format "
            "mooncake:tokens_per_id=" +
            std::to_string(trace.block_size) + ",tail=" + (shape.unnamed ? "none" : "ceil"));
    }
    if (!trace.tokens_begin.empty()) out.emplace_back("token ids: only their blocks are written");
    if (shape.cut())
        out.push_back("the partly filled last block of " + counted(shape.partials, "request") +
                      ": others have no name for theirs");
    if (trace.has_named_output()) out.emplace_back("names of output: later requests no longer hit it");
    if (!trace.events.empty())
        out.emplace_back("events: every sequence becomes a request, in the order of their prompts");
    if (!trace.scores.empty()) out.push_back(counted(trace.scores.size(), "attention score row"));
    if (!std::is_sorted(trace.arrival_s.begin(), trace.arrival_s.end()))
        out.emplace_back("the order of requests: they are sorted by timestamp when read");
    auto exact = [](double s) { return milliseconds(s) / 1e3 == s; };
    if (!std::all_of(trace.arrival_s.begin(), trace.arrival_s.end(), exact))
        out.emplace_back("the last digit of some arrival times");
    lost_columns(trace, out);
    return out;
}

void check(const Trace& trace, const Shape& shape) {
    if (trace.lengths_only) throw_input("mooncake needs hash_ids, and the trace names no blocks; convert to kvsim");
    if (uint64_t forks = forks_of(trace))
        throw_input("mooncake cannot hold " + counted(forks, "fork") + "; convert to kvsim");
    if (shape.too_short != 0)
        throw_input("mooncake cannot hold " + counted(shape.too_short, "request") + " that " +
                    (shape.too_short == 1 ? "names" : "name") + " only some of the full blocks of " +
                    std::to_string(trace.block_size) +
                    " tokens; convert without --block-size and give it when the trace is read");
}

void write_mooncake(const Trace& trace, OutputFile& out) {
    Shape shape = shape_of(trace);
    check(trace, shape);
    JsonLine line(out);
    DenseIds dense(trace, !trace.content && (trace.has_named_output() || shape.cut()));
    std::vector<uint32_t> ids;
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        if (trace.content) {
            content_ids(trace, r, ids);
        } else {
            uint32_t length = trace.lookup_blocks(r);
            if (shape.cut()) length = std::min(length, trace.prompt_tokens[r] / trace.block_size);
            block_ids(trace.chains, trace.lookup_row(r), length, ids);
            dense.renumber(ids);
        }
        line.begin();
        line.number("timestamp", milliseconds(trace.arrival_s[r]));
        line.whole("input_length", trace.prompt_tokens[r]);
        line.whole("output_length", trace.output_tokens[r]);
        line.array("hash_ids", ids);
        if (!trace.session[r].empty()) line.string("session_id", trace.session[r]);
        if (!trace.category[r].empty()) line.string("category", trace.category[r]);
        if (trace.turn.has(r)) line.whole("turn", static_cast<uint64_t>(trace.turn[r]));
        line.end();
    }
}

}  // namespace

WriterRow mooncake_writer() {
    return {"mooncake", "Mooncake JSONL: timestamp (ms), input_length, output_length, hash_ids",
            "times, lengths, block ids, session, category, turn", lost_mooncake, write_mooncake};
}

}  // namespace kvsim
