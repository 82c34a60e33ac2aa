// Output formats: one file and one registry row each. A writer turns a Trace, as it is now (re-blocked,
// limited, sorted), into the bytes of a format.
#pragma once

#include <kvsim/core/output_file.h>
#include <kvsim/core/registry.h>
#include <kvsim/trace/trace.h>

#include <string>
#include <vector>

namespace kvsim {

struct WriterRow {
    std::string id;
    std::string summary;
    std::string writes;  ///< what of a trace it carries
    /// What the format cannot carry of this trace, one line each; nothing if reading back gives the same
    /// trace.
    std::vector<std::string> (*lost)(const Trace& trace);
    /// Throws Error(input) before the first byte if the format cannot hold the trace at all.
    void (*write)(const Trace& trace, OutputFile& out);
};

Registry<WriterRow>& trace_writers();

WriterRow kvsim_writer();
WriterRow kvsim_blocks_writer();
WriterRow mooncake_writer();
WriterRow oracle_general_writer();
WriterRow object_csv_writer();

/// Throws Error(input) for an unknown format and for a trace that it cannot hold. The caller commits `out`.
void write_trace(const Trace& trace, const std::string& format, OutputFile& out);

/// For the caller to print beside the conversion. Throws Error(input) for an unknown format.
std::vector<std::string> what_is_lost(const Trace& trace, const std::string& format);

}  // namespace kvsim
