#include <kvsim/trace/csv_reader.h>

#include <algorithm>

#include "unit/load_text.h"

namespace format_object_csv_test {

using namespace kvsim;
using namespace kvsim_test;
using Counts = std::vector<uint32_t>;

namespace {

/// Per request the number of its object by first appearance.
Counts objects(const std::string& text, const std::string& parameters = "") {
    Trace t = load_text(text, "object_csv" + (parameters.empty() ? "" : ":" + parameters));
    Counts out;
    for (uint32_t r = 0; r < t.requests(); ++r) out.push_back(t.chains.block_at(r, 0));
    return out;
}

std::string said(const std::string& text, const std::string& parameters = "") {
    return complaint(text, "object_csv" + (parameters.empty() ? "" : ":" + parameters));
}

#define CHECK_SAID(said_, expected)       \
    do {                                  \
        std::string message = said_;      \
        CAPTURE(message);                 \
        CHECK(begins(message, expected)); \
    } while (false)

}  // namespace

TEST_CASE("object_csv: a row is a request of one object") {
    Trace t = load_text("time,id,size\n5,7,100\n5.5,x,1\n4,7,0\n", "object_csv");
    CHECK(t.format == "object_csv");
    CHECK(t.objects);
    CHECK(t.block_size == 1);
    CHECK(t.unique_blocks() == 2);
    CHECK(t.prompt_tokens == Counts{1, 1, 1});
    CHECK(t.output_tokens == Counts{0, 0, 0});
    CHECK(t.arrival_s == std::vector<double>{5, 5.5, 4});  // in the order of the rows
    CHECK(t.notes.back() ==
          "unit-size objects: sizes are ignored (2 of 3 records have a size other than 1; 1 of size 0 count, "
          "too)");
}

TEST_CASE("object_csv: ids are numbers or names") {
    CHECK(objects("0,18446744073709551615,1\n0,0,1\n0,18446744073709551615,1\n") == Counts{0, 1, 0});
    CHECK(objects("0, 7 ,1\n0,7,1\n0,007,1\n0,\"7\",1\n") == Counts{0, 0, 0, 0});
    CHECK(objects("0,a,1\n0, a,1\n0,A,1\n0,\"a\",1\n0,-7,1\n0,7,1\n0,7.0,1\n0,0x7,1\n") ==
          Counts{0, 0, 1, 0, 2, 3, 4, 5});
    CHECK(objects("0,\"a,\"\"b\"\"\",1\n0,\"a\nb\",1\n0,\"a,\"\"b\"\"\",1\n") == Counts{0, 1, 0});
}

TEST_CASE("object_csv: columns and delimiters") {
    CHECK(objects("x 7 2 3\nx 8 2 3 4\nx 7 2 3\n", "time=3,id=2,size=4,delimiter=space") == Counts{0, 1, 0});
    CHECK(objects("1\t7\t1\n2\t7\t1\r\n\r\n3\t8\t1", "delimiter=tab") == Counts{0, 0, 1});
    CHECK(objects("1;7,5;1\n2;7,6;1\n", "delimiter=semicolon") == Counts{0, 1});
    CHECK(objects("a\nb\na\n", "time=none,id=1,size=none,header=off") == Counts{0, 1, 0});
    CHECK(objects("a\nb\na\n", "time=none,id=1,size=none,header=on") == Counts{0, 1});
    Trace t = load_text("7,3\n7,4\n", "object_csv:time=2,id=1,size=none");
    CHECK(t.arrival_s == std::vector<double>{3, 4});
    CHECK(begins(t.notes.back(), "unit-size objects: sizes are ignored (0 of 2"));
    CHECK(load_text("7\n", "object_csv:time=none,id=1,size=none,header=off").arrival_s ==
          std::vector<double>{0});
}

TEST_CASE("object_csv: headers") {
    CHECK(objects("\xEF\xBB\xBF"
                  "time,id,size\n1,7,1\n") == Counts{0});
    CHECK(objects("\n \n\"time\",\"id\",\"size\"\n1,7,1\n1,8,1\n") == Counts{0, 1});
    CHECK(objects("1,7,1\n1,8,1\n") == Counts{0, 1});
    CHECK(objects("1,7,1\n1,8,1\n", "header=on") == Counts{0});
    CHECK(objects("1,id,1\n1,8,1\n") == Counts{0, 1});  // times and sizes are numbers
    CHECK(objects("when,7\n1,8\n", "size=none") == Counts{0});
    CHECK_SAID(said("time,id,size\n1,7,1\n", "header=off"), ":1:1: time: expected a number, found time");
    CHECK_SAID(said("1,7,1\ntime,id,size\n"), ":2:1: time: expected a number, found time");
    // What is meant to be a number and is none is not a header.
    for (const char* wrong : {"nan", "NaN", "inf", "1e999", "-nan"})
        CHECK_SAID(said(std::string(wrong) + ",7,x\n1,8,1\n"), ":1:1: time: expected a number, found ");
    // Each shard has its own.
    TempDir dir;
    LoadOptions options;
    dir.write("0.csv", "time,id,size\n9,7,1\n");
    dir.write("1.csv", "time,id,size\n3,7,1\n4,8,1\n");
    options.path = dir.dir();
    options.format = "object_csv";
    CHECK(load_trace(options).arrival_s == std::vector<double>{9, 3, 4});
}

TEST_CASE("object_csv: broken rows say where") {
    const std::string good = "time,id,size\n1,7,1\n";
    for (const char* wrong : {"", "x", "NaN", "-1", "1e13", "1,5"})
        CHECK_SAID(said(good + "\"" + wrong + "\",7,1\n"), ":3:1: time: ");
    for (const char* wrong : {"", "x", "-1", "1.5", "18446744073709551616"})
        CHECK_SAID(said(good + "1,7," + wrong + "\n"),
                   ":3:5: size: expected a whole number from 0 to 18446744073709551615, found ");
    CHECK_SAID(said(good + "1,,1\n"), ":3:3: id: expected an object id, found nothing");
    CHECK_SAID(said(good + "1, ,1\n"), ":3:3: id: expected an object id, found nothing");
    CHECK_SAID(said(good + "1,18446744073709551616,1\n"),
               ":3:3: id: expected a number below 2^64 or a name, found 18446744073709551616");
    CHECK_SAID(said(good + "1,7\n"), ":3:1: found 2 fields, expected size in field 3");
    CHECK_SAID(said("1\n"), ":1:1: found 1 field, expected id in field 2");
    CHECK_SAID(said(good + "1,7,1\n", "id=9"), ":1:1: found 3 fields, expected id in field 9");
    CHECK_SAID(said(good + "1,\"7,1\n"), ":3:3: the quoted field is not closed");
    CHECK_SAID(said("1;\"7\"x;1\n", "delimiter=semicolon"),
               ":1:6: expected a semicolon behind the closing quote");
    CHECK_SAID(said(good + "1,7\"8,1\n"), ":3:4: a quote inside a field");
    CHECK_SAID(said(""), ": has no requests");
    CHECK_SAID(said("time,id,size\n"), ": has no requests");
}

TEST_CASE("object_csv: wrong parameters") {
    const std::string rows = "1,7,1\n";
    CHECK(said(rows, "time=0") ==
          "object_csv: parameter time=0: expected a column, from 1 to 65536, or none");
    CHECK(said(rows, "id=0") == "object_csv: parameter id=0: expected a column, from 1 to 65536");
    for (const char* wrong : {"id=none", "id=x", "id=-1", "id=1.5", "id=65537", "id="})
        CHECK_SAID(said(rows, wrong), std::string("object_csv: parameter ") + wrong + ": expected a column");
    CHECK(said(rows, "id=1") == "object_csv: time and id are both column 1");
    CHECK(said(rows, "size=1") == "object_csv: time and size are both column 1");
    CHECK(said(rows, "size=2") == "object_csv: id and size are both column 2");
    CHECK_SAID(said(rows, "delimiter=,"),
               "'object_csv:delimiter=,': expected key=value after the last comma");
    CHECK_SAID(said(rows, "delimiter=pipe"),
               "object_csv: parameter delimiter=pipe: expected one of comma, tab");
    CHECK_SAID(said(rows, "header=yes"), "object_csv: parameter header=yes: expected one of auto, on, off");
    CHECK_SAID(said(rows, "sizes=3"), "'object_csv' has no parameter 'sizes' (did you mean 'size'?)");
    CHECK_SAID(said(rows, "time=none,size=none"),
               "object_csv: header=auto looks at times and sizes, and there are none");
}

TEST_CASE("object_csv: every problem is found, the rest is read") {
    TempDir dir;
    ProblemList problems;
    LoadOptions options;
    options.path = dir.write("t", "1,\"7\"8,1\n1,7,1\nx,7,1\n1,,1\n1,7,1\n1\n");
    options.format = "object_csv";
    options.problems = &problems;
    Trace t = load_trace(options);
    CHECK(t.requests() == 2);
    CHECK(t.output_tokens.size() == 2);
    CHECK(problems.lines.size() == 4);
}

TEST_CASE("object_csv: never detected") {
    CHECK(begins(complaint("time,id,size\n1,7,1\n"), ":1: cannot tell the trace format"));
    CHECK(begins(complaint("1,7,1\n"), ":1: cannot tell the trace format"));
}

}  // namespace format_object_csv_test
