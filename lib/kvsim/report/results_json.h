// The parts of reports that replay and compare have in common, as JSON. Only for the sources of this room: the JSON
// header is heavy.
#pragma once

#include <kvsim/report/replay_report.h>

#include <nlohmann/json.hpp>

namespace kvsim {

using Json = nlohmann::ordered_json;

Json trace_json(const ReplayReport& report);
Json capacity_json(const ReplayReport& report);
Json results_json(const ReplayReport& report);
Json bounds_json(const ReplayReport& report);
/// --timeline.
Json series_json(const ReplayReport& report);
/// Null where the report does not say.
Json compression_json(const ReplayReport& report);
/// Data mode.
Json data_json(const ReplayReport& report);
Json kernels_json(const ReplayReport& report);
/// --engine: what it is and its own numbers; why a request hit no more.
Json engine_json(const ReplayReport& report);
Json explanation_json(const ReplayReport& report);
void define_engine(Definitions& definitions, const ReplayReport& report);
void define_data(Definitions& definitions, const ReplayReport& report);
void define_compression(Definitions& definitions, const ReplayReport& report);

}  // namespace kvsim
