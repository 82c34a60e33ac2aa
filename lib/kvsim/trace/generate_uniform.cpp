// Independent prompts from a fixed forest: every block has `fanout` possible successors, a prompt is a random
// walk from the root of min_blocks to max_blocks full blocks. With depth d, any two prompts share it with
// probability fanout^-d, so sharing ends at about log(requests) / log(fanout) blocks, and every block is as
// likely as its siblings: no strategy can know better than recency does. A baseline, and a worst case for
// clever ones.
#include <kvsim/core/error.h>
#include <kvsim/core/random.h>
#include <kvsim/trace/format.h>
#include <kvsim/trace/generator.h>

namespace kvsim {

static Trace generate_uniform(Spec& spec, uint64_t seed) {
    uint64_t requests = spec.whole("requests", 1000, 1, 100000000);
    uint64_t fanout = spec.whole("fanout", 8, 1, 1u << 30);
    uint64_t min_blocks = spec.whole("min_blocks", 1, 1, 1u << 20);
    uint64_t max_blocks = spec.whole("max_blocks", 6, 1, 1u << 20);
    uint64_t output = spec.whole("output_tokens", 100, 0, 1u << 24);
    uint64_t gap_ms = spec.whole("gap_ms", 100, 0, 1u << 30);
    uint64_t block_size = spec.whole("block_size", 16, 1, kMaxBlockSize);
    spec.finish();
    if (min_blocks > max_blocks) throw_input("uniform: expected min_blocks not above max_blocks");
    if (max_blocks * block_size > kMaxTokens)
        throw_input("uniform: expected max_blocks x block_size of at most " + std::to_string(kMaxTokens) +
                    " tokens");

    Trace trace;
    trace.block_size = static_cast<uint32_t>(block_size);
    PathInterner interner(trace.chains, Names::content);
    Random random(seed);
    std::vector<uint64_t> path;
    uint64_t now_ms = 0;
    for (uint32_t r = 0; r < requests; ++r) {
        path.resize(random.between(min_blocks, max_blocks));
        for (uint64_t& child : path) child = random.below(fanout);
        interner.add(path.data(), path.size());
        trace.prompt_tokens.push_back(static_cast<uint32_t>(path.size() * block_size));
        trace.output_tokens.push_back(
            static_cast<uint32_t>(output == 0 ? 0 : random.between(1, 2 * output - 1)));
        trace.arrival_s.push_back(static_cast<double>(now_ms) / 1e3);
        trace.source_row.push_back(r);
        now_ms += random.between(0, 2 * gap_ms);
    }
    return trace;
}

GeneratorRow uniform_generator() {
    return {"uniform",
            "independent prompts: random walks in a forest of blocks",
            {{"requests", "1000", "prompts"},
             {"fanout", "8", "possible successors of every block, and possible first blocks"},
             {"min_blocks", "1", "shortest prompt, in blocks"},
             {"max_blocks", "6", "longest prompt, in blocks; lengths are uniform between"},
             {"output_tokens", "100", "mean output, uniform from 1 to twice the mean less 1"},
             {"gap_ms", "100", "mean time between arrivals, uniform from 0 to twice the mean"},
             {"block_size", "16", "tokens per block; every block is full"}},
            generate_uniform};
}

}  // namespace kvsim
