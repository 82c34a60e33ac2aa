// A few long answers that are written at the same time: every sequence has a prompt of its own, then they decode in
// turn, chunk_tokens per decode event, until each has its length. Nothing is shared, so no prefix cache can help;
// what counts is the room that grows with every event, and what a strategy keeps of a sequence that outgrows it.
#include <kvsim/core/error.h>
#include <kvsim/core/random.h>
#include <kvsim/trace/format.h>
#include <kvsim/trace/generate_events.h>
#include <kvsim/trace/generator.h>

#include <algorithm>

namespace kvsim {
namespace {

struct StreamParameters {
    uint64_t sequences, prompt_tokens, output_tokens, chunk_tokens, block_size;
    bool free;
};

struct Stream {
    uint32_t sequence;
    uint64_t left;
};

StreamParameters read_stream_parameters(Spec& spec) {
    StreamParameters p;
    p.sequences = spec.whole("sequences", 4, 1, 1000000);
    p.prompt_tokens = spec.whole("prompt_tokens", 512, 1, 1u << 29);
    p.output_tokens = spec.whole("output_tokens", 8192, 1, 1u << 29);
    p.chunk_tokens = spec.whole("chunk_tokens", 16, 1, 1u << 30);
    p.block_size = spec.whole("block_size", 16, 1, kMaxBlockSize);
    p.free = spec.on_off("free", true);
    spec.finish();
    uint64_t chunks = (2 * p.output_tokens + p.chunk_tokens - 1) / p.chunk_tokens;
    check_events("stream", static_cast<unsigned __int128>(p.sequences) * (chunks + 2));
    return p;
}

// From half the mean to one and a half of it: long stays long.
uint64_t near(Random& random, uint64_t mean) { return random.between(mean - mean / 2, mean + mean / 2); }

Trace generate_stream(Spec& spec, uint64_t seed) {
    StreamParameters p = read_stream_parameters(spec);
    Random random(seed);
    EventBuilder events(p.block_size, false);
    std::vector<Stream> running;
    for (uint64_t i = 0; i < p.sequences; ++i) {
        uint64_t prompt = near(random, p.prompt_tokens);
        uint64_t output = near(random, p.output_tokens);
        running.push_back({events.prompt("s" + std::to_string(i), 0, prompt), output});
    }
    while (!running.empty()) {
        for (Stream& s : running) {
            uint64_t chunk = std::min(s.left, p.chunk_tokens);
            events.decode(s.sequence, chunk);
            s.left -= chunk;
            if (s.left == 0 && p.free) events.free(s.sequence);
        }
        running.erase(std::remove_if(running.begin(), running.end(), [](const Stream& s) { return s.left == 0; }),
                      running.end());
    }
    return events.finish();
}

}  // namespace

GeneratorRow stream_generator() {
    return {"stream",
            "a few long answers decoded in turn, chunk by chunk",
            {{"sequences", "4", "answers written at the same time"},
             {"prompt_tokens", "512", "mean prompt, uniform from half to one and a half of it"},
             {"output_tokens", "8192", "mean answer, uniform from half to one and a half of it"},
             {"chunk_tokens", "16", "tokens per decode event"},
             {"block_size", "16", "tokens per block"},
             {"free", "on", "on: a sequence is freed when it is complete; off: never"}},
            generate_stream};
}

}  // namespace kvsim
