// The vLLM engine on the public conversation trace against recorded runs of the engine's own code, block size 512, with
// decode: shares of 144,793,823 input tokens at 2,000, 8,000 and 32,000 usable blocks.
#include <kvsim/engine/vllm.h>

#include <doctest/doctest.h>

#include <cmath>

#include "golden/shared_trace.h"

namespace vllm_engine_test {

using namespace kvsim;
using namespace kvsim_test;

static double hit_rate(const Trace& trace, const char* engine, uint64_t blocks) {
    RunOptions options;
    options.capacity_blocks = blocks;
    RunResult result;
    VllmCache cache(engine, trace, options);
    cache.run(trace, options, result);
    cache.check_invariants();
    uint64_t hit = 0, input = 0;
    for (uint32_t r = 0; r < trace.requests(); ++r) {
        hit += uint64_t{result.hit_blocks[r]} * trace.block_size;
        input += trace.prompt_tokens[r];
    }
    CHECK(input == 144793823);
    return static_cast<double>(hit) / static_cast<double>(input);
}

TEST_CASE("golden: vLLM on conversation") {
    const Trace& trace = shared_trace(kConversation);
    if (trace.requests() == 0) return;
    REQUIRE(trace.block_size == 512);
    struct Row {
        const char* engine;
        uint64_t blocks;
        double rate;
    };
    const Row rows[] = {{"vllm", 2000, .0557}, {"vllm", 8000, .1834}, {"vllm", 32000, .3399},
                        {"vllm_classic", 2000, .0542}, {"vllm_classic", 8000, .1772}, {"vllm_classic", 32000, .3339}};
    for (const Row& row : rows) {
        CAPTURE(row.engine);
        CAPTURE(row.blocks);
        CHECK(std::round(hit_rate(trace, row.engine, row.blocks) * 1e4) == std::round(row.rate * 1e4));
    }
}

}  // namespace vllm_engine_test
