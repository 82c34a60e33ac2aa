// Traces that name nothing, and traces whose tokens are approximate, from the command line.
#include "cli.h"

namespace lengths_and_text_test {

using namespace kvsim_test;

namespace {

/// 20 + 12, 5 + 0 and 40 + 8 tokens.
const std::string kTable =
    "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,Log Type\n"
    "1.0,s1,2,m,20,12,32,Conversation log\n2.0,s1,2,m,5,0,5,Conversation log\n3.0,,2,m,40,8,48,API log\n";
/// 32 characters of which the first 16 are common, so 8 and 8 tokens of 4 bytes.
const std::string kTexts =
    "{\"prompt\":\"0123456789abcdef0123456789abcdef\",\"response\":\"12345\",\"user\":\"u\"}\n"
    "{\"prompt\":\"0123456789abcdefxxxxxxxxxxxxxxxx\",\"response\":\"1\",\"user\":\"u\"}\n";

bool validates(const Args& files) {
    if (std::string(KVSIM_PYTHON3).empty() || run_program(KVSIM_PYTHON3, {"-c", "import jsonschema"}).exit_code != 0) {
        std::printf("skipped: no python3 with jsonschema\n");
        return true;
    }
    ProcessResult checked = run_program(
        KVSIM_PYTHON3, Args{source_file("tests/support/validate.py"), source_file("lib/kvsim/report/report.schema.json")} + files);
    INFO(checked.out << checked.err);
    CHECK(checked.exit_code == 0);
    return checked.exit_code == 0;
}

}  // namespace

TEST_CASE("lengths: replay says nothing about hits, and says so") {
    TempDir dir;
    std::string trace = dir.write("t.csv", kTable);
    Json r = replay_report({trace, "--blocks", "4", "--verify"});
    CHECK(r["trace"]["format"] == "burstgpt");
    CHECK_FALSE(r["trace"].contains("blocks"));
    CHECK_FALSE(r["trace"].contains("unique_blocks"));
    CHECK_FALSE(r.contains("bounds"));
    CHECK_FALSE(r["results"].contains("hits"));
    CHECK(r["results"]["requests"].dump() == R"({"total":3,"completed":3,"rejected":0})");
    CHECK(contains(r["definitions"]["hit"], "names no blocks"));
    for (const char* key : {"lookup", "token_hit_rate", "per_request", "bounds.unlimited"})
        CHECK_FALSE(r["definitions"].contains(key));
    // Blocks of 16 tokens: 2, 1 and 3; of 6 blocks 4 fit.
    CHECK(r["results"]["evictions"]["blocks"] == 2);
    CHECK(r["results"]["utilization"]["peak_resident_blocks"] == 4);
    CHECK(r["config"]["block_size"] == 16);
    // Without output 2, 1 and 3 as well, of 20, 5 and 40 tokens: 65 in 6 blocks at the end.
    Json off = replay_report({trace, "--decode", "off", "--block-size", "8"});
    CHECK(off["results"]["utilization"]["peak_resident_blocks"] == 3 + 1 + 5);
    ProcessResult table = succeeds({"replay", trace, "--blocks", "4"});
    CHECK(contains(table.out, "3 requests, lengths only, in blocks of 16 tokens\n"));
    CHECK(contains(table.out, "the trace names no blocks, so nothing can be said about hits\n"));
    CHECK_FALSE(contains(table.out, "hit rate"));
    CHECK_FALSE(contains(table.out, "ceiling"));
    CHECK(contains(table.out, "evicted blocks"));
    CHECK(contains(table.err, "note: 1 of 3 requests has no response tokens (failed); kept"));
    std::string rows = dir.path("rows");
    succeeds({"replay", trace, "--per-request", rows, "--report", dir.path("r.json"), "--warmup", "1"});
    CHECK(lines_of(read_file(rows))[0] == R"({"i":0,"seq":"r0","prompt_tokens":20,"rejected":false})");
    CHECK(validates({dir.path("r.json")}));
    // A report is a configuration.
    CHECK(replay_report({"--config", dir.path("r.json"), trace})["results"] ==
          Json::parse(read_file(dir.path("r.json")))["results"]);
}

TEST_CASE("lengths: a report that leaves out half of it is not valid") {
    TempDir dir;
    if (run_program(KVSIM_PYTHON3, {"-c", "import jsonschema"}).exit_code != 0) return;
    Json with = replay_report({dir.write("t.jsonl", kDemo)});
    Json without = replay_report({dir.write("t.csv", kTable)});
    Json a = with, b = with, c = without, d = without;
    a.erase("bounds");
    b["results"].erase("hits");
    c["results"]["hits"] = with["results"]["hits"];
    d["bounds"] = with["bounds"];
    for (const Json& broken : {a, b, c, d}) {
        std::string file = dir.write("broken.json", broken.dump());
        CHECK(run_program(KVSIM_PYTHON3, {source_file("tests/support/validate.py"),
                                          source_file("lib/kvsim/report/report.schema.json"), file}).exit_code == 1);
    }
}

TEST_CASE("lengths: what needs names is an input error that says why") {
    TempDir dir;
    std::string trace = dir.write("t.csv", kTable);
    fails({"replay", trace, "--blocks", "10%"}, {"--blocks 10%", "unique blocks are unknown"});
    fails({"replay", trace, "--by", "session"}, {"--by session", "names no blocks"});
    fails({"replay", trace, "--by", "turn"}, {"--by turn", "no such column"});
    fails({"trace", "convert", trace, "--to", "mooncake", "-o", "-"}, {"mooncake needs hash_ids", "convert to kvsim"});
    succeeds({"replay", trace, "--warmup", "34%"});
    succeeds({"replay", trace, "--tokens", "64"});
}

TEST_CASE("lengths: info, validate, convert and back") {
    TempDir dir;
    std::string trace = dir.write("t.csv", kTable);
    Json info = Json::parse(succeeds({"trace", "info", trace, "--report", "-", "--quiet"}).out);
    for (const char* key : {"ceiling", "reuse", "sharing_by_depth"}) CHECK_FALSE(info.contains(key));
    CHECK_FALSE(info["trace"].contains("unique_blocks"));
    CHECK(info["trace"]["ids"] == "nothing");
    CHECK(info["trace"]["prompt_tokens"] == 65);
    CHECK(info["trace"]["sessions"] == 1);
    CHECK(info["lengths"]["output_tokens"]["max"] == 12);
    ProcessResult table = succeeds({"trace", "info", trace});
    CHECK(contains(table.out, "t.csv: burstgpt, lengths only\n"));
    CHECK(contains(table.out, "nothing can be said about hits"));
    CHECK_FALSE(contains(table.out, "unique"));
    CHECK_FALSE(contains(table.out, "reuse"));
    CHECK(contains(succeeds({"trace", "validate", trace}).out, "t.csv: ok: 3 requests, format burstgpt"));
    std::string native = dir.path("n.jsonl");
    CHECK(succeeds({"trace", "convert", trace, "-o", native, "--quiet"}).err.empty());
    CHECK(contains(read_file(native), R"({"op":"request","seq":"r0","t":1,"length":20,"t_end":3,)"));
    CHECK(replay_report({native, "--blocks", "4"})["results"] == replay_report({trace, "--blocks", "4"})["results"]);
    CHECK(succeeds({"trace", "convert", native, "-o", "-"}).out == read_file(native));
}

TEST_CASE("text: every report says that it is approximate") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", kTexts);
    const char* said = "4 bytes of text stand for a token";
    ProcessResult table = succeeds({"replay", trace, "--block-size", "4", "--verify"});
    CHECK(contains(table.out, std::string("  approximate: ") + said + "\n"));
    CHECK(contains(table.err, std::string("note: tokens are approximate: ") + said));
    std::string report = dir.path("r.json");
    succeeds({"replay", trace, "--block-size", "4", "--blocks", "3", "--by", "session", "--report", report});
    Json r = Json::parse(read_file(report));
    CHECK(r["definitions"]["approximate"] == said);
    CHECK(r["trace"]["prompt_tokens"] == 16);
    CHECK(r["trace"]["output_tokens"] == 3);  // 5 bytes and 1 byte
    CHECK(r["results"]["hits"]["hit_blocks"] == 1);
    CHECK(r["results"]["hits"]["lookup_blocks"] == 4);
    CHECK(validates({report}));
    Json two = replay_report({trace, "--format", "text:bytes_per_token=2", "--block-size", "4"});
    CHECK(two["results"]["hits"]["hit_blocks"] == 2);
    CHECK(two["config"]["format"] == "text:bytes_per_token=2");
    ProcessResult info = succeeds({"trace", "info", trace});
    CHECK(contains(info.out, "ids name text\n"));
    CHECK(contains(info.out, std::string("  approximate: ") + said + "\n"));
    CHECK(Json::parse(succeeds({"trace", "info", trace, "--report", "-"}).out)["definitions"]["approximate"] == said);
    ProcessResult native = succeeds({"trace", "convert", trace, "--block-size", "4", "-o", "-"});
    CHECK(contains(native.err, std::string("note: the copy loses that it is approximate: ") + said));
    CHECK(replay_report({"-", "--blocks", "3"}, native.out)["results"]["hits"] == r["results"]["hits"]);
}

TEST_CASE("lists: the formats of lengths and of text") {
    std::string out = succeeds({"list", "formats"}).out;
    for (const char* part : {"  azure  ", "  burstgpt  ", "  vidur  ", "  text  ", "bytes_per_token=4", "lengths only"})
        CHECK(contains(out, part));
}

}  // namespace lengths_and_text_test
