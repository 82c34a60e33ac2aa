// The vLLM engine on the conformance vectors of tests/golden/conformance, which its README.md explains.
#include <doctest/doctest.h>
#include <kvsim/engine/vllm.h>
#include <kvsim/trace/format.h>

#include <nlohmann/json.hpp>

#include <filesystem>

#include "support/process.h"

namespace vllm_conformance_test {

using namespace kvsim;
using namespace kvsim_test;
using nlohmann::json;

namespace {

class Recorder : public EngineObserver {
  public:
    explicit Recorder(const Trace& trace) : trace_(trace) {}
    void evicted(uint32_t owner, uint64_t begin, uint64_t end, uint32_t by) override {
        evictions.push_back({trace_.sequence_name(owner), begin, end, trace_.sequence_name(by)});
    }
    void stored(uint32_t, uint64_t, uint64_t) override {}
    void admitted(uint32_t, uint64_t, bool) override {}
    json evictions = json::array();

  private:
    const Trace& trace_;
};

Trace trace_of(const json& vector) {
    TempDir dir;
    LoadOptions options;
    options.path = dir.write("trace.json", vector["trace"].dump());
    options.format = "kvsim";
    options.block_size = vector["block_size"];
    return load_trace(options);
}

json free_blocks(const VllmPool& pool) {
    size_t front = 0;
    std::vector<VllmPool::Id> line = pool.free_line(&front);
    json all(std::vector<VllmPool::Id>(line.begin(), line.begin() + static_cast<ptrdiff_t>(front)));
    for (uint64_t id = pool.fresh_begin(); id <= pool.usable(); ++id) all.push_back(id);
    for (size_t i = front; i < line.size(); ++i) all.push_back(line[i]);
    return all;
}

json reported(const Trace& trace, const json& run) {
    RunOptions options;
    options.capacity_blocks = run["blocks"];
    options.arrivals = run["arrivals"] == "step" ? Arrivals::step : Arrivals::sequential;
    Recorder recorder(trace);
    options.engine_observer = &recorder;
    VllmCache cache(run["engine"], trace, options);
    RunResult result;
    cache.run(trace, options, result);
    cache.check_invariants();
    json out;
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        out["hit_tokens"].push_back(uint64_t{result.hit_blocks[r]} * trace.block_size);
        out["rejected"].push_back(result.is_rejected(r));
    }
    out["readmission_hit_tokens"] = result.engine->readmission_hit_tokens;
    out["preemptions"] = result.engine->preemptions;
    out["admit_steps"] = result.engine->admit_step;
    out["finish_steps"] = result.engine->finish_step;
    out["evictions"] = recorder.evictions;
    out["free_blocks"] = free_blocks(cache.manager().pool());
    return out;
}

}  // namespace

TEST_CASE("golden: conformance vectors of vLLM") {
    int vectors = 0, runs = 0;
    for (const auto& entry : std::filesystem::directory_iterator(source_file("tests/golden/conformance"))) {
        std::string name = entry.path().filename().string();
        if (name.rfind("vllm_", 0) != 0) continue;
        CAPTURE(name);
        json vector = json::parse(read_file(entry.path().string()));
        Trace trace = trace_of(vector);
        ++vectors;
        for (const json& run : vector["runs"]) {
            ++runs;
            json ours = reported(trace, run);
            for (auto expected = run["expect"].begin(); expected != run["expect"].end(); ++expected) {
                std::string ours_text = expected.key() + " " + ours[expected.key()].dump(), engine = run["engine"];
                CAPTURE(engine);
                CHECK(ours_text == expected.key() + " " + expected.value().dump());
            }
        }
    }
    CHECK(vectors >= 15);
    CHECK(runs >= 23);
}

}  // namespace vllm_conformance_test
