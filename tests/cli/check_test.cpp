// kvsim check: what a CI job types, and what it gets.
#include "cli.h"
#include "small_trace.h"

#include <regex>

namespace check_test {

namespace check_cli_test {

using namespace kvsim_test;

struct Reports : TempDir {
    std::string trace = write("t.jsonl", small_trace(7, 200));
    std::string make(const std::string& name, const Args& args) const {
        succeeds(args + Args{"--report", path(name), "--quiet"});
        return path(name);
    }
    std::string replay(const std::string& name, const std::string& blocks, const Args& more = {}) const {
        return make(name, Args{"replay", trace, "--blocks", blocks} + more);
    }
};

/// Exit code 1; the last line of stderr tells how to accept.
ProcessResult gate_fails(const Args& args, bool baseline = true) {
    ProcessResult r = kvsim(args);
    INFO(shown(args) << "\nstdout: " << r.out << "\nstderr: " << r.err);
    CHECK(r.exit_code == 1);
    CHECK(contains(r.out, "FAILED"));
    if (baseline)
        CHECK(contains(lines_of(r.err).back(), "to accept it as the baseline: cp '"));
    else
        CHECK(r.err.empty());
    return r;
}

TEST_CASE("check: replays: equal, worse, better, and rules") {
    Reports d;
    std::string big = d.replay("big.json", "60"), small = d.replay("small.json", "30");
    CHECK(contains(succeeds({"check", big, "--baseline", big}).out, "values equal"));
    ProcessResult worse = gate_fails({"check", small, "--baseline", big});
    CHECK(std::regex_search(worse.out, std::regex("results\\.hits\\.token_hit_rate .* WORSE")));
    CHECK(contains(worse.out, "config: blocks was 60, is 30"));
    CHECK(lines_of(worse.err).back() == "to accept it as the baseline: cp '" + small + "' '" + big + "'");
    CHECK(std::regex_search(gate_fails({"check", big, "--baseline", small}).out,
                            std::regex("results\\.hits\\.token_hit_rate .* BETTER")));
    succeeds({"check", big, "--baseline", small, "--max-drop", "token_hit_rate=0.005"});
    gate_fails(
        {"check", small, "--baseline", big, "--max-drop", "token_hit_rate=0.005", "--max-rise", "evictions.blocks=1%"});
    Json r = Json::parse(read_file(small));
    uint64_t hit = r["results"]["hits"]["hit_tokens"];
    succeeds(
        {"check", small, "--min", "hit_tokens=" + std::to_string(hit), "--max", "hit_tokens=" + std::to_string(hit)});
    gate_fails({"check", small, "--min", "hit_tokens=" + std::to_string(hit + 1)}, false);
    gate_fails({"check", small, "--fail-if", "requests.rejected == 0"}, false);
    // The drop that is there, in tokens of all looked up: exactly, and one token less.
    Json b = Json::parse(read_file(big));
    uint64_t lookups = r["results"]["hits"]["lookup_tokens"],
             lost = b["results"]["hits"]["hit_tokens"].get<uint64_t>() - hit;
    REQUIRE(b["results"]["hits"]["lookup_tokens"] == lookups);
    r["results"]["hits"] = {{"hit_tokens", 500}, {"lookup_tokens", 1000}, {"token_hit_rate", 0.5}};
    b["results"]["hits"] = {
        {"hit_tokens", 500 + lost % 7}, {"lookup_tokens", 1000}, {"token_hit_rate", double(500 + lost % 7) / 1000}};
    std::string one = d.write("one.json", r.dump()), other = d.write("other.json", b.dump());
    succeeds({"check", one, "--baseline", other, "--max-drop", "token_hit_rate=0.00" + std::to_string(lost % 7)});
    if (lost % 7 > 0)
        gate_fails(
            {"check", one, "--baseline", other, "--max-drop", "token_hit_rate=0.00" + std::to_string(lost % 7 - 1)});
}

TEST_CASE("check: a trace and its .zst are the same, another is not") {
    Reports d;
    std::string plain = d.replay("plain.json", "40");
    if (run_program("/usr/bin/zstd", {"-q", d.trace, "-o", d.path("t.jsonl.zst")}).exit_code != 0) {
        MESSAGE("there is no zstd");
    } else {
        std::string packed = d.make("packed.json", {"replay", d.path("t.jsonl.zst"), "--blocks", "40"});
        CHECK(contains(succeeds({"check", packed, "--baseline", plain}).out,
                       "config: trace was \"t.jsonl\", is \"t.jsonl.zst\""));
        std::string a = d.make("a.json", {"compare", d.trace, "--blocks", "40", "--eviction", "lru,fifo"});
        std::string b =
            d.make("b.json", {"compare", d.path("t.jsonl.zst"), "--blocks", "40", "--eviction", "fifo,lru"});
        succeeds({"check", b, "--baseline", a});
    }
    d.write("u.jsonl", small_trace(8, 200));
    std::string other = d.make("other.json", {"replay", d.path("u.jsonl"), "--blocks", "40"});
    fails({"check", other, "--baseline", plain}, {"other.json: trace.sha256 is ", "in the baseline plain.json"});
    Json v = Json::parse(read_file(plain));
    v["schema_version"] = "2.0";
    fails({"check", plain, "--baseline", d.write("v2.json", v.dump())}, {"v2.json: schema_version \"2.0\""});
    v["schema_version"] = "1.7";
    v["tool"]["version"] = "9.9";
    CHECK(contains(succeeds({"check", plain, "--baseline", d.write("v17.json", v.dump())}).out,
                   "warning: the report is of kvsim "));
    v["definitions"]["hit"] = "something else";
    fails({"check", plain, "--baseline", d.write("def.json", v.dump())}, {"definitions.hit is "});
}

TEST_CASE("check: compare, curve and size, end to end") {
    Reports d;
    Args of = {"compare", d.trace, "--blocks", "30,60", "--eviction", "lru,fifo"};
    std::string a = d.make("a.json", of),
                b = d.make("b.json", {"compare", d.trace, "--blocks", "30,60", "--eviction", "lru,sieve"});
    succeeds({"check", a, "--baseline", a});
    succeeds({"check", a, "--baseline", a, "--max-drop", "token_hit_rate=0", "--within-noise", "ignore"});
    ProcessResult r = gate_fails({"check", b, "--baseline", a});
    CHECK((contains(r.out, "sieve 30") && contains(r.out, "NEW") && contains(r.out, "fifo 60") &&
           contains(r.out, "MISSING")));
    std::string v = d.make("v.json", {"curve", d.trace}), w = d.make("w.json", {"curve", d.trace, "--warmup", "20"});
    succeeds({"check", v, "--baseline", v});
    CHECK(contains(gate_fails({"check", w, "--baseline", v}).out, "curve.hit_tokens"));
    succeeds({"check", w, "--baseline", v, "--max-drop", "token_hit_rate=0.5"});
    std::string s = d.make("s.json", {"size", d.trace, "--goal", "ceiling=0.8"}),
                t = d.make("s2.json", {"size", d.trace, "--goal", "ceiling=0.9"});
    succeeds({"check", s, "--baseline", s});
    CHECK(contains(gate_fails({"check", t, "--baseline", s, "--max-rise", "capacity.blocks=1%"}).out,
                   "config: goal was "));
}

TEST_CASE("check: bench reports, checked against themselves") {
    Reports d;
    Args tiny = {"bench", "gather",    "--backend", "cpu:threads=1", "--batch",
                 "2",     "--context", "24",        "--buffers",     "4MiB"};
    std::string b = d.make("b.json", tiny + Args{"--samples", "8"}),
                few = d.make("few.json", tiny + Args{"--samples", "1"});
    CHECK(contains(succeeds({"check", b, "--baseline", b}).out, "same"));
    CHECK(contains(succeeds({"check", b, "--baseline", b, "--tolerance", "0%"}).out, "same"));
    CHECK(contains(succeeds({"check", few, "--baseline", b}).out, "too few samples"));
    fails({"check", b, "--baseline", b, "--tolerance", "5"}, {"--tolerance 5: expected a percentage"});
    fails({"check", b, "--baseline", b, "--max-rise", "p95_us=1%"}, {"p95_us has no interval"});
}

TEST_CASE("check: JSON, JUnit, Markdown, annotations and the step summary") {
    Reports d;
    std::string big = d.replay("big.json", "60"), small = d.replay("small.json", "30");
    Args failing = {
        "check", small, "--baseline", big, "--max-drop", "token_hit_rate=0.001", "--max", "requests.rejected=0"};
    gate_fails(failing + Args{"--report", d.path("c.json"), "--export-junit", d.path("c.xml"), "--export-markdown",
                              d.path("c.md")});
    Json j = Json::parse(read_file(d.path("c.json")));
    check_schema(d, {j});
    CHECK((j["passed"] == false && j["of"] == "replay" && j["findings"].size() == 2));
    CHECK(j["config"].dump() == R"({"max_drop":["token_hit_rate=0.001"],"max":["requests.rejected=0"]})");
    gate_fails({"check", small, "--baseline", big, "--config", d.path("c.json")});
    CHECK(
        run_program(
            KVSIM_PYTHON3,
            {"-c",
             "import sys, xml.dom.minidom as m; d = m.parse(sys.argv[1]); s = d.getElementsByTagName('testsuite')[0]; "
             "sys.exit(not (s.getAttribute('failures') == '1' and len(d.getElementsByTagName('failure')) == 1 and "
             "len(d.getElementsByTagName('testcase')) == int(s.getAttribute('tests')) == 2))",
             d.path("c.xml")})
            .exit_code == 0);
    // Later, from the report.
    CHECK(succeeds({"report", d.path("c.json"), "--export-junit", "-"}).out == read_file(d.path("c.xml")));
    CHECK(succeeds({"report", d.path("c.json"), "--export-markdown", "-"}).out == read_file(d.path("c.md")));

    std::string said = gate_fails(failing + Args{"--annotate", "github"}).out;
    CHECK(std::regex_search(said, std::regex("\n::error title=kvsim check::results\\.hits\\.token_hit_rate: was "
                                             "0\\.\\d+, is 0\\.\\d+; allowed: drop <= 0\\.001; "
                                             "failed \\(-0\\.\\d+, -\\d+\\.\\d\\d %25\\)\n")));
    fails(failing + Args{"--annotate", "github", "--report", "-"}, {"--annotate github"});
    fails(failing + Args{"--annotate", "github", "--export-markdown", "-"}, {"--annotate github"});
    fails(failing + Args{"--annotate", "gitlab"}, {"expected github"});

    std::string env = "/usr/bin/env", file = "GITHUB_STEP_SUMMARY=" + d.write("summary.md", "before\n");
    for (const std::string& to : {std::string("summary"), d.path("summary.md")})
        CHECK(run_program(env, Args{file, kvsim_binary()} + failing + Args{"--export-markdown", to}).exit_code == 1);
    CHECK(read_file(d.path("summary.md")) == "before\n" + read_file(d.path("c.md")) + read_file(d.path("c.md")));
    CHECK(run_program(
              env, Args{"-u", "GITHUB_STEP_SUMMARY", kvsim_binary()} + failing + Args{"--export-markdown", "summary"})
              .exit_code == 2);
    // On standard output the report is alone.
    ProcessResult r = kvsim(failing + Args{"--report", "-"});
    CHECK(r.exit_code == 1);
    CHECK(Json::parse(r.out) == j);
    CHECK(contains(r.err, "FAILED"));
}

TEST_CASE("check: what is no rule, no report, or no comparison is one line") {
    Reports d;
    std::string r = d.replay("r.json", "40");
    struct Row {
        Args args;
        std::vector<std::string> parts;
    };
    const Row rows[] = {
        {{r}, {"expected --baseline FILE, or a rule"}},
        {{r, "--max-drop", "token_hit_rate=1"}, {"expected --baseline FILE"}},
        {{r, "--min", "token_hit_rat=1"}, {"there is no token_hit_rat in r.json", "did you mean 'token_hit_rate'?"}},
        {{r, "--min", "hits=1"}, {"there is no hits"}},
        {{r, "--min", "optimal=1"}, {"there is no optimal"}},
        {{r, "--min", "load_ms"}, {"expected KEY=V"}},
        {{r, "--min", "load_ms=fast"}, {"expected a number", "'fast'"}},
        {{r, "--fail-if", "load_ms"}, {"expected one comparison"}},
        {{r, "--baseline", r, "--within-noise", "ignore"}, {"--within-noise ignore has no effect"}},
        {{r, "--baseline", r, "--within-noise", "x"}, {"expected fail or ignore"}},
        {{r, "--baseline", r, "--tolerance", "5%"}, {"--tolerance has no effect"}},
        {{d.write("empty.json", ""), "--baseline", r}, {"empty.json: is empty"}},
        {{d.write("cut.json", read_file(r).substr(0, 600)), "--baseline", r}, {"cut.json:", "expected a report"}},
        {{d.write("nan.json", "{\"schema_version\":\"1.0\",\"kind\":\"replay\",\"results\":{\"x\":NaN}}"), "--baseline",
          r},
         {"nan.json:1:"}},
        {{d.write("huge.json", "{\"schema_version\":\"1.0\",\"kind\":\"replay\",\"results\":{\"x\":1e999}}"),
          "--baseline", r},
         {"huge.json"}},
        {{d.write("list.json", "[1]"), "--baseline", r}, {"list.json: expected a report"}},
        {{d.write("bare.json", "{\"schema_version\":\"1.0\",\"kind\":\"replay\"}"), "--baseline", r},
         {"bare.json: replay: expected results"}},
        {{d.write("deep.json", "{\"schema_version\":\"1.0\",\"kind\":\"replay\",\"results\":" +
                                   std::string(100000, '[') + std::string(100000, ']') + "}"),
          "--baseline", r},
         {"nested deeper"}}};
    for (const Row& row : rows) fails(Args{"check"} + row.args, row.parts);
    fails({"check", d.path("nowhere.json"), "--baseline", r}, {"nowhere.json"}, 3);
    std::string a = d.replay("a.json", "20");
    fails({"compare", a, r}, {a + " and " + r + " are reports, not traces", "kvsim check " + r + " --baseline " + a});
    for (const char* command : {"replay", "curve", "compare"})
        fails({command, r}, {r + ": is a report of kvsim, not a trace", "kvsim check NEW --baseline " + r});
    std::string odd = d.replay("it's new.json", "20");
    CHECK(contains(gate_fails({"check", odd, "--baseline", r}).err, "it'\\''s new.json' '" + r + "'\n"));
}

// The commands of docs/CI.md run, from a directory like that of a repository.
TEST_CASE("check: the examples of the documentation do what they say") {
    TempDir d;
    std::string text = read_file(source_file("docs/CI.md")),
                script = "set -e\nkvsim() { " + std::string(kvsim_binary()) + " \"$@\"; }\ngit() { :; }\n";
    run_program("/bin/ln", {"-s", source_file("traces"), d.path("traces")});
    run_program("/bin/ln", {"-s", source_file("configs"), d.path("configs")});
    std::regex block("```sh\n([^`]*)```");
    for (std::sregex_iterator at(text.begin(), text.end(), block), end; at != end; ++at) script += (*at)[1].str();
    // Those of the two job files.
    std::regex line("\n *- (kvsim[^\n]*)"), piped("run: \\|\n((?: {10}[^\n]*\n)+)");
    for (std::sregex_iterator at(text.begin(), text.end(), line), end; at != end; ++at) script += (*at)[1].str() + "\n";
    for (std::sregex_iterator at(text.begin(), text.end(), piped), end; at != end; ++at)
        script += (*at)[1].str() + "\n";
    REQUIRE(contains(script, "--annotate github"));
    REQUIRE(contains(script, "--export-junit gate.xml"));
    script +=
        "kvsim check new.json --config configs/ci/floor.json\nkvsim replay traces/chat.jsonl --blocks 150 --report "
        "new.json --quiet\n"
        "kvsim check new.json --baseline base.json --config configs/ci/hit_rate.json || echo \"code $?\"\n";
    ProcessResult r = run_program(
        "/usr/bin/env", {"-C", d.dir(), "GITHUB_STEP_SUMMARY=" + d.path("summary.md"), "/bin/sh", "-c", script});
    INFO(script << r.out << r.err);
    CHECK(r.exit_code == 0);
    CHECK(contains(r.out, "code 1"));
    CHECK(contains(read_file(d.path("summary.md")), "### kvsim check: passed"));
    CHECK(file_exists(d.path("gate.xml")));
    // The failure that is shown is the one that happens.
    for (const char* shown : {"  results.hits.token_hit_rate   0.3661834372433191   0.32127735024989923   drop <= "
                              "0.005   FAILED (-0.04491, -12.26 %)\n",
                              "  FAILED: 1 failed, 1 passed\n"}) {
        CHECK(contains(text, shown));
        CHECK(contains(r.out, shown));
    }
}

}  // namespace check_cli_test

}  // namespace check_test
