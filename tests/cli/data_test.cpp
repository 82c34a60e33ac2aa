// replay --backend: events on real keys and values, read back.
#include "cli.h"

namespace data_test {

using namespace kvsim_test;

namespace {

/// A model of one small layer: what is checked is where tokens go, not how many values they have.
const char* const kTiny = R"({"model_type":"llama","num_hidden_layers":1,"num_attention_heads":4,"num_key_value_heads":2,
"hidden_size":64,"head_dim":16,"vocab_size":64,"intermediate_size":64,"torch_dtype":"bfloat16"})";

Args replay_of(const TempDir& dir, const char* trace) {
    return {source_file(std::string("traces/") + trace), "--backend", "cpu:threads=2", "--model", dir.write("config.json", kTiny)};
}

Json kernel(const Json& report, const std::string& name) {
    for (const Json& k : report["kernels"])
        if (k["name"] == name) return k;
    return nullptr;
}

}  // namespace

TEST_CASE("data: the same keys and values through paged HND and NHD and contiguous") {
    Args beam = {source_file("traces/beam.jsonl"), "--verify"};
    Json hnd = replay_report(beam + Args{"--layout", "paged", "--backend", "cpu"});
    Json data = hnd["results"]["data"];
    CHECK(data["backend"] == "cpu");
    CHECK(data["order"] == "hnd");
    CHECK(data["digest"].get<std::string>().size() == 64);
    CHECK(data["read_sequences"] == 10);
    // A block: 2 layers x 8 heads x 128 x (K, V) x 2 bytes a token.
    uint64_t block_bytes = hnd["trace"]["block_size"].get<uint64_t>() * 2 * 8 * 128 * 2 * 2;
    CHECK(data["pool_bytes"] == hnd["results"]["utilization"]["peak_resident_blocks"].get<uint64_t>() * block_bytes);
    CHECK(kernel(hnd, "copy_blocks")["calls"] == hnd["results"]["forks"]["cow_copies"]);
    for (const char* key : {"total_us", "median_us", "min_us", "p95_us", "gb_per_s", "fraction_of_copy"})
        CHECK_MESSAGE(kernel(hnd, "append")[key].is_number(), key);
    for (const Args& other : {Args{"--layout", "paged", "--backend", "cpu:order=nhd"}, Args{"--layout", "contiguous", "--backend", "cpu"},
                              Args{"--layout", "contiguous", "--reserve", "grow", "--backend", "cpu:threads=1"}}) {
        Json report = replay_report(beam + other);
        CHECK(report["results"]["data"]["digest"] == data["digest"]);
        CHECK(report["results"]["data"]["read_tokens"] == data["read_tokens"]);
    }
    // Counts are those of the replay without data; a report is a configuration.
    Json plain = replay_report(beam + Args{"--layout", "paged"});
    Json results = hnd["results"];
    results.erase("data");
    CHECK(results.dump() == plain["results"].dump());
    TempDir dir;
    check_schema(dir, {hnd});
    Args again = {source_file("traces/beam.jsonl"), "--config", dir.write("r.json", hnd.dump()), "--verify"};
    CHECK(replay_report(again)["results"].is_object());
}

TEST_CASE("data: evictions, waits, trims and preemptions on every layout are verified") {
    TempDir dir;
    for (const Args& how : {Args{"--layout", "paged", "--blocks", "11"}, Args{"--layout", "paged", "--blocks", "11", "--on-full", "preempt"},
                            Args{"--layout", "paged", "--blocks", "10", "--on-full", "wait"},
                            Args{"--layout", "contiguous", "--reserve", "grow", "--blocks", "30", "--eviction", "lru"},
                            Args{"--layout", "paged", "--blocks", "9", "--eviction", "streaming_llm:sink=4,window=12"}}) {
        Json report = replay_report(replay_of(dir, "beam_search.jsonl") + how + Args{"--verify", "--kv-dtype", "fp8_e4m3"});
        CHECK(report["results"]["data"]["read_tokens"] > 0);
    }
    for (const char* dtype : {"f32", "f16", "int8:symmetric=on", "int4:group=8,scale=f32"}) {
        Json report = replay_report(replay_of(dir, "beam.jsonl") + Args{"--layout", "paged", "--verify", "--kv-dtype", dtype, "--attend"});
        CHECK(kernel(report, "decode")["calls"] > 0);
    }
}

TEST_CASE("data: a prefix cache gathers hits and appends what is new") {
    TempDir dir;
    for (const char* how : {"pinned", "flat", "tree"}) {
        Args args = replay_of(dir, "chat.jsonl") + Args{"--limit", "40", "--blocks", "60", "--accounting", how, "--verify"};
        Json report = replay_report(args);
        CHECK(report["results"]["evictions"]["blocks"] > 0);
        CHECK(kernel(report, "gather")["calls"] == report["results"]["requests"]["with_hit"]);  // one layer
        CHECK(report["results"]["data"]["pool_blocks"] == 60);
        // Whatever the strategy walks by, and with several requests running.
        for (const char* eviction : {"sieve", "gdsf", "s3_fifo"})
            CHECK(replay_report(args + Args{"--eviction", eviction, "--bounds", "none"})["results"]["data"].is_object());
        if (std::string(how) != "flat") CHECK(replay_report(args + Args{"--concurrency", "3"})["results"]["data"].is_object());
    }
}

