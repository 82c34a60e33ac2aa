// --concurrency, --decode linked and --match token on the command line. The integers on traces/chat.jsonl were computed
// by a program that shares nothing with this one.
#include "cli.h"

namespace work_test {

using namespace kvsim_test;

namespace {

std::string chat() { return source_file("traces/chat.jsonl"); }

/// The demo with recorded ends: a and b overlap, c runs alone, d too.
std::string ended(const TempDir& dir) {
    std::string text = kDemo;
    const std::pair<const char*, const char*> ends[] = {
        {"\"t\":0,", "\"t_end\":2,"},
        {"\"t\":1,", "\"t_end\":1.5,"},
        {"\"t\":2,", "\"t_end\":3,"},
        {"\"t\":3,", "\"t_end\":4,"}};
    for (const auto& end : ends) text.insert(text.find(end.first), end.second);
    return dir.write("ended.jsonl", text);
}

/// The report as a configuration gives the report again.
void round_trip(const std::string& trace, const Args& options) {
    INFO(shown(options));
    TempDir dir;
    Json first = replay_report(Args{trace} + options);
    std::string config = dir.write("report.json", first.dump());
    Json again = replay_report({trace, "--config", config});
    CHECK(without_timing(again) == without_timing(first));
}

struct Golden {
    Args options;
    uint64_t hit_tokens_or_blocks, evicted, waited, active;
};

void check_golden(const Golden& g, bool tokens) {
    Args args = Args{chat(), "--verify"} + g.options;
    INFO(shown(args));
    Json r = replay_report(args);
    CHECK(r["results"]["hits"][tokens ? "hit_tokens" : "hit_blocks"] == g.hit_tokens_or_blocks);
    CHECK(r["results"]["evictions"]["blocks"] == g.evicted);
    if (r["config"]["concurrency"] != 1) CHECK(r["results"]["requests"]["waited"] == g.waited);
    double mean = static_cast<double>(g.active) / (613.0 * r["capacity"]["blocks"].get<double>());
    CHECK(r["results"]["utilization"]["mean_active_fraction"].get<double>() == doctest::Approx(mean).epsilon(1e-12));
}

}  // namespace

TEST_CASE("work: golden integers on the chat trace") {
    const Golden blocks[] = {
        {{"--blocks", "200"}, 7551, 15449, 0, 23200},
        {{"--blocks", "200", "--concurrency", "4"}, 7551, 15449, 72, 77248},
        {{"--blocks", "1000", "--concurrency", "4"}, 13988, 8212, 0, 81460},
        {{"--blocks", "200", "--concurrency", "1000000000"}, 7551, 15449, 411, 109934},
        {{"--blocks", "200", "--decode", "linked"}, 7623, 15377, 0, 23200},
        {{"--blocks", "1000", "--decode", "linked", "--concurrency", "4"}, 15190, 7010, 0, 81403},
        {{"--blocks", "200", "--decode", "linked", "--concurrency", "18446744073709551615"}, 7623, 15377, 407, 110052},
    };
    for (const Golden& g : blocks) check_golden(g, false);
    const Golden tokens[] = {
        {{"--blocks", "200", "--match", "token"}, 486903, 966700, 0, 1466403},
        {{"--blocks", "200", "--match", "token", "--concurrency", "4"}, 486903, 966700, 69, 4884742},
        {{"--blocks", "200", "--match", "token", "--decode", "linked"}, 492039, 961564, 0, 1466403},
        {{"--blocks", "200", "--match", "token", "--decode", "linked", "--concurrency", "4"},
         492039, 961564, 68, 4886676},
    };
    for (const Golden& g : tokens) check_golden(g, true);
    CHECK(replay_report({chat(), "--match", "token"})["bounds"]["unlimited"]["hit_tokens"] == 1104960);
    Json linked = replay_report({chat(), "--match", "token", "--decode", "linked"});
    CHECK(linked["bounds"]["unlimited"]["hit_tokens"] == 1226624);
}

TEST_CASE("work: what is said") {
    TempDir dir;
    Json one = replay_report({chat(), "--blocks", "200"});
    CHECK(one["config"]["concurrency"] == 1);
    CHECK_FALSE(one["results"]["requests"].contains("waited"));
    Json four = replay_report({chat(), "--blocks", "200", "--concurrency", "4"});
    CHECK(four["config"]["concurrency"] == 4);
    CHECK(contains(four["definitions"]["concurrency"], "4: at most so many requests run"));
    CHECK(four["definitions"]["concurrency"] != one["definitions"]["concurrency"]);
    Json ends = replay_report({ended(dir), "--concurrency", "trace"});
    CHECK(ends["config"]["concurrency"] == "trace");
    CHECK(contains(ends["definitions"]["concurrency"], "trace: a request runs until its recorded end"));
    std::string table = succeeds({"replay", chat(), "--blocks", "200", "--concurrency", "4"}).out;
    CHECK(contains(lines_of(table)[0], ", 4 running at once"));
    CHECK(contains(table, "requests that waited"));
    CHECK(contains(lines_of(succeeds({"replay", ended(dir), "--concurrency", "trace"}).out)[0], "until their recorded ends"));

    ProcessResult linked = succeeds({"replay", chat(), "--decode", "linked"});
    CHECK(contains(linked.err, "note: decode linked: 455 of 613 requests have an output"));
    CHECK(contains(lines_of(linked.out)[0], "decode linked (assumes that the next turn repeats the output: 455 of 613"));
    Json report = replay_report({chat(), "--decode", "linked"});
    CHECK(report["config"]["decode"] == "linked");
    CHECK(contains(report["definitions"]["decode"], "(an assumption): 455 of 613 requests"));

    Json token = replay_report({chat(), "--blocks", "200", "--match", "token"});
    CHECK(token["config"]["match"] == "token");
    CHECK(token["config"]["block_size"] == 1);
    CHECK(token["config"]["blocks"] == 12800);
    CHECK(token["capacity"].dump() == R"({"blocks":12800,"tokens":12800})");
    CHECK(contains(token["definitions"]["hit"], "at most prompt - 1"));
    CHECK(contains(lines_of(succeeds({"replay", chat(), "--match", "token"}).out)[0], "match token"));
}

// Room under token match: blocks and tokens by the block size asked for, bytes by the token.
TEST_CASE("work: token match counts the same room in tokens") {
    auto tokens = [](const Args& options) {
        return replay_report(Args{chat(), "--match", "token"} + options)["capacity"]["tokens"].get<uint64_t>();
    };
    CHECK(tokens({"--blocks", "10"}) == 640);
    CHECK(tokens({"--blocks", "10", "--block-size", "16"}) == 160);
    CHECK(tokens({"--tokens", "1000"}) == 960);  // 15 blocks of 64
    // 10 % of 3,663 unique blocks of 64 are 366; of 16 as many as a replay in blocks of 16 has.
    CHECK(tokens({"--blocks", "10%"}) == 366 * 64);
    uint64_t sixteens = replay_report({chat(), "--block-size", "16"})["trace"]["unique_blocks"].get<uint64_t>();
    CHECK(tokens({"--blocks", "10%", "--block-size", "16"}) == sixteens / 10 * 16);
    Json r = replay_report({chat(), "--match", "token", "--memory", "1GiB", "--model", "llama-3.1-8b"});
    // 131,072 bytes a token.
    CHECK(r["capacity"].dump() == R"({"blocks":8192,"tokens":8192,"bytes":1073741824})");
    CHECK(r["results"]["memory"]["bytes_per_block"] == 131072);
    CHECK(replay_report({chat(), "--match", "token"})["capacity"].empty());
}

TEST_CASE("work: a report is a configuration") {
    TempDir dir;
    round_trip(chat(), {"--blocks", "7%", "--concurrency", "5", "--warmup", "10%"});
    round_trip(ended(dir), {"--blocks", "4", "--concurrency", "trace", "--accounting", "tree"});
    round_trip(chat(), {"--blocks", "100", "--decode", "linked", "--block-size", "16"});
    for (const char* decode : {"on", "off", "linked"})
        round_trip(chat(), {"--blocks", "7%", "--match", "token", "--block-size", "48", "--decode", decode, "--limit", "99"});
    round_trip(chat(), {"--memory", "1GiB", "--model", "llama-3.1-8b", "--match", "token", "--concurrency", "3"});
}

TEST_CASE("work: what is refused") {
    TempDir dir;
    for (const char* bad : {"0", "-1", "1.5", "many", "1e3", "18446744073709551616", "traces"})
        fails({"replay", chat(), "--concurrency", bad},
              {std::string("--concurrency ") + bad + ": expected a whole number from 1, or trace"});
    fails({"replay", chat(), "--concurrency", "trcae"}, {"did you mean 'trace'?"});
    fails({"replay", chat(), "--concurrency", "trace"}, {"request 0 ('s0t1') has no recorded end", "t_end"});
    for (const char* n : {"2", "trace"})
        fails({"replay", ended(dir), "--accounting", "flat", "--concurrency", n},
              {"--concurrency has no effect under --accounting flat"});
    fails({"replay", chat(), "--decode", "linkd"}, {"--decode linkd: expected on, off or linked", "did you mean 'linked'?"});
    std::string mooncake = dir.write("m.jsonl", "{\"timestamp\":0,\"input_length\":512,\"output_length\":1,\"hash_ids\":[0]}\n");
    fails({"replay", mooncake, "--decode", "linked"}, {"names neither sessions nor parents"});
    for (const Args& options : {Args{"--match", "token"}, Args{"--decode", "linked"}})
        fails(Args{"replay", mooncake, "--format", "mooncake:ids=content"} + options,
              {options[0] + " " + options[1], "ids of format mooncake name"});
    fails({"replay", chat(), "--match", "tokens"}, {"--match tokens: expected block, token", "did you mean 'token'?"});
    fails({"replay", chat(), "--match", "token:x=1"}, {"x"});
    fails({"replay", chat(), "--match", "token", "--tokens", "63"}, {"--tokens 63 is less than one block of 64 tokens"});
}

}  // namespace work_test
