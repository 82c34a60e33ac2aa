// Synthetic traces: one file and one registry row per kind. Whole numbers only (core/random.h), so a spec and
// a seed give the same trace on every machine; arrivals are whole milliseconds.
#pragma once

#include <kvsim/core/registry.h>
#include <kvsim/core/spec.h>
#include <kvsim/trace/trace.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kvsim {

struct GeneratorParameter {
    std::string key;
    std::string fallback;  ///< value if it is not given
    std::string meaning;
};

struct GeneratorRow {
    std::string id;
    std::string summary;
    std::vector<GeneratorParameter> parameters;
    Trace (*generate)(Spec& spec, uint64_t seed);
};

Registry<GeneratorRow>& trace_generators();

GeneratorRow agents_generator();
GeneratorRow beam_generator();
GeneratorRow chat_generator();
GeneratorRow rag_generator();
GeneratorRow stream_generator();
GeneratorRow uniform_generator();

/// "chat:sessions=200,turns=6". Throws Error(input) for an unknown kind, an unknown parameter or a value out
/// of range, or if arrivals or lengths are beyond what a trace may hold.
Trace generate_trace(std::string_view spec_text, uint64_t seed);

/// For generators: a trace in which no output completes a named block has one chain per request.
void drop_unused_output_rows(Trace& trace);

}  // namespace kvsim
