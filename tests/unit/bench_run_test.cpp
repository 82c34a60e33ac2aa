// `kvsim bench` on a backend whose clock is a script: what is launched, checked and reported, number by number.
#include "support/scripted_backend.h"

#include <doctest/doctest.h>
#include <kvsim/report/bench_report.h>
#include <nlohmann/json.hpp>

namespace bench_run_test {

using namespace kvsim;
using kvsim_test::ScriptedBackend;
using Json = nlohmann::ordered_json;

namespace {

BenchOptions quick() {
    BenchOptions o;
    o.samples = 3;
    o.calibration_bytes = {4096, 65536};
    return o;
}

BenchAxes small() {
    BenchAxes a;
    a.kv_dtype = {"bf16"};
    a.batch = {2};
    a.context = {37};
    a.block_size = {8};
    a.kv_heads = {2};
    a.q_heads = {4};
    a.head_dim = {64};
    return a;
}

BenchRun run_of(ScriptedBackend& b, const std::vector<std::string>& kernels, const BenchAxes& axes,
                const BenchOptions& o = quick()) {
    return bench_on(b, "cpu", bench_cells(kernels, axes), o);
}

}  // namespace

TEST_CASE("bench: every kernel's buffers are right after timing, in every KV dtype and order") {
    ScriptedBackend b;
    BenchAxes a = small();
    a.kv_dtype = {"f32", "f16", "bf16", "fp8_e4m3", "int8", "int4", "int4:group=32,scale=f32", "int8:symmetric=on"};
    a.order = {kv::Order::hnd, kv::Order::nhd};
    a.context = {1, 37};
    b.cache = 1 << 12;  // several buffers to go round
    for (const BenchResult& r : run_of(b, {}, a).kernels) {
        INFO(r.name << " " << bench_words(r.cell) << " " << r.reason);
        bool f32_is_stored = r.cell.shape.kv_dtype == "f32" && r.name.find("quantize") != std::string::npos;
        CHECK(r.status == (f32_is_stored ? BenchStatus::skipped : BenchStatus::ok));
    }
}

TEST_CASE("bench: a kernel that does nothing is found out") {
    BenchAxes a = small();
    for (const std::string& id : bench_kernels().ids()) {
        CAPTURE(id);
        ScriptedBackend b;
        b.broken = true;
        CHECK_THROWS_WITH_AS(run_of(b, {id}, a), doctest::Contains(("kernel " + id).c_str()), Error);
    }
}

// One sample to see how long a launch takes, then three of 30, 10 and 20 us: 200 / 50 = 4 launches in each.
TEST_CASE("bench: counts, medians, speeds and fractions are exact") {
    ScriptedBackend b;
    BenchOptions o = quick();
    // empty: 1, then 1 1 1; copy, read, write, to_host, to_device at two sizes: 50, then 2 3 4.
    b.clock = {1, 1, 1, 1};
    for (int i = 0; i < 10; ++i) b.clock.insert(b.clock.end(), {50, 2, 3, 4});
    b.clock.insert(b.clock.end(), {50, 30, 10, 20});
    BenchAxes a = small();
    BenchRun run = run_of(b, {"transpose"}, a, o);
    REQUIRE(run.calibration.size() == 11);
    CHECK(run.calibration[0].name == "empty");
    CHECK(run.calibration[0].time.median_us == 1);
    CHECK(run.calibration[0].calls == 3 * 200);  // 200 us of launches of 1 us
    CHECK(run.calibration[1].name == "copy");
    CHECK(run.calibration[1].bytes == 4096);
    CHECK(run.calibration[1].time.median_us == 3);
    CHECK(run.calibration[2].bytes == 65536);
    const BenchResult& r = run.kernels.at(0);
    // 10 blocks of 2 heads x 8 places, keys and values of 128 bytes, read and written: 10 * 16 * 256 * 2 = 81,920.
    CHECK(r.bytes == 81920);
    CHECK(r.time.samples == 3);
    CHECK(r.calls == 12);
    CHECK(r.total_us == 240);
    CHECK(r.time.median_us == 20);
    CHECK(r.time.min_us == 10);
    CHECK(r.time.p95_us == 30);
    CHECK(r.gb_per_s() == doctest::Approx(4.096));
    // The copy of 65,536 bytes is nearest: 21.845 GB/s.
    REQUIRE(r.fraction);
    CHECK(*r.fraction == doctest::Approx(4.096 / (65536 / 3.0 / 1e3)));
    REQUIRE(r.roofline_us);
    CHECK(*r.roofline_us == doctest::Approx(1 + 81920 * 3.0 / 65536));
    CHECK_FALSE(r.cold);  // no cache is known

    BenchReport report;
    report.runs = {run, bench_unavailable("cuda", "no driver", bench_cells({"transpose"}, a))};
    Json j = Json::parse(bench_json(report));
    CHECK(
        j["kernels"][0].dump() ==
        "{\"name\":\"transpose\",\"backend\":\"cpu\",\"device\":\"a "
        "script\",\"shape\":{\"kv_dtype\":\"bf16\",\"batch\":2,"
        "\"context\":37,\"kv_heads\":2,\"head_dim\":64,\"block_size\":8,\"order\":\"hnd\"},\"status\":\"ok\",\"calls\":"
        "12,"
        "\"total_us\":240.0,\"median_us\":20.0,\"min_us\":10.0,\"p95_us\":30.0,\"ci_low_us\":10.0,\"ci_high_us\":30.0,"
        "\"bytes\":81920,\"gb_per_s\":4.096,\"fraction_of_copy\":0.1875,\"samples\":3,\"cache\":\"warm\",\"ceiling\":"
        "\"copy\","
        "\"roofline_us\":4.75}");
    CHECK(j["kernels"][1]["backend"] == "cuda");
    CHECK(j["kernels"][1]["status"] == "not measured");
    CHECK(j["kernels"][1]["median_us"] == "not measured");
    CHECK(j["backends"][1]["reason"] == "no driver");
    std::string table = bench_table(report);
    CHECK(table.find("not measured\n") != std::string::npos);
    CHECK(table.find("  note: cuda not measured: no driver\n") != std::string::npos);
}

TEST_CASE("bench: a fit over three sizes, for each KV dtype") {
    ScriptedBackend b;
    BenchAxes a = small();
    a.kv_dtype = {"bf16", "int8"};
    a.context = {8, 16, 32};
    BenchRun run = run_of(b, {"gather", "append_step"}, a);
    CHECK(run.fits.empty());  // every launch takes 1 us, however many bytes
    b.clock = {1};
    for (int i = 0; i < 43; ++i) b.clock.push_back(1);  // calibration: 11 x 4
    for (int i = 0; i < 6; ++i)                         // bf16 10, 20, 40 us; int8 the same
        for (int k = 0; k < 4; ++k) b.clock.push_back(10 << i % 3);
    run = run_of(b, {"gather"}, a);
    REQUIRE(run.fits.size() == 2);
    CHECK(run.fits[0].name == "gather");
    CHECK(run.fits[0].kv_dtype == "bf16");
    CHECK(run.fits[1].kv_dtype == "int8");
    // 2 sequences x 8 tokens x 2 heads x 256 x 2 and 4 for each of 2 blocks: 16,392 bytes for 10 us, and so on
    // doubling.
    CHECK(run.fits[0].line.us_per_byte == doctest::Approx(10.0 / 16392));
    CHECK(run.fits[0].line.t0_us == doctest::Approx(0).epsilon(1e-6));
}

TEST_CASE("bench: what there is no room for is said before anything is allocated") {
    ScriptedBackend b;
    b.memory = 1 << 20;
    BenchAxes a = small();
    a.context = {37, 1 << 20};
    BenchOptions o = quick();
    BenchRun run = run_of(b, {"gather", "decode", "compact"}, a, o);
    for (const BenchResult& r : run.kernels) {
        INFO(r.name << " " << r.reason);
        bool fits = r.cell.shape.context == 37;
        CHECK(r.status == (fits ? BenchStatus::ok : BenchStatus::skipped));
        if (!fits) CHECK(r.reason.find("free") != std::string::npos);
    }
    CHECK(b.allocated <= 8 << 20);
    a.context = {1 << 24};
    a.batch = {1 << 16};
    run = run_of(b, {"append"}, a, o);
    CHECK(run.kernels[0].reason.find("kernels count to 2^31") != std::string::npos);
}

TEST_CASE("bench: cold where buffers go round five caches, warm where there is no room for that") {
    ScriptedBackend b;
    b.cache = 10000;
    BenchRun run = run_of(b, {"gather"}, small());
    CHECK(run.kernels[0].cold);
    b.cache = uint64_t{1} << 24;
    b.memory = 1 << 22;
    run = run_of(b, {"gather"}, small());
    CHECK(run.kernels[0].status == BenchStatus::ok);
    CHECK_FALSE(run.kernels[0].cold);
}

TEST_CASE("bench: shapes that do not suit are skipped with the reason, an interrupt ends the rest") {
    ScriptedBackend b;
    BenchAxes a = small();
    a.q_heads = {3, 4};
    BenchRun run = run_of(b, {"decode"}, a);
    CHECK(run.kernels[0].status == BenchStatus::skipped);
    CHECK(run.kernels[0].reason == "3 query heads are no multiple of 2 KV heads");
    CHECK(run.kernels[1].status == BenchStatus::ok);
    std::atomic<bool> stop{true};
    std::atomic<uint64_t> done{0};
    BenchOptions o = quick();
    o.stop = &stop;
    o.done = &done;
    run = run_of(b, {"decode"}, a, o);
    CHECK(run.kernels[1].status == BenchStatus::interrupted);
    CHECK(done == 11 + 2);
}

TEST_CASE("bench: what a backend cannot calibrate is skipped, and nothing is held against it") {
    ScriptedBackend b;
    b.calibrates = false;
    BenchRun run = run_of(b, {"decode", "gather"}, small());
    for (const BenchResult& r : run.calibration)
        CHECK((r.status == BenchStatus::skipped) == (r.name == "empty" || r.name == "read"));
    CHECK(run.kernels[0].status == BenchStatus::ok);
    CHECK_FALSE(run.kernels[0].fraction);
    CHECK_FALSE(run.kernels[0].roofline_us);
    CHECK(run.kernels[1].fraction);
    CHECK_FALSE(run.kernels[1].roofline_us);  // no launch that does nothing
}

TEST_CASE("bench: all buffers are used before the first sample, and --warmup asks for more") {
    ScriptedBackend b;
    BenchOptions o = quick();
    o.calibration_bytes = {4096};
    b.cache = 1000000;
    b.most_run = 0;  // no timed launch does anything
    // 2 x 37 tokens, 2 heads, keys and values of 128 bytes in and out, 10 blocks: 75,816 bytes; ceil(5,000,000 /
    // 75,816) + 1 = 67.
    BenchRun run = run_of(b, {"gather"}, small(), o);
    CHECK(run.kernels[0].bytes == 75816);
    CHECK(b.launches == 67);
    b.launches = 0;
    o.warmup = 100;
    run_of(b, {"gather"}, small(), o);
    CHECK(b.launches == 100);
}

}  // namespace bench_run_test
