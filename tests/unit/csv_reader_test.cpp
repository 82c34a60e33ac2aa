#include "support/process.h"

#include <doctest/doctest.h>
#include <kvsim/trace/csv_reader.h>
#include "support/random_check.h"

namespace csv_reader_test {

using namespace kvsim;
using namespace kvsim_test;
using Rows = std::vector<std::vector<std::string>>;

namespace {

/// The columns a and b of every row.
Rows read(const std::string& text) {
    TempDir dir;
    LineSource source(dir.write("t", text), false);
    CsvReader csv({{"a"}, {"b", false}});
    REQUIRE(source.next());
    csv.read_header(source);
    Rows rows;
    while (source.next()) {
        csv.read_row(source);
        rows.push_back({std::string(csv.text(0)), std::string(csv.text(1))});
    }
    return rows;
}

/// From ":line:column" on.
std::string complaint(const std::string& text) {
    try {
        read(text);
    } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::input);
        std::string message = e.what();
        return message.substr(message.find("/t:") + 2);
    }
    return "reads";
}

std::string in_quotes(const std::string& field) {
    std::string out = "\"";
    for (char c : field) out += c == '"' ? "\"\"" : std::string(1, c);
    return out + "\"";
}

}  // namespace

TEST_CASE("csv: any order, unknown columns, blanks around names") {
    CHECK(read("x,b, a \n1,2,3\n,,\n") == Rows{{"3", "2"}, {"", ""}});
    CHECK(read("a\n1\n2") == Rows{{"1", ""}, {"2", ""}});
    CHECK(read("\xEF\xBB\xBF" "a,b\r\n1,2\r\n3,4") == Rows{{"1", "2"}, {"3", "4"}});
}

TEST_CASE("csv: quoted fields") {
    CHECK(read("\"a\",\"b\"\n\"1,5\",\"say \"\"so\"\"\"\n\"\",\"\"\"\"\n") == Rows{{"1,5", "say \"so\""}, {"", "\""}});
    CHECK(read("b,a\n\"one\r\ntwo\n\",3\n4,5\n") == Rows{{"3", "one\ntwo\n"}, {"5", "4"}});
}

TEST_CASE("csv: what is written in quotes reads back") {
    CHECK(kvsim_test::random_check([](std::vector<std::pair<std::string, std::string>> rows) {
        std::string text = "a,b\n";
        Rows expected;
        for (auto& [a, b] : rows) {
            for (std::string* s : {&a, &b})
                for (char& c : *s)
                    if (c == '\r') c = '\n';  // line ends inside fields are read as LF
            text += in_quotes(a) + "," + in_quotes(b) + "\n";
            expected.push_back({a, b});
        }
        RC_ASSERT(read(text) == expected);
    }));
}

TEST_CASE("csv: broken rows say where") {
    CHECK(complaint("a,b\n1\n") == ":2:1: found 1 field, expected 2 as in the header");
    CHECK(complaint("a,b\n1,2\n1,2,3\n") == ":3:1: found 3 fields, expected 2 as in the header");
    CHECK(complaint("a,b\n1,2\"3\"\n") == ":2:4: a quote inside a field; expected the whole field in quotes");
    CHECK(complaint("a,b\n1,\"2\"3\n") == ":2:6: expected a comma behind the closing quote");
    CHECK(complaint("a,b\n1,\"2\n3\n") == ":2:3: the quoted field is not closed");
    CHECK(complaint("a,b\n\"1\n\",\"2\"3\n") == ":3:6: expected a comma behind the closing quote");
    CHECK(complaint("b,c\n1,2\n") == ":1:1: expected a header with the column a, found b,c");
    CHECK(complaint("a,b,a\n") == ":1:1: a: the column is given twice");
}

TEST_CASE("csv: numbers") {
    TempDir dir;
    LineSource source(dir.write("t", "a,b\n 7 ,-1.5\n"), false);
    CsvReader csv({{"a"}, {"b"}});
    source.next();
    csv.read_header(source);
    source.next();
    csv.read_row(source);
    CHECK(csv.whole(0, 0, 7) == 7);
    CHECK(csv.number(1, -2, 0) == -1.5);
    CHECK_THROWS_AS(csv.whole(0, 0, 6), Error);
    CHECK_THROWS_AS(csv.whole(1, 0, 6), Error);
    CHECK_THROWS_AS(csv.number(1, 0, 6), Error);
    CHECK(csv.is_header("b,x,a"));
    CHECK_FALSE(csv.is_header("b,x"));
    CHECK_FALSE(csv.is_header("a,\"b"));
    CHECK_FALSE(csv.is_header("a,b\""));
    CHECK_FALSE(csv.is_header(""));
}

}  // namespace csv_reader_test
