// --match on the command line: snapshots, what goes with them, and configurations that come back.
#include <doctest/doctest.h>

#include "cli.h"

namespace match_test {

using namespace kvsim_test;

namespace {

std::string tokens_trace(const TempDir& dir) {
    return dir.write("t.jsonl",
                     "{\"kvsim_trace\":1}\n"
                     "{\"op\":\"request\",\"seq\":\"a\",\"t\":0,\"tokens\":[1,2,3,4,5,6]}\n"
                     "{\"op\":\"request\",\"seq\":\"b\",\"t\":1,\"tokens\":[1,2,3,4,5,6,7,8]}\n"
                     "{\"op\":\"request\",\"seq\":\"c\",\"t\":2,\"tokens\":[1,2,3,4,9,9]}\n"
                     "{\"op\":\"request\",\"seq\":\"d\",\"t\":3,\"tokens\":[1,2,3,4,5,6]}\n");
}

}  // namespace

TEST_CASE("match: block, token and snapshot side by side") {
    TempDir dir;
    std::string trace = tokens_trace(dir);
    auto hits = [&](const std::string& match) {
        Json j = Json::parse(succeeds({"replay", trace, "--block-size", "4", "--match", match, "--report", "-"}).out);
        return j["results"]["hits"]["hit_tokens"].get<uint64_t>();
    };
    // block (4 tokens): b, c hit [1..4]; d hits [1..4] and the partial block [5,6]: 4 + 4 + 6.
    CHECK(hits("block") == 14);
    // token: b hits 6 of 8, c 4, d all 6 less the last one: 6 + 4 + 5.
    CHECK(hits("token") == 15);
    // snapshot: b finds a's prompt (6); c's own differs from every stored one from its 5th token on, and no stored prompt
    // is a prefix of it: 0; d finds a's, less one: 5.
    CHECK(hits("snapshot") == 11);
    // Only one snapshot: b finds a's (6), then b's, c's replace it: d finds none.
    CHECK(hits("snapshot:max_entries=1") == 6);
    // Too short to be stored: a and d have 6 tokens.
    CHECK(hits("snapshot:min_prefix_len=7") == 0);
}

TEST_CASE("match: a snapshot report is a configuration, and says what its numbers are") {
    TempDir dir;
    std::string trace = tokens_trace(dir);
    std::string report = dir.path("r.json"), again = dir.path("s.json");
    succeeds({"replay", trace, "--block-size", "4", "--blocks", "2", "--match", "snapshot:max_entries=2", "--verify", "--report", report});
    Json j = Json::parse(read_file(report));
    CHECK(j["config"]["match"] == "snapshot:max_entries=2,min_prefix_len=4");
    CHECK(j["config"]["block_size"] == 1);
    CHECK(j["config"]["blocks"] == 8);
    CHECK_FALSE(j["config"].contains("accounting"));
    // 8 tokens: a (6); b finds it, needs 8: a goes; c: b goes; d finds none, c goes.
    CHECK(j["results"]["hits"]["hit_tokens"] == 6);
    CHECK(j["results"]["evictions"]["sequences"] == 3);
    CHECK(j["results"]["evictions"]["blocks"] == 6 + 8 + 6);
    CHECK(j["definitions"]["decode"] == "no effect: output is never stored");
    succeeds({"replay", trace, "--config", report, "--report", again});
    Json k = Json::parse(read_file(again));
    j.erase("timing");
    k.erase("timing");
    CHECK(j == k);
}

TEST_CASE("match: what has no effect with snapshots is refused") {
    TempDir dir;
    std::string trace = tokens_trace(dir);
    auto refused = [&](const Args& options, const std::string& part) {
        fails(Args{"replay", trace, "--match", "snapshot"} + options, {part});
    };
    refused({"--eviction", "lru"}, "--eviction has no effect with --match snapshot");
    refused({"--accounting", "tree"}, "--accounting has no effect with --match snapshot");
    refused({"--concurrency", "2"}, "--concurrency has no effect with --match snapshot");
    refused({"--decode", "linked"}, "--decode linked has no effect here");
    fails({"replay", trace, "--match", "snapshot:entries=2"}, {"entries"});
    fails({"replay", trace, "--match", "snapshots"}, {"did you mean 'snapshot'"});
    fails({"replay", trace, "--match", "snapshot:max_entries=0"}, {"max_entries"});
    fails({"replay", trace, "--match", "snapshot", "--layout", "paged"}, {"--match has no effect under --layout paged"});
}

}  // namespace match_test
