// A trace as accesses to single objects, for simulators that know no prefixes: every looked-up block of every
// request, in order, is one record; its object is the block's number by first appearance, its size 1. That is
// what flat accounting replays with --decode off. Two formats: libCacheSim's oracleGeneral and CSV.
//
// oracleGeneral says for each record which one accesses its object next, counted from 1. One walk over the
// trace learns that (the record that accessed an object last gets the number of this one), a second one
// writes: 4 bytes per record and per object.
#include <kvsim/core/error.h>
#include <kvsim/core/huge_vector.h>
#include <kvsim/trace/oracle_record.h>
#include <kvsim/trace/writer.h>
#include <kvsim/trace/writer_text.h>

#include <algorithm>
#include <cmath>

namespace kvsim {
namespace {

/// Calls f(request, object) for every record.
template <class F>
void for_each_record(const Trace& trace, F&& f) {
    DenseIds dense(trace, !trace.content && trace.has_named_output());
    std::vector<uint32_t> ids;
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        if (trace.content) {
            content_ids(trace, r, ids);
        } else {
            block_ids(trace.chains, trace.lookup_row(r), trace.lookup_blocks(r), ids);
            dense.renumber(ids);
        }
        for (uint32_t id : ids) f(r, id);
    }
}

uint64_t records_of(const Trace& trace) {
    uint64_t n = 0;
    for (uint32_t r = 0; r < trace.requests(); ++r) n += trace.lookup_blocks(r);
    return n;
}

std::vector<std::string> lost_objects(const Trace& t) {
    std::vector<std::string> out;
    if (t.lengths_only) return out;  // writing says that there is nothing to write
    if (!t.approximation.empty()) out.push_back("that it is approximate: " + t.approximation);
    if (!t.objects)
        out.push_back("requests and lengths: " + counted(t.requests(), "request") + " become " +
                      counted(records_of(t), "record") + ", one per looked-up block, each an object of size 1");
    auto has_output = [](uint32_t tokens) { return tokens != 0; };
    if (std::any_of(t.output_tokens.begin(), t.output_tokens.end(), has_output))
        out.emplace_back("output: only what prompts look up is written, as with --decode off");
    if (!t.events.empty()) out.emplace_back("events: every sequence becomes the lookups of its prompt");
    if (!t.scores.empty()) out.push_back(counted(t.scores.size(), "attention score row"));
    if (!t.samples.empty()) out.emplace_back("parallel samples (n): a request is written once");
    bool labelled = !(t.session.empty() && t.category.empty() && t.turn.empty() && t.priority.empty() &&
                      t.end_s.empty() && t.parent.empty() && t.cached_tokens.empty());
    if (labelled) out.emplace_back("all other columns: sessions, categories and so on");
    if (!std::all_of(t.arrival_s.begin(), t.arrival_s.end(), [](double s) { return s == std::floor(s); }))
        out.emplace_back("fractions of seconds: times are rounded down");
    return out;
}

// Throws Error(input) unless there are records, and all at times below `limit`.
void check(const Trace& trace, const std::string& format, double limit) {
    if (trace.lengths_only)
        throw_input(format + " lists objects, and the trace names no blocks; convert to kvsim");
    uint64_t records = records_of(trace);
    if (records == 0) throw_input(format + " lists looked-up blocks, and no request looks one up");
    if (records >= kNone)
        throw_input(format + ": " + std::to_string(records) + " looked-up blocks are more than " +
                    std::to_string(kNone - 1) +
                    "; convert part of the trace (--limit) or larger blocks (--block-size)");
    for (uint32_t r = 0; r < trace.requests(); ++r)
        if (!(trace.arrival_s[r] >= 0 && trace.arrival_s[r] < limit))
            throw_input(format + ": request " + std::to_string(r) + " arrives at " +
                        std::to_string(trace.arrival_s[r]) + " s; expected whole seconds from 0 to " +
                        std::to_string(static_cast<uint64_t>(limit) - 1));
}

/// Per record the number of the one that accesses its object next, counted from 1; 0 = none.
HugeVector<uint32_t> next_accesses(const Trace& trace) {
    HugeVector<uint32_t> next(records_of(trace));
    std::vector<uint32_t> last(trace.unique_blocks());  // number of the record that accessed the object last
    uint32_t number = 0;
    for_each_record(trace, [&](uint32_t, uint32_t object) {
        ++number;
        if (last[object] != 0) next[last[object] - 1] = number;
        last[object] = number;
    });
    return next;
}

void write_oracle_general(const Trace& trace, OutputFile& out) {
    check(trace, "oracle_general", 4294967296.0);
    HugeVector<uint32_t> next = next_accesses(trace);
    size_t at = 0;
    char bytes[OracleRecord::kBytes];
    for_each_record(trace, [&](uint32_t r, uint32_t object) {
        OracleRecord record;
        record.seconds = static_cast<uint32_t>(trace.arrival_s[r]);
        record.object = object;
        record.next = next[at] == 0 ? OracleRecord::kNever : next[at];
        ++at;
        record.store(bytes);
        out.write({bytes, sizeof bytes});
    });
}

void write_object_csv(const Trace& trace, OutputFile& out) {
    check(trace, "object_csv", 1e15);
    out.write("time,id,size\n");
    std::string row;
    for_each_record(trace, [&](uint32_t r, uint32_t object) {
        row = fmt::format_int(static_cast<uint64_t>(trace.arrival_s[r])).str();
        row += ',';
        row += fmt::format_int(object).str();
        row += ",1\n";
        out.write(row);
    });
}

}  // namespace

WriterRow oracle_general_writer() {
    return {"oracle_general", "libCacheSim's oracleGeneral: a binary record of 24 bytes per looked-up block",
            "times in seconds and blocks, which become objects", lost_objects, write_oracle_general};
}

WriterRow object_csv_writer() {
    return {"object_csv", "time,id,size per looked-up block, as libCacheSim reads CSV",
            "times in seconds and blocks, which become objects", lost_objects, write_object_csv};
}

}  // namespace kvsim
