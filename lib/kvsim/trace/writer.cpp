#include <kvsim/trace/writer.h>

namespace kvsim {

Registry<WriterRow>& trace_writers() {
    static Registry<WriterRow> registry = [] {
        Registry<WriterRow> r("output format");
        r.add(kvsim_writer());
        r.add(kvsim_blocks_writer());
        r.add(mooncake_writer());
        r.add(oracle_general_writer());
        r.add(object_csv_writer());
        return r;
    }();
    return registry;
}

void write_trace(const Trace& trace, const std::string& format, OutputFile& out) {
    trace_writers().get(format).write(trace, out);
}

std::vector<std::string> what_is_lost(const Trace& trace, const std::string& format) {
    return trace_writers().get(format).lost(trace);
}

}  // namespace kvsim
