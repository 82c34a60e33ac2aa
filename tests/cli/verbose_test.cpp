// --verbose explains decisions, a line each on standard error, and says nothing that was asked for.
#include "cli.h"

using namespace kvsim_test;

namespace verbose_test {

struct Files {
    TempDir dir;
    std::string trace = dir.write("demo.jsonl", kDemo);
    std::string mooncake = dir.write("m.jsonl",
                                     "{\"timestamp\":0,\"input_length\":1200,\"output_length\":5,\"hash_ids\":[0,1,2]}\n"
                                     "{\"timestamp\":9,\"input_length\":1500,\"output_length\":6,\"hash_ids\":[0,1,3]}\n");
};

/// The lines, without the one that tells a time.
std::string explained(const Args& args) {
    std::string out;
    for (const std::string& line : lines_of(succeeds(args + Args{"--verbose"}).err))
        if (!contains(line, " read in ") && line.rfind("note: ", 0) != 0) out += line + "\n";
    return out;
}

TEST_CASE("verbose: replay") {
    Files f;
    CHECK(explained({"replay", f.trace, "--blocks", "50%"}) ==
          "demo: format kvsim, told by the keys block_size, kvsim_trace, name of the first line\n"
          "demo: blocks of 4 tokens: the trace's own\n"
          "--blocks 50% of 4 unique blocks = 2 blocks\n"
          "defaults: --layout prefix, --eviction lru, --accounting pinned, --match block\n"
          "replay: whole runs of the prefix index, a few steps a request\n");
    // 16 layers x 8 heads x 128 values x 2 bytes x (key and value) would be 65,536; Llama 3.1 8B has 32 layers: 131,072.
    // Blocks of 2 tokens: 262,144 bytes; 1 MiB / 262,144 = 4 blocks.
    CHECK(explained({"replay", f.trace, "--memory", "1MiB", "--model", "llama-3.1-8b", "--block-size", "2", "--eviction", "fifo"}) ==
          "demo: format kvsim, told by the keys block_size, kvsim_trace, name of the first line\n"
          "demo: blocks of 2 tokens: as asked for\n"
          "--memory 1MiB = 1,048,576 bytes / 262,144 bytes a block (2 tokens x 131,072 bytes of Llama 3.1 8B) = 4 blocks\n"
          "model: Llama 3.1 8B, 32 full (8 kv heads x 128), bf16: 131,072 bytes a token, 262,144 a block\n"
          "defaults: --layout prefix, --accounting pinned, --match block\n"
          "replay: block by block, as fifo decides about single blocks\n");
    CHECK(explained({"replay", f.mooncake, "--format", "mooncake", "--tokens", "1024", "--accounting", "flat"}) ==
          "m.jsonl: format mooncake, as asked for\n"
          "m.jsonl: blocks of 512 tokens: the trace's own\n"
          "--tokens 1024 / 512 tokens a block = 2 blocks\n"
          "defaults: --layout prefix, --eviction lru, --match block\n"
          "replay: whole runs of the prefix index, a few steps a request\n");
    CHECK(contains(explained({"replay", f.trace, "--eviction", "fifo", "--accounting", "flat"}),
                   "replay: block by block, in runs of consecutive ids\n"));
    CHECK(contains(explained({"replay", f.trace, "--engine", "sglang"}), "engine: sglang:page="));
    CHECK(contains(explained({"replay", f.trace}), "capacity: unlimited"));
    CHECK(contains(explained({"replay", f.trace, "--layout", "paged"}), "defaults: --eviction lru, --on-full evict"));
    std::string tokens = "{\"kvsim_trace\":1}\n{\"op\":\"request\",\"seq\":\"a\",\"t\":0,\"tokens\":[1,2,3],\"output_length\":1}\n";
    CHECK(contains(explained({"replay", f.dir.write("tokens.jsonl", tokens)}), "blocks of 16 tokens: the default, as the trace has no blocks of its own"));
}

TEST_CASE("verbose: compare says what is shared and what is skipped, once") {
    Files f;
    std::string lines = explained({"compare", f.trace, "--eviction", "lru,lfu", "--blocks", "50%", "--accounting", "pinned,flat", "--concurrency", "2",
                                   "--model", "llama-3.1-8b,qwen3-8b", "--jobs", "2"});
    CHECK(lines ==
          "demo: format kvsim, told by the keys block_size, kvsim_trace, name of the first line\n"
          "demo: blocks of 4 tokens: the trace's own\n"
          "model: Llama 3.1 8B, 32 full (8 kv heads x 128), bf16: 131,072 bytes a token, 524,288 a block\n"
          "--blocks 50% of 4 unique blocks = 2 blocks\n"
          "model: Qwen3 8B, 36 full (8 kv heads x 128), bf16: 147,456 bytes a token, 589,824 a block\n"
          "8 cells, 4 runs with 2 threads; cells that only model or dtype tell apart share one\n"
          "skipped: 4 cells: --concurrency has no effect under --accounting flat, which never pins a block; expected 1\n");
}

TEST_CASE("verbose: curve, size, info and generate") {
    Files f;
    CHECK(contains(explained({"curve", f.trace}), "curve: exact, one pass over the trace"));
    CHECK(contains(explained({"curve", f.trace, "--eviction", "fifo", "--points", "3", "--jobs", "1"}),
                   "curve: 3 capacities replayed with 1 threads, as fifo has no curve that one pass gives"));
    CHECK(contains(explained({"size", f.trace, "--goal", "ceiling=0.9"}), "search: on the exact curve"));
    CHECK(contains(explained({"size", f.trace, "--goal", "ceiling=0.9", "--eviction", "fifo"}), "search: by halving"));
    CHECK(contains(explained({"trace", "info", f.mooncake}), "format mooncake, told by the keys hash_ids, input_length, output_length, timestamp"));
    CHECK(contains(explained({"trace", "generate", "uniform:requests=3", "--output", f.dir.path("u")}), "made: uniform:requests=3,"));
}

TEST_CASE("verbose: --quiet is stronger, and results stay the same") {
    Files f;
    CHECK(succeeds({"replay", f.trace, "--verbose", "--quiet"}).err.empty());
    CHECK(succeeds({"replay", f.trace, "--verbose"}).out == succeeds({"replay", f.trace}).out);
}

}  // namespace verbose_test
