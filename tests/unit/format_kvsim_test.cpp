#include "unit/load_text.h"

namespace format_kvsim_test {

using namespace kvsim;
using namespace kvsim_test;
using Ids = std::vector<uint32_t>;

namespace {

const std::string kHead = "{\"kvsim_trace\":1,\"name\":\"demo\",\"block_size\":4}\n";

std::string blocks(const std::string& seq, uint64_t length, const std::string& names,
                   const std::string& more = "") {
    return "{\"op\":\"request\",\"seq\":\"" + seq + "\",\"t\":0,\"length\":" + std::to_string(length) +
           ",\"blocks\":" + names + more + "}\n";
}
std::string tokens(const std::string& seq, const std::string& ids, const std::string& more = "") {
    return "{\"op\":\"request\",\"seq\":\"" + seq + "\",\"t\":0,\"tokens\":" + ids + more + "}\n";
}
std::string prompt(const std::string& seq, uint64_t length, const std::string& names) {
    return "{\"op\":\"prompt\",\"seq\":\"" + seq + "\",\"length\":" + std::to_string(length) +
           ",\"blocks\":" + names + "}\n";
}
std::string decode(const std::string& seq, const std::string& what) {
    return "{\"op\":\"decode\",\"seq\":\"" + seq + "\"," + what + "}\n";
}
std::string fork(const std::string& seq, const std::string& child) {
    return "{\"op\":\"fork\",\"seq\":\"" + seq + "\",\"child\":\"" + child + "\"}\n";
}
std::string free_line(const std::string& seq) { return "{\"op\":\"free\",\"seq\":\"" + seq + "\"}\n"; }

}  // namespace

TEST_CASE("kvsim: request lines in any order, with every key") {
    Trace t = load_text(kHead +
                        "{\"op\":\"request\",\"seq\":\"b\",\"t\":2,\"t_end\":3,\"length\":8,\"blocks\":[0,1],"
                        "\"output_length\":5,\"priority\":-1.5,"
                        "\"category\":\"c\",\"session\":\"s\",\"turn\":2,\"parent\":\"p\",\"step\":7,\"max_"
                        "tokens\":9,\"n\":2,\"cached_tokens\":4,\"meta\":{\"x\":[1]}}\n" +
                        "{ \"blocks\" : [0] , \"length\" : 3 , \"seq\" : \"a\" , \"op\" : \"request\" , "
                        "\"t\" : 0.5 }\r\n\r\n");
    CHECK(t.format == "kvsim");
    CHECK(t.name == "demo");
    CHECK(t.block_size == 4);
    CHECK(t.sequence_name(0) == "a");
    CHECK(t.sequence_name(1) == "b");
    CHECK(t.prompt_tokens == Ids{3, 8});
    CHECK(t.output_tokens == Ids{0, 5});
    CHECK(t.priority[1] == -1.5);
    CHECK(t.end_s[1] == 3);
    CHECK(t.turn[1] == 2);
    CHECK(t.step[1] == 7);
    CHECK(t.max_tokens[1] == 9);
    CHECK(t.samples[1] == 2);
    CHECK(t.cached_tokens[1] == 4);
    CHECK(t.category[1] == "c");
    CHECK(t.session[1] == "s");
    CHECK(t.parent[1] == "p");
    CHECK_FALSE(t.cached_tokens.has(0));
    CHECK(t.stored_blocks(1, true) == 4);
    CHECK_FALSE(t.has_named_output());
}

TEST_CASE("kvsim: names are any 64-bit integers or strings") {
    Trace t = load_text(kHead + blocks("a", 8, "[18446744073709551615,9223372036854775808]") +
                        blocks("b", 8, "[18446744073709551615,9223372036854775809]") +
                        blocks("c", 4, "[\"x]\"]") + blocks("d", 8, "[ \"x]\" , \"a\\\"b\" ]"));
    CHECK(lookup_ids(t, 0) == Ids{0, 1});
    CHECK(lookup_ids(t, 1) == Ids{0, 2});
    CHECK(lookup_ids(t, 2) == Ids{3});
    CHECK(lookup_ids(t, 3) == Ids{3, 4});
    CHECK_COMPLAINT(kHead + blocks("a", 8, "[\"x\",1]"), ":2:");
    CHECK_COMPLAINT(kHead + blocks("a", 8, "[\"x\",\"y\""), ":2:");
    CHECK_COMPLAINT(kHead + blocks("a", 4, "[18446744073709551616]"),
                    ":2:54: blocks: expected whole numbers from 0 to 18446744073709551615 between commas");
}
TEST_CASE("kvsim: a string name may end in a backslash") {
    CHECK(complaint(kHead + blocks("a", 8, "[\"x\\\\\",\"y\"]")) == "loads");
}

TEST_CASE("kvsim: salt and lora tell the same names apart") {
    std::string salted = ",\"salt\":\"s\"", adapted = ",\"lora\":\"s\"",
                both = ",\"salt\":\"s\",\"lora\":\"s\"";
    Trace b = load_text(kHead + blocks("a", 8, "[0,1]") + blocks("b", 8, "[0,1]", salted) +
                        blocks("c", 8, "[0,1]", adapted) + blocks("d", 8, "[0,1]", both) +
                        blocks("e", 8, "[0,1]", salted) + blocks("f", 8, "[0,1]", ",\"salt\":\"\""));
    CHECK(b.unique_blocks() == 8);
    CHECK(lookup_ids(b, 4) == lookup_ids(b, 1));
    CHECK(lookup_ids(b, 5) == lookup_ids(b, 0));
    CHECK(b.salt[4] == "s");
    Trace t = load_text("{\"kvsim_trace\":1}\n" + tokens("a", "[7,8]") + tokens("b", "[7,8]", salted) +
                            tokens("c", "[7,8]", salted) + tokens("d", "[7,8]", adapted),
                        "auto", 1);
    CHECK(t.unique_blocks() == 6);
    CHECK(lookup_ids(t, 2) == lookup_ids(t, 1));
    CHECK(t.token_ids == Ids{7, 8, 7, 8, 7, 8, 7, 8});
    CHECK(t.tokens_begin == std::vector<uint64_t>{0, 2, 4, 6, 8});
}

TEST_CASE("kvsim: tokens are blocks of one, re-blocked to the header's size, else 16") {
    std::string lines = tokens("a", "[1,2,3,4,5]", ",\"output_tokens\":[6,7,8]") +
                        tokens("b", "[1,2,3,4,5,6,7,8,9]") + tokens("c", "[1,2,3,4,6]");
    Trace four = load_text(kHead + lines);
    CHECK(four.block_size == 4);
    CHECK(four.lookup_blocks(0) == 2);
    CHECK(stored_ids(four, 0) == Ids{0, 2});  // 1234 5 | 1234 5678: the tail's block is completed by output
    CHECK(lookup_ids(four, 1) == Ids{0, 2, 3});
    CHECK(lookup_ids(four, 2) == Ids{0, 4});
    Trace sixteen = load_text("{\"kvsim_trace\":1}\n" + lines);
    CHECK(sixteen.block_size == 16);
    CHECK(sixteen.lookup_blocks(1) == 1);
    CHECK(sixteen.stored_row(0, true) == sixteen.lookup_row(0));  // nothing is completed
    CHECK(sixteen.unique_blocks() == 3);
    CHECK(load_text(kHead + lines, "auto", 3).lookup_blocks(1) == 3);
}

TEST_CASE("kvsim: output blocks") {
    std::string a = blocks("a", 6, "[0,1]", ",\"output_length\":7,\"output_blocks\":[2,3]");
    Trace t = load_text(kHead + a + blocks("b", 14, "[0,2,3,4]"));
    CHECK(lookup_ids(t, 0) == Ids{0, 1});
    CHECK(stored_ids(t, 0) == Ids{0, 2, 3});
    CHECK(t.stored_blocks(0, true) == 4);
    CHECK(t.stored_blocks(0, false) == 2);
    CHECK(lookup_ids(t, 1) == Ids{0, 2, 3, 4});
    CHECK_COMPLAINT(kHead + blocks("a", 6, "[0,1]", ",\"output_length\":7,\"output_blocks\":[2]"),
                    ":2:1: output_blocks: found 1 names, expected 2");
    CHECK_COMPLAINT(kHead + blocks("a", 6, "[0,1]", ",\"output_length\":1,\"output_blocks\":[2]"),
                    ":2:1: output_blocks: found 1 names, expected 0");
    CHECK(complaint(kHead + blocks("a", 6, "[0,1]", ",\"output_length\":1,\"output_blocks\":[]")) == "loads");
    CHECK_COMPLAINT(
        "{\"kvsim_trace\":1}\n" + tokens("a", "[1]", ",\"output_length\":1,\"output_blocks\":[2]"),
        ":2:1: output_blocks need a prompt of blocks");
}

TEST_CASE("kvsim: events become one request a sequence, forks too") {
    Trace t =
        load_text(kHead + prompt("a", 6, "[0,1]") + decode("a", "\"n\":2,\"output_blocks\":[2]") +
                  fork("a", "a.1") + decode("a", "\"n\":3") + decode("a.1", "\"n\":4,\"output_blocks\":[3]") +
                  free_line("a") + prompt("a", 4, "[0]") + free_line("a.1"));
    REQUIRE(t.requests() == 3);
    CHECK(t.prompt_tokens == Ids{6, 8, 4});
    CHECK(t.output_tokens == Ids{5, 4, 0});
    CHECK(lookup_ids(t, 0) == Ids{0, 1});
    CHECK(stored_ids(t, 0) == Ids{0, 2});
    CHECK(lookup_ids(t, 1) == Ids{0, 2});
    CHECK(stored_ids(t, 1) == Ids{0, 2, 3});
    CHECK(lookup_ids(t, 2) == Ids{0});
    REQUIRE(t.events.size() == 8);
    CHECK(t.events[2].kind == EventKind::fork);
    CHECK(t.events[2].sequence == 1);
    CHECK(t.events[2].other == 0);
    CHECK(t.events[4].tokens == 4);
    CHECK(t.events[6].sequence == 2);
    CHECK(t.sequence_name(1) == "a.1");
    CHECK(t.sequence_name(2) == "a");
}

TEST_CASE("kvsim: decoded tokens without names end what is named") {
    std::string head = "{\"kvsim_trace\":1}\n";
    std::string p = "{\"op\":\"prompt\",\"seq\":\"a\",\"tokens\":[1,2]}\n";
    Trace named = load_text(
        head + p + decode("a", "\"tokens\":[3]") + decode("a", "\"n\":2,\"tokens\":[4,5]"), "auto", 1);
    CHECK(named.output_tokens == Ids{3});
    CHECK(stored_ids(named, 0).size() == 5);
    CHECK(named.token_ids == Ids{1, 2, 3, 4, 5});
    Trace cut = load_text(head + p + decode("a", "\"n\":1") + decode("a", "\"tokens\":[4]"), "auto", 1);
    CHECK(cut.output_tokens == Ids{2});
    CHECK(cut.unique_blocks() == 2);
    CHECK_COMPLAINT(head + p + decode("a", "\"n\":2,\"tokens\":[4]"),
                    ":3:1: expected 1 output tokens, found the count 2");
}

TEST_CASE("kvsim: scores") {
    std::string scores =
        "\"scores\":[{\"layer\":0,\"head\":1,\"top\":[[0,0.5],[3,0.25]],\"rest\":0.25},{\"layer\":1,\"head\":"
        "0,\"top\":[]}]";
    Trace t = load_text(kHead + prompt("a", 4, "[0]") + decode("a", "\"n\":1," + scores));
    REQUIRE(t.scores.size() == 2);
    CHECK(t.scores[0].head == 1);
    CHECK(t.scores[0].event == 1);
    CHECK(t.scores[0].top_count == 2);
    CHECK(t.score_weights[1].position == 3);
    CHECK(t.score_weights[1].weight == 0.25f);
    CHECK(t.scores[0].rest == 0.25f);
    CHECK(t.scores[1].top_begin == 2);
    CHECK_COMPLAINT(
        kHead + prompt("a", 4, "[0]") + decode("a", "\"n\":1,\"scores\":[{\"layer\":0,\"head\":1}]"),
        ":3:42: scores: expected layer, head and top");
    CHECK_COMPLAINT(kHead + prompt("a", 4, "[0]") +
                        decode("a", "\"n\":1,\"scores\":[{\"layer\":0,\"head\":1,\"top\":[[1]]}]"),
                    ":3:");
    CHECK(complaint(kHead + prompt("a", 4, "[0]") + decode("a", "\"n\":1,\"scores\":[{\"layr\":0}]"))
              .find("did you mean 'layer'?") != std::string::npos);
}

TEST_CASE("kvsim: scores that no softmax leaves") {
    // 4 prompt tokens and 1 decoded: positions 0 to 4. {"op":"decode","seq":"a","n":1,"scores":[ is 41 characters long.
    auto says = [](const std::string& rows) {
        return complaint(kHead + prompt("a", 4, "[0]") + decode("a", "\"n\":1,\"scores\":[" + rows + "]"));
    };
    auto row = [](const std::string& top, const std::string& rest, const std::string& name = "\"layer\":0,\"head\":1") {
        return "{" + name + ",\"top\":" + top + (rest.empty() ? "" : ",\"rest\":" + rest) + "}";
    };
    CHECK(says(row("[[4,1]]", "")) == "loads");
    CHECK(says(row("[[4,0.6],[0,0.4005]]", "0")) == "loads");
    CHECK(says(row("[]", "0") + "," + row("[]", "0", "\"layer\":1,\"head\":1")) == "loads");
    CHECK(says("") == "loads");
    CHECK(says(row("[[0,-0.1]]", "")) == ":3:72: top: expected a weight from 0 to 1");
    CHECK(says(row("[[0,1.001]]", "")) == ":3:72: top: expected a weight from 0 to 1");
    CHECK(says(row("[]", "-1")) == ":3:78: rest: expected a weight from 0 to 1");
    CHECK(says(row("[[0,1e999]]", "")).rfind(":3:72: ", 0) == 0);
    CHECK(says(row("[[0,0.6],[1,0.4]]", "0.0011")) ==
          ":3:42: scores: expected weights and rest of 1 together, found 1.001100");
    CHECK(says(row("[[5,0.1]]", "")) == ":3:1: scores: position 5: expected one of the 5 tokens of the sequence");
    CHECK(says(row("[[2,0.1],[1,0.1],[2,0.2]]", "")) == ":3:68: scores: position 2 has two weights");
    CHECK(says(row("[]", "") + "," + row("[[0,1]]", "")) == ":3:1: scores: layer 0, head 1 has two rows");
    CHECK(says(row("[]", "", "\"layer\":0,\"layer\":0,\"head\":1")) == ":3:61: layer: the key is given twice");
    CHECK(says(row("[]", "0,\"rest\":0")) == ":3:87: rest: the key is given twice");
    CHECK(says(row("[]", "0,\"rst\":0")).find("did you mean 'rest'?") != std::string::npos);
    CHECK(says(row("[[1.5,0.1]]", "")).find("expected a whole number") != std::string::npos);
    CHECK(says("1").find(":3:42: ") == 0);
    CHECK(complaint(kHead + prompt("a", 4, "[0]") + decode("a", "\"n\":1,\"scores\":{}")).find("expected an array") !=
          std::string::npos);
    // A child sees what its parent holds; a request's rows are those of its end.
    std::string at4 = "\"n\":1,\"scores\":[" + row("[[4,0.5]]", "") + "]", at6 = "\"n\":1,\"scores\":[" + row("[[6,1]]", "") + "]";
    CHECK(complaint(kHead + prompt("a", 4, "[0]") + decode("a", "\"n\":2") + fork("a", "b") + decode("b", at6)) == "loads");
    CHECK(complaint(kHead + prompt("a", 4, "[0]") + fork("a", "b") + decode("b", at4) + decode("b", at6)) ==
          ":5:1: scores: position 6: expected one of the 6 tokens of the sequence");
    CHECK(complaint(kHead + blocks("a", 4, "[0]", ",\"output_length\":3,\"scores\":[" + row("[[6,1]]", "") + "]")) == "loads");
    CHECK(complaint(kHead + blocks("a", 4, "[0]", ",\"output_length\":2,\"scores\":[" + row("[[6,1]]", "") + "]"))
              .find("position 6") != std::string::npos);
}

TEST_CASE("kvsim: one JSON document") {
    std::string event = "{\"op\":\"request\",\"seq\":\"a\",\"t\":0,\"length\":4,\"blocks\":[5]}";
    CHECK(load_text("{\"kvsim_trace\":1,\"block_size\":4,\"name\":\"d\",\"events\":[" + event + "," + event +
                    "],\"meta\":{}}")
              .requests() == 2);
    CHECK(load_text("{\"kvsim_trace\":1,\"block_size\":4,\"events\":[\n" + event + ",\n" + event + "\n]}\n")
              .requests() == 2);
    CHECK_COMPLAINT("{\"kvsim_trace\":1,\"events\":[],\"block_size\":4}",
                    ":1:43: block_size: expected before events");
    CHECK_COMPLAINT("{\"kvsim_trace\":1,\"block_size\":4,\"events\":[\n" + event + ",\n{\"op\":\"x\"}]}",
                    ":3:7: op: expected one of prompt, decode, fork, free, request");
    CHECK(complaint("{\"kvsim_trace\":1,\"event\":[]}").find("did you mean 'events'?") ==
          std::string::npos);  // a header: no such key
}
TEST_CASE("kvsim: a document written with indentation") {
    std::string event = "{\"op\":\"request\",\"seq\":\"a\",\"t\":0,\"length\":4,\"blocks\":[5]}";
    CHECK(complaint("{\n  \"kvsim_trace\": 1,\n  \"block_size\": 4,\n  \"events\": [\n    " + event +
                    "\n  ]\n}\n") == "loads");
}

TEST_CASE("kvsim: headers") {
    std::string a = blocks("a", 4, "[0]");
    CHECK(load_text(kHead + a + kHead + a).requests() == 2);
    CHECK_COMPLAINT(kHead + a + "{\"kvsim_trace\":1,\"block_size\":8}\n",
                    ":3:31: block_size: differs from the header before");
    CHECK_COMPLAINT(kHead + a + "{\"kvsim_trace\":1,\"name\":\"other\"}\n",
                    ":3:25: name: differs from the header before");
    CHECK_COMPLAINT("{\"kvsim_trace\":2}\n",
                    ":1:16: kvsim_trace: expected a whole number from 1 to 1, found 2");
    CHECK_COMPLAINT("{\"kvsim_trace\":1,\"blocksize\":4}\n",
                    ":1:30: blocksize: unknown key (did you mean 'block_size'?)");
    CHECK_COMPLAINT("{\"kvsim_trace\":1}\n" + a, ":2:1: blocks: expected block_size in the header");
    CHECK(begins(complaint(a, "kvsim"), ":1:1: expected the header {\"kvsim_trace\":1, ...} first"));
}
TEST_CASE("kvsim: the word kvsim_trace in a value is no header") {
    CHECK(complaint(kHead + blocks("a", 4, "[0]", ",\"category\":\"kvsim_trace\"")) == "loads");
}

TEST_CASE("kvsim: an incomplete last line is dropped with a note, a wrong one is not") {
    std::string a = blocks("a", 4, "[0]");
    Trace t = load_text(kHead + a + a.substr(0, 40));
    CHECK(t.requests() == 1);
    REQUIRE(t.notes.size() == 1);
    CHECK(t.notes[0].find(":3: the last line is incomplete and was dropped") != std::string::npos);
    CHECK(load_text(kHead + a + a.substr(0, a.size() - 1)).requests() == 2);
    CHECK_COMPLAINT(kHead + a + a.substr(0, 40) + "\n", ":3:");
    CHECK_COMPLAINT(kHead + a + "{\"op\":\"free\"}", ":3:1: expected the key seq");
    CHECK_COMPLAINT(kHead + a.substr(0, 40) + "\n" + a, ":2:");
}

TEST_CASE("kvsim: broken lines") {
    std::string p = prompt("a", 4, "[0]");
    CHECK_COMPLAINT(kHead + "{\"op\":\"request\",\"seq\":\"a\",\"t\":0,\"lenght\":4,\"blocks\":[0]}\n",
                    ":2:42: lenght: unknown key (did you mean 'length'?)");
    CHECK_COMPLAINT(
        kHead + "{\"op\":\"requst\",\"seq\":\"a\"}\n",
        ":2:7: op: expected one of prompt, decode, fork, free, request (did you mean 'request'?)");
    CHECK_COMPLAINT(kHead + "{\"seq\":\"a\",\"seq\":\"b\"}\n", ":2:18: seq: the key is given twice");
    CHECK_COMPLAINT(kHead + "{\"seq\":\"a\"}\n", ":2:1: expected the key op");
    CHECK_COMPLAINT(kHead + blocks("a", 4, "[0]", ",\"child\":\"b\""),
                    ":2:1: child: not a key of op request");
    CHECK_COMPLAINT(
        kHead + blocks("a", 9, "[0]"),
        ":2:1: blocks: found 1 names for 9 tokens, expected 3 (ceil) or 2 (floor) of the length / 4");
    CHECK_COMPLAINT(kHead + blocks("a", 8, "[0]"),
                    ":2:1: blocks: found 1 names for 8 tokens, expected 2 of the length / 4");
    CHECK_COMPLAINT(kHead + blocks("a", 4, "[0]", ",\"cached_tokens\":5"),
                    ":2:1: cached_tokens: expected at most");
    CHECK_COMPLAINT(kHead + blocks("a", 4, "[0]", ",\"t_end\":-1"), ":2:");
    CHECK_COMPLAINT(kHead + blocks("a", 4, "[0]") + blocks("b", 8, "[1,0]"), ":3:");
    CHECK(complaint(kHead + blocks("a", 4, "[0]") + blocks("b", 8, "[1,0]"))
              .find("sequence 'b', block 1: block 0 stood behind another block before") != std::string::npos);
    CHECK_COMPLAINT(kHead + blocks("a", 4, "[0]") + tokens("b", "[1]"),
                    ":3:1: a file names tokens, or blocks, or nothing in all its lines; expected length with blocks as before");
    CHECK_COMPLAINT(kHead + tokens("b", "[4294967296]"), ":2:");
    CHECK_COMPLAINT(kHead + tokens("b", "[]"), ":2:1: tokens: expected at least one token");
    CHECK_COMPLAINT(kHead + tokens("b", "[1]", ",\"length\":2"), ":2:1: length: expected 1");
    CHECK_COMPLAINT(kHead + tokens("b", "[1]", ",\"meta\":3"), ":2:53: meta: expected an object");
    CHECK_COMPLAINT(kHead + "{\"op\":\"request\",\"seq\":\"a\",\"output_length\":4}\n",
                    ":2:1: expected tokens, or length with blocks, or length alone");
    CHECK_COMPLAINT(kHead + p + blocks("b", 4, "[0]"), ":3:1: op request: a file uses request lines or");
    CHECK_COMPLAINT(kHead + p + p, ":3:1: seq: sequence 'a' is in use; free it first");
    CHECK_COMPLAINT(kHead + p + fork("a", "a"), ":3:1: child: sequence 'a' is in use");
    CHECK_COMPLAINT(kHead + p + "{\"op\":\"fork\",\"seq\":\"a\"}\n", ":3:1: expected the key child");
    CHECK_COMPLAINT(kHead + p + free_line("a") + fork("a", "b"), ":4:1: seq: sequence 'a' has been freed");
    CHECK_COMPLAINT(kHead + p + decode("b", "\"n\":1"), ":3:1: seq: unknown sequence 'b'");
    CHECK_COMPLAINT(kHead + p + "{\"op\":\"decode\",\"seq\":\"a\"}\n", ":3:1: expected n or tokens");
    CHECK_COMPLAINT(kHead + p + decode("a", "\"n\":0"), ":3:");
    CHECK_COMPLAINT(kHead + p + decode("a", "\"tokens\":[1]"), ":3:1: output tokens need a prompt of tokens");
}

TEST_CASE("kvsim: a block behind two others is told by its name in the trace") {
    auto told = [](const std::string& names, const std::string& others, const std::string& more = "") {
        return complaint(kHead + blocks("a", 8, names, more) + blocks("b", 8, others, more));
    };
    CHECK(told("[\"x\",\"y z\"]", "[\"w\",\"y z\"]").find("block 1: block \"y z\" stood behind another") !=
          std::string::npos);
    CHECK(told("[1,18446744073709551615]", "[2,18446744073709551615]").find("block 1: block 18446744073709551615 stood") !=
          std::string::npos);
    CHECK(told("[1,7]", "[2,7]").find("block 1: block 7 stood behind") != std::string::npos);
    const std::string scope = ",\"salt\":\"s:1\",\"lora\":\"5:\"";
    CHECK(told("[1,7]", "[2,7]", scope).find("block 1: block 7 stood behind") != std::string::npos);
    CHECK(told("[\"p\",\"q\"]", "[\"q\",\"p\"]", scope).find("block 0: block \"q\" stood behind") != std::string::npos);
    CHECK(told("[\"p\",\"" + std::string(100, 'k') + "\"]", "[\"r\",\"" + std::string(100, 'k') + "\"]")
              .find("block \"" + std::string(60, 'k') + "\" stood") != std::string::npos);
}

TEST_CASE("kvsim: too many parallel samples are told where they are asked for") {
    std::string half = blocks("a", 4, "[0]", ",\"n\":60000000");
    CHECK(load_text(kHead + half).samples[0] == 60000000);
    CHECK_COMPLAINT(kHead + half + blocks("b", 4, "[0]") + half,
                    ":4:1: n: more than 100000000 parallel samples in all");
}

TEST_CASE("kvsim: different names are different blocks, equal names the same") {
    // "x" is the first name of the table, which gives it an id of its own; no integer may meet it.
    Trace t = load_text(kHead + blocks("a", 4, "[\"x\"]") + blocks("b", 4, "[9223372036854775808]") +
                        blocks("c", 4, "[\"\\u0078\"]") + blocks("d", 4, "[9223372036854775808]", ",\"salt\":\"s\"") +
                        blocks("e", 4, "[1]", ",\"salt\":\"s\\n\",\"lora\":\"l\"") +
                        blocks("f", 4, "[1]", ",\"salt\":\"s\",\"lora\":\"\\nl\""));
    CHECK(lookup_ids(t, 0) == Ids{0});
    CHECK(lookup_ids(t, 1) == Ids{1});
    CHECK(lookup_ids(t, 2) == Ids{0});
    CHECK(lookup_ids(t, 3) == Ids{2});
    CHECK(lookup_ids(t, 4) == Ids{3});
    CHECK(lookup_ids(t, 5) == Ids{4});
}

TEST_CASE("kvsim: what is ignored may be nested as deeply as it likes") {
    std::string deep(40, '[');
    deep += std::string(40, ']');
    CHECK(complaint(kHead + blocks("a", 4, "[0]", ",\"meta\":{\"a\":" + deep + "}")) == "loads");
}

}  // namespace format_kvsim_test
