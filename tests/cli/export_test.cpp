// --export-* of the commands and `kvsim report`: the same bytes from both, checked by Python's csv module, an XML parser
// and, where there is xmllint, a schema; nothing is done or left behind where something cannot be written.
#include "cli.h"
#include "small_trace.h"

#include <filesystem>

namespace export_test {

using namespace kvsim_test;

struct Run {
    const char* name;
    Args args;
};

std::vector<Run> runs(const TempDir& dir) {
    std::string trace = dir.write("t.jsonl", small_trace(3, 80, "=small|\\\"<t>")), events = dir.write("e.jsonl", kEvents);
    std::string chat = source_file("traces/chat.jsonl");
    return {
        {"replay", {"replay", trace, "--blocks", "20", "--model", "llama-3.1-8b", "--by", "category"}},
        {"engine", {"replay", chat, "--limit", "60", "--blocks", "200", "--engine", "vllm", "--arrivals", "time"}},
        {"paged", {"replay", events, "--layout", "paged", "--blocks", "6"}},
        {"lengths", {"replay", source_file("traces/beam.jsonl"), "--layout", "paged", "--blocks", "50%"}},
        {"compare", {"compare", trace, chat, "--limit", "60", "--eviction", "lru,sieve,belady,random", "--engine", "sglang", "--blocks", "5,20,unlimited", "--blame", "1"}},
        {"layouts", {"compare", trace, "--layout", "prefix,paged", "--accounting", "pinned,flat", "--eviction", "lru", "--blocks", "9,20", "--model", "llama-3.1-8b"}},
        {"curve", {"curve", trace, "--by", "session", "--tiers", "5,20"}},
        {"sampled", {"curve", trace, "--eviction", "arc", "--points", "6"}},
        {"size", {"size", trace, "--goal", "ceiling=0.9", "--model", "llama-3.1-8b"}},
        {"bench", {"bench", "gather", "--backend", "all", "--batch", "1", "--context", "16", "--samples", "1", "--buffers", "4MiB", "--kv-dtype", "bf16"}},
        {"quantized", {"compare", "--layout", "quantized", "--kv-data", "synthetic:layers=1,heads=2,kv_heads=1,tokens=24,head_dim=32", "--kv-dtype", "f16,int8",
                       "--eviction", "none,tova", "--tokens", "16"}},
    };
}

void python_agrees(const Args& args) {
    ProcessResult r = run_program(KVSIM_PYTHON3, Args{source_file("tests/support/exports.py")} + args);
    INFO(r.out << r.err);
    CHECK(r.exit_code == 0);
}

void matches_schema(const std::string& file) {
    ProcessResult r = run_program("/bin/sh", {"-c", "command -v xmllint >/dev/null || exit 77; exec xmllint --noout --nonet --schema \"$0\" \"$1\"",
                                              source_file("tests/support/junit.xsd"), file});
    if (r.exit_code == 77) {
        MESSAGE("no xmllint here (libxml2-utils): the JUnit file is not held against its schema");
        return;
    }
    INFO(r.err);
    CHECK(r.exit_code == 0);
}

Args files_of(const TempDir& dir) {
    Args names;
    for (const auto& file : std::filesystem::directory_iterator(dir.dir())) names.push_back(file.path().filename().string());
    std::sort(names.begin(), names.end());
    return names;
}

TEST_CASE("export: the same bytes from the command and from its report, and they say what it says") {
    TempDir dir;
    std::vector<Json> reports;
    for (const Run& run : runs(dir)) {
        INFO(shown(run.args));
        std::string base = dir.path(run.name), json = base + ".json";
        succeeds(run.args + Args{"--quiet", "--report", json, "--export-csv", base + ".csv", "--export-markdown", base + ".md", "--export-junit", base + ".xml"});
        succeeds({"report", json, "--export-csv", base + ".2.csv", "--export-markdown", base + ".2.md", "--export-junit", base + ".2.xml", "--report", base + ".2.json"});
        for (const char* type : {".csv", ".md", ".xml", ".json"}) {
            INFO(type);
            CHECK(!read_file(base + type).empty());
            CHECK((read_file(base + type) == read_file(base + ".2" + type)));
        }
        CHECK((succeeds({"report", json}).out == read_file(base + ".md")));
        python_agrees({"csv", json, base + ".csv"});
        python_agrees({"junit", base + ".xml"});
        matches_schema(base + ".xml");
        reports.push_back(Json::parse(read_file(json)));
    }
    check_schema(dir, reports);
}

TEST_CASE("export: - is standard output, and the table then goes to standard error") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", kDemo);
    ProcessResult r = succeeds({"replay", trace, "--export-csv", "-"});
    CHECK(r.out.rfind("kind,", 0) == 0);
    CHECK(contains(r.err, "token hit rate"));
    CHECK(succeeds({"replay", trace, "--export-junit", "-", "--quiet"}).err.empty());
    fails({"replay", trace, "--export-csv", "-", "--report", "-"}, {"cannot share standard output"});
}

