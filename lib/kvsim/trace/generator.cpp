#include <kvsim/core/error.h>
#include <kvsim/trace/format.h>
#include <kvsim/trace/generator.h>

#include <algorithm>

namespace kvsim {

Registry<GeneratorRow>& trace_generators() {
    static Registry<GeneratorRow> registry = [] {
        Registry<GeneratorRow> r("trace generator");
        r.add(agents_generator());
        r.add(beam_generator());
        r.add(chat_generator());
        r.add(rag_generator());
        r.add(stream_generator());
        r.add(uniform_generator());
        return r;
    }();
    return registry;
}

Trace generate_trace(std::string_view spec_text, uint64_t seed) {
    Spec spec = Spec::parse(spec_text);
    const GeneratorRow& row = trace_generators().get(spec.id());
    Trace trace = row.generate(spec, seed);
    if (!trace.arrival_s.empty() && *std::max_element(trace.arrival_s.begin(), trace.arrival_s.end()) > kMaxSeconds)
        throw_input(row.id + ": expected arrivals within 1e12 seconds; fewer requests or shorter gaps");
    trace.name = row.id;
    trace.format = "kvsim";
    return trace;
}

void drop_unused_output_rows(Trace& trace) {
    if (!std::all_of(trace.stored_rows.begin(), trace.stored_rows.end(),
                     [](uint32_t row) { return row == kNone; }))
        return;
    trace.lookup_rows.clear();
    trace.stored_rows.clear();
    trace.row_tokens.clear();
}

}  // namespace kvsim
