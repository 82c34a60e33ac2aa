// lfu, lfuda, lfu_history and length_aware on sequences small enough to work out by hand.
#include "unit/strategy_key.h"

namespace strategy_frequency_test {

using namespace kvsim;
using namespace kvsim_test;

// 3 blocks; block:uses, the one to go first.
// 1 1 2 3   2:1 3:1 1:2
// 4         2 goes: 3:1 4:1 1:2
// 3         4:1 1:2 3:2
// 2 4       4 goes, then 2: 4:1 1:2 3:2
// 1 3 4     4:2 1:3 3:3
// 2 4       4 goes, then 2
TEST_CASE("lfu") { CHECK_HITS("1123432413424", "lfu", 3, ".h...h..hhh.."); }

// 2 blocks; block:uses in the whole run.
// 1 2 1     2:1 1:2
// 3         2 goes: 3:1 1:2
// 2         3 goes, 2 is back with 2: 1:2 2:2
// 3         1 goes, it was used longest ago: 2:2 3:2
// 1         2 goes: 3:2 1:3
// 3         is there
// Forgetting: 3:1 1:2 | 2:1 1:2 | 3:1 1:2 | 1 and 3 are there.
TEST_CASE("lfu_history remembers, lfu forgets") {
    CHECK_HITS("12132313", "lfu_history", 2, "..h....h");
    CHECK_HITS("12132313", "lfu", 2, "..h...hh");
}

// Output without a name takes the id that earlier output had; it starts at 1 all the same. 2 blocks, each request has
// one of prompt and one of output: 1 is used twice, then the output always goes for the next prompt, which goes for the
// next output. Counted on, the output would have outlived 1.
TEST_CASE("lfu_history: output has no history") {
    std::string text = "{\"kvsim_trace\":1,\"block_size\":4}\n";
    for (int id : {1, 1, 2, 3, 4, 5, 6, 7, 1})
        text += "{\"op\":\"request\",\"seq\":\"" + std::to_string(id) + "\",\"length\":4,\"blocks\":[" +
                std::to_string(id) + "],\"output_length\":4}\n";
    CHECK(replay(load_text(text), "lfu_history", "flat", 2).hit_blocks ==
          std::vector<uint32_t>{0, 1, 0, 0, 0, 0, 0, 0, 1});
}

// 2 blocks; block:level, lowest level before the access.
// 1 1 2     nothing has gone, so the lowest level counts as 0: 1:1 2:1, 1 touched first
// 3         1 goes; lowest 1, 3 enters at 2: 2:1 3:2
// 3         lowest 1: 2:1 3:3
// 4         2 goes; lowest 3: 3:3 4:4
// 5         3 goes; lowest 4: 4:4 5:5
// 4         5:5 4:8
// 6         5 goes; lowest 8: 4:8 6:9
// 4 7       6:9 4:16, 6 goes; 4:16 7:17
// 7         +16: 4:16 7:33
// 8 7 4     4 goes; 7:33 8:34 | 8:34 7:66 | 8 goes
TEST_CASE("lfuda") { CHECK_HITS("112334546477874", "lfuda", 2, ".h..h..h.h.h.h."); }

// One block in all: who comes enters above the one that has just gone, and a hit doubles until 2^62.
TEST_CASE("lfuda: levels end") {
    std::string ids, expected;
    for (int i = 0; i < 100; ++i) {
        ids += "1234567811";
        expected += i == 0 ? "........." : "h........";
        expected += "h";
    }
    CHECK_HITS(ids, "lfuda", 1, expected);
}

// 4 blocks: chain 0 1 2, then 0 3. 0 has two uses, and one of 1 2 3 must go for 4: the deepest is 2, the shallowest are
// 1 and 3, of which 1 was used longer ago.
TEST_CASE("length_aware: late and early") {
    Trace t = asks({{"0,1,2"}, {"0,3"}, {"4"}, {"0,1,2"}});
    for (const char* accounting : {"flat", "pinned"}) {
        CHECK(replay(t, "length_aware", accounting, 4).hit_blocks == std::vector<uint32_t>{0, 1, 0, 2});
        CHECK(replay(t, "length_aware:prefer=early", accounting, 4).hit_blocks == std::vector<uint32_t>{0, 1, 0, 1});
    }
    // With the tree's rule only 2 and 3 may go: late takes 2, early 3.
    CHECK(replay(t, "length_aware:prefer=late", "tree", 4).hit_blocks[3] == 2);
    CHECK(replay(t, "length_aware:prefer=early", "tree", 4).hit_blocks[3] == 3);
}

TEST_CASE("parameters of the strategies that count uses") {
    CHECK(refusal("length_aware:prefer=early") == "");
    CHECK(begins(refusal("length_aware:prefer=middle"), "length_aware: parameter prefer=middle: "));
    CHECK(refusal("length_aware:depth=1") != "");
    for (const char* id : {"lfu", "lfuda", "lfu_history"}) {
        CHECK(refusal(id) == "");
        CHECK(refusal(std::string(id) + ":x=1") != "");
    }
}

}  // namespace strategy_frequency_test
