#include "unit/load_text.h"

namespace format_azure_test {

using namespace kvsim;
using namespace kvsim_test;
using Counts = std::vector<uint32_t>;

static const std::string kHead = "TIMESTAMP,ContextTokens,GeneratedTokens\n";

TEST_CASE("azure: seconds since the first day, every digit") {
    Trace t = load_text(kHead + "2023-11-16 18:15:46.6805900,374,44\n2023-11-16 18:15:50.9951690,396,109\n"
                                "2023-11-17 00:00:00.0000001,0,0\n");
    CHECK(t.format == "azure");
    CHECK(t.lengths_only);
    CHECK(t.block_size == 16);
    CHECK(t.prompt_tokens == Counts{374, 396, 0});
    CHECK(t.output_tokens == Counts{44, 109, 0});
    // 18:15:46 is second 65,746 of the day
    CHECK(t.arrival_s == std::vector<double>{65746.68059, 65750.995169, 86400.0000001});
    CHECK(t.unique_blocks() == 0);
    for (uint32_t r = 0; r < 3; ++r) CHECK(t.lookup_blocks(r) == 0);
    CHECK(t.stored_blocks(0, false) == 24);  // ceil(374 / 16)
    CHECK(t.stored_blocks(0, true) == 27);   // ceil(418 / 16)
    CHECK(t.stored_blocks(2, true) == 0);
}

TEST_CASE("azure: other columns, order, quotes, line ends, offsets, unsorted times") {
    Trace t = load_text("\xEF\xBB\xBF" "\"GeneratedTokens\",model,TIMESTAMP,ContextTokens\r\n"
                        "7,\"a,b\",2024-05-12 00:00:10.5+00:00,200\r\n\r\n"
                        "\"8\",,2024-05-12T01:00:09Z,\" 300\"\r\n9,,2024-05-11 23:59:59+01:00,100");
    CHECK(t.format == "azure");
    // The last row is the earliest, 22:59:59 of the day before: midnight of that day is 0.
    CHECK(t.arrival_s == std::vector<double>{82799, 86410.5, 90009});
    CHECK(t.prompt_tokens == Counts{100, 200, 300});
    CHECK(t.output_tokens == Counts{9, 7, 8});
    CHECK(t.source_row == Counts{2, 0, 1});
    Trace large = load_text(kHead + "2023-11-16 18:15:46.6805900,33,0\n", "auto", 32);
    CHECK(large.block_size == 32);
    CHECK(large.stored_blocks(0, false) == 2);
}

TEST_CASE("azure: broken files") {
    const std::string good = "2023-11-16 18:15:46.6805900,374,44\n";
    CHECK_COMPLAINT(kHead + good + "2023-02-30 18:15:46,1,1\n",
                    ":3:1: TIMESTAMP: expected a date and time such as 2023-11-16 18:15:46.6805900, found '2023-02-30");
    CHECK_COMPLAINT(kHead + "5,1,1\n", ":2:1: TIMESTAMP: expected a date");
    for (const char* wrong : {"x", "-1", "1.5", "NaN", "", "1e3", "2147483648", "99999999999999999999", "0x1"}) {
        CHECK_COMPLAINT(kHead + good + "2023-11-16 18:15:46," + wrong + ",1\n",
                        ":3:21: ContextTokens: expected a whole number from 0 to 2147483647, found ");
        CHECK_COMPLAINT(kHead + good + "2023-11-16 18:15:46,1," + wrong + "\n", ":3:23: GeneratedTokens: expected a whole");
    }
    CHECK_COMPLAINT(kHead + "2023-11-16 18:15:46,1\n", ":2:1: found 2 fields, expected 3 as in the header");
    CHECK(begins(complaint("TIMESTAMP,ContextTokens\n" + good, "azure"),
                 ":1:1: expected a header with the column GeneratedTokens, found TIMESTAMP,ContextTokens"));
    CHECK(begins(complaint(kHead), ": has no requests"));
    CHECK(begins(complaint("", "azure"), ": has no requests"));
    CHECK_COMPLAINT("", ": is empty; expected a trace");
    CHECK_COMPLAINT("TIMESTAMP,ContextTokens\n", ":1: cannot tell the trace format (the first line is neither");
}

TEST_CASE("azure: every problem is found, the rest is read") {
    TempDir dir;
    ProblemList problems;
    LoadOptions options;
    options.path = dir.write("t", kHead + "x,1,1\n2023-11-16 18:15:46,1,1\n2023-11-16 18:15:46,1\n");
    options.problems = &problems;
    CHECK(load_trace(options).requests() == 1);
    CHECK(problems.lines.size() == 2);
}

}  // namespace format_azure_test
