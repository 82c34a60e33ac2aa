// kvsim with the strategy of docs/OWN_STRATEGY.md linked in: every command knows it. tests/long/package.sh asks the
// same of the example built against an installed kvsim.
#include "cli.h"

namespace own_strategy_test {

using namespace kvsim_test;

namespace {

ProcessResult own(const Args& args) { return run_program(KVSIM_OWN_STRATEGY, args); }

const std::string kTrace = source_file("traces/chat.jsonl");

}  // namespace

TEST_CASE("own strategy: listed behind ours, and in ours not at all") {
    ProcessResult r = own({"list", "evictions"});
    CHECK(r.exit_code == 0);
    CHECK(contains(r.out, "block/head_clock "));
    CHECK(contains(r.out, "under pinned flat tree; a naive twin"));
    CHECK_FALSE(contains(kvsim({"list", "evictions"}).out, "head_clock"));
    if (kvsim_binary() == std::string(KVSIM_BINARY))  // of the same build
        CHECK(own({"--version"}).out == kvsim({"--version"}).out);
}

TEST_CASE("own strategy: in every cell of compare, with a verdict") {
    TempDir dir;
    std::string report = dir.path("r.json");
    for (const Args& which : {Args{}, Args{"--eviction", "fifo,head_clock", "--verify"}}) {
        ProcessResult r = own(Args{"compare", kTrace, "--quiet", "--blocks", "5%,20%", "--report", report} + which);
        REQUIRE(r.exit_code == 0);
        CHECK(contains(r.out, "head_clock "));
        int cells = 0;
        Json j = Json::parse(read_file(report));
        for (const Json& c : j["cells"]) {
            if (c["axes"]["eviction"] != "head_clock") continue;
            ++cells;
            CHECK(c["status"] == "ok");
            CHECK(c["difference"]["versus"] == "lru");
            CHECK(c["difference"].contains("verdict"));
        }
        CHECK(cells == 2);
        CHECK(run_program(KVSIM_PYTHON3, {source_file("tests/support/validate.py"),
                                          source_file("lib/kvsim/report/report.schema.json"), report})
                  .exit_code == 0);
    }
}

TEST_CASE("own strategy: the baseline, the curve, a configuration, and what is wrong") {
    TempDir dir;
    ProcessResult r = own({"compare", kTrace, "--quiet", "--eviction", "lru", "--versus", "head_clock:heads=2",
                           "--blocks", "10%"});
    CHECK(r.exit_code == 0);
    CHECK(contains(r.out, "head_clock:heads=2"));
    CHECK(own({"curve", kTrace, "--quiet", "--eviction", "head_clock", "--points", "4"}).exit_code == 0);
    std::string report = dir.path("r.json");
    r = own({"replay", kTrace, "--quiet", "--eviction", "block/head_clock:heads=2", "--blocks", "10%", "--report",
             report});
    REQUIRE(r.exit_code == 0);
    CHECK(Json::parse(read_file(report))["config"]["eviction"] == "head_clock:heads=2");
    CHECK(own({"replay", kTrace, "--quiet", "--config", report}).exit_code == 0);
    // Ours says that it knows no such strategy.
    fails({"replay", kTrace, "--config", report}, {"unknown block strategy (--eviction) 'head_clock'"});
    r = own({"replay", kTrace, "--eviction", "head_clock:heads=-1"});
    CHECK(r.exit_code == 2);
    CHECK(contains(r.err, "head_clock: parameter heads=-1: expected a whole number from 0 to 1000000"));
}

}  // namespace own_strategy_test
