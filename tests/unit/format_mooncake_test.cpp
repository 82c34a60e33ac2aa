#include "unit/load_text.h"

namespace format_mooncake_test {

using namespace kvsim;
using namespace kvsim_test;
using Ids = std::vector<uint32_t>;

namespace {

std::string row(const std::string& timestamp, uint64_t in, const std::string& ids,
                const std::string& more = "") {
    return "{\"timestamp\": " + timestamp + ", \"input_length\": " + std::to_string(in) +
           ", \"output_length\": 7, \"hash_ids\": " + ids + more + "}\n";
}

}  // namespace

TEST_CASE("mooncake: two requests") {
    Trace t = load_text(row("0", 1024, "[0, 1]") + row("1500", 1025, "[0, 1, 2]"));
    CHECK(t.format == "mooncake");
    CHECK(t.name == "t");
    REQUIRE(t.requests() == 2);
    CHECK(t.block_size == 512);
    CHECK(t.arrival_s == std::vector<double>{0, 1.5});
    CHECK(t.prompt_tokens == Ids{1024, 1025});
    CHECK(t.output_tokens == Ids{7, 7});
    CHECK(lookup_ids(t, 0) == Ids{0, 1});
    CHECK(lookup_ids(t, 1) == Ids{0, 1, 2});
    CHECK(t.stored_blocks(1, true) == 3);
    CHECK(t.block_tokens(1, 1) == 512);
    CHECK(t.block_tokens(1, 2) == 1);
    CHECK(t.sequence_name(1) == "r1");
}

TEST_CASE("mooncake: CRLF, blank lines, other order of keys, spaces, unknown keys, no final newline") {
    Trace t = load_text(
        "\r\n  \n{ \"hash_ids\" :[5,6 , 7],\t\"output_length\":3,\"input_length\": 1030 ,\"timestamp\":2.5, "
        "\"x\":{\"a\":[1,{}]}}\r\n"
        "\t\r\n{\"input_length\":512,\"timestamp\":1e3,\"hash_ids\":[ 5 "
        "],\"output_length\":0,\"y\":null,\"z\":\"\\u00e9\"}");
    REQUIRE(t.requests() == 2);
    CHECK(t.arrival_s == std::vector<double>{0.0025, 1.0});
    CHECK(lookup_ids(t, 1) == Ids{0});
}

TEST_CASE("mooncake: sorted by time, ties by line; session, category and turn") {
    Trace t = load_text(row("5", 512, "[0]", ",\"session_id\":7,\"turn\":2") +
                        row("1", 513, "[0,1]", ",\"category\":\"chat\"") +
                        row("1", 514, "[0,2]", ",\"session_id\":\"s\""));
    CHECK(t.prompt_tokens == Ids{513, 514, 512});
    CHECK(t.source_row == Ids{1, 2, 0});
    CHECK(lookup_ids(t, 0) == Ids{0, 1});
    CHECK(lookup_ids(t, 1) == Ids{0, 2});
    CHECK(t.session[2] == "7");
    CHECK(t.session[1] == "s");
    CHECK(t.category[0] == "chat");
    CHECK(t.turn[2] == 2);
    CHECK_FALSE(t.turn.has(0));
}

TEST_CASE("mooncake: what an id stands for is inferred from all rows") {
    CHECK(load_text(row("0", 100, "[0,1,2,3,4,5,6]") + row("0", 96, "[0,1,2,3,4,5]")).block_size ==
          16);  // ceil
    Trace floor = load_text(row("0", 100, "[0,1,2,3,4,5]") + row("0", 15, "[]") + row("0", 17, "[0]"));
    CHECK(floor.block_size == 16);
    CHECK(floor.lookup_blocks(1) == 0);
    CHECK(floor.stored_blocks(0, false) == 6);
    CHECK(floor.stored_blocks(0, true) == 7);
    Trace open = load_text(row("0", 1400, "[0,1,2,3]"));  // no power of two fits
    CHECK(open.block_size == 466);
    REQUIRE(open.notes.size() >= 1);
    CHECK(open.notes[0].find("350 to 466 ") != std::string::npos);
    CHECK(load_text(row("0", 20, "[0]"), "mooncake:tokens_per_id=64").block_size == 64);
    CHECK(load_text(row("0", 130, "[0,1]"), "mooncake:tokens_per_id=64,tail=none").block_size == 64);
    CHECK(load_text(row("0", 130, "[0,1]"), "mooncake:tokens_per_id=64").stored_blocks(0, false) ==
          2);  // floor, told by the row
    CHECK(complaint(row("0", 130, "[0,1]"), "mooncake:tokens_per_id=64,tail=ceil").find("expected 3 (ceil") !=
          std::string::npos);
    CHECK(complaint(row("0", 130, "[0,1,2]"), "mooncake:tokens_per_id=64,tail=none")
              .find("expected 2 (floor") != std::string::npos);
    CHECK(complaint(row("0", 100, "[0,1,2,3,4,5,6]") + row("0", 100, "[0,1]"))
              .find("found 2 ids for 100 tokens") != std::string::npos);
}

TEST_CASE("mooncake: ids of content") {
    Trace t = load_text(row("0", 30, "[3,4,3]") + row("1", 10, "[4]"), "mooncake:ids=content");
    CHECK(t.content);
    CHECK(t.content_ids.unique == 2);
    CHECK(t.content_ids.ids == Ids{0, 1, 0, 1});
    CHECK(t.chains.unique_blocks() == 4);
    CHECK(t.block_tokens(0, 1) == 10);
    CHECK(complaint(row("0", 30, "[3,4,3]"), "mooncake:ids=content", 16).find("cannot be re-blocked") !=
          std::string::npos);
}

TEST_CASE("mooncake: broken lines say where and what") {
    std::string good = row("0", 512, "[0]");
    CHECK_COMPLAINT(good + row("x", 512, "[0]"), ":2:15: timestamp: expected a number, found x");
    CHECK_COMPLAINT(good + row("-1", 512, "[0]"), ":2:15: timestamp: out of range");
    CHECK_COMPLAINT(good + row("0", 0, "[0]"),
                    ":2:34: input_length: expected a whole number from 1 to 2147483647, found 0");
    CHECK_COMPLAINT(good + row("0", 2147483648, "[0]"), ":2:34: input_length: expected a whole number");
    CHECK_COMPLAINT(good + row("0", 512, "[0.5]"), ":2:73: hash_ids: expected whole numbers");
    CHECK_COMPLAINT(good + row("0", 512, "[-1]"), ":2:72: hash_ids: expected whole numbers");
    CHECK_COMPLAINT(good + row("0", 512, "[18446744073709551616]"),
                    ":2:72: hash_ids: expected whole numbers");
    CHECK_COMPLAINT(good + row("0", 512, "[\"a\"]"), ":2:72: hash_ids: expected whole numbers");
    CHECK_COMPLAINT(good + row("0", 512, "3"), ":2:71: hash_ids: expected an array");
    CHECK_COMPLAINT(good + row("0", 512, "[0]", ",\"turn\":-1"), ":2:");
    CHECK_COMPLAINT(good + row("0", 512, "[0]", ",\"timestamp\":1"),
                    ":2:87: timestamp: the key is given twice");
    CHECK_COMPLAINT(good + "{\"timestamp\":0,\"input_length\":5,\"hash_ids\":[0]}\n",
                    ":2:1: expected the key output_length");
    CHECK_COMPLAINT(good + "[1]\n", ":2:1: expected a JSON object");
    CHECK_COMPLAINT(good + good.substr(0, 40) + "\n", ":2:");
    CHECK_COMPLAINT(good + good.substr(0, good.size() - 1) + " x\n", ":2:");
    CHECK_COMPLAINT(good + row("0", 1024, "[1,0]"), ":2:");
    CHECK(complaint(good + row("0", 1024, "[1,0]"))
              .find("hash_ids[1]: block 0 stood behind another block before") != std::string::npos);
    CHECK_COMPLAINT(good + "{\"timestamp\":0,\"input_length\":\"5\"}\n",
                    ":2:31: input_length: expected a whole number");
    CHECK_COMPLAINT(good + "{\"\xff\":0}\n", ":2:1: not valid UTF-8");
    CHECK_COMPLAINT(good + "{\"a\\u0062\":0}\n", ":2:3: expected a plain key without escapes");
}

TEST_CASE("mooncake: parameters") {
    std::string good = row("0", 512, "[0]");
    CHECK(complaint(good, "mooncake:tokens_per_id=0").find("expected a whole number from 1") !=
          std::string::npos);
    CHECK(complaint(good, "mooncake:tail=half").find("expected one of auto, ceil, none") !=
          std::string::npos);
    CHECK(complaint(good, "mooncake:tokens_per_ids=5").find("did you mean 'tokens_per_id'?") !=
          std::string::npos);
    CHECK(complaint(good, "moncake").find("did you mean 'mooncake'?") != std::string::npos);
}

TEST_CASE("formats: what cannot be told or is not there") {
    CHECK(begins(complaint(""), ": is empty; expected a trace"));
    CHECK(complaint("\n\n").find("only blank lines") != std::string::npos);
    CHECK(begins(complaint("hello\n"),
                 ":1: cannot tell the trace format (the first line is neither a JSON object nor the header of a known table)"));
    CHECK(begins(complaint("{\"a\":1,\"b\":[{\"hash_ids\":[]}]}\n"),
                 ":1: cannot tell the trace format from the keys a, b"));
    CHECK(begins(complaint("{\"kvsim_trace\":1}\n"), ": has no requests"));
}

}  // namespace format_mooncake_test
