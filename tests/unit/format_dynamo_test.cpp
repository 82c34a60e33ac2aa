#include "unit/load_text.h"

namespace format_dynamo_test {

using namespace kvsim;
using namespace kvsim_test;
using Ids = std::vector<uint32_t>;

namespace {

const std::string kHead = "{\"schema\":\"dynamo.request.trace.v1\",\"event_type\":\"request_end\",\"event_time_unix_ms\":";

/// A bare record, as Dynamo writes it where a request has no session.
std::string record(const std::string& id, uint64_t received, uint64_t in, const std::string& hashes,
                   const std::string& more = "", const std::string& replay_more = "") {
    return kHead + std::to_string(received + 250) + ",\"request\":{\"request_id\":\"" + id +
           "\",\"request_received_ms\":" + std::to_string(received) +
           ",\"output_tokens\":6" + more + ",\"replay\":{\"trace_block_size\":4,\"input_length\":" + std::to_string(in) +
           ",\"input_sequence_hashes\":" + hashes + replay_more + "}}}\n";
}

}  // namespace

TEST_CASE("dynamo: two requests, written in the order in which they ended") {
    Trace t = load_text(record("b", 1777312801500, 9, "[14879255164371896291,274632075616497421,18446744073709551615]",
                               ",\"cached_tokens\":8,\"total_time_ms\":100.5") +
                        record("a", 1777312801000, 8, "[14879255164371896291,274632075616497421]"));
    CHECK(t.format == "dynamo");
    REQUIRE(t.requests() == 2);
    CHECK(t.block_size == 4);
    CHECK(t.arrival_s == std::vector<double>{0, 0.5});
    CHECK(t.sequence_name(0) == "a");
    CHECK(t.prompt_tokens == Ids{8, 9});
    CHECK(t.output_tokens == Ids{6, 6});
    CHECK(lookup_ids(t, 0).size() == 2);
    CHECK(lookup_ids(t, 1).size() == 3);
    CHECK(t.chains.unique_blocks() == 3);
    CHECK_FALSE(t.cached_tokens.has(0));
    CHECK(t.cached_tokens[1] == 8);
    CHECK(t.end_s[0] == 0.25);              // 250 ms to the record
    CHECK(t.end_s[1] == (500 + 100.5) / 1e3);  // total_time_ms
    CHECK_FALSE(t.has_named_output());
}

TEST_CASE("dynamo: names are 64-bit integers, not doubles") {
    // The two differ by one in 2^64; as doubles they are equal.
    Trace t = load_text(record("a", 0, 4, "[18446744073709551614]") + record("b", 1, 4, "[18446744073709551615]"));
    CHECK(t.chains.unique_blocks() == 2);
}

TEST_CASE("dynamo: envelopes, sessions, other events") {
    Trace t = load_text(
        "{\"timestamp\":3,\"event\":{\"schema\":\"dynamo.request.trace.v1\",\"event_type\":\"request_end\","
        "\"event_time_unix_ms\":1100,\"event_source\":\"dynamo\",\"agent_context\":{\"session_id\":\"run:planner\","
        "\"parent_session_id\":null},\"request\":{\"request_id\":\"r1\",\"x_request_id\":\"y\",\"model\":\"m\","
        "\"input_tokens\":4,\"output_tokens\":1,\"cached_tokens\":null,\"request_received_ms\":1000,"
        "\"worker\":{\"decode_worker_id\":18446744073709551615},\"replay\":{\"trace_block_size\":4,\"input_length\":4,"
        "\"input_sequence_hashes\":[1],\"kv_hints\":{\"a\":[]}}}}}\n"
        "{\"timestamp\":4,\"event\":{\"schema\":\"dynamo.request.trace.v1\",\"event_type\":\"tool_end\","
        "\"event_time_unix_ms\":1200,\"agent_context\":{\"session_id\":\"s\"},\"tool\":{\"tool_call_id\":\"c\"}}}\n"
        "{\"schema\":\"dynamo.request.trace.v1\",\"event_type\":\"request_payload\",\"event_time_unix_ms\":1300,"
        "\"payload\":{\"request\":{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\"}]}]}}}\n"
        "{\"schema\":\"dynamo.request.trace.v1\",\"event_type\":\"request_end\",\"event_time_unix_ms\":1400,"
        "\"request\":{\"request_id\":\"image\",\"request_received_ms\":1350,\"replay\":null}}\n" +
        kHead + "2000,\"request\":{\"request_id\":\"r2\",\"request_received_ms\":1500,\"replay\":{\"trace_block_size\":4,"
                "\"input_length\":5,\"input_sequence_hashes\":[1,2]}}}\n");
    REQUIRE(t.requests() == 2);
    CHECK(t.session[0] == "run:planner");
    CHECK(t.session[1].empty());
    CHECK(t.arrival_s == std::vector<double>{0, 0.5});
    CHECK(t.output_tokens == Ids{1, 0});
    CHECK_FALSE(t.cached_tokens.has(0));
    CHECK(t.notes == std::vector<std::string>{"2 records of other events (tools, payloads) skipped",
                                              "1 requests without replay metrics skipped",
                                              "1 requests without output_tokens count no output"});
}

TEST_CASE("dynamo: other logs have events, too") {
    CHECK(load_text("{\"event\":{\"kind\":\"chat\"},\"prompt\":\"Hello there, this is a prompt.\"}\n").format == "text");
    CHECK(load_text("{\"event\":{},\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}]}\n").format == "text");
    CHECK(complaint("{\"event\":{\"schema\":\"x\"},\"id\":3}\n").find("cannot tell the trace format from the keys event, id") !=
          std::string::npos);
    CHECK_COMPLAINT("{\"event\":{\"event_type\":\"x\"}}\n", ":1:1: expected the key schema");
}

TEST_CASE("dynamo: output hashes name what a request leaves") {
    // a: 10 + 6 tokens in blocks of 4: the prompt has 2 full blocks and a tail (name 3); behind the full ones stand 8
    // tokens: blocks 21 and 22. b's prompt of 14 tokens is a's prompt and 4 of its output: blocks 1, 2, 21 and a tail.
    Trace t = load_text(record("a", 0, 10, "[1,2,3]", "", ",\"output_sequence_hashes\":[21,22]") +
                        record("b", 1000, 14, "[1,2,21,4]", "", ",\"output_sequence_hashes\":[31,32]"));
    CHECK(t.has_named_output());
    CHECK(stored_ids(t, 0).size() == 4);
    std::vector<uint32_t> a = stored_ids(t, 0), b = lookup_ids(t, 1);
    REQUIRE(b.size() == 4);
    CHECK(std::vector<uint32_t>(a.begin(), a.begin() + 3) == std::vector<uint32_t>(b.begin(), b.begin() + 3));
    CHECK(lookup_ids(t, 0).size() == 3);
    CHECK(t.notes.empty());
    // 9 + 6 tokens: one block completed, one begun; both counts are taken, the begun block is not stored under a name.
    for (const char* hashes : {"[21]", "[21,22]"}) {
        Trace u = load_text(record("a", 0, 9, "[1,2,3]", "", std::string(",\"output_sequence_hashes\":") + hashes));
        CHECK(stored_ids(u, 0).size() == 3);
        CHECK(u.has_named_output());
    }
    Trace odd = load_text(record("a", 0, 10, "[1,2,3]", "", ",\"output_sequence_hashes\":[21,22,23]"));
    CHECK_FALSE(odd.has_named_output());
    REQUIRE(odd.notes.size() == 1);
    CHECK(odd.notes[0].find("1 requests whose output hashes do not match") == 0);
}

TEST_CASE("dynamo: one model at a time") {
    std::string text = record("a", 0, 4, "[1]", ",\"model\":\"big\"") + record("b", 1, 4, "[1]", ",\"model\":\"small\"") +
                       record("c", 2, 4, "[1]", ",\"model\":\"big\"");
    CHECK_COMPLAINT(text, ":2:1: model: expected one model, found 'small' after 'big'; choose one with --format "
                          "dynamo:model=small");
    Trace t = load_text(text, "dynamo:model=big");
    CHECK(t.requests() == 2);
    CHECK(t.notes == std::vector<std::string>{"1 requests of models other than big are left out"});
    CHECK(complaint(text, "dynamo:model=tiny").find("has no requests") != std::string::npos);
}

TEST_CASE("dynamo: a directory of segments is one trace") {
    TempDir dir;
    dir.write("run.000000.jsonl.gz", gzipped(record("b", 2000, 8, "[1,2]")));
    dir.write("run.000001.jsonl", "{\"schema\":\"dynamo.request.trace.v1\",\"event_type\":\"tool_end\"}\n" +
                                      record("a", 1000, 4, "[1]"));
    LoadOptions options;
    options.path = dir.dir();
    Trace t = load_trace(options);
    CHECK(t.source_row == Ids{1, 0});
    CHECK(t.arrival_s == std::vector<double>{0, 1});
    CHECK(lookup_ids(t, 1) == Ids{0, 1});
    dir.write("run.000002.jsonl", record("b", 3000, 4, "[1]"));  // a request id of another segment
    CHECK_THROWS_AS(load_trace(options), Error);
}

TEST_CASE("dynamo: BOM, CRLF, blank lines, no final newline, gzip") {
    std::string one = record("a", 5, 4, "[ 1 ]");
    std::string strange = "\xEF\xBB\xBF\r\n" + one.substr(0, one.size() - 1) + "\r\n \r\n" +
                          record("b", 3, 3, "[2]").substr(0, record("b", 3, 3, "[2]").size() - 1);
    for (const std::string& text : {strange, gzipped(strange)}) {
        Trace t = load_text(text);
        CHECK(t.format == "dynamo");
        CHECK(t.source_row == Ids{1, 0});
        CHECK(t.arrival_s == std::vector<double>{0, 0.002});
    }
}

TEST_CASE("dynamo: broken records say where and what") {
    std::string good = record("a", 0, 4, "[1]");
    CHECK_COMPLAINT(good + record("a", 0, 4, "[1]"), ":2:1: request_id: 'a' was given before");
    CHECK_COMPLAINT(good + record("b", 0, 5, "[1]"),
                    ":2:231: input_sequence_hashes: found 1 hashes for 5 tokens, expected 2 (ceil of the length / 4)");
    CHECK_COMPLAINT(good + record("b", 0, 4, "[18446744073709551616]"), ":2:232: input_sequence_hashes: expected whole");
    CHECK_COMPLAINT(good + record("b", 0, 4, "[-1]"), ":2:232: input_sequence_hashes: expected whole numbers");
    CHECK_COMPLAINT(good + record("b", 0, 4, "[1.5]"), ":2:233: input_sequence_hashes: expected whole numbers");
    CHECK_COMPLAINT(good + record("b", 0, 8, "[2,1]"), ":2:231: block 1 of the request: block 1 stood behind another");
    CHECK_COMPLAINT(good + record("b", 0, 0, "[]"), ":2:205: input_length: expected a whole number from 1");
    CHECK_COMPLAINT(good + record("b", 0, 4, "[1]", ",\"cached_tokens\":5"),
                    ":2:1: cached_tokens: expected at most input_length, 4, found 5");
    CHECK_COMPLAINT(good + record("b", 0, 4, "[1]", ",\"cached_tokens\":-1"), ":2:");
    CHECK_COMPLAINT(good + record("b", 0, 4, "[1]", ",\"request_id\":\"c\""), ":2:");
    CHECK(complaint(good + record("b", 0, 4, "[1]", ",\"request_id\":\"c\"")).find("given twice") != std::string::npos);
    std::string larger = record("b", 0, 8, "[1]");
    larger.replace(larger.find("size\":4"), 7, "size\":8");
    CHECK_COMPLAINT(good + larger, ":2:188: trace_block_size: expected 4 as in the records before, found 8");
    CHECK_COMPLAINT(good + kHead + "1,\"request\":{\"request_id\":\"b\",\"replay\":{}}}\n",
                    ":2:1: expected the key request_received_ms in the request");
    CHECK_COMPLAINT(good + "{\"schema\":\"dynamo.request.trace.v2\"}\n",
                    ":2:11: schema: expected \"dynamo.request.trace.v1\", found \"dynamo.request.trace.v2\"");
    CHECK_COMPLAINT(good + "{\"event_type\":\"request_end\"}\n", ":2:1: expected the key schema");
    CHECK_COMPLAINT(good + "{\"schema\":\"dynamo.request.trace.v1\"}\n", ":2:1: expected the key event_type");
    CHECK_COMPLAINT(good + good.substr(0, 70) + "\n", ":2:");
    CHECK(complaint("{\"schema\":\"dynamo.request.trace.v1\",\"event_type\":\"tool_end\"}\n")
              .find("has no requests; expected at least one (found 1 records, none of them a request_end with replay") !=
          std::string::npos);
}

}  // namespace format_dynamo_test
