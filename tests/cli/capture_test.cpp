// The logger that docs/CAPTURE.md hands out, run as it is against stand-ins of vLLM's classes, and its trace replayed.
#include "cli.h"

#include <cstdlib>

namespace capture_test {

using namespace kvsim_test;

namespace {

/// Runs the driver; "" with a printed reason where there is no python3.
std::string captured(const TempDir& dir, const std::string& mode) {
    if (std::string(KVSIM_PYTHON3).find("NOTFOUND") != std::string::npos || !file_exists(KVSIM_PYTHON3)) {
        std::printf("skipped: python3 is not installed\n");
        return {};
    }
    std::string trace = dir.path(mode + ".jsonl");
    ProcessResult r = run_program(KVSIM_PYTHON3, {source_file("tests/support/drive_vllm_logger.py"),
                                                  source_file("docs/capture"), trace, mode});
    INFO(r.err);
    REQUIRE(r.exit_code == 0);
    return trace;
}

// Seven requests in blocks of 16 tokens. a: 40 tokens, 20 of output, so 3 full blocks are stored. b looks up 70 tokens
// and hits these 3. c hits the 2 full blocks of a's prompt; its own output completes no block, so its tail of 8 tokens
// keeps its name. d, 32 tokens, hits 2 blocks here and 1 in vLLM, which computes the last token again. e and f are
// under an adapter and a salt. g asks for two samples, of which nothing is observed; both hit 2 blocks and c's tail.
void check_seven(const Json& report) {
    CHECK(report["trace"]["requests"] == 8);
    CHECK(report["trace"]["prompt_tokens"] == 40 + 70 + 40 + 32 + 40 + 40 + 2 * 40);
    CHECK(report["trace"]["output_tokens"] == 20 + 5 + 2 + 1 + 0 + 1 + 2 + 1);
    CHECK(report["trace"]["block_size"] == 16);
    CHECK(report["results"]["hits"]["lookup_blocks"] == 3 + 5 + 3 + 2 + 3 + 3 + 2 * 3);
    CHECK(report["results"]["hits"]["hit_tokens"] == 48 + 32 + 32 + 2 * 40);
    const Json& observed = report["results"]["observed"];
    CHECK(observed["requests"] == 6);
    CHECK(observed["requests_equal"] == 5);
    CHECK(observed["hit_tokens"] == 0 + 48 + 32 + 16 + 0 + 0);
    CHECK(observed["token_hit_rate"] == 96.0 / (40 + 70 + 40 + 32 + 40 + 40));
    CHECK(observed["mean_abs_error_tokens"] == 16.0 / 6);
    CHECK(observed["first_difference"] == 3);
}

}  // namespace

TEST_CASE("capture: a vLLM server's requests, streamed and not") {
    TempDir dir;
    std::string trace = captured(dir, "serve");
    if (trace.empty()) return;
    std::vector<std::string> lines = lines_of(read_file(trace));
    REQUIRE(lines.size() == 9);
    Json a = Json::parse(lines[1]);
    CHECK(a["seq"] == "a.0");
    CHECK(a["output_tokens"].size() == 20);
    CHECK(a["output_tokens"][19] == 2019);
    CHECK(a["t_end"].get<double>() >= a["t"].get<double>());
    CHECK(Json::parse(lines[6])["salt"] == "tenant");
    CHECK(Json::parse(lines[5])["lora"] == "adapter");
    CHECK_FALSE(Json::parse(lines[7]).contains("cached_tokens"));
    CHECK(Json::parse(lines[8])["seq"] == "g.1");
    succeeds({"trace", "validate", trace});
    check_seven(replay_report({trace, "--block-size", "16"}));
    Json by_session = replay_report({trace, "--block-size", "16", "--by", "session"})["results"]["by"];
    CHECK(by_session[0]["label"] == "s");
    CHECK(by_session[0]["requests"] == 2);
}

TEST_CASE("capture: the trace without token ids replays the same") {
    TempDir dir;
    std::string trace = captured(dir, "serve");
    if (trace.empty()) return;
    std::string shared = dir.path("shared.jsonl");
    Args convert = {"trace", "convert", trace, "--block-size", "16", "--to", "kvsim_blocks", "-o", shared};
    CHECK(contains(succeeds(convert).err, "token ids: blocks of 16 tokens are named instead"));
    CHECK_FALSE(contains(read_file(shared), "tokens\":["));
    for (const char* blocks : {"4", "6", "unlimited"}) {
        Json a = replay_report({trace, "--block-size", "16", "--blocks", blocks});
        Json b = replay_report({shared, "--blocks", blocks});
        CHECK(a["results"] == b["results"]);
    }
    std::string events = dir.write("e.jsonl", "{\"kvsim_trace\":1}\n{\"op\":\"prompt\",\"seq\":\"a\",\"tokens\":[1]}\n");
    fails({"trace", "convert", events, "--to", "kvsim_blocks", "-o", "-"}, {"kvsim_blocks cannot hold prompt, decode"});
}

TEST_CASE("capture: a loop over finished outputs") {
    TempDir dir;
    std::string trace = captured(dir, "offline");
    if (trace.empty()) return;
    Json report = replay_report({trace, "--block-size", "16"});
    check_seven(report);
    Json b = Json::parse(lines_of(read_file(trace))[2]);
    CHECK(b["t"].get<double>() == doctest::Approx(0.5));
    CHECK(b["category"] == "batch");
}

TEST_CASE("capture: a client that goes away is logged with what it got") {
    TempDir dir;
    std::string trace = captured(dir, "disconnect");
    if (trace.empty()) return;
    std::vector<std::string> lines = lines_of(read_file(trace));
    REQUIRE(lines.size() == 2);
    CHECK(Json::parse(lines[1])["output_tokens"] == Json::array({2000, 2001, 2002}));
}

}  // namespace capture_test
