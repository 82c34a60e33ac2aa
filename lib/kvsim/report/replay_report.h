// The report of `kvsim replay`: one model, from which the JSON and the terminal table are written.
//
// schema_version is semantic: a key that changes meaning, type or place, or goes away, is a new major version; a new
// optional key is a new minor version. The JSON Schema is report.schema.json beside this file.
#pragma once

#include <kvsim/core/output_file.h>
#include <kvsim/model/model.h>
#include <kvsim/sim/explain.h>
#include <kvsim/sim/replay.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace kvsim {

inline constexpr const char* kSchemaVersion = "1.0";

using ConfigValue = std::variant<std::string, uint64_t, std::vector<std::string>>;
using ConfigEntries = std::vector<std::pair<std::string, ConfigValue>>;

/// Bytes of the blocks under a model; absent without --model.
struct MemoryBytes {
    std::string model;
    uint64_t bytes_per_token = 0;
    uint64_t bytes_per_block = 0;
};

/// What hits are worth under --model and --gpu.
struct CostView {
    std::string gpu;  ///< empty without --gpu
    double flops_per_s = 0;  ///< of the replica: bf16 peak x MFU x ranks; 0 without --gpu
    double break_even_bytes_per_s = 0;  ///< of one token's KV; 0 without --gpu
};

struct ReplayReport {
    const Trace* trace = nullptr;
    const ReplayOptions* options = nullptr;
    const ReplayOutcome* outcome = nullptr;
    ConfigEntries config;  ///< every option that changes results, as resolved
    std::optional<MemoryBytes> memory;
    std::optional<CostView> cost;
    std::optional<TokenStorage> storage;  ///< with --model, of the layout quantized
    std::string dtypes;                   ///< "int4:group=32", "keys int8, values int4"; of the layout quantized
    std::vector<std::string> notes;  ///< what the user must know beside the numbers
    std::optional<Explanation> explanation;  ///< --explain
    double load_ms = 0;

    const LayoutRow& layout() const { return cache_row(options->cache); }
    CacheConfig cache() const { return effective_cache(options->cache, *trace); }
    /// Whether hits can be told at all: the layout looks blocks up and the trace names them.
    bool has_hits() const { return layout().prefix_hits && !trace->lengths_only; }
    bool limited() const { return options->run.capacity_blocks != kUnlimited; }
    /// With `memory`: bytes of the most blocks there were. Throws Error(input) if 64 bits do not hold them, which only
    /// happens without a limit.
    uint64_t peak_bytes() const;
    const KvData* kv_data() const { return options->kv_data; }
};

/// What each number is, one line each, in the order of the report.
std::vector<std::pair<std::string, std::string>> definitions(const ReplayReport& report);

/// The JSON text, with a final newline. The same inputs give the same bytes except inside `timing`.
std::string replay_json(const ReplayReport& report);

/// The table people read. `color` adds ANSI emphasis.
std::string replay_table(const ReplayReport& report, bool color);

/// One JSON object per request, in replay order; warm-up requests too.
void write_per_request(const Trace& trace, const RunResult& run, OutputFile& out);

}  // namespace kvsim
