#include "unit/load_text.h"

namespace format_burstgpt_test {

using namespace kvsim;
using namespace kvsim_test;
using Counts = std::vector<uint32_t>;

static const std::string kOld = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type\n";
static const std::string kNew =
    "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n";

TEST_CASE("burstgpt: six columns; what failed is kept") {
    Trace t = load_text(kOld + "5,ChatGPT,472,18,490,Conversation log\n45,GPT-4,417,0,417,API log\n"
                               "46.5,GPT-4,0,0,0,API log\n");
    CHECK(t.format == "burstgpt");
    CHECK(t.lengths_only);
    CHECK(t.arrival_s == std::vector<double>{5, 45, 46.5});
    CHECK(t.prompt_tokens == Counts{472, 417, 0});
    CHECK(t.output_tokens == Counts{18, 0, 0});
    CHECK(t.category[0] == "Conversation log");
    CHECK(t.category[2] == "API log");
    CHECK(t.session.empty());
    CHECK(t.end_s.empty());
    CHECK(t.notes == std::vector<std::string>{"2 of 3 requests have no response tokens (failed); kept"});
    CHECK(load_text(kOld + "5,ChatGPT,472,18,490,x\n").notes.empty());
}

TEST_CASE("burstgpt: sessions and ends; strange files") {
    Trace t = load_text("\xEF\xBB\xBF" + kNew + "9.0,,,ChatGPT,36,29,65,API log\r\n"
                        "7.0,\"1722ac82\",43,GPT-4,906,446,1352,\"Conversation log\"\r\n");
    CHECK(t.arrival_s == std::vector<double>{7, 9});
    CHECK(t.session[0] == "1722ac82");
    CHECK(t.session.id(1) == kNone);
    CHECK(t.end_s[0] == 50);
    CHECK_FALSE(t.end_s.has(1));
    t = load_text("Response tokens,Request tokens,Timestamp\n1,2,3\n");
    CHECK(t.format == "burstgpt");
    CHECK(t.prompt_tokens == Counts{2});
    CHECK(t.category.empty());
}

TEST_CASE("burstgpt: broken files") {
    CHECK_COMPLAINT(kOld + "x,ChatGPT,472,18,490,l\n", ":2:1: Timestamp: expected a number, found x");
    CHECK_COMPLAINT(kOld + "-5,ChatGPT,472,18,490,l\n", ":2:1: Timestamp: out of range");
    CHECK_COMPLAINT(kOld + "NaN,ChatGPT,472,18,490,l\n", ":2:1: Timestamp: expected a number");
    CHECK_COMPLAINT(kOld + "5,ChatGPT,-472,18,490,l\n", ":2:11: Request tokens: expected a whole number");
    CHECK_COMPLAINT(kOld + "5,ChatGPT,472,,490,l\n", ":2:15: Response tokens: expected a whole number");
    CHECK_COMPLAINT(kOld + "5,ChatGPT,472,18,490\n", ":2:1: found 5 fields, expected 6");
    CHECK_COMPLAINT(kNew + "5,s,-1,m,1,1,2,l\n", ":2:5: Elapsed time: out of range");
    CHECK_COMPLAINT(kNew + "5,s,soon,m,1,1,2,l\n", ":2:5: Elapsed time: expected a number");
    CHECK(begins(complaint("Timestamp,Model,Request tokens\n1,m,1\n", "burstgpt"),
                 ":1:1: expected a header with the column Response tokens"));
    CHECK(begins(complaint(kOld), ": has no requests"));
}

}  // namespace format_burstgpt_test
