// Names for outputs that the trace does not name (`--decode linked`): what the next turn's prompt holds beyond this
// request's own prompt is taken to be this request's output.
#pragma once

#include <kvsim/trace/trace.h>

#include <string>

namespace kvsim {

struct LinkedOutputs {
    uint32_t linked = 0;  ///< requests whose output got names
    uint32_t named = 0;   ///< requests whose output had names before; they keep them
    std::string note;     ///< both, and that it is an assumption, for people
};

/// Call before re-blocking: in smaller blocks a prompt's partly filled tail differs from what the next turn calls the
/// same tokens. Throws Error(input) where the trace has neither sessions nor parents, or its ids name content.
LinkedOutputs link_outputs(Trace& trace);

}  // namespace kvsim