TEST_CASE("export: several reports") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", kDemo), a = dir.path("a.json"), b = dir.path("b.json");
    succeeds({"replay", trace, "--blocks", "2", "--report", a});
    succeeds({"compare", trace, "--blocks", "2,3", "--eviction", "lru", "--report", b});
    std::vector<std::string> rows = lines_of(succeeds({"report", a, b, "--export-csv", "-"}).out);
    REQUIRE(rows.size() == 4);
    CHECK(rows[0].rfind("report,kind,", 0) == 0);
    CHECK(rows[1].rfind(a + ",replay,", 0) == 0);
    CHECK(rows[3].rfind(b + ",,", 0) == 0);
    std::string junit = dir.path("two.xml");
    succeeds({"report", a, b, "--export-junit", junit});
    CHECK(contains(read_file(junit), "<testsuite name=\"" + a + ": demo\""));
    matches_schema(junit);
    std::string markdown = succeeds({"report", a, b}).out;
    CHECK(markdown.find("## kvsim replay") < markdown.find("## kvsim compare"));
    fails({"report", a, b, "--report", dir.path("c.json")}, {"--report takes one report, not 2"});
    fails({"report", a, b, "--export-html", dir.path("c.html")}, {"--export-html: takes one report, not 2"});
    CHECK(files_of(dir) == Args{"a.json", "b.json", "t.jsonl", "two.xml"});
}

TEST_CASE("export: what cannot be written is said before any work, and nothing is left behind") {
    TempDir dir;
    // The trace is broken: who reads it before the outputs are open says so.
    std::string trace = dir.write("t.jsonl", "{broken\n"), x = dir.path("x");
    for (const char* command : {"replay", "compare", "curve"})
        for (const char* id : {"csv", "markdown", "junit"}) {
            std::string option = std::string("--export-") + id;
            fails({command, trace, option, dir.path("no/x")}, {"no/x"}, 3);
            fails({command, trace, option, trace}, {"t.jsonl"});
            fails({command, trace, option, x}, {"t.jsonl:1"});
        }
    fails({"replay", trace, "--export-csv", x, "--export-junit", x}, {});
    fails({"replay", trace, "--export-csv", "x.json", "--report", "x.json"}, {});
    CHECK(files_of(dir) == Args{"t.jsonl"});
}

TEST_CASE("export: what is no report") {
    TempDir dir;
    std::string old = dir.write("old.csv", "old\n"), bad = dir.write("bad.json", "{\"schema_version\":\"1.0\",\n  oops}");
    fails({"report", bad, "--export-csv", old}, {"bad.json:2:3", "expected a report of kvsim"});
    fails({"report", bad, "--report", old}, {"bad.json:2:3"});
    fails({"report", dir.write("empty.json", ""), "--export-csv", old}, {"is empty"});
    fails({"report", dir.write("page.html", "<!doctype html><p>"), "--export-csv", old}, {"page without a report"});
    fails({"report", dir.write("v.json", "{\"schema_version\":\"9.0\",\"kind\":\"replay\"}"), "--export-csv", old}, {"9.0"});
    fails({"report", dir.path("none.json"), "--export-csv", old}, {"none.json: cannot open"}, 3);
    std::string list = dir.path("list.json");
    succeeds({"list", "--report", list, "--quiet"});
    fails({"report", list, "--export-csv", old}, {"nothing of a report of kind \"list\"; it takes replay"});
    fails({"report", list}, {"--export-markdown", "\"list\""});
    fails({"report"}, {"report"});
    CHECK(read_file(old) == "old\n");
}

TEST_CASE("export: no space is exit 3") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", kDemo);
    for (const char* id : {"csv", "markdown", "junit"})
        fails({"replay", trace, "--quiet", std::string("--export-") + id, "/dev/full"}, {"No space left"}, 3);
}

}  // namespace export_test
