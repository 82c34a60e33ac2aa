#include <doctest/doctest.h>
#include <kvsim/core/error.h>
#include <kvsim/core/units.h>

namespace units_test {

using namespace kvsim;

TEST_CASE("sizes: binary and decimal units are kept apart") {
    CHECK(parse_size_bytes("40GiB", "--memory") == 40ull << 30);
    CHECK(parse_size_bytes("40GB", "--memory") == 40000000000ull);
    CHECK(parse_size_bytes("512MiB", "--memory") == 512ull << 20);
    CHECK(parse_size_bytes("1.5KiB", "--memory") == 1536);
    CHECK(parse_size_bytes("1KB", "--memory") == 1000);
    CHECK(parse_size_bytes("1kB", "--memory") == 1000);
    CHECK(parse_size_bytes("2TB", "--memory") == 2000000000000ull);
    CHECK(parse_size_bytes("2TiB", "--memory") == 2ull << 40);
    CHECK(parse_size_bytes("4096", "--memory") == 4096);
    CHECK(parse_size_bytes("4096B", "--memory") == 4096);
    CHECK(parse_size_bytes("1.0009KiB", "--memory") == 1024);  // rounded down
    for (const char* bad : {"", "0", "0.5B", "GiB", "-1GiB", "1 GiB", "1gib", "1G", "1.2.3GiB", "1e3",
                            "1e30GiB", "99999999TiB", "nan"}) {
        CAPTURE(bad);
        std::string said;
        try {
            parse_size_bytes(bad, "--memory");
        } catch (const Error& e) {
            said = e.what();
            CHECK(e.kind() == ErrorKind::input);
        }
        CHECK(said.rfind("--memory " + std::string(bad) + ": expected a size", 0) == 0);
    }
}

TEST_CASE("sizes: whole bytes are exact") {
    CHECK(parse_size_bytes("9007199254740993", "--memory") == 9007199254740993ull);
}

TEST_CASE("numbers as people read them") {
    CHECK(format_bytes(0) == "0 B");
    CHECK(format_bytes(1023) == "1023 B");
    CHECK(format_bytes(1024) == "1.0 KiB");
    CHECK(format_bytes(40ull << 30) == "40.0 GiB");
    CHECK(format_bytes(1ull << 60) == "1024.0 PiB");
    CHECK(format_count(0) == "0");
    CHECK(format_count(999) == "999");
    CHECK(format_count(1000) == "1,000");
    CHECK(format_count(1234567) == "1,234,567");
    CHECK(format_count(~0ull) == "18,446,744,073,709,551,615");
    CHECK(format_percent(0.2116) == "21.16 %");
    CHECK(format_percent(1, 0) == "100 %");
}

}  // namespace units_test