TEST_CASE("data: of a model, of recorded values") {
    Json model = replay_report(Args{source_file("traces/beam.jsonl"), "--backend", "cpu", "--layout", "paged", "--model",
                                    "llama-3.1-8b", "--limit", "2", "--verify"});
    CHECK(model["results"]["data"]["layers"] == 32);
    CHECK(model["results"]["data"]["k_dtype"] == "bf16");
    CHECK(model["results"]["data"]["pool_bytes"] == model["results"]["memory"]["peak_bytes"]);
    const char* synthetic = "synthetic:tokens=40,layers=2,heads=4,kv_heads=2,head_dim=16";
    Json recorded = replay_report(Args{"--kv-data", synthetic, "--layout", "paged", "--backend", "cpu", "--verify"});
    CHECK(recorded["results"]["data"]["read_tokens"] == 40);
    CHECK(recorded["results"]["data"]["head_dim"] == 16);
}

TEST_CASE("data: tokens of the quantized layout leave by kernels") {
    Args run = {source_file("traces/uniform.jsonl"), "--limit", "3", "--layout", "quantized", "--backend", "cpu", "--verify"};
    Json h2o = replay_report(run + Args{"--eviction", "h2o:budget=0.2", "--kv-dtype", "int4"});
    std::vector<std::string> names;
    for (const Json& k : h2o["kernels"]) names.push_back(k["name"]);
    CHECK(names == std::vector<std::string>{"accumulate", "append", "compact", "decode", "top_k"});
    uint64_t tokens = 0;
    for (const char* key : {"prompt_tokens", "output_tokens"}) tokens += h2o["trace"][key].get<uint64_t>();
    CHECK(h2o["results"]["data"]["read_tokens"].get<uint64_t>() + h2o["results"]["evictions"]["tokens"].get<uint64_t>() == tokens);
    CHECK(replay_report(run + Args{"--eviction", "h2o:budget=0.2", "--kv-dtype", "int4"})["results"] == h2o["results"]);
    // Positions alone: the order of the pool changes nothing that is read back.
    Json a = replay_report(run + Args{"--eviction", "streaming_llm:budget=40"});
    Json b = replay_report({source_file("traces/uniform.jsonl"), "--limit", "3", "--layout", "quantized", "--backend", "cpu:order=nhd", "--verify",
                            "--eviction", "streaming_llm:budget=40"});
    CHECK(a["results"]["data"]["digest"] == b["results"]["data"]["digest"]);
    // Recorded values: measured by the codec, and stored by kernels.
    Json both = replay_report({"--kv-data", "synthetic:tokens=48,layers=2,heads=4,kv_heads=2,head_dim=16", "--layout", "quantized", "--backend",
                               "cpu", "--verify", "--eviction", "tova:budget=16", "--kv-dtype", "int8:group=16"});
    CHECK(both["results"].contains("compression"));
    CHECK(both["results"]["data"]["read_tokens"] == 16);
    CHECK(fails(Args{"replay"} + run + Args{"--eviction", "snap_kv"}, {}).find("kernels cannot decide it; expected none") != std::string::npos);
}

TEST_CASE("data: what is refused") {
    std::string trace = source_file("traces/beam.jsonl");
    auto error = [&](const Args& args) { return fails(Args{"replay", trace} + args, {}); };
    CHECK(error({"--attend"}).find("--attend has no effect without --backend") != std::string::npos);
    CHECK(error({"--backend", "gpu"}).find("unknown backend 'gpu'") != std::string::npos);
    CHECK(error({"--backend", "cpu:thread=2"}).find("did you mean 'threads'") != std::string::npos);
    CHECK(error({"--backend", "cpu:order=dnh", "--layout", "paged"}).find("order") != std::string::npos);
    CHECK(error({"--backend", "cpu:order=nhd", "--layout", "contiguous"}).find("has no effect on contiguous") != std::string::npos);
    CHECK(error({"--backend", "cpu", "--layout", "quantized"}).find("the trace has events") != std::string::npos);
    CHECK(error({"--backend", "cpu", "--layout", "paged", "--kv-dtype", "int4:axis=channel"}).find("groups along tokens") != std::string::npos);
    CHECK(error({"--backend", "cpu", "--layout", "paged", "--model", "deepseek-v3"}).find("expected layers of full attention") != std::string::npos);
    CHECK(error({"--backend", "cpu", "--match", "snapshot"}).find("no effect under --match snapshot") != std::string::npos);
    CHECK(error({"--kv-data", "synthetic:tokens=8", "--layout", "paged"}).find("without --backend") != std::string::npos);
    CHECK(error({"--kv-data", "synthetic:tokens=4,layers=1,heads=1,kv_heads=1,head_dim=8", "--layout", "paged", "--backend", "cpu"})
              .find("but those of") != std::string::npos);
}

}  // namespace data_test
