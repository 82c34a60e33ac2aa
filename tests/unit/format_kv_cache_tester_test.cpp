#include "unit/load_text.h"

namespace format_kv_cache_tester_test {

using namespace kvsim;
using namespace kvsim_test;
using Ids = std::vector<uint32_t>;

namespace {

std::string request(const std::string& t, uint64_t in, const std::string& ids, const std::string& more = "") {
    return "{\"t\":" + t + ",\"in\":" + std::to_string(in) + ",\"out\":3,\"hash_ids\":" + ids + more + "}";
}
std::string session(const std::string& id, const std::string& requests, const std::string& before = "") {
    return "{\"id\":\"" + id + "\"," + before + "\"requests\":[" + requests + "]}\n";
}

}  // namespace

TEST_CASE("kv_cache_tester: ids are local to a session, merged by time") {
    Trace t = load_text(session("a", request("0", 130, "[1, 2]", ",\"api_time\":2.5,\"type\":\"s\"") + "," +
                                         request("5", 200, "[1, 2, 3]")) +
                        session("b", request("1", 64, "[1]")));
    CHECK(t.format == "kv_cache_tester");
    CHECK(t.block_size == 64);
    CHECK(t.arrival_s == std::vector<double>{0, 1, 5});
    CHECK(lookup_ids(t, 0) == Ids{0, 1});
    CHECK(lookup_ids(t, 1) == Ids{2});
    CHECK(lookup_ids(t, 2) == Ids{0, 1, 3});
    CHECK(t.session[0] == "a");
    CHECK(t.session[1] == "b");
    CHECK(t.turn[2] == 2);
    CHECK(t.end_s[0] == 2.5);
    CHECK(t.category[0] == "s");
    Trace file = load_text(session("a", request("0", 130, "[1, 2]") + "," + request("5", 200, "[1, 2, 3]")) +
                               session("b", request("1", 64, "[1]")),
                           "kv_cache_tester:order=file");
    CHECK(file.arrival_s == std::vector<double>{0, 5, 1});
    Trace global = load_text(session("a", request("0", 64, "[1]"), "\"hash_id_scope\":\"global\",") +
                             session("b", request("0", 64, "[1]"), "\"hash_id_scope\":\"global\","));
    CHECK(global.unique_blocks() == 1);
}

TEST_CASE("kv_cache_tester: nested sub-agents count from their group's time and share the ids") {
    std::string inner = "{\"type\":\"subagent\",\"t\":10,\"requests\":[" +
                        request("1", 64, "[1]", ",\"api_time\":1") + "," + "{\"requests\":[" +
                        request("2", 128, "[1,9]") + "],\"t\":100}" + "]}";
    Trace t =
        load_text(session("a", request("0", 64, "[1]") + "," + inner + "," + request("20", 128, "[1,9]"),
                          "\"block_size\":64,"));
    CHECK(t.arrival_s == std::vector<double>{0, 11, 20, 112});
    CHECK(t.end_s[1] == 12);
    CHECK(t.unique_blocks() == 2);
    CHECK(lookup_ids(t, 3) == Ids{0, 1});
}

TEST_CASE("kv_cache_tester: comparing with the text of the turn before finds the same ids as reading it") {
    struct Turn {
        std::string text;
        std::vector<uint64_t> ids;
    };
    const std::vector<std::vector<Turn>> stories = {
        {{"[1,2,3]", {1, 2, 3}},
         {"[1,2,3,4]", {1, 2, 3, 4}},
         {"[1,2,3,4]", {1, 2, 3, 4}},
         {"[1,2]", {1, 2}},
         {"[]", {}},
         {"[1,2,3]", {1, 2, 3}}},
        {{"[12]", {12}},
         {"[123]", {123}},
         {"[12]", {12}},
         {"[1]", {1}},
         {"[12,5]", {12, 5}}},  // one number begins another
        {{"[1,12]", {1, 12}}, {"[1,123]", {1, 123}}, {"[1,12,7]", {1, 12, 7}}, {"[1,1]", {1, 1}}},
        {{"[7, 8, 9]", {7, 8, 9}},
         {"[7, 8,9]", {7, 8, 9}},
         {"[ 7, 8, 9 ]", {7, 8, 9}},
         {"[7 ,8,9,\t10 ]", {7, 8, 9, 10}},
         {"[7 ,8,9,\t10 , 11]", {7, 8, 9, 10, 11}}},
        {{"[ ]", {}}, {"[5]", {5}}, {"[ 5 ]", {5}}, {"[5]", {5}}, {"[5 ]", {5}}},
        {{"[18446744073709551615]", {~0ull}},
         {"[18446744073709551615, 1844674407370955161]", {~0ull, 1844674407370955161ull}}},
    };
    for (const auto& story : stories) {
        std::string text;
        for (const Turn& turn : story) {
            if (!text.empty()) text += ",";
            text += request("0", 64 * turn.ids.size() + 1, turn.text);
        }
        // Content rules are those of prefix names, so keep only what is a tree: [1,1] is not.
        std::string said = complaint(session("s", text));
        CAPTURE(text);
        if (story[0].text == "[1,12]") {
            CHECK(said.find("hash_ids[1]: block 1 stood behind another block before") != std::string::npos);
            continue;
        }
        CHECK(said == "loads");
        if (said != "loads") continue;
        Trace t = load_text(session("s", text));
        PrefixIndex expected;
        PathInterner interner(expected, Names::prefix);
        for (uint32_t r = 0; r < story.size(); ++r) {
            interner.add(story[r].ids.data(), story[r].ids.size());
            CHECK(t.chains[r].shared == expected[r].shared);
            CHECK(t.chains[r].length == expected[r].length);
            for (uint32_t i = 0; i < story[r].ids.size(); ++i)
                CHECK(t.chains.block_at(r, i) == expected.block_at(r, i));
        }
        CHECK(t.unique_blocks() == expected.unique_blocks());
    }
}

TEST_CASE("kv_cache_tester: long arrays that differ early, late, and in length") {
    auto list = [](uint64_t from, uint64_t count, uint64_t change_at, uint64_t to) {
        std::string text = "[";
        for (uint64_t i = 0; i < count; ++i)
            text += (i == 0 ? "" : ", ") + std::to_string(from + i + (i >= change_at ? to : 0));
        return text + "]";
    };
    std::string turns = request("0", 64 * 5000, list(0, 5000, 5000, 0));
    turns += "," + request("0", 64 * 5001, list(0, 5001, 4999, 100000));
    turns += "," + request("0", 64 * 4000, list(0, 4000, 4000, 0));
    turns += "," + request("0", 64 * 6000, list(0, 6000, 1, 1000000));
    turns += "," + request("0", 64 * 5001, list(0, 5001, 4999, 100000));
    Trace t = load_text(session("s", turns));
    CHECK(t.chains[1].shared == 4999);
    CHECK(t.chains[2].shared == 4000);
    CHECK(t.chains[3].shared == 1);
    CHECK(t.chains[4].shared == 5001);
    CHECK(t.unique_blocks() == 5000 + 2 + 5999);
}

TEST_CASE("kv_cache_tester: a session over several lines is a file of its own") {
    std::string text =
        session("s", "\n" + request("0", 64, "[1]") + ",\n" + request("1", 64, "[1\n]") + "\n");
    CHECK(complaint(text) == "loads");
    std::string broken = session("s", "\n" + request("0", 64, "[1]") + ",\n" + request("1", 0, "[1]") + "\n");
    CHECK_COMPLAINT(broken, ":3:13: in: expected a whole number from 1 to 2147483647, found 0");
}

TEST_CASE("kv_cache_tester: broken sessions") {
    std::string ok = session("a", request("0", 64, "[1]"));
    CHECK_COMPLAINT(ok + session("b", request("0", 130, "[1]")),
                    ":2:58: hash_ids: found 1 ids for 130 tokens, expected 2 (floor of in / 64)");
    CHECK_COMPLAINT(ok + session("b", request("0", 128, "[1,1]")),
                    ":2:58: hash_ids[1]: block 1 stood behind another block before");
    CHECK_COMPLAINT(ok + session("b", request("0", 64, "[1]", ",\"t\":1")),
                    ":2:65: t: the key is given twice");
    CHECK_COMPLAINT(ok + session("b", "{\"t\":0,\"in\":64,\"out\":1}"),
                    ":2:1: expected the key hash_ids in request 1 of session b");
    // The first session has blocks of 64, said or not.
    CHECK_COMPLAINT(ok + session("b", request("0", 64, "[1,2]"), "\"block_size\":32,"),
                    ":2:24: block_size: found 32, but");
    CHECK_COMPLAINT(ok + session("b", request("0", 64, "[1]"), "\"hash_id_scope\":\"no\","),
                    ":2:27: hash_id_scope: expected \"local\" or \"global\"");
    CHECK_COMPLAINT(ok + "{\"id\":\"x\"}\n", ":2:1: expected the key requests");
    CHECK_COMPLAINT(ok + session("b", request("0", 128, "[1,]")),
                    ":2:61: hash_ids: expected whole numbers between commas");
    CHECK_COMPLAINT(ok + session("b", request("0", 64, "[1]") + "," + request("0", 128, "[1,]")), ":2:");
    CHECK_COMPLAINT(ok + session("b", request("0", 64, "[1]") + "," + request("0", 128, "[1,,2]")), ":2:");
    CHECK_COMPLAINT(ok + session("b", request("0", 64, "[1]") + "," + request("0", 128, "[1 2]")), ":2:");
    CHECK_COMPLAINT(ok + session("b", request("0", 64, "[1]") + "," + request("0", 128, "[1;2]")), ":2:");
    std::string deep =
        "{\"t\":0,\"requests\":[{\"t\":0,\"requests\":[{\"t\":0,\"requests\":[{\"t\":0,\"requests\":[]}]}]}]"
        "}";
    CHECK(complaint(ok + session("b", deep)).find("nested too deeply") != std::string::npos);
}

}  // namespace format_kv_cache_tester_test
