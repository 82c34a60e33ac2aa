// The trace that benchmarks run on: KVSIM_BENCH_TRACE (a plain Mooncake JSONL file), else generated chat.
#pragma once

#include <kvsim/core/output_file.h>
#include <kvsim/trace/format.h>
#include <kvsim/trace/generator.h>
#include <kvsim/trace/writer.h>

#include <cstdlib>
#include <string>

namespace kvsim_bench {

inline std::string trace_path() {
    if (const char* path = std::getenv("KVSIM_BENCH_TRACE")) return path;
    std::string path = "/tmp/kvsim_bench_trace.jsonl";
    kvsim::Trace trace = kvsim::generate_trace("chat:sessions=2400,turns=5,block_size=512,user_tokens=3000", 1);
    kvsim::OutputFile out(path);
    kvsim::write_trace(trace, "mooncake", out);
    out.commit();
    return path;
}

inline kvsim::Trace load_bench_trace(uint32_t block_size) {
    kvsim::LoadOptions options;
    options.path = trace_path();
    options.block_size = block_size;
    return kvsim::load_trace(options);
}

/// The same trace with ids mapped to arbitrary 64-bit numbers, in a file of its own.
inline std::string with_wide_ids(const std::string& from) {
    std::string path = "/tmp/kvsim_bench_wide.jsonl";
    kvsim::LineSource source(from, false);
    kvsim::OutputFile out(path);
    while (source.next()) {
        std::string_view line = source.line();
        size_t at = line.find("\"hash_ids\"");
        at = line.find('[', at);
        std::string text(line.substr(0, at));
        bool digit = false;
        uint64_t id = 0;
        size_t close = line.find(']', at) + 1;
        for (char c : line.substr(at, close - at)) {
            bool d = c >= '0' && c <= '9';
            if (d) id = id * 10 + static_cast<uint64_t>(c - '0');
            if (!d && digit) {
                text += std::to_string((id + 1) * 0x9E3779B97F4A7C15ull);
                id = 0;
            }
            if (!d) text += c;
            digit = d;
        }
        out.write(text + std::string(line.substr(close)) + "\n");
    }
    out.commit();
    return path;
}

}  // namespace kvsim_bench
