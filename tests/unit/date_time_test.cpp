#include <doctest/doctest.h>
#include <kvsim/core/date_time.h>

#include <string>

namespace date_time_test {

using namespace kvsim;

TEST_CASE("date and time: known instants") {
    Instant i;
    REQUIRE(parse_instant("1970-01-01 00:00:00", i));
    CHECK(i.seconds == 0);
    CHECK(i.scale == 1);
    // 19,677 days to 2023-11-16: 53 years of 365 days + 13 leap days + 319 days of 2023.
    REQUIRE(parse_instant("2023-11-16 18:15:46.6805900", i));
    CHECK(i.seconds == (53 * 365 + 13 + 319) * 86400 + 18 * 3600 + 15 * 60 + 46);
    CHECK(i.fraction == 6805900);
    CHECK(i.scale == 10000000);
    CHECK(i.since(i.seconds - 46) == 46.68059);
    Instant other;
    REQUIRE(parse_instant("2023-11-16T20:15:46.68059+02:00", other));
    CHECK(other.seconds == i.seconds);
    CHECK(other.since(other.seconds) == i.since(i.seconds));
    REQUIRE(parse_instant("2023-11-16T10:45:46-0730", other));
    CHECK(other.seconds == i.seconds);
    REQUIRE(parse_instant("2024-02-29T00:00:00Z", i));
    REQUIRE(parse_instant("9999-12-31 23:59:59.999999999", i));
    CHECK(i.since(0) > 2.5e11);
    REQUIRE(parse_instant("0000-01-01 00:00:00", i));
    CHECK(i.since(0) < -6e10);
}

TEST_CASE("date and time: what is none") {
    Instant i;
    for (const char* text :
         {"", "2023-11-16", "2023-11-16 18:15", "2023-02-29 00:00:00", "2023-13-01 00:00:00", "2023-00-01 00:00:00",
          "2023-01-00 00:00:00", "2023-11-16 24:00:00", "2023-11-16 00:60:00", "2023-11-16 00:00:60",
          "2023-11-16 18:15:46.", "2023-11-16 18:15:46.1234567890", "2023-11-16 18:15:46x", "2023-11-16  18:15:46",
          "2023-11-16 18:15:46+1", "2023-11-16 18:15:46+24:00", "2023-11-16 18:15:46ZZ", "23-11-16 18:15:46",
          "-2023-11-16 18:15:46", "2023-11-16 18:15:46 ", "NaN"})
        CHECK_FALSE_MESSAGE(parse_instant(text, i), std::string(text));
}

}  // namespace date_time_test
