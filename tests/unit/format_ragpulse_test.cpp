#include "unit/load_text.h"

#include <kvsim/layout/prefix.h>

namespace format_ragpulse_test {

using namespace kvsim;
using namespace kvsim_test;
using Ids = std::vector<uint32_t>;

namespace {

std::string row(const std::string& timestamp, uint64_t in, const std::string& groups,
                const std::string& more = "") {
    return "{\"timestamp\": " + timestamp + ", \"input_length\": " + std::to_string(in) +
           ", \"output_length\": 9, \"hash_ids\": {" + groups + "}" + more + "}\n";
}

}  // namespace

TEST_CASE("ragpulse: groups in file order, sorted by time as numbers, ties by line") {
    Trace t =
        load_text(row("\"93\"", 40, "\"a\":[10,20],\"b\":[],\"c\":[30]") +
                  row("\"100\"", 30, "\"c\":[30],\"a\":[10,99]") +
                  row("\"9.5\"", 20, "\"z\":[30]", ",\"session_id\":\"s\"") + row("93", 10, "\"a\":[10,10]"));
    CHECK(t.format == "ragpulse");
    CHECK(t.content);
    CHECK(t.block_size == 512);
    CHECK(t.arrival_s == std::vector<double>{9.5, 93, 93, 100});
    CHECK(t.source_row == Ids{2, 0, 3, 1});
    CHECK(t.session[0] == "s");
    // Dense ids are numbered again in the sorted order: 30, then 10, 20, then 99.
    CHECK(t.content_ids.begin == std::vector<uint64_t>{0, 1, 4, 6, 9});
    CHECK(t.content_ids.ids == Ids{0, 1, 2, 0, 1, 1, 0, 1, 3});
    CHECK(t.content_ids.unique == 4);
    CHECK(t.unique_blocks() == 4);
    CHECK(t.chains.unique_blocks() == 1 + 3 + 1 + 2);  // paths; 10 10 continues 10, and 30 10 continues 30
}

TEST_CASE("ragpulse: a chunk weighs min(512, floor(length / chunks + 0.5))") {
    Trace t = load_text(row("1", 5, "\"a\":[1,2]") + row("2", 7, "\"a\":[1,2,3]") +
                        row("3", 8, "\"a\":[1,2,3]") + row("4", 5000, "\"a\":[1]") + row("5", 3, "\"a\":[]"));
    CHECK(t.block_tokens(0, 0) == 3);
    CHECK(t.block_tokens(1, 2) == 2);
    CHECK(t.block_tokens(2, 0) == 3);
    CHECK(t.block_tokens(3, 0) == 512);
    CHECK(t.leading_tokens(2, 2) == 6);
    CHECK(t.leading_tokens(4, 0) == 0);
    CHECK(t.lookup_blocks(4) == 0);
}

TEST_CASE("ragpulse: broken lines") {
    std::string good = row("\"1\"", 5, "\"a\":[1]");
    CHECK_COMPLAINT(good + row("\"x\"", 5, "\"a\":[1]"),
                    ":2:15: timestamp: expected seconds as a number or a string of one, found \"x\"");
    CHECK_COMPLAINT(good + row("\"-3\"", 5, "\"a\":[1]"), ":2:15: timestamp: expected seconds");
    CHECK_COMPLAINT(good + row("1", 5, "\"a\":1"), ":2:74: a: expected an array");
    CHECK_COMPLAINT(good + row("1", 5, "\"a\":[1,]"), ":2:77: a: expected whole numbers");
    CHECK_COMPLAINT(good + row("1", 5, "\"a\":[1 2]"), ":2:77: a: expected whole numbers");
    CHECK_COMPLAINT(good + "{\"timestamp\":1,\"input_length\":4,\"hash_ids\":{}}\n",
                    ":2:1: expected the key output_length");
    CHECK_COMPLAINT(good + "{\"timestamp\":1,\"input_length\":4,\"output_length\":1,\"hash_ids\":[1]}\n",
                    ":2:");
    CHECK_COMPLAINT(good + row("1", 5, "", ",\"session_id\":3"),
                    ":2:85: session_id: expected a string, found 3");
    CHECK(complaint(good, "auto", 16).find("--block-size: ids of format ragpulse name chunks") == 0);
}

TEST_CASE("ragpulse: a chunk that stands several times in a request is one active block") {
    // Four times chunk 1: one block is held, three lookups hit it the first time, four the second.
    Trace t = load_text(row("1", 40, "\"a\":[1,1,1,1]") + row("2", 40, "\"a\":[1,1,1,1]"));
    RunOptions options;
    options.capacity_blocks = 8;
    options.decode = false;
    RunResult run;
    make_prefix_cache("lru", Accounting::parse("flat"), t, options)->run(t, options, run);
    CHECK(run.any_hit_blocks == Ids{3, 4});
    CHECK(run.peak_active_blocks == 1);
    CHECK(run.total.active_blocks == 2);
    CHECK(run.total.resident_blocks == 2);
}

TEST_CASE("ragpulse: a chunk weighs at least one token") {
    Trace t = load_text(row("1", 1, "\"a\":[1,2,3]"));
    CHECK(t.leading_tokens(0, 3) == 3);
}

}  // namespace format_ragpulse_test
