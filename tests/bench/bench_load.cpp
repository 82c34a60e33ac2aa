// Loading: our columns and prefix index against the speed at which simdjson On-Demand merely parses the same bytes.
// KVSIM_BENCH_TRACE names a plain Mooncake JSONL file; without it a trace of the same shape is generated.
#include "bench_trace.h"

#include <benchmark/benchmark.h>
#include <simdjson.h>

#include <cstdio>
#include <fstream>

using namespace kvsim_bench;

// The baseline: every field is read and every id summed, nothing is kept.
static void simdjson_parse(benchmark::State& state, const std::string& path) {
    simdjson::padded_string text = simdjson::padded_string::load(path);
    for (auto _ : state) {
        simdjson::ondemand::parser parser;
        simdjson::ondemand::document_stream lines;
        if (parser.iterate_many(text, 1 << 20).get(lines)) state.SkipWithError("parse");
        uint64_t sum = 0;
        for (auto line : lines) {
            simdjson::ondemand::object o = line.get_object();
            sum += uint64_t(o["timestamp"]) + uint64_t(o["input_length"]) + uint64_t(o["output_length"]);
            for (auto id : o["hash_ids"].get_array()) sum += uint64_t(id);
        }
        benchmark::DoNotOptimize(sum);
    }
    state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * text.size()));
}

static void load(benchmark::State& state, const std::string& path) {
    int64_t bytes = 0;
    for (auto _ : state) {
        kvsim::LoadOptions options;
        options.path = path;
        kvsim::Trace trace = kvsim::load_trace(options);
        benchmark::DoNotOptimize(trace.chains.unique_blocks());
    }
    std::ifstream file(path, std::ios::ate | std::ios::binary);
    bytes = file.tellg();
    state.SetBytesProcessed(static_cast<int64_t>(state.iterations()) * bytes);
}

int main(int argc, char** argv) {
    std::string small = trace_path();
    std::string wide = with_wide_ids(small);
    benchmark::RegisterBenchmark("small_ids/simdjson_sum", [=](auto& s) { simdjson_parse(s, small); });
    benchmark::RegisterBenchmark("small_ids/load", [=](auto& s) { load(s, small); });
    benchmark::RegisterBenchmark("wide_ids/simdjson_sum", [=](auto& s) { simdjson_parse(s, wide); });
    benchmark::RegisterBenchmark("wide_ids/load", [=](auto& s) { load(s, wide); });
    benchmark::Initialize(&argc, argv);
    benchmark::RunSpecifiedBenchmarks();
    std::remove(wide.c_str());
    return 0;
}
