// The quantized layout on the command line: bookkeeping, recorded data, what is refused.
#include "cli.h"

namespace quantized_test {

using namespace kvsim_test;

namespace {

const Args kQuantized = {"--layout", "quantized"};
const char* const kSynthetic = "synthetic:tokens=40,layers=2,heads=4,kv_heads=2,head_dim=8";

Json results(const Args& args) { return replay_report(args)["results"]; }

}  // namespace

// 613 requests; nothing is dropped without a budget, and with one of 64 tokens nobody holds more than one block of 64.
TEST_CASE("quantized: a budget in bookkeeping") {
    Args chat = Args{source_file("traces/chat.jsonl")} + kQuantized;
    CHECK(results(chat)["evictions"]["tokens"] == 0);
    Json some = results(chat + Args{"--eviction", "h2o:budget=64"});
    CHECK(some["evictions"]["tokens"] > 0);
    CHECK(some["utilization"]["peak_active_blocks"] == 1);
    CHECK(some["utilization"]["mean_token_fill"] > 0.99);
    CHECK_FALSE(some.contains("hits"));
    CHECK_FALSE(some.contains("compression"));
    // Without a strategy what is longer than the capacity finds no room; with one the capacity is a budget.
    CHECK(results(chat + Args{"--blocks", "10"})["requests"]["rejected"] > 0);
    CHECK(results(chat + Args{"--blocks", "10", "--eviction", "h2o"})["requests"]["rejected"] == 0);
}

TEST_CASE("quantized: bytes of a model") {
    Args args = Args{source_file("traces/chat.jsonl"), "--model", "llama-3.1-8b", "--kv-dtype", "bf16"} + kQuantized;
    Json r = results(args);
    CHECK(r["compression"]["bits_per_value"] == 16.0);
    CHECK(r["compression"]["ratio_vs_f32"] == 2.0);
    CHECK(r["compression"]["output_nmse"] == "not measured");
    CHECK(r["compression"]["data_bytes"] == r["memory"]["peak_bytes"]);
}

TEST_CASE("quantized: every field from data, the same whatever is verified") {
    Args args = kQuantized + Args{"--kv-data", kSynthetic, "--eviction", "h2o:budget=0.25", "--kv-dtype", "bf16"};
    Json report = replay_report(args);
    Json c = report["results"]["compression"];
    CHECK(c["data_source"]["kind"] == "synthetic");
    for (const char* key : {"ratio_vs_f32", "ratio_vs_f16", "bits_per_value", "data_bytes", "metadata_bytes", "key_nmse",
                            "value_nmse", "output_nmse", "retained_mass"})
        CHECK_MESSAGE(c[key].is_number(), key);
    CHECK(c["budget_tokens"].dump() == "[10,10]");
    CHECK(c["layers"].size() == 2);
    CHECK(c["data_bytes"] == 2 * 2 * 10 * 2 * 8 * 2);  // layers x (K, V) x tokens x heads x values x bytes
    CHECK(c["held_values"] == c["stored_values"]);
    CHECK(c["evicted_tokens"] == 2 * 2 * 30);  // layers x heads x (40 - 10)
    CHECK(c["measured_queries"] == 2 * 4 * 30);
    CHECK(report["results"]["evictions"]["tokens"] == 30);
    CHECK(report["trace"]["requests"] == 1);
    CHECK(replay_report(args + Args{"--verify"})["results"].dump() == report["results"].dump());
    // The same again, from the report as configuration.
    TempDir dir;
    check_schema(dir, {report, replay_report(Args{source_file("traces/chat.jsonl"), "--model", "llama-3.1-8b"} + kQuantized)});
    CHECK(replay_report(Args{"--config", dir.write("r.json", report.dump())})["results"].dump() == report["results"].dump());
}

TEST_CASE("quantized: requests of a trace play recorded sequences") {
    TempDir dir;
    std::string two = dir.write("t.jsonl", "{\"kvsim_trace\":1,\"name\":\"t\"}\n"
                                           "{\"op\":\"request\",\"seq\":\"a\",\"length\":12,\"output_length\":8}\n"
                                           "{\"op\":\"request\",\"seq\":\"b\",\"length\":30,\"output_length\":0}\n");
    Json c = results(Args{two} + kQuantized + Args{"--kv-data", kSynthetic})["compression"];
    CHECK(c["appended_values"] == 2 * 2 * 2 * 8 * (20 + 30));
    CHECK(c["output_nmse"] == 0.0);
    CHECK(c["retained_mass"].get<double>() == doctest::Approx(1).epsilon(1e-6));
    std::string longer = dir.write("l.jsonl", "{\"kvsim_trace\":1,\"name\":\"t\"}\n"
                                              "{\"op\":\"request\",\"seq\":\"a\",\"length\":41,\"output_length\":0}\n");
    fails(Args{"replay", longer} + kQuantized + Args{"--kv-data", kSynthetic}, {"41 tokens", "have 40"});
}

TEST_CASE("quantized: compare shows what bits and budgets cost") {
    Args args = Args{"compare"} + kQuantized +
                Args{"--kv-data", kSynthetic, "--kv-dtype", "f32,fp8_e4m3", "--eviction", "none,h2o:budget=0.5,sliding_window:budget=0.5"};
    ProcessResult table = succeeds(args);
    CHECK(contains(table.out, "output NMSE"));
    Json r = Json::parse(succeeds(args + Args{"--report", "-", "--quiet"}).out);
    REQUIRE(r["cells"].size() == 6);
    size_t marked = 0;
    for (const Json& cell : r["cells"]) {
        CHECK(cell["status"] == "ok");
        marked += cell["pareto"] == true;
    }
    TempDir dir;
    check_schema(dir, {r});
    CHECK(r["cells"][0]["results"]["compression"]["output_nmse"] == 0.0);
    CHECK(r["cells"][0]["pareto"] == true);
    CHECK(marked >= 2);
    CHECK(marked < 6);
    Json four = Json::parse(succeeds(args + Args{"--jobs", "4", "--report", "-", "--quiet"}).out);
    for (size_t i = 0; i < 6; ++i) CHECK(four["cells"][i]["results"].dump() == r["cells"][i]["results"].dump());
}

TEST_CASE("quantized: what is refused") {
    std::string chat = source_file("traces/chat.jsonl");
    fails(Args{"replay"}, {"expected the argument trace, or --kv-data"});
    fails(Args{"replay", chat, "--kv-data", kSynthetic}, {"--kv-data has no effect under --layout prefix"});
    fails(Args{"replay", chat, "--seed", "1"}, {"--seed has no effect without --kv-data"});
    fails(Args{"replay", chat, "--eviction", "lru"} + kQuantized, {"--eviction lru is a block strategy; expected a token strategy"});
    fails(Args{"replay", chat, "--kv-dtype", "bf16"} + kQuantized, {"--kv-dtype has no effect without --model"});
    fails(Args{"replay", chat, "--on-full", "wait"} + kQuantized, {"--on-full has no effect under --layout quantized"});
    fails(Args{"replay", "--kv-data", "nothing.safetensors"} + kQuantized, {"nothing.safetensors"}, 3);
    fails(Args{"replay", "--kv-data", kSynthetic, "--kv-dtype", "int5"} + kQuantized, {"unknown KV dtype 'int5'"});
    fails(Args{"replay", "--kv-data", kSynthetic, "--blocks", "1"} + kQuantized, {"no request found room"});
    fails(Args{"replay", "--kv-data", kSynthetic, "--format", "mooncake"} + kQuantized, {"--format has no effect without a trace"});
    fails(Args{"compare", "--kv-data", kSynthetic}, {"--kv-data has no effect under --layout prefix"});
    fails(Args{"compare", "--layout", "quantized"}, {"expected the argument trace, or --kv-data"});
}

// Four tokens, budget 2, H2O without protection. After the third token: weights .5 .2 .3, all of it seen; sums .5 .2 .3,
// token 1 leaves. After the fourth: .6 .3 .05 .05, seen are tokens 0, 2, 3: .7. Measured are both rows: .85.
TEST_CASE("quantized: recorded scores by hand") {
    TempDir dir;
    std::string trace = dir.write(
        "t.jsonl",
        "{\"kvsim_trace\":1,\"name\":\"t\"}\n{\"op\":\"prompt\",\"seq\":\"a\",\"length\":2}\n"
        "{\"op\":\"decode\",\"seq\":\"a\",\"n\":1,\"scores\":[{\"layer\":0,\"head\":0,\"top\":[[0,0.5],[2,0.3]],\"rest\":0.2}]}\n"
        "{\"op\":\"decode\",\"seq\":\"a\",\"n\":1,\"scores\":[{\"layer\":0,\"head\":0,\"top\":[[0,0.6],[1,0.3]],\"rest\":0.1}]}\n");
    Args args = Args{trace} + kQuantized + Args{"--eviction", "h2o:budget=2,recent=0"};
    Json report = replay_report(args);
    Json c = report["results"]["compression"];
    CHECK(c["data_source"]["kind"] == "trace");
    CHECK(c["retained_mass"].get<double>() == doctest::Approx((1.0 + 0.7) / 2));
    CHECK(c["measured_queries"] == 2);
    CHECK(c["evicted_tokens"] == 2);
    CHECK(c["output_nmse"] == "not measured");
    check_schema(dir, {report});
    CHECK(contains(succeeds(Args{"replay"} + args).out, "85.00 %"));
    fails(Args{"replay", trace, "--eviction", "k_norm:budget=2"} + kQuantized, {"looks at keys"});
}

}  // namespace quantized_test
