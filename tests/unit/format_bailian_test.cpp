#include <filesystem>

#include "unit/load_text.h"

namespace format_bailian_test {

using namespace kvsim;
using namespace kvsim_test;
using Ids = std::vector<uint32_t>;

namespace {

std::string row(int chat, int parent, const std::string& timestamp, uint64_t in, const std::string& ids,
                const std::string& more = "") {
    return "{\"chat_id\": " + std::to_string(chat) + ", \"parent_chat_id\": " + std::to_string(parent) +
           ", \"timestamp\": " + timestamp + ", \"input_length\": " + std::to_string(in) +
           ", \"output_length\": 7, \"type\": \"text\", \"turn\": 1, \"hash_ids\": " + ids + more + "}\n";
}

}  // namespace

TEST_CASE("bailian: two requests") {
    Trace t = load_text(row(3, -1, "0.0", 32, "[0, 1]") + row(5, 3, "1.5", 33, "[0, 1, 2]"));
    CHECK(t.format == "bailian");
    REQUIRE(t.requests() == 2);
    CHECK(t.block_size == 16);
    CHECK_FALSE(t.content);
    CHECK(t.arrival_s == std::vector<double>{0, 1.5});
    CHECK(t.prompt_tokens == Ids{32, 33});
    CHECK(t.output_tokens == Ids{7, 7});
    CHECK(lookup_ids(t, 0) == Ids{0, 1});
    CHECK(lookup_ids(t, 1) == Ids{0, 1, 2});
    CHECK(t.block_tokens(1, 2) == 1);
    CHECK(t.sequence_name(1) == "5");
    CHECK(t.parent[0].empty());
    CHECK(t.parent[1] == "3");
    CHECK(t.category[0] == "text");
    CHECK(t.turn[0] == 1);
    CHECK(load_text(row(3, -1, "0.0", 32, "[0, 1]"), "auto", 32).block_size == 32);
}

TEST_CASE("bailian: an id names the content of a block, a block its path") {
    // Ids 4 and 5 stand in two places each. [4 5] and [5 4] share nothing, [4 5 4] repeats id 4 as a third block.
    Trace t = load_text(row(0, -1, "0", 32, "[4, 5]") + row(1, -1, "1", 32, "[5, 4]") + row(2, -1, "2", 48, "[4, 5, 4]"));
    CHECK(lookup_ids(t, 0) == Ids{0, 1});
    CHECK(lookup_ids(t, 1) == Ids{2, 3});
    CHECK(lookup_ids(t, 2) == Ids{0, 1, 4});
}

TEST_CASE("bailian: ceil or floor of the length / 16, nothing else") {
    CHECK(load_text(row(0, -1, "0", 33, "[0,1,2]")).lookup_blocks(0) == 3);
    CHECK(load_text(row(0, -1, "0", 33, "[0,1]")).lookup_blocks(0) == 2);
    CHECK(load_text(row(0, -1, "0", 15, "[]")).lookup_blocks(0) == 0);
    std::string good = row(9, -1, "0", 16, "[0]");
    CHECK_COMPLAINT(good + row(0, -1, "0", 33, "[0]"),
                    ":2:133: hash_ids: found 1 ids for 33 tokens, expected 3 (ceil) or 2 (floor) of the length / 16");
    CHECK_COMPLAINT(good + row(0, -1, "0", 32, "[0,1,2]"),
                    ":2:133: hash_ids: found 3 ids for 32 tokens, expected 2 of the length / 16");
}

TEST_CASE("bailian: a session is the root of the conversation") {
    // 1 <- 2 <- 4, 2 <- 5, parents behind their children; 7 and 8 continue 6, which is not there.
    Trace t = load_text(row(4, 2, "0", 16, "[0]") + row(2, 1, "1", 16, "[0]") + row(5, 2, "2", 16, "[0]") +
                        row(1, -1, "3", 16, "[0]") + row(7, 6, "4", 16, "[0]") + row(8, 6, "5", 16, "[0]") +
                        row(9, 8, "6", 16, "[0]"));
    std::vector<std::string> sessions;
    for (uint32_t r = 0; r < t.requests(); ++r) sessions.push_back(t.session[r]);
    CHECK(sessions == std::vector<std::string>{"1", "1", "1", "1", "6", "6", "6"});
    REQUIRE(t.notes.size() == 1);
    CHECK(t.notes[0].find("2 chats name a parent that is not in the trace") == 0);
    CHECK_COMPLAINT(row(4, 4, "0", 16, "[0]"), ":1:1: parent_chat_id: a chat cannot be its own parent");
    CHECK_COMPLAINT(row(1, -1, "0", 16, "[0]") + "\n" + row(4, 5, "0", 16, "[0]") + row(5, 6, "0", 16, "[0]") +
                        row(6, 4, "0", 16, "[0]"),
                    ":3:1: parent_chat_id: chat 4 is its own ancestor");
}

TEST_CASE("bailian: a cycle of parents is told by file and line") {
    TempDir dir;
    LoadOptions options;
    options.path = dir.path("shards");
    std::filesystem::create_directory(options.path);
    dir.write("shards/a.jsonl", row(1, -1, "0", 16, "[0]") + row(2, 1, "0", 16, "[0]"));
    dir.write("shards/b.jsonl", row(3, 2, "0", 16, "[0]") + row(4, 5, "0", 16, "[0]"));
    dir.write("shards/c.jsonl", row(5, 4, "0", 16, "[0]"));
    std::string said;
    try {
        load_trace(options);
    } catch (const Error& e) {
        said = e.what();
    }
    CHECK(said.find("/shards/b.jsonl:2:1: parent_chat_id: chat 4 is its own ancestor") != std::string::npos);
}

TEST_CASE("bailian: told by the chats, also where the first line is broken") {
    std::string line = row(3, -1, "0", 16, "[0]");
    CHECK_COMPLAINT("{" + line.substr(line.find("\"parent")), ":1:1: expected the key chat_id");
    CHECK_COMPLAINT("{\"chat_id\": 3, " + line.substr(line.find("\"timestamp")), ":1:1: expected the key parent_chat_id");
    CHECK(load_text("{" + line.substr(line.find("\"timestamp"))).format == "mooncake");
}

TEST_CASE("bailian: a long conversation takes no recursion") {
    std::string text;
    for (int chat = 0; chat < 20000; ++chat) text += row(chat, chat + 1, "0", 1, "[0]");
    Trace t = load_text(text);
    CHECK(t.session[0] == "20000");
    CHECK(t.session[19999] == "20000");
    CHECK(t.session.names().size() == 1);
}

TEST_CASE("bailian: BOM, CRLF, blank lines, unsorted, other order of keys, more keys, no final newline") {
    Trace t = load_text(
        "\xEF\xBB\xBF\r\n{ \"hash_ids\" :[5,6 , 7],\t\"turn\":2,\"type\":\"image\",\"output_length\":3,\"input_length\": "
        "40 ,\"timestamp\":2.5,\"parent_chat_id\":-1,\"chat_id\":1, \"x\":{\"a\":[1,{}]}}\r\n"
        "\t\r\n{\"input_length\":16,\"timestamp\":1e0,\"hash_ids\":[ 5 "
        "],\"output_length\":0,\"y\":null,\"type\":\"\",\"turn\":0,\"chat_id\":2,\"parent_chat_id\":1}");
    REQUIRE(t.requests() == 2);
    CHECK(t.arrival_s == std::vector<double>{1, 2.5});
    CHECK(t.source_row == Ids{1, 0});
    CHECK(t.session[0] == "1");
    CHECK(t.category[1] == "image");
    CHECK(t.turn[1] == 2);
    CHECK(lookup_ids(t, 0) == Ids{0});
}

TEST_CASE("bailian: gzip") {
    Trace t = load_text(gzipped(row(3, -1, "0", 32, "[0, 1]")));
    CHECK(t.format == "bailian");
    CHECK(t.prompt_tokens == Ids{32});
}

TEST_CASE("bailian: broken lines say where and what") {
    std::string good = row(1, -1, "0", 16, "[0]");
    CHECK_COMPLAINT(good + row(1, -1, "0", 16, "[0]"), ":2:1: chat_id: chat 1 was given before");
    CHECK_COMPLAINT(good + row(2, -2, "0", 16, "[0]"), ":2:34: parent_chat_id: out of range: -2");
    CHECK_COMPLAINT(good + row(2, -1, "x", 16, "[0]"), ":2:51: timestamp: expected a number");
    CHECK_COMPLAINT(good + row(2, -1, "NaN", 16, "[0]"), ":2:51: timestamp: expected a number");
    CHECK_COMPLAINT(good + row(2, -1, "-1", 16, "[0]"), ":2:51: timestamp: out of range");
    CHECK_COMPLAINT(good + row(2, -1, "1e13", 16, "[0]"), ":2:51: timestamp: out of range");
    CHECK_COMPLAINT(good + row(2, -1, "0", 0, "[0]"), ":2:70: input_length: expected a whole number from 1");
    CHECK_COMPLAINT(good + row(2, -1, "0", 2147483648, "[0]"), ":2:70: input_length: expected a whole number");
    CHECK_COMPLAINT(good + row(2, -1, "0", 16, "[-1]"), ":2:134: hash_ids: expected whole numbers");
    CHECK_COMPLAINT(good + row(2, -1, "0", 16, "[\"a\"]"), ":2:134: hash_ids: expected whole numbers");
    CHECK_COMPLAINT(good + row(2, -1, "0", 16, "0"), ":2:133: hash_ids: expected an array");
    CHECK_COMPLAINT(good + row(2, -1, "0", 16, "[0]", ",\"turn\":1"), ":2:144: turn: the key is given twice");
    CHECK_COMPLAINT(good + "{\"chat_id\":2,\"parent_chat_id\":0.5}\n",
                    ":2:31: parent_chat_id: expected a chat id, or -1");
    CHECK_COMPLAINT(good + "{\"chat_id\":-2}\n", ":2:12: chat_id: expected a whole number");
    CHECK_COMPLAINT(good + "{\"chat_id\":2,\"type\":3}\n", ":2:21: type: expected a string");
    CHECK_COMPLAINT(good + "{\"chat_id\":2,\"parent_chat_id\":-1,\"timestamp\":0,\"input_length\":5,\"hash_ids\":[0]}\n",
                    ":2:1: expected the key output_length");
    CHECK_COMPLAINT(good + good.substr(0, 60) + "\n", ":2:");
    CHECK_COMPLAINT(good + "[1]\n", ":2:1: expected a JSON object");
    CHECK(complaint("", "bailian").find("has no requests") != std::string::npos);
    CHECK(complaint(good, "bailian:block=16").find("block") != std::string::npos);
}

}  // namespace format_bailian_test
