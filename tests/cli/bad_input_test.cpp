// Every way a trace can be wrong: one line, exit code 2, file:line:column where a line is at fault.
#include "cli.h"

namespace bad_input_test {

using namespace kvsim_test;

namespace {

const std::string kHeader = "{\"kvsim_trace\":1,\"block_size\":4}\n";

/// A native file whose request line (line 2) has `members` besides op and seq.
std::string request(const std::string& members) {
    return kHeader + "{\"op\":\"request\",\"seq\":\"a\"," + members + "}\n";
}

struct Bad {
    std::string text;
    std::vector<std::string> parts;
};

void each_fails(const std::vector<Bad>& cases) {
    TempDir dir;
    for (const Bad& bad : cases) {
        INFO(bad.text.substr(0, 300));
        std::string path = dir.write("b.jsonl", bad.text);
        std::string line = fails({"replay", path}, bad.parts);
        CHECK(contains(line, "b.jsonl"));
        CHECK(line.size() < 600);
        // validate finds the same first problem.
        ProcessResult v = kvsim({"trace", "validate", path});
        CHECK(v.exit_code == 2);
        REQUIRE(!lines_of(v.out).empty());
        CHECK(contains(line, lines_of(v.out)[0]));
    }
}

}  // namespace

TEST_CASE("bad: no trace at all") {
    each_fails({{"", {"is empty"}},
                {"\n\n  \n\t\n", {"b.jsonl"}},
                {"abc\n", {"b.jsonl:1: cannot tell the trace format"}},
                {"[1,2]\n", {"b.jsonl:1: cannot tell the trace format"}},
                {"{}\n", {"b.jsonl:1: cannot tell the trace format"}},
                {"{\"a\":1,\"b\":2}\n", {"from the keys a, b", "give --format"}},
                {kHeader, {"has no requests"}},
                {std::string(1000, '\0') + "\n", {"b.jsonl:1"}}});
    fails({"replay", "-"}, {"<stdin>: is empty"});
}

TEST_CASE("bad: header") {
    each_fails({{"{\"kvsim_trace\":2}\n", {"b.jsonl:1:16: kvsim_trace:", "found 2"}},
                {"{\"kvsim_trace\":1,\"block_size\":0}\n", {"b.jsonl:1:31: block_size:"}},
                {"{\"kvsim_trace\":1,\"block_size\":1.5}\n", {"b.jsonl:1:31: block_size:"}},
                {"{\"kvsim_trace\":1,\"blocksize\":4}\n", {"b.jsonl:1:", "(did you mean 'block_size'?)"}},
                {"{\"kvsim_trace\":1}\n{\"op\":\"request\",\"seq\":\"a\",\"t\":0,\"length\":4,\"blocks\":[1]}\n",
                 {"b.jsonl:2:", "block_size in the header"}}});
}

TEST_CASE("bad: lengths, times and other numbers") {
    std::vector<Bad> cases;
    for (const char* v : {"-1", "0", "1.5", "1e3", "2147483648", "99999999999999999999", "NaN", "Infinity", "-Infinity",
                          "null", "\"8\"", "true", "007", "{}", "[]"})
        cases.push_back({request("\"t\":0,\"length\":" + std::string(v) + ",\"blocks\":[1,2]"),
                         {"b.jsonl:2:", "length: expected a whole number from "}});
    for (const char* v : {"-1", "NaN", "Infinity", "1e400", "1e13", "\"0\"", "null", "0x1", "01"})
        cases.push_back({request("\"t\":" + std::string(v) + ",\"length\":8,\"blocks\":[1,2]"), {"b.jsonl:2:31: t: "}});
    for (const char* v : {"-1", "1.5", "2147483648", "NaN"})
        cases.push_back({request("\"t\":0,\"length\":8,\"blocks\":[1,2],\"output_length\":" + std::string(v)),
                         {"b.jsonl:2:", "output_length: "}});
    for (const char* v : {"0", "-1", "4000000000"})
        cases.push_back({request("\"t\":0,\"length\":8,\"blocks\":[1,2],\"n\":" + std::string(v)), {"b.jsonl:2:", "n: "}});
    cases.push_back({request("\"t\":0,\"length\":8,\"blocks\":[1,2],\"cached_tokens\":9"), {"b.jsonl:2:", "cached_tokens"}});
    cases.push_back({request("\"t\":5,\"t_end\":4,\"length\":8,\"blocks\":[1,2]"), {"b.jsonl:2:", "t_end"}});
    each_fails(cases);
}

TEST_CASE("bad: block names and their number") {
    std::vector<Bad> cases;
    for (const char* v : {"[-1,2]", "[1.5,2]", "[1,]", "[,1]", "[1 2]", "[18446744073709551616,2]", "[null,1]", "[01,2]",
                          "[NaN,1]", "[1e2,3]", "[1,2", "[\"a\",1]", "[1,\"a\"]", "[[1],2]", "5", "\"x\"", "{}"})
        cases.push_back({request("\"t\":0,\"length\":8,\"blocks\":" + std::string(v)), {"b.jsonl:2:"}});
    cases.push_back({request("\"t\":0,\"length\":9,\"blocks\":[1]"), {"b.jsonl:2:", "9 tokens, expected 3 (ceil) or 2 (floor)"}});
    cases.push_back({request("\"t\":0,\"length\":8,\"blocks\":[1,2,3]"), {"b.jsonl:2:", "found 3 names", "expected 2"}});
    cases.push_back({request("\"t\":0"), {"b.jsonl:2:", "expected tokens, or length with blocks, or length alone"}});
    cases.push_back({request("\"t\":0,\"length\":0,\"blocks\":[]"), {"b.jsonl:2:", "length: expected a whole number from 1"}});
    cases.push_back({request("\"t\":0,\"blocks\":[1]"), {"b.jsonl:2:", "expected the key length"}});
    cases.push_back({request("\"t\":0,\"tokens\":[]"), {"b.jsonl:2:", "at least one token"}});
    cases.push_back({request("\"t\":0,\"tokens\":[1],\"blocks\":[1],\"length\":1"), {"b.jsonl:2:"}});
    cases.push_back({request("\"t\":0,\"tokens\":[1,2],\"length\":3"), {"b.jsonl:2:", "length: expected 2"}});
    each_fails(cases);
}

TEST_CASE("bad: ids that do not name prefixes") {
    std::string first = request("\"t\":0,\"length\":8,\"blocks\":[1,2]");
    auto then = [&](const std::string& blocks) {
        return first + "{\"op\":\"request\",\"seq\":\"b\",\"t\":1,\"length\":8,\"blocks\":" + blocks + "}\n";
    };
    each_fails({{then("[3,2]"), {"b.jsonl:3:", "'b', block 1: block 2 stood behind another block"}},
                {then("[2,1]"), {"b.jsonl:3:", "block 0"}},
                {request("\"t\":0,\"length\":8,\"blocks\":[1,1]"), {"b.jsonl:2:", "block 1"}}});
    TempDir dir;
    std::string moon = dir.write("m.jsonl",
                                 "{\"timestamp\":0,\"input_length\":1024,\"output_length\":1,\"hash_ids\":[1,2]}\n"
                                 "{\"timestamp\":0,\"input_length\":1024,\"output_length\":1,\"hash_ids\":[3,2]}\n");
    fails({"replay", moon}, {"m.jsonl:2:", "hash_ids[1]", "--format mooncake:ids=content"});
    succeeds({"replay", moon, "--format", "mooncake:ids=content"});
}

TEST_CASE("bad: sequences") {
    std::string start = kHeader + "{\"op\":\"prompt\",\"seq\":\"a\",\"t\":0,\"length\":8,\"blocks\":[1,2]}\n";
    std::string freed = start + "{\"op\":\"free\",\"seq\":\"a\"}\n";
    each_fails({{start + "{\"op\":\"prompt\",\"seq\":\"a\",\"t\":0,\"length\":8,\"blocks\":[1,2]}\n", {"b.jsonl:3:", "in use"}},
                {start + "{\"op\":\"decode\",\"seq\":\"b\",\"n\":1}\n", {"b.jsonl:3:", "unknown sequence 'b'"}},
                {start + "{\"op\":\"decode\",\"seq\":\"a\"}\n", {"b.jsonl:3:", "expected n or tokens"}},
                {start + "{\"op\":\"decode\",\"n\":1}\n", {"b.jsonl:3:", "expected the key seq"}},
                {start + "{\"op\":\"free\",\"seq\":\"b\"}\n", {"b.jsonl:3:", "unknown sequence 'b'"}},
                {start + "{\"op\":\"fork\",\"seq\":\"a\"}\n", {"b.jsonl:3:", "expected the key child"}},
                {start + "{\"op\":\"fork\",\"seq\":\"a\",\"child\":\"a\"}\n", {"b.jsonl:3:", "'a' is in use"}},
                {start + "{\"op\":\"fork\",\"seq\":\"b\",\"child\":\"c\"}\n", {"b.jsonl:3:", "unknown sequence 'b'"}},
                {freed + "{\"op\":\"fork\",\"seq\":\"a\",\"child\":\"b\"}\n", {"b.jsonl:4:", "'a' has been freed"}},
                {freed + "{\"op\":\"decode\",\"seq\":\"a\",\"n\":1}\n", {"b.jsonl:4:", "'a' has been freed"}},
                {freed + "{\"op\":\"free\",\"seq\":\"a\"}\n", {"b.jsonl:4:", "'a' has been freed"}},
                {start + "{\"op\":\"request\",\"seq\":\"b\",\"t\":0,\"length\":4,\"blocks\":[1]}\n", {"b.jsonl:3:", "not both"}},
                {start + "{\"op\":\"dekode\",\"seq\":\"a\",\"n\":1}\n", {"b.jsonl:3:7: op:", "did you mean 'decode'?"}}});
    TempDir dir;
    std::string again = freed + start.substr(kHeader.size());
    CHECK(replay_report({dir.write("t.jsonl", again)})["results"]["hits"]["hit_blocks"] == 2);
}

TEST_CASE("bad: JSON and text") {
    std::string good = "\"t\":0,\"length\":8,\"blocks\":[1,2]";
    each_fails({{request("\"t\":0," + good), {"b.jsonl:2:", "t: the key is given twice"}},
                {request("\"lenght\":8," + good), {"b.jsonl:2:", "unknown key (did you mean 'length'?)"}},
                {request("\"category\":\"\xff\xfe\"," + good), {"b.jsonl:2:", "not valid UTF-8"}},
                {request("\"category\":\"\\ud800\"," + good), {"b.jsonl:2:", "category: expected a string"}},
                {request("\"category\":5," + good), {"b.jsonl:2:", "category: expected a string, found 5"}},
                {request("\"category\":\"x," + good), {"b.jsonl:2:"}},
                {request(good) + "{\"op\":\"request\"\n", {"b.jsonl:3:"}},
                {request(good) + "garbage\n", {"b.jsonl:3:"}},
                {request(good).substr(0, request(good).size() - 1) + " x\n", {"b.jsonl:2:"}},
                {request(good).substr(0, request(good).size() - 1) + "{}\n", {"b.jsonl:2:", "nothing after the JSON object"}},
                {"{\"kvsim_trace\":1,\"block_size\":4,\"events\":[{\"op\":\"request\"]}", {"b.jsonl:1:"}},
                {"{\"kvsim_trace\":1,\"block_size\":4,\"events\":[", {"b.jsonl:1:"}}});
}

TEST_CASE("bad: a last line that was cut off is dropped with a note, anything else is not") {
    TempDir dir;
    std::string good = request("\"t\":0,\"length\":8,\"blocks\":[1,2]");
    ProcessResult r = succeeds({"replay", dir.write("b.jsonl", good + "{\"op\":\"request\",\"se")});
    CHECK(contains(r.err, "b.jsonl:3: the last line is incomplete and was dropped"));
    fails({"replay", dir.write("b.jsonl", good + "{\"op\":\"request\",\"seq\":\"b\"}")}, {"b.jsonl:3:"});
    CHECK(kvsim({"replay", dir.write("b.jsonl", good.substr(0, good.size() - 1))}).err.empty());
}

TEST_CASE("bad: mooncake lines") {
    const std::string ok = "{\"timestamp\":0,\"input_length\":1000,\"output_length\":1,\"hash_ids\":[1,2]}\n";
    each_fails({{ok + "{\"timestamp\":0,\"input_length\":100,\"output_length\":1,\"hash_ids\":[1,2,3,4]}\n", {"b.jsonl:2:", "4 ids for 100 tokens"}},
                {ok + "{\"timestamp\":0,\"input_length\":0,\"output_length\":1,\"hash_ids\":[]}\n", {"b.jsonl:2:", "input_length"}},
                {ok + "{\"timestamp\":-1,\"input_length\":9,\"output_length\":1,\"hash_ids\":[1]}\n", {"b.jsonl:2:", "timestamp"}},
                {ok + "{\"timestamp\":0,\"input_length\":9,\"hash_ids\":[1]}\n", {"b.jsonl:2:", "expected the key output_length"}},
                {ok + "{\"timestamp\":0,\"input_length\":9,\"output_length\":1,\"hash_ids\":[-1]}\n", {"b.jsonl:2:", "hash_ids"}},
                {ok + "{\"timestamp\":0,\"input_length\":9,\"output_length\":1,\"hash_ids\":[1", {"b.jsonl:2:"}},
                {ok + "{\"timestamp\":0,\"timestamp\":1,\"input_length\":9,\"output_length\":1,\"hash_ids\":[1]}\n", {"b.jsonl:2:", "twice"}}});
}

// Each request has 2,000,000,000 tokens: of 1 token, three of them have 6e9 blocks, of 2 tokens 3e9, which fit in 32 bits.
TEST_CASE("bad: more blocks than ids after re-blocking") {
    TempDir dir;
    std::string text = "{\"kvsim_trace\":1,\"block_size\":1000000000}\n";
    for (int i = 0; i < 3; ++i)
        text += "{\"op\":\"request\",\"seq\":\"s" + std::to_string(i) + "\",\"t\":0,\"length\":2000000000,\"blocks\":[" +
                std::to_string(2 * i) + "," + std::to_string(2 * i + 1) + "]}\n";
    std::string path = dir.write("big.jsonl", text);
    fails({"replay", path, "--block-size", "1"}, {"--block-size 1", "4294967294 distinct blocks", "--block-size 2 fits"});
    Json r = replay_report({path, "--block-size", "2", "--decode", "off"});
    CHECK(r["trace"]["unique_blocks"] == 3000000000u);
}

TEST_CASE("bad: words of the header elsewhere do not make a header") {
    TempDir dir;
    std::string tail = "\"t\":0,\"length\":8,\"blocks\":[1,2]";
    succeeds({"trace", "validate", dir.write("b.jsonl", request("\"meta\":{\"kvsim_trace\":3}," + tail))});
    succeeds({"trace", "validate", dir.write("b.jsonl", request("\"category\":\"kvsim_trace\"," + tail))});
}

TEST_CASE("bad: a byte order mark is skipped or named") {
    TempDir dir;
    ProcessResult r = kvsim({"replay", dir.write("b.jsonl", "\xef\xbb\xbf" + request("\"t\":0,\"length\":8,\"blocks\":[1,2]"))});
    CHECK((r.exit_code == 0 || contains(r.err, "byte order mark")));
}

}  // namespace bad_input_test
