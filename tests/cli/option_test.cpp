// Options of replay: capacities, models, ids, and every way to get a number wrong.
#include "cli.h"

namespace option_test {

using namespace kvsim_test;

static std::string demo(const TempDir& dir) { return dir.write("t.jsonl", kDemo); }

TEST_CASE("options: a number must be a number in range") {
    TempDir dir;
    std::string trace = demo(dir);
    const char* options[] = {"--blocks", "--tokens", "--memory", "--limit", "--block-size", "--warmup", "--tp"};
    for (const char* option : options)
        for (const char* value : {"-5", "1e3", "NaN", "inf", "0x10", "+5", " 5", "5 ", "5.5.5", "x",
                                  "99999999999999999999999", "-1%"})
            fails({"replay", trace, "--model", "llama-3.1-8b", option, value}, {std::string(option) + " " + value});
    for (const char* option : {"--blocks", "--tokens", "--memory", "--limit", "--block-size", "--tp"})
        fails({"replay", trace, "--model", "llama-3.1-8b", option, "0"}, {std::string(option) + " 0"});
    for (const char* value : {"101%", "%", "nan%", "5%%", "1e400%"}) {
        fails({"replay", trace, "--blocks", value}, {"--blocks", "percentage"});
        fails({"replay", trace, "--warmup", value}, {"--warmup", "percentage"});
    }
    fails({"replay", trace, "--block-size", "1073741825"}, {"--block-size 1073741825", "to 1073741824"});
    fails({"trace", "validate", trace, "--problems", "0"}, {"--problems 0"});
    fails({"trace", "validate", trace, "--problems", "1e3"}, {"--problems 1e3"});
    fails({"trace", "generate", "uniform", "--seed", "-1", "--output", "-"}, {"--seed -1"});
}

TEST_CASE("options: an empty value is an error, never a silent default") {
    TempDir dir;
    std::string trace = demo(dir);
    for (const char* option : {"--blocks", "--tokens", "--memory", "--limit", "--block-size", "--warmup", "--tp", "--by",
                               "--report", "--per-request", "--model", "--kv-dtype", "--config"}) {
        ProcessResult r = kvsim({"replay", trace, option, ""});
        INFO(option);
        CHECK(r.exit_code == 2);
        CHECK(contains(r.err, option));
    }
}

TEST_CASE("options: capacities in blocks, per cent and tokens") {
    TempDir dir;
    std::string trace = demo(dir);
    CHECK(replay_report({trace, "--blocks", "50%"})["capacity"]["blocks"] == 2);
    CHECK(replay_report({trace, "--blocks", "74.99%"})["capacity"]["blocks"] == 2);  // floor(2.9996)
    CHECK(replay_report({trace, "--blocks", "100%"})["capacity"]["blocks"] == 4);
    CHECK(replay_report({trace, "--blocks", "50%"})["config"]["blocks"] == 2);
    fails({"replay", trace, "--blocks", "24%"}, {"--blocks 24%", "less than one block of 4 tokens"});
    Json tokens = replay_report({trace, "--tokens", "15"});
    CHECK(tokens["capacity"].dump() == R"({"blocks":3,"tokens":12})");
    fails({"replay", trace, "--tokens", "3"}, {"--tokens 3", "less than one block"});
    const Args exclusive[] = {{"--blocks", "4", "--tokens", "8"},
                              {"--blocks", "4", "--memory", "1GiB"},
                              {"--tokens", "4", "--memory", "1GiB"},
                              {"--blocks", "unlimited", "--tokens", "8"}};
    for (const Args& pair : exclusive) fails(Args{"replay", trace} + pair, {"exclude each other"});
}

TEST_CASE("options: capacities too large to multiply are refused or right") {
    TempDir dir;
    std::string trace = demo(dir);
    ProcessResult r = kvsim({"replay", trace, "--blocks", "18446744073709551614", "--report", "-", "--quiet"});
    CHECK((r.exit_code == 2 || Json::parse(r.out)["capacity"]["tokens"].get<double>() > 7e19));
    r = kvsim({"replay", trace, "--blocks", "18446744073709551615", "--report", "-", "--quiet"});
    CHECK((r.exit_code == 2 || Json::parse(r.out)["config"]["blocks"] != "unlimited"));
}

// Llama 3.1 8B: 32 layers x 2 x 8 heads x 128 x 2 bytes = 131,072 a token, 524,288 a block of 4.
TEST_CASE("options: memory is blocks times bytes") {
    TempDir dir;
    std::string trace = demo(dir);
    auto with = [&](const Args& more) { return replay_report(Args{trace, "--model", "llama-3.1-8b"} + more); };
    Json two = with({"--memory", "2MiB"});
    CHECK(two["capacity"].dump() == R"({"blocks":4,"tokens":16,"bytes":2097152})");
    CHECK(two["results"]["memory"].dump() ==
          R"({"bytes_per_token":131072,"bytes_per_block":524288,"capacity_bytes":2097152,"peak_bytes":2097152})");
    two["results"]["hits"].erase("flop_hit_rate");
    CHECK(two["results"]["hits"] == replay_report({trace, "--blocks", "4"})["results"]["hits"]);
    CHECK(with({"--memory", "2MB"})["capacity"]["blocks"] == 3);  // 2,000,000 / 524,288 = 3.8
    CHECK(with({"--memory", "1572864"})["capacity"]["blocks"] == 3);
    CHECK(with({"--memory", "2MiB", "--kv-dtype", "fp8_e4m3"})["capacity"]["blocks"] == 8);
    // 4 + 1 bytes: 32 x 8 x 128 x 5
    CHECK(with({"--k-dtype", "f32", "--v-dtype", "fp8_e4m3"})["results"]["memory"]["bytes_per_token"] == 163840);
    CHECK(with({"--kv-dtype", "f32", "--v-dtype", "fp8_e4m3"})["results"]["memory"]["bytes_per_token"] == 163840);
    CHECK(with({"--tp", "8"})["results"]["memory"]["bytes_per_token"] == 131072);
    CHECK(with({"--tp", "16"})["results"]["memory"]["bytes_per_token"] == 262144);  // 8 heads, each on two ranks
    CHECK_FALSE(with({})["results"]["memory"].contains("capacity_bytes"));
    fails({"replay", trace, "--model", "llama-3.1-8b", "--memory", "524287"}, {"--memory 524287", "524,288 bytes"});
    fails({"replay", trace, "--memory", "2MiB"}, {"--memory needs --model"});
    fails({"replay", trace, "--model", "llama-3.1-8b", "--memory", "2mib"}, {"--memory 2mib", "40GiB"});
    for (const char* option : {"--kv-dtype", "--k-dtype", "--v-dtype", "--tp"})
        fails({"replay", trace, option, "8"}, {std::string(option) + " has no effect without --model"});
}

TEST_CASE("options: a model with windows says that hits do not follow it") {
    TempDir dir;
    std::string trace = demo(dir);
    std::string table = succeeds({"replay", trace, "--blocks", "4", "--model", "gpt-oss-20b"}).out;
    CHECK(contains(table, "bytes follow the model, hits do not"));
    CHECK_FALSE(contains(succeeds({"replay", trace, "--model", "llama-3.1-8b"}).out, "hits do not"));
    Json with = replay_report({trace, "--blocks", "4", "--model", "gpt-oss-20b"})["results"]["hits"];
    CHECK(with.erase("flop_hit_rate") == 1);
    CHECK(with == replay_report({trace, "--blocks", "4"})["results"]["hits"]);
}

TEST_CASE("options: unknown ids name a near one") {
    TempDir dir;
    std::string trace = demo(dir);
    const std::pair<Args, const char*> wrong[] = {
        {{"--accounting", "pined"}, "unknown accounting 'pined' (did you mean 'pinned'?); known: pinned, flat, tree"},
        {{"--accounting", "flat:a=1"}, "'flat' takes no parameters"},
        {{"--accounting", "tree:protct=chain"}, "(did you mean 'protect'?)"},
        {{"--accounting", "tree:protect=chian"}, "expected one of hits, chain"},
        {{"--accounting", "tree:protect=chain,protect=hits"}, "'protect' is given twice"},
        {{"--accounting", "tree:"}, "expected key=value after ':'"},
        {{"--eviction", "lruu"}, "(did you mean 'lru'?)"},
        {{"--eviction", "lru:x=1"}, "'lru' takes no parameters"},
        {{"--eviction", "token/h2o"}, "token/h2o is a token strategy; expected a block strategy"},
        {{"--layout", "prefx"}, "(did you mean 'prefix'?)"},
        {{"--model", "lama-3.1-8b"}, "(did you mean 'llama-3.1-8b'?)"},
        {{"--model", "llama-3.1-8b", "--kv-dtype", "fp16"}, "(did you mean 'f16'?)"},
        {{"--format", "moncake"}, "(did you mean 'mooncake'?)"},
        {{"--format", "mooncake:tail=maybe"}, "expected one of auto, ceil, none"},
        {{"--format", "mooncake:tial=none"}, "(did you mean 'tail'?)"},
        {{"--format", "kvsim:x=1"}, "'kvsim' has no parameter 'x'; known: scopes"},
        {{"--match", "blok"}, "(did you mean 'block'?)"},
        {{"--decode", "maybe"}, "--decode maybe: expected on, off or linked"},
        {{"--bounds", "some"}, "--bounds some: expected all or none"},
    };
    for (const auto& [args, message] : wrong) fails(Args{"replay", trace} + args, {message});
}

TEST_CASE("options: block/lru is lru") {
    TempDir dir;
    std::string trace = demo(dir);
    CHECK(replay_report({trace, "--blocks", "3", "--eviction", "block/lru"})["results"] ==
          replay_report({trace, "--blocks", "3", "--eviction", "lru"})["results"]);
}

TEST_CASE("options: --verify agrees on small capacities under every accounting") {
    TempDir dir;
    std::string trace = demo(dir);
    for (const char* accounting : {"pinned", "flat", "tree", "tree:protect=chain"})
        for (const char* decode : {"on", "off"})
            for (const char* blocks : {"1", "2", "3", "5", "unlimited"})
                CHECK(succeeds({"replay", trace, "--verify", "--accounting", accounting, "--decode", decode, "--blocks",
                                blocks})
                          .err.empty());
}

}  // namespace option_test
