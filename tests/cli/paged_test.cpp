// kvsim replay under --layout paged and contiguous: options, errors, reports.
#include "cli.h"

namespace paged_test {

using namespace kvsim_test;

namespace {

std::string beam() { return source_file("traces/beam.jsonl"); }

// Blocks of 4: a and b, 8 tokens each, fill 4 blocks; the next token of b does not fit.
const std::string kTwo =
    "{\"kvsim_trace\":1,\"name\":\"two\",\"block_size\":4}\n"
    "{\"op\":\"prompt\",\"seq\":\"a\",\"t\":0,\"length\":8,\"blocks\":[0,1]}\n"
    "{\"op\":\"prompt\",\"seq\":\"b\",\"t\":1,\"length\":8,\"blocks\":[2,3]}\n"
    "{\"op\":\"decode\",\"seq\":\"b\",\"n\":1}\n"
    "{\"op\":\"free\",\"seq\":\"b\"}\n"
    "{\"op\":\"decode\",\"seq\":\"a\",\"n\":1}\n";

std::string number_in(const std::string& table, const std::string& row) {
    for (const std::string& line : lines_of(table))
        if (line.rfind("  " + row + " ", 0) == 0) {
            std::string rest = line.substr(2 + row.size());
            rest = rest.substr(rest.find_first_not_of(' '));
            rest = rest.substr(0, rest.find("  "));
            rest.erase(std::remove(rest.begin(), rest.end(), ','), rest.end());
            return rest;
        }
    return "no row " + row;
}

}  // namespace

// 4 blocks. evict: b takes a's 2 blocks, 8 tokens; a comes back with 8 and appends 1. wait: b waits, and its free with it;
// then a waits too, nobody is left who could make room, and a, the last in the line, is rejected. fail: b is rejected at once, and a goes on in its room. preempt: as evict.
TEST_CASE("paged: --on-full, each by hand") {
    TempDir dir;
    std::string two = dir.write("two.jsonl", kTwo);
    Json evict = replay_report({two, "--layout", "paged", "--blocks", "4", "--verify"})["results"];
    CHECK(evict["requests"].dump() ==
          R"({"total":2,"completed":2,"rejected":0,"waited":0,"preempted":0,"recomputed_tokens":8})");
    CHECK(evict["evictions"].dump() == R"({"blocks":2,"sequences":1,"tokens":8})");
    CHECK(evict["utilization"]["peak_active_blocks"] == 4);
    CHECK(evict["utilization"]["mean_active_fraction"] == 0.75);  // (2 + 4) / 2 of 4
    CHECK(evict["forks"].dump() == R"({"forks":0,"shared_blocks_peak":0,"cow_copies":0})");
    CHECK_FALSE(evict.contains("hits"));
    CHECK_FALSE(evict.contains("misses"));
    Json preempt = replay_report({two, "--layout", "paged", "--blocks", "4", "--on-full", "preempt"})["results"];
    CHECK(preempt["requests"]["preempted"] == 1);
    CHECK(preempt["requests"]["recomputed_tokens"] == 8);
    CHECK(preempt["evictions"].dump() == R"({"blocks":2,"sequences":0,"tokens":8})");
    Json wait = replay_report({two, "--layout", "paged", "--blocks", "4", "--on-full", "wait"})["results"];
    CHECK(wait["requests"]["waited"] == 2);
    CHECK(wait["requests"]["rejected"] == 1);
    Json fail = replay_report({two, "--layout", "paged", "--blocks", "4", "--on-full", "fail"})["results"];
    CHECK(fail["requests"].dump() ==
          R"({"total":2,"completed":1,"rejected":1,"waited":0,"preempted":0,"recomputed_tokens":0})");
    CHECK(fail["evictions"]["blocks"] == 0);
    // decode off: everything fits.
    Json off = replay_report({two, "--layout", "paged", "--blocks", "4", "--decode", "off"})["results"];
    CHECK(off["evictions"]["blocks"] == 0);
}

// Threshold 0.75 of 4: b's prompt makes it 4 / 4; a goes and it is 0.5 again.
TEST_CASE("paged: --evict-threshold and --evict-target") {
    TempDir dir;
    std::string two = dir.write("two.jsonl", kTwo);
    Args base = {two, "--layout", "paged", "--blocks", "4"};
    Json r = replay_report(base + Args{"--evict-threshold", "0.75"});
    CHECK(r["config"]["evict_threshold"] == "0.75");
    CHECK(r["config"]["evict_target"] == "0.75");
    CHECK(r["results"]["evictions"]["sequences"] == 1);
    CHECK(r["results"]["utilization"]["peak_active_blocks"] == 4);  // before it is evicted
    CHECK(contains(r["definitions"]["evict_threshold"], "0.75"));
    fails(Args{"replay"} + base + Args{"--evict-threshold", "1.5"}, {"--evict-threshold 1.5", "from 0 to 1"});
    fails(Args{"replay"} + base + Args{"--evict-threshold", "-1"}, {"--evict-threshold -1"});
    fails(Args{"replay"} + base + Args{"--evict-threshold", "nan"}, {"--evict-threshold nan"});
    fails(Args{"replay"} + base + Args{"--evict-threshold", "0.5", "--evict-target", "0.6"},
          {"--evict-target 0.6: expected at most the threshold, 0.5"});
    fails(Args{"replay"} + base + Args{"--evict-target", "0.5"},
          {"--evict-target has no effect without --evict-threshold"});
    fails({"replay", two, "--layout", "paged", "--evict-threshold", "0.5"},
          {"--evict-threshold needs a capacity", "--blocks"});
    fails(Args{"replay"} + base + Args{"--evict-threshold", "0.5", "--eviction", "none"},
          {"--evict-threshold has no effect with --eviction none"});
    fails(Args{"replay"} + base + Args{"--evict-threshold", "0.5", "--on-full", "wait"},
          {"--evict-threshold has no effect with --on-full wait"});
    fails({"replay", dir.write("r.jsonl", kDemo), "--layout", "paged", "--blocks", "4", "--evict-threshold", "0.5"},
          {"--evict-threshold has no effect on a trace of requests"});
}

TEST_CASE("paged: options that mean nothing here, and wrong values") {
    TempDir dir;
    std::string two = dir.write("two.jsonl", kTwo);
    auto paged = [&](const Args& more) { return Args{"replay", two, "--layout", "paged"} + more; };
    auto contiguous = [&](const Args& more) { return Args{"replay", two, "--layout", "contiguous"} + more; };
    fails(paged({"--accounting", "flat"}), {"--accounting has no effect under --layout paged", "prefix"});
    fails(paged({"--match", "token"}), {"--match has no effect under --layout paged"});
    fails(paged({"--reserve", "max"}), {"--reserve has no effect under --layout paged", "contiguous"});
    TempDir samples;
    std::string prompt = samples.write("n.jsonl", "{\"kvsim_trace\":1}\n{\"op\":\"prompt\",\"seq\":\"q\",\"tokens\":[1,2],\"n\":3}\n");
    fails({"replay", prompt, "--layout", "paged"}, {"sequence q: n = 3 parallel samples on a prompt line"});
    fails(paged({"--by", "category"}), {"--by has no effect under --layout paged"});
    fails(contiguous({"--evict-threshold", "0.5"}),
          {"--evict-threshold has no effect under --layout contiguous", "paged"});
    fails(contiguous({"--by", "category"}), {"--by has no effect under --layout contiguous"});
    fails({"replay", two, "--on-full", "wait"}, {"--on-full has no effect under --layout prefix", "paged, contiguous"});
    fails({"replay", two, "--preempt", "lru"}, {"--preempt has no effect under --layout prefix"});
    fails(paged({"--eviction", "lfuu"}), {"lfuu", "did you mean", "lfu", "longest_first"});
    fails(paged({"--eviction", "block/lru"}), {"block/lru"});
    fails(paged({"--eviction", ""}), {"--eviction"});
    fails(paged({"--eviction", "lru:k=2"}), {"k"});
    fails(paged({"--eviction", "streaming_llm:windw=2"}), {"windw", "window"});
    fails(paged({"--eviction", "streaming_llm:window=99999999999"}), {"window"});
    fails(paged({"--on-full", "evic"}), {"--on-full evic: expected one of evict, preempt, wait, fail", "did you mean"});
    fails(paged({"--on-full", "wait", "--eviction", "lru"}), {"--eviction has no effect with --on-full wait"});
    fails(paged({"--preempt", "lru"}), {"--preempt has no effect without --on-full preempt"});
    fails(paged({"--on-full", "preempt", "--preempt", "none"}),
          {"--preempt none: expected a strategy that names a victim"});
    fails(paged({"--on-full", "preempt", "--preempt", "streaming_llm"}), {"--preempt streaming_llm"});
    std::string unknown = fails(paged({"--on-full", "preempt", "--preempt", "lates"}),
                                {"--preempt lates: expected a strategy that names a victim, one of lru, lfu,",
                                 "did you mean 'latest'"});
    for (const char* not_taken : {"--eviction", "none", "streaming_llm"}) CHECK_FALSE(contains(unknown, not_taken));
    fails(paged({"--on-full", "preempt", "--preempt", "lru:k=2"}), {"k"});
    fails(contiguous({"--eviction", "streaming_llm"}), {"cannot be trimmed", "--layout paged"});
    fails(contiguous({"--reserve", "mx"}), {"--reserve mx: expected max or grow", "did you mean"});
    fails({"replay", two, "--layout", "pages"}, {"pages", "did you mean", "paged"});
}

TEST_CASE("paged: a report is a configuration that gives the same report") {
    TempDir dir;
    const Args variants[] = {
        {"--layout", "paged", "--blocks", "9"},
        {"--layout", "paged", "--blocks", "6", "--eviction", "streaming_llm:sink=2,window=4"},
        {"--layout", "paged", "--blocks", "9", "--evict-threshold", "0.9", "--evict-target", "0.5"},
        {"--layout", "paged", "--blocks", "9", "--on-full", "preempt", "--preempt", "sequence/lfu"},
        {"--layout", "paged", "--tokens", "40", "--on-full", "wait", "--decode", "off", "--warmup", "2"},
        {"--layout", "contiguous", "--blocks", "14", "--on-full", "fail"},
        {"--layout", "contiguous", "--blocks", "16", "--reserve", "grow", "--eviction", "lru"},
        {"--layout", "paged", "--memory", "1GiB", "--model", "llama-3.1-8b", "--block-size", "2"},
        {"--layout", "contiguous"}};
    Args files;
    for (const Args& v : variants) {
        INFO(shown(v));
        files.push_back(dir.path("r" + std::to_string(files.size()) + ".json"));
        succeeds(Args{"replay", beam(), "--report", files.back(), "--verify"} + v);
        Json first = Json::parse(read_file(files.back()));
        Json again = replay_report({beam(), "--config", files.back()});
        CHECK(without_timing(first) == without_timing(again));
        CHECK_FALSE(first.contains("bounds"));
        for (const char* key :
             {"on_full", "decode", "concurrency", "hits", "recomputed_tokens", "evictions", "utilization"})
            CHECK(first["definitions"].contains(key));
    }
    if (std::string(KVSIM_PYTHON3).empty()) {
        MESSAGE("no python3: not checked against the schema");
        return;
    }
    ProcessResult checked = run_program(
        KVSIM_PYTHON3,
        Args{source_file("tests/support/validate.py"), source_file("lib/kvsim/report/report.schema.json")} + files);
    if (checked.exit_code == 77) return;
    INFO(checked.out << checked.err);
    CHECK(checked.exit_code == 0);
}

// 1.18 and 1.12: what is printed and what is written are the same numbers.
TEST_CASE("1.18 report: text and JSON carry the same numbers") {
    TempDir dir;
    const Args variants[] = {{"--layout", "paged", "--blocks", "6", "--eviction", "streaming_llm:sink=2,window=4"},
                             {"--layout", "paged", "--blocks", "9", "--on-full", "preempt"},
                             {"--layout", "contiguous", "--blocks", "10", "--reserve", "grow", "--on-full", "wait"}};
    for (const Args& v : variants) {
        INFO(shown(v));
        ProcessResult r = succeeds(Args{"replay", beam(), "--report", dir.path("r.json")} + v);
        Json results = Json::parse(read_file(dir.path("r.json")))["results"];
        auto same = [&](const char* row, const char* section, const char* key) {
            const Json& value = results[section][key];
            if (value.is_null() || (value == 0 && !contains(r.out, row))) return;
            INFO(row);
            CHECK(number_in(r.out, row) == value.dump());
        };
        same("completed requests", "requests", "completed");
        same("requests that waited", "requests", "waited");
        same("preempted", "requests", "preempted");
        same("recomputed tokens", "requests", "recomputed_tokens");
        same("evicted sequences", "evictions", "sequences");
        same("evicted blocks", "evictions", "blocks");
        same("trimmed tokens", "evictions", "trim_dropped_tokens");
        same("forks", "forks", "forks");
        same("peak shared blocks", "forks", "shared_blocks_peak");
        same("copy-on-write copies", "forks", "cow_copies");
        same("copied tokens", "forks", "copied_tokens");
        same("peak resident blocks", "utilization", "peak_resident_blocks");
        same("peak active blocks", "utilization", "peak_active_blocks");
        CHECK(number_in(r.out, "evicted blocks") == results["evictions"]["blocks"].dump());
        if (results["evictions"]["tokens"] != 0)
            CHECK(contains(r.out, "with " + results["evictions"]["tokens"].dump() + " tokens"));
    }
}

// Nobody is evicted from a trace of requests: no strategy is named, and one that was asked for is refused.
TEST_CASE("paged: requests name no eviction strategy") {
    TempDir dir;
    std::string demo = dir.write("demo.jsonl", kDemo);
    for (const char* layout : {"paged", "contiguous"}) {
        ProcessResult r = succeeds({"replay", demo, "--layout", layout, "--blocks", "6", "--report", dir.path("r.json")});
        CHECK(contains(r.out, ", on full evict"));
        CHECK_FALSE(contains(lines_of(r.out)[0], "lru"));
        Json first = Json::parse(read_file(dir.path("r.json")));
        CHECK_FALSE(first["config"].contains("eviction"));
        CHECK(first["config"]["on_full"] == "evict");
        CHECK(without_timing(replay_report({demo, "--config", dir.path("r.json")})) == without_timing(first));
        fails({"replay", demo, "--layout", layout, "--eviction", "longest_first"},
              {"--eviction longest_first has no effect on a trace of requests", "--on-full preempt"});
    }
    CHECK(replay_report({beam(), "--layout", "paged"})["config"]["eviction"] == "lru");
}

TEST_CASE("paged: --per-request says who was rejected") {
    TempDir dir;
    std::string two = dir.write("two.jsonl", kTwo);
    ProcessResult r =
        succeeds({"replay", two, "--layout", "paged", "--blocks", "4", "--on-full", "fail", "--per-request", "-"});
    std::vector<std::string> rows = lines_of(r.out);
    REQUIRE(rows.size() == 2);
    CHECK(rows[0] == R"({"i":0,"seq":"a","prompt_tokens":8,"rejected":false})");
    CHECK(rows[1] == R"({"i":1,"seq":"b","prompt_tokens":8,"rejected":true})");
}

// A request of 100 tokens in 4 blocks of 4: it is rejected and nobody is disturbed.
TEST_CASE("paged: what would not fit even alone is rejected at once") {
    TempDir dir;
    std::string events = dir.write("e.jsonl",
                                   "{\"kvsim_trace\":1,\"block_size\":4}\n"
                                   "{\"op\":\"prompt\",\"seq\":\"a\",\"t\":0,\"length\":8,\"blocks\":[0,1]}\n"
                                   "{\"op\":\"prompt\",\"seq\":\"big\",\"t\":1,\"length\":20,\"blocks\":[5,6,7,8,9]}\n"
                                   "{\"op\":\"prompt\",\"seq\":\"b\",\"t\":2,\"length\":12,\"blocks\":[2,3,4]}\n"
                                   "{\"op\":\"free\",\"seq\":\"a\"}\n");
    for (const char* on_full : {"evict", "preempt", "wait"}) {
        INFO(on_full);
        Json r = replay_report({events, "--layout", "paged", "--blocks", "4", "--on-full", on_full})["results"];
        CHECK(r["requests"]["rejected"] == 1);
        CHECK(r["evictions"]["blocks"] == (std::string(on_full) == "wait" ? 0 : 2));  // for b, not for big
        CHECK(r["requests"]["waited"] == (std::string(on_full) == "wait" ? 1 : 0));
    }
}

// 4 blocks: a and x hold one each; big waits for 4, d behind it for 3. x goes: 3 are free, but big is first in line.
// When big grows beyond all there is, it is rejected and d gets its turn; there is no free after that.
TEST_CASE("paged: who can never be served does not hold up the line") {
    TempDir dir;
    std::string events = dir.write("e.jsonl",
                                   "{\"kvsim_trace\":1,\"block_size\":4}\n"
                                   "{\"op\":\"prompt\",\"seq\":\"a\",\"t\":0,\"length\":4,\"blocks\":[0]}\n"
                                   "{\"op\":\"prompt\",\"seq\":\"x\",\"t\":0,\"length\":4,\"blocks\":[1]}\n"
                                   "{\"op\":\"prompt\",\"seq\":\"big\",\"t\":1,\"length\":16,\"blocks\":[2,3,4,5]}\n"
                                   "{\"op\":\"prompt\",\"seq\":\"d\",\"t\":2,\"length\":12,\"blocks\":[6,7,8]}\n"
                                   "{\"op\":\"free\",\"seq\":\"x\"}\n"
                                   "{\"op\":\"decode\",\"seq\":\"big\",\"n\":1}\n");
    ProcessResult r =
        succeeds({"replay", events, "--layout", "paged", "--blocks", "4", "--on-full", "wait", "--per-request", "-"});
    std::vector<std::string> rows = lines_of(r.out);
    REQUIRE(rows.size() == 4);
    CHECK(contains(rows[2], "\"rejected\":true"));
    CHECK(contains(rows[3], "\"rejected\":false"));
}

// Samples share the prompt: 6 tokens in 2 blocks, 3 samples of 3 more tokens. Copies 2 (the last holder writes in
// place), each 3rd block: 2 + 2 + 3 = 7 blocks. Before they write both of the prompt's blocks are shared.
TEST_CASE("paged: samples of a request are forks") {
    TempDir dir;
    std::string requests = dir.write("n.jsonl",
                                     "{\"kvsim_trace\":1,\"block_size\":4}\n"
                                     "{\"op\":\"request\",\"seq\":\"a\",\"t\":0,\"length\":6,\"blocks\":[0,1],"
                                     "\"output_length\":3,\"n\":3}\n");
    Json r = replay_report({requests, "--layout", "paged", "--verify"})["results"];
    CHECK(r["requests"]["total"] == 1);
    CHECK(r["forks"].dump() == R"({"forks":2,"shared_blocks_peak":2,"cow_copies":2})");
    CHECK(r["utilization"]["peak_active_blocks"] == 7);
    CHECK(replay_report({requests, "--layout", "paged", "--blocks", "7"})["results"]["requests"]["rejected"] == 0);
    CHECK(replay_report({requests, "--layout", "paged", "--blocks", "6"})["results"]["requests"]["rejected"] == 1);
    std::string many = dir.write("m.jsonl",
                                 "{\"kvsim_trace\":1,\"block_size\":4}\n"
                                 "{\"op\":\"request\",\"seq\":\"a\",\"t\":0,\"length\":6,\"blocks\":[0,1],"
                                 "\"output_length\":3,\"n\":1000000000}\n");
    fails({"replay", many, "--layout", "paged"}, {"n: more than 100000000 parallel samples"});
}

// Llama 2 7B in f32: 2 x 32 x 32 x 128 x 4 = 2^20 bytes a token, 2^50 a block of 2^30. 8,192 requests of 2 blocks each
// (2^31 - 1 tokens) are 2^64 bytes; 8,191 are 2^51 less.
TEST_CASE("paged: a peak of more than 2^64 bytes is an error") {
    TempDir dir;
    std::string text = "{\"kvsim_trace\":1,\"block_size\":16}\n";
    for (int i = 0; i < 8192; ++i)
        text += "{\"op\":\"request\",\"seq\":\"" + std::to_string(i) + "\",\"length\":2147483647}\n";
    Args base = {dir.write("huge.jsonl", text), "--layout", "paged", "--concurrency", "9000", "--block-size",
                 "1073741824", "--model", "llama-2-7b", "--kv-dtype", "f32"};
    fails(Args{"replay"} + base, {"--model", "16,384 blocks of 1,125,899,906,842,624 bytes is more than 2^64 bytes"});
    fails(Args{"replay"} + base + Args{"--report", dir.path("r.json")}, {"more than 2^64 bytes"});
    Json memory = replay_report(base + Args{"--limit", "8191"})["results"]["memory"];
    CHECK(memory["peak_bytes"] == 18444492273895866368u);
}

TEST_CASE("list: layouts and sequence strategies") {
    ProcessResult layouts = succeeds({"list", "layouts"});
    for (const char* text :
         {"paged", "contiguous", "--on-full=evict", "--evict-threshold", "--reserve=max", "--preempt"})
        CHECK(contains(layouts.out, text));
    ProcessResult evictions = succeeds({"list", "evictions"});
    for (const char* id :
         {"sequence/lru", "sequence/lfu", "sequence/fifo", "sequence/longest_first", "sequence/shortest_first",
          "sequence/priority", "sequence/most_blocks_freed", "sequence/streaming_llm", "sequence/latest",
          "sequence/none", "sink=4 window=1020", "block/lru"})
        CHECK(contains(evictions.out, id));
    for (const char* text : {"token/h2o", "token/expected_attention", "recent=budget-budget/2", "needs attention weights",
                             "needs keys before rotation", "rule=exact"})
        CHECK(contains(evictions.out, text));
}

}  // namespace paged_test
