// The gate of kernel timings, at its limits.
#include <kvsim/core/error.h>
#include <kvsim/report/check_bench.h>

#include <doctest/doctest.h>

namespace check_bench_test {

using namespace kvsim;

namespace {

std::string row(const char* name, double low, double median, double high, const char* device = "cpu") {
    auto n = [](double x) { return std::to_string(x); };
    return std::string("{\"name\":\"") + name + "\",\"backend\":\"cpu\",\"device\":\"" + device +
           "\",\"shape\":{\"batch\":4,\"kv_dtype\":\"bf16\"},\"median_us\":" + n(median) + ",\"ci_low_us\":" + n(low) +
           ",\"ci_high_us\":" + n(high) + "}";
}
std::string report(const std::string& rows) {
    return "{\"schema_version\":\"1.0\",\"kind\":\"bench\",\"kernels\":[" + rows + "]}";
}
BenchVerdict verdict(const std::string& now, double tolerance = 0.05) {
    BenchCheck c = check_bench("n", report(now), "b", report(row("decode", 99, 100, 101)), tolerance);
    REQUIRE(c.rows.size() == 1);
    return c.rows[0].verdict;
}
std::string error(const std::string& now, const std::string& base) {
    try {
        check_bench("new.json", now, "base.json", base, 0);
    } catch (const Error& e) {
        return e.what();
    }
    return "";
}

}  // namespace

TEST_CASE("check: slower only beyond the noise of both runs and the tolerance") {
    // 101 x 1.05 = 106.05 is the limit for the lower end, 99 x 0.95 = 94.05 for the upper one.
    CHECK(verdict(row("decode", 106, 110, 120)) == BenchVerdict::same);
    CHECK(verdict(row("decode", 106.1, 110, 120)) == BenchVerdict::slower);
    CHECK(verdict(row("decode", 90, 92, 94.1)) == BenchVerdict::same);
    CHECK(verdict(row("decode", 90, 92, 94)) == BenchVerdict::faster);
    CHECK(verdict(row("decode", 101.01, 102, 103), 0) == BenchVerdict::slower);
    CHECK(verdict(row("decode", 101, 102, 103), 0) == BenchVerdict::same);
}

TEST_CASE("check: rows that are new or missing, and a row that was not measured is no row") {
    std::string skipped = ",{\"name\":\"append\",\"backend\":\"cuda\",\"median_us\":\"not measured\"}";
    BenchCheck c = check_bench("n", report(row("gather", 1, 1, 1) + skipped), "b", report(row("decode", 1, 1, 1)), 0.05);
    REQUIRE(c.rows.size() == 2);
    CHECK(c.rows[0].verdict == BenchVerdict::added);
    CHECK(c.rows[0].row == "gather cpu batch=4 kv_dtype=bf16");
    CHECK(c.rows[1].verdict == BenchVerdict::missing);
    CHECK_FALSE(c.passed());
    CHECK(check_bench("n", report(row("decode", 1, 1, 1) + "," + row("gather", 1, 1, 1)), "b", report(row("decode", 1, 1, 1)), 0).passed());
    CHECK(check_bench_table(c).find("FAILED: 2 rows, 0 slower, 0 faster, 1 new, 1 missing") != std::string::npos);
    CHECK(check_bench_json(c).find("\"verdict\": \"missing\"") != std::string::npos);
}

TEST_CASE("check: what is no comparison is an error") {
    std::string good = report(row("decode", 1, 1, 1));
    CHECK(error("{", good) == "new.json: expected a report of kvsim bench (kind \"bench\")");
    CHECK(error(good, "{\"kind\":\"replay\"}") == "base.json: expected a report of kvsim bench (kind \"bench\")");
    CHECK(error(good, report("")) == "base.json: nothing was measured");
    CHECK(error(report(row("decode", 1, 1, 1, "another")), good).find("times of different devices are not compared") != std::string::npos);
    CHECK(error(report(row("decode", 0, 1, 1)), good).find("expected 0 < ci_low_us") != std::string::npos);
    CHECK(error("{\"schema_version\":\"2.0\",\"kind\":\"bench\",\"kernels\":[]}", good).find("expected 1.x") != std::string::npos);
    CHECK(error(report("{\"name\":\"x\",\"backend\":\"cpu\",\"median_us\":1}"), good).find("a row of kernels") != std::string::npos);
}

}  // namespace check_bench_test
