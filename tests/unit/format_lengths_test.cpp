// The native format where a file names nothing.
#include "unit/load_text.h"

#include <kvsim/layout/prefix.h>
#include <kvsim/trace/writer.h>

namespace format_lengths_test {

using namespace kvsim;
using namespace kvsim_test;
using Counts = std::vector<uint32_t>;

namespace {

std::string request(const std::string& seq, const std::string& more) {
    return "{\"op\":\"request\",\"seq\":\"" + seq + "\"," + more + "}\n";
}
const std::string kHead = "{\"kvsim_trace\":1}\n";

std::string written(const Trace& trace, const std::string& format) {
    TempDir dir;
    OutputFile out(dir.path("t"));
    write_trace(trace, format, out);
    out.commit();
    return read_file(dir.path("t"));
}

}  // namespace

TEST_CASE("lengths: requests with length alone") {
    Trace t = load_text(kHead + request("a", "\"t\":1,\"length\":17,\"output_length\":15,\"session\":\"s\"") +
                        request("b", "\"t\":0,\"length\":0,\"cached_tokens\":0"));
    CHECK(t.lengths_only);
    CHECK(t.block_size == 16);
    CHECK(t.prompt_tokens == Counts{0, 17});
    CHECK(t.output_tokens == Counts{0, 15});
    CHECK(t.stored_blocks(1, false) == 2);
    CHECK(t.stored_blocks(1, true) == 2);
    CHECK(t.stored_blocks(0, true) == 0);
    CHECK(t.session[1] == "s");
    t.reblock_to(5);
    CHECK(t.stored_blocks(1, false) == 4);
    CHECK(t.stored_blocks(1, true) == 7);
    t.select({1, 1});
    CHECK(t.lengths_only);
    CHECK(t.stored_blocks(0, true) == 7);
    CHECK(load_text("{\"kvsim_trace\":1,\"block_size\":8}\n" + request("a", "\"length\":17")).block_size == 8);
    CHECK(load_text("{\"kvsim_trace\":1,\"block_size\":8}\n" + request("a", "\"length\":17"), "auto", 3).block_size == 3);
}

TEST_CASE("lengths: events") {
    Trace t = load_text(kHead +
                        "{\"op\":\"prompt\",\"seq\":\"a\",\"length\":10}\n{\"op\":\"decode\",\"seq\":\"a\",\"n\":7}\n"
                        "{\"op\":\"fork\",\"seq\":\"a\",\"child\":\"b\"}\n{\"op\":\"decode\",\"seq\":\"b\",\"n\":20}\n"
                        "{\"op\":\"free\",\"seq\":\"a\"}\n");
    CHECK(t.lengths_only);
    CHECK(t.prompt_tokens == Counts{10, 17});
    CHECK(t.output_tokens == Counts{7, 20});
    CHECK(t.stored_blocks(1, true) == 3);
    CHECK(written(load_text(written(t, "kvsim")), "kvsim") == written(t, "kvsim"));
}

TEST_CASE("lengths: a file names something in all its lines or in none") {
    std::string head = "{\"kvsim_trace\":1,\"block_size\":4}\n";
    std::string none = request("a", "\"length\":4"), blocks = request("b", "\"length\":4,\"blocks\":[1]");
    const char* mixed = ":3:1: a file names tokens, or blocks, or nothing in all its lines; expected ";
    CHECK_COMPLAINT(head + none + blocks, std::string(mixed) + "length alone as before");
    CHECK_COMPLAINT(head + blocks + none, std::string(mixed) + "length with blocks as before");
    CHECK_COMPLAINT(head + request("t", "\"tokens\":[1]") + none, std::string(mixed) + "tokens as before");
    CHECK_COMPLAINT(head + request("a", "\"length\":4,\"output_length\":4,\"output_blocks\":[1]"),
                    ":2:1: output_blocks need a prompt of blocks");
    CHECK_COMPLAINT(head + request("a", "\"length\":4,\"output_tokens\":[1]"), ":2:1: output tokens need a prompt of tokens");
    CHECK_COMPLAINT(head + request("a", "\"length\":4,\"cached_tokens\":5"), ":2:1: cached_tokens: expected at most");
    CHECK_COMPLAINT(head + request("a", "\"length\":-1"), ":2:36: length: expected a whole number from 0 to 2147483647");
    CHECK_COMPLAINT(head + request("a", "\"length\":0,\"blocks\":[]"), ":2:1: length: expected a whole number from 1");
}

TEST_CASE("lengths: written as kvsim they read back; mooncake cannot hold them") {
    Trace t = load_text("Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
                        "9.5,,,ChatGPT,36,29,65,API log\n7.0,x,43,GPT-4,0,0,0,Conversation log\n");
    std::string text = written(t, "kvsim");
    CHECK(text.find("blocks\"") == std::string::npos);
    CHECK(text.find("{\"op\":\"request\",\"seq\":\"r0\",\"t\":9.5,\"length\":36,") != std::string::npos);
    Trace back = load_text(text);
    CHECK(back.lengths_only);
    CHECK(back.block_size == t.block_size);
    CHECK(back.prompt_tokens == t.prompt_tokens);
    CHECK(back.output_tokens == t.output_tokens);
    CHECK(back.arrival_s == t.arrival_s);
    CHECK(back.end_s[0] == 50);
    CHECK(written(back, "kvsim") == written(t, "kvsim"));
    CHECK_THROWS_WITH_AS(written(t, "mooncake"),
                         "mooncake needs hash_ids, and the trace names no blocks; convert to kvsim", Error);
}

}  // namespace format_lengths_test
