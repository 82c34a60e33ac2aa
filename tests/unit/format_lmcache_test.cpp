#include "unit/load_text.h"

namespace format_lmcache_test {

using namespace kvsim;
using namespace kvsim_test;
using Ids = std::vector<uint32_t>;

namespace {

std::string row(const std::string& id, const std::string& timestamp, uint64_t length, const std::string& hashes,
                const std::string& model = "m", int chunk = 4) {
    return "{\"timestamp\": " + timestamp + ", \"request_id\": \"" + id + "\", \"model_name\": \"" + model +
           "\", \"chunk_size\": " + std::to_string(chunk) + ", \"seq_len\": " + std::to_string(length) +
           ", \"dtypes\": [\"bfloat16\"], \"shapes\": [[2, 4, 8]], \"chunk_hashes\": " + hashes + "}\n";
}

}  // namespace

TEST_CASE("lmcache: two lookups") {
    Trace t = load_text(row("a", "1711929600.5", 11, "[\"0xab\", \"0xcd\"]") +
                        row("b", "1711929602", 12, "[\"0xab\", \"0xcd\", \"0xef\"]"));
    CHECK(t.format == "lmcache");
    REQUIRE(t.requests() == 2);
    CHECK(t.block_size == 4);
    CHECK(t.arrival_s == std::vector<double>{0, 1.5});
    CHECK(t.prompt_tokens == Ids{11, 12});
    CHECK(t.output_tokens == Ids{0, 0});
    CHECK(lookup_ids(t, 0) == Ids{0, 1});
    CHECK(lookup_ids(t, 1) == Ids{0, 1, 2});
    CHECK(t.sequence_name(1) == "b");
    CHECK(t.notes == std::vector<std::string>{"a lookup log does not know output lengths: every output is 0"});
}

TEST_CASE("lmcache: hashes are hex numbers of any length") {
    // 64 bits are a number, more and negative ones are names; zeros in front and case do not count.
    const std::string max = "0xffffffffffffffff", sha = "0x" + std::string(64, '8');
    Trace t = load_text(row("a", "0", 4, "[\"" + max + "\"]") + row("b", "1", 4, "[\"" + sha + "\"]") +
                        row("c", "2", 4, "[\"0xfffffffffffffffe\"]") + row("d", "3", 4, "[\"0x00FFFFFFFFFFFFFFFF\"]") +
                        row("e", "4", 4, "[\"-0x1\"]") + row("f", "5", 4, "[\"0x1\"]") +
                        row("g", "6", 4, "[\"" + sha + "\"]") + row("h", "7", 4, "[\"0x1" + std::string(16, '0') + "\"]") +
                        row("i", "8", 4, "[\"0x0\"]"));
    std::vector<uint32_t> ids;
    for (uint32_t r = 0; r < t.requests(); ++r) ids.push_back(lookup_ids(t, r)[0]);
    CHECK(ids == Ids{0, 1, 2, 0, 3, 4, 1, 5, 6});
}

TEST_CASE("lmcache: full chunks only") {
    CHECK(load_text(row("a", "0", 3, "[]")).lookup_blocks(0) == 0);
    std::string good = row("a", "0", 4, "[\"0xab\"]");
    CHECK_COMPLAINT(good + row("b", "0", 5, "[\"0xab\", \"0xac\"]"),
                    ":2:150: chunk_hashes: found 2 hashes for 5 tokens, expected 1 (floor of seq_len / 4)");
    CHECK_COMPLAINT(good + row("b", "0", 8, "[\"0xab\"]"),
                    ":2:150: chunk_hashes: found 1 hashes for 8 tokens, expected 2 (floor of seq_len / 4)");
    CHECK_COMPLAINT(good + row("b", "0", 8, "[\"0xab\"]", "m", 8),
                    ":2:1: chunk_size: expected 4 as in the lines before, found 8");
}

TEST_CASE("lmcache: empty lookups, repeated ones, several models") {
    std::string text = row("a", "10", 4, "[\"0x1\"]") + row("b", "11", 0, "[]") + row("a", "12", 4, "[\"0x1\"]");
    Trace t = load_text(text);
    CHECK(t.requests() == 2);
    REQUIRE(t.notes.size() == 3);
    CHECK(t.notes[1] == "1 lookups repeat a request_id; they count as requests");
    CHECK(t.notes[2] == "1 lookups of no tokens skipped");
    text += row("c", "13", 4, "[\"0x1\"]", "org/other");
    CHECK_COMPLAINT(text, ":4:1: model_name: expected one model, found 'org/other' after 'm'; choose one with --format "
                          "lmcache:model=org/other");
    CHECK(load_text(text, "lmcache:model=org/other").requests() == 1);
}

TEST_CASE("lmcache: BOM, CRLF, blank lines, unsorted, other order of keys, no final newline, gzip") {
    std::string strange =
        "\xEF\xBB\xBF\r\n{\"chunk_hashes\":[ \"0xa\" ,\"B\" ],\"seq_len\":9,\"chunk_size\":4,\"model_name\":\"\",\"x\":[{}],"
        "\"request_id\":\"b\",\"timestamp\":9.5}\r\n\r\n" +
        row("a", "8", 4, "[\"0xa\"]");
    strange.pop_back();
    for (const std::string& text : {strange, gzipped(strange)}) {
        Trace t = load_text(text);
        CHECK(t.format == "lmcache");
        CHECK(t.source_row == Ids{1, 0});
        CHECK(t.arrival_s == std::vector<double>{0, 1.5});
        CHECK(lookup_ids(t, 0) == Ids{0});
    }
}

TEST_CASE("lmcache: broken lines say where and what") {
    std::string good = row("a", "0", 4, "[\"0xab\"]");
    CHECK_COMPLAINT(good + row("b", "\"2026-01-01\"", 4, "[\"0xab\"]"), ":2:15: timestamp: expected a number");
    CHECK_COMPLAINT(good + row("b", "-1", 4, "[\"0xab\"]"), ":2:15: timestamp: out of range");
    CHECK_COMPLAINT(good + row("b", "0", 4, "[\"0xag\"]"), ":2:151: chunk_hashes: expected hexadecimal digits");
    CHECK_COMPLAINT(good + row("b", "0", 4, "[\"0x\"]"), ":2:151: chunk_hashes: expected hexadecimal digits");
    CHECK_COMPLAINT(good + row("b", "0", 4, "[\"\"]"), ":2:151: chunk_hashes: expected hexadecimal digits");
    CHECK_COMPLAINT(good + row("b", "0", 4, "[171]"), ":2:151: chunk_hashes: expected a string, found 171");
    CHECK_COMPLAINT(good + row("b", "0", 4, "\"0xab\""), ":2:150: chunk_hashes: expected an array");
    CHECK_COMPLAINT(good + row("b", "0", 8, "[\"0xb\", \"0xab\"]"),
                    ":2:150: chunk_hashes[1]: the chunk stood behind another chunk before");
    CHECK_COMPLAINT(good + row("b", "0", 4, "[\"0xab\"]", "m", 0), ":2:70: chunk_size: expected a whole number from 1");
    CHECK_COMPLAINT(good + row("b", "0", 2147483648, "[]"), ":2:84: seq_len: expected a whole number");
    CHECK_COMPLAINT(good + "{\"timestamp\":0,\"timestamp\":1}\n", ":2:28: timestamp: the key is given twice");
    CHECK_COMPLAINT(good + "{\"timestamp\":0,\"chunk_size\":4}\n", ":2:1: expected the key request_id");
    CHECK_COMPLAINT(good + good.substr(0, 60) + "\n", ":2:");
    CHECK(complaint("", "lmcache").find("has no requests") != std::string::npos);
}

}  // namespace format_lmcache_test
