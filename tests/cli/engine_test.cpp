// replay --engine: what is refused, what is said in the engine's words, and why a request hit no more.
#include "cli.h"

namespace engine_test {

using namespace kvsim_test;

namespace {

/// Requests of token ids: "name|salt|first last|first last|..." stand for runs of consecutive ids.
struct Asked {
    std::string name;
    std::vector<std::pair<int, int>> runs;
    std::string more = {};  ///< further keys
};

std::string trace_of(const std::vector<Asked>& requests) {
    std::string text = "{\"kvsim_trace\":1,\"name\":\"asked\"}\n";
    double t = 0;
    for (const Asked& a : requests) {
        std::string tokens;
        for (auto [first, last] : a.runs)
            for (int i = first; i <= last; ++i) tokens += (tokens.empty() ? "" : ",") + std::to_string(i);
        text += "{\"op\":\"request\",\"seq\":\"" + a.name + "\",\"t\":" + std::to_string(t++) + ",\"tokens\":[" + tokens + "]" + a.more + "}\n";
    }
    return text;
}

Json explained(const TempDir& dir, const std::vector<Asked>& requests, const std::string& who, const Args& more) {
    std::string path = dir.write("asked.jsonl", trace_of(requests));
    Json report = replay_report(Args{path, "--explain", who, "--decode", "off"} + more);
    check_schema(dir, {report});
    return report["explain"];
}

}  // namespace

TEST_CASE("engine: every cause of a miss is told") {
    TempDir dir;
    Args four = {"--engine", "vllm", "--block-size", "4"};
    // 8 tokens are 2 blocks; a hit takes at most (8 - 1) / 4 = 1 of them.
    Json e = explained(dir, {{"a", {{1, 8}}}, {"b", {{1, 8}}}}, "b", four);
    CHECK(e["cause"] == "last_token");
    CHECK(e["hit_tokens"] == 4);
    CHECK(e["missed_block"] == 1);
    CHECK(e["other_request"] == 0);
    // 10 tokens: 2 blocks hit, 2 tokens left.
    e = explained(dir, {{"a", {{1, 10}}}, {"b", {{1, 10}}}}, "1", four);
    CHECK(e["cause"] == "not_full");
    CHECK(e["text"] == "all full blocks were hit, and what is left has 2 tokens, fewer than a block of 4");
    e = explained(dir, {{"a", {{1, 8}}}, {"b", {{11, 19}}}}, "b", four);
    CHECK(e["cause"] == "never_seen");
    CHECK(e["text"] == "block 0 (tokens 0 to 3) was never seen before: no earlier request begins with the same token");
    // 6 tokens in common: one block, and half of the next.
    e = explained(dir, {{"a", {{1, 8}}}, {"b", {{1, 6}, {20, 29}}}}, "b", four);
    CHECK(e["cause"] == "shorter_than_block");
    CHECK(e["missed_block"] == 1);
    CHECK(e["text"] == "request 0 (a) shares 6 tokens, but a hit takes whole blocks of 4: block 1 (tokens 4 to 7) differs at token 6");
    // 4 blocks: a leaves 2 behind and a partly filled one that goes first; b takes 3, so a's last block is evicted.
    e = explained(dir, {{"a", {{1, 9}}}, {"b", {{11, 22}}}, {"c", {{1, 9}}}}, "c", four + Args{"--blocks", "4"});
    CHECK(e["cause"] == "evicted");
    CHECK(e["hit_tokens"] == 4);
    CHECK(e["other_request"] == 1);
    CHECK(e["text"] == "block 1 (tokens 4 to 7) was stored by request 0 (a) and evicted to make room for request 1 (b)");
    // a needs 5 blocks of 3: it is rejected and stores nothing.
    std::vector<Asked> large = {{"a", {{1, 20}}}, {"b", {{1, 9}}}};
    e = explained(dir, large, "b", four + Args{"--blocks", "3"});
    CHECK(e["cause"] == "not_stored_yet");
    CHECK(e["other_request"] == 0);
    CHECK(explained(dir, large, "a", four + Args{"--blocks", "3"})["cause"] == "rejected");
    e = explained(dir, {{"a", {{1, 9}}, ",\"salt\":\"x\""}, {"b", {{1, 9}}, ",\"salt\":\"y\""}}, "b", four);
    CHECK(e["cause"] == "scope");
    CHECK(e["text"] == "the same tokens of block 0 (tokens 0 to 3) were in request 0 (a), which has another salt or adapter");
    e = explained(dir, {{"a", {{1, 9}}, ",\"lora\":\"x\""}, {"b", {{1, 9}}}}, "b", four);
    CHECK(e["cause"] == "scope");
    // A window of 8 tokens gives back what has left it: c finds the full group's blocks of a, and not the window's.
    e = explained(dir, {{"a", {{1, 23}}}, {"b", {{101, 109}}}, {"c", {{1, 24}}}}, "c",
                  {"--engine", "vllm:groups=full+window:8", "--block-size", "4", "--blocks", "14"});
    CHECK(e["cause"] == "window");
    CHECK(e["hit_tokens"] == 12);
    e = explained(dir, {{"a", {{1, 9}}}, {"b", {{1, 9}}}}, "b", {"--engine", "vllm:caching=off", "--block-size", "4"});
    CHECK(e["cause"] == "caching_off");
}

TEST_CASE("engine: SGLang's causes, in tokens") {
    TempDir dir;
    Args radix = {"--engine", "sglang"};
    Json e = explained(dir, {{"a", {{1, 8}}}, {"b", {{1, 8}}}}, "b", radix);
    CHECK(e["cause"] == "last_token");
    CHECK(e["hit_tokens"] == 7);
    e = explained(dir, {{"a", {{1, 8}}}, {"b", {{1, 5}, {20, 22}}}}, "b", radix);
    CHECK(e["cause"] == "never_seen");
    CHECK(e["hit_tokens"] == 5);
    e = explained(dir, {{"a", {{1, 8}}}, {"b", {{1, 6}, {20, 29}}}}, "b", {"--engine", "sglang:page=4"});
    CHECK(e["cause"] == "shorter_than_block");
    // 20 tokens of room: b's 15 need a's leaf, whole.
    e = explained(dir, {{"a", {{1, 9}}}, {"b", {{31, 45}}}, {"c", {{1, 9}}}}, "c", radix + Args{"--tokens", "20"});
    CHECK(e["cause"] == "evicted");
    CHECK(e["missed_block"] == 0);
    CHECK(e["other_request"] == 1);
}

TEST_CASE("engine: the first request whose cached_tokens the rules do not give") {
    TempDir dir;
    std::vector<Asked> log = {{"a", {{1, 9}}, ",\"cached_tokens\":0"},
                              {"b", {{1, 9}}, ",\"cached_tokens\":8"},
                              {"c", {{1, 13}}, ",\"cached_tokens\":4"},
                              {"d", {{40, 50}}, ",\"cached_tokens\":4"}};
    Args four = {"--engine", "vllm", "--block-size", "4"};
    Json e = explained(dir, log, "first-difference", four);
    CHECK(e["request"] == 2);
    CHECK(e["cached_tokens"] == 4);
    CHECK(e["hit_tokens"] == 8);
    CHECK(e["difference"] == "the trace reports 4 tokens, the rules say 8: the engine missed block 1 (tokens 4 to 7), which request 0 (a) had stored");
    e = explained(dir, log, "d", four);
    CHECK(e["difference"] == "the trace reports 4 tokens, the rules say 0: the engine still had what the rules miss");
    std::string path = dir.write("asked.jsonl", trace_of(log));
    Json report = replay_report({path, "--engine", "vllm", "--block-size", "4", "--decode", "off"});
    CHECK(report["results"]["observed"]["requests_equal"] == 2);
    log.resize(2);
    path = dir.write("asked.jsonl", trace_of(log));
    ProcessResult r = succeeds({"replay", path, "--engine", "vllm", "--block-size", "4", "--explain", "first-difference"});
    CHECK(r.err.find("no difference: all requests with cached_tokens hit what the rules give") != std::string::npos);
}

TEST_CASE("engine: --explain where tokens have no names, with samples, and under a scheduler") {
    TempDir dir;
    const std::string floor = "{\"kvsim_trace\":1,\"block_size\":4}\n"
                              "{\"op\":\"request\",\"seq\":\"a\",\"length\":5,\"blocks\":[0],\"output_length\":1}\n"
                              "{\"op\":\"request\",\"seq\":\"b\",\"length\":5,\"blocks\":[0],\"output_length\":1}\n";
    std::string path = dir.write("floor.jsonl", floor);
    for (const Args& engine : {Args{"--engine", "sglang"}, Args{"--engine", "vllm", "--block-size", "1"}}) {
        Json e = replay_report(Args{path, "--explain", "b"} + engine)["explain"];
        CHECK(e["cause"] == "unnamed");
        CHECK(e["missed_token"] == 4);
    }
    path = dir.write("fork.jsonl", "{\"kvsim_trace\":1}\n{\"op\":\"prompt\",\"seq\":\"a\",\"tokens\":[1,2]}\n"
                                   "{\"op\":\"decode\",\"seq\":\"a\",\"n\":3}\n{\"op\":\"fork\",\"seq\":\"a\",\"child\":\"c\"}\n"
                                   "{\"op\":\"free\",\"seq\":\"a\"}\n");
    CHECK(replay_report({path, "--engine", "sglang", "--explain", "c"})["explain"]["cause"] == "unnamed");
    // Three samples are three requests, with --explain and without.
    std::vector<Asked> samples = {{"a", {{1, 5}}, ",\"output_length\":3,\"n\":3"}, {"b", {{1, 5}}, ",\"output_length\":3"}};
    path = dir.write("samples.jsonl", trace_of(samples));
    Json plain = replay_report({path, "--engine", "sglang"}), with = replay_report({path, "--engine", "sglang", "--explain", "b"});
    CHECK(plain["results"] == with["results"]);
    CHECK(plain["results"]["requests"]["total"] == 4);
    CHECK_FALSE(plain["results"].contains("observed"));
    CHECK(with["explain"]["request"] == 3);
    CHECK(with["explain"]["cause"] == "last_token");
    // Who comes first in the file but arrives later has nothing to do with it.
    std::vector<Asked> late = {{"late", {{1, 5}}, ",\"step\":9"}, {"early", {{1, 5}}, ",\"step\":0"}};
    Args steps = {"--engine", "vllm", "--block-size", "2", "--arrivals", "step"};
    CHECK(explained(dir, late, "early", steps)["cause"] == "never_seen");
    CHECK(explained(dir, late, "late", steps)["cause"] == "not_full");
}

TEST_CASE("engine: the ceiling is what the same engine hits with room for everything") {
    TempDir dir;
    // The last output token is never stored, so c finds 2 of the 3 blocks of 12 tokens.
    std::string turn = ",\"output_tokens\":[9,10,11,12]";
    std::string path = dir.write("turns.jsonl", trace_of({{"a", {{1, 8}}, turn}, {"b", {{1, 8}}, turn}, {"c", {{1, 13}}}}));
    for (const Args& engine : {Args{"--engine", "sglang:page=4"}, Args{"--engine", "vllm", "--block-size", "4"}}) {
        Json r = replay_report(Args{path} + engine);
        CHECK(r["results"]["hits"]["hit_tokens"] == 4 + 8);
        CHECK(r["bounds"]["unlimited"]["hit_tokens"] == 12);
    }
    // A scheduler serves in another order than the file's.
    path = dir.write("steps.jsonl", trace_of({{"late", {{1, 5}}, ",\"step\":9"}, {"early", {{1, 2}}, ",\"step\":0,\"output_tokens\":[3,4,5]"}}));
    Json r = replay_report({path, "--engine", "vllm", "--block-size", "2", "--arrivals", "step"});
    CHECK(r["results"]["hits"]["hit_tokens"] == 4);
    CHECK(r["bounds"]["unlimited"]["hit_tokens"] == 4);
    // Nothing fits, so no step computes anything.
    r = replay_report({path, "--engine", "vllm", "--block-size", "2", "--arrivals", "step", "--blocks", "1", "--limit", "1"});
    CHECK(r["results"]["requests"]["rejected"] == 1);
    CHECK(r["engine"]["numbers"]["steps"] == 0);
    // Decoding beyond the capacity: fractions stay fractions.
    path = dir.write("long.jsonl", trace_of({{"a", {{1, 3}}, ",\"output_length\":9500"}}));
    r = replay_report({path, "--engine", "sglang", "--tokens", "4110"});
    check_schema(dir, {r});
    CHECK(r["results"]["utilization"]["mean_free_fraction"] == 0);
    CHECK(r["engine"]["numbers"]["decode_out_of_room"].get<int>() > 0);
}

TEST_CASE("engine: what is refused") {
    TempDir dir;
    std::string path = dir.write("asked.jsonl", trace_of({{"a", {{1, 9}}}, {"b", {{1, 9}}}}));
    auto error = [&](const Args& args) { return fails(Args{"replay", path} + args, {}); };
    CHECK(error({"--engine", "vlm"}).find("unknown engine 'vlm' (did you mean 'vllm'?)") != std::string::npos);
    CHECK(error({"--engine", "vllm:cashing=on"}).find("did you mean 'caching'") != std::string::npos);
    CHECK(error({"--engine", "vllm", "--layout", "paged"}).find("--layout paged has no effect with --engine vllm") != std::string::npos);
    CHECK(error({"--engine", "vllm", "--eviction", "lru"}).find("--eviction has no effect with --engine vllm") != std::string::npos);
    CHECK(error({"--engine", "sglang", "--accounting", "flat"}).find("--accounting has no effect") != std::string::npos);
    CHECK(error({"--engine", "vllm", "--concurrency", "2"}).find("--concurrency has no effect with --engine") != std::string::npos);
    CHECK(error({"--engine", "vllm", "--backend", "cpu"}).find("it moves no data") != std::string::npos);
    CHECK(error({"--engine", "sglang", "--arrivals", "step"}).find("without its scheduler") != std::string::npos);
    CHECK(error({"--engine", "sglang:page=8", "--block-size", "4"}).find("give one of them, or the same") != std::string::npos);
    CHECK(error({"--arrivals", "step"}).find("has no effect without --engine") != std::string::npos);
    CHECK(error({"--engine", "vllm", "--arrivals", "steps"}).find("did you mean 'step'") != std::string::npos);
    CHECK(error({"--explain", "0"}).find("--explain has no effect without --engine") != std::string::npos);
    CHECK(error({"--engine", "vllm", "--explain", "z"}).find("expected first-difference, the name of a sequence, or a request from 0 to 1") != std::string::npos);
    CHECK(error({"--engine", "vllm", "--explain", "first-difference"}).find("carries no cached_tokens") != std::string::npos);
}

TEST_CASE("engine: the report, the rows per request, and the report as configuration") {
    TempDir dir;
    std::string chat = source_file("traces/chat.jsonl");
    std::vector<Json> reports;
    for (const char* engine : {"vllm", "vllm_classic", "sglang", "sglang_unified:page=16,policy=lfu"}) {
        Json r = replay_report({chat, "--engine", engine, "--tokens", "16000", "--verify"});
        std::string id = std::string(engine).substr(0, std::string(engine).find(':'));
        CHECK(r["engine"]["id"] == id);
        for (auto& [key, value] : r["engine"]["numbers"].items()) CHECK(r["definitions"].contains("engine.numbers." + key));
        CHECK_FALSE(r["config"].contains("layout"));
        CHECK_FALSE(r["bounds"].contains("optimal"));
        CHECK(r["results"]["hits"]["hit_tokens"].get<uint64_t>() <= r["bounds"]["unlimited"]["hit_tokens"].get<uint64_t>());
        std::string config = dir.write("config.json", r.dump());
        Json again = replay_report({chat, "--config", config});
        CHECK(again["results"] == r["results"]);
        CHECK(again["engine"] == r["engine"]);
        reports.push_back(r);
    }
    // A page that is given either way.
    CHECK(replay_report({chat, "--engine", "sglang", "--block-size", "16", "--tokens", "16000"})["config"]["engine"] == "sglang:page=16,policy=lru,chunk=0");
    reports.push_back(replay_report({chat, "--engine", "vllm:max_num_seqs=4", "--arrivals", "time", "--tokens", "16000"}));
    CHECK(reports.back()["results"]["requests"].contains("preempted"));
    check_schema(dir, reports);
    std::string rows = dir.path("rows.jsonl");
    succeeds({"replay", chat, "--engine", "vllm", "--arrivals", "time", "--tokens", "16000", "--limit", "3", "--per-request", rows});
    std::string text = read_file(rows);
    Json row = Json::parse(text.substr(0, text.find('\n')));
    for (const char* key : {"readmission_hit_tokens", "preemptions", "admit_step", "finish_step"}) CHECK(row.contains(key));
}

}  // namespace engine_test
