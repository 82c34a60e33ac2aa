// kvsim trace info, validate, convert, generate.
#include "cli.h"

#include <filesystem>

namespace trace_test {

using namespace kvsim_test;

struct TraceSetup {
    TempDir dir;
    std::string demo = dir.write("t.jsonl", kDemo);
};

TEST_CASE("trace info: counts and ceiling of the demo") {
    TraceSetup s;
    Json j = Json::parse(succeeds({"trace", "info", s.demo, "--report", "-", "--quiet"}).out);
    CHECK(j["kind"] == "trace_info");
    CHECK(j["trace"]["requests"] == 4);
    CHECK(j["trace"]["prompt_tokens"] == 34);
    CHECK(j["trace"]["blocks"] == 9);
    CHECK(j["trace"]["unique_blocks"] == 4);
    CHECK(j["trace"]["ids"] == "prefixes");
    CHECK(j["trace"]["sessions"] == 2);
    CHECK(j["trace"]["duration_s"] == 3);
    CHECK(j["trace"]["requests_with_cached_tokens"] == 4);
    CHECK(j["ceiling"]["hit_blocks"] == 5);
    CHECK(j["ceiling"]["hit_tokens"] == 18);
    CHECK(j["ceiling"]["requests_with_hit"] == 2);
    CHECK(j["reuse"]["used_once_blocks"] == 1);  // 5
    ProcessResult table = succeeds({"trace", "info", s.demo});
    CHECK(table.err.empty());
    for (const char* part : {"demo: kvsim, blocks of 4 tokens, ids name prefixes", "requests", "18 of 32 tokens"})
        CHECK(contains(table.out, part));
    CHECK(Json::parse(succeeds({"trace", "info", s.demo, "--block-size", "2", "--report", "-"}).out)["ceiling"]["hit_blocks"] == 9);
    CHECK(Json::parse(succeeds({"trace", "info", s.demo, "--limit", "2", "--report", "-"}).out)["trace"]["requests"] == 2);
}

TEST_CASE("trace validate: good, and every problem on a line of its own") {
    TraceSetup s;
    ProcessResult ok = succeeds({"trace", "validate", s.demo});
    CHECK(ok.out == "demo: ok: 4 requests, format kvsim\n");
    CHECK(ok.err.empty());
    std::string bad = s.dir.write("bad.jsonl", kDemo + "{\"op\":\"free\",\"seq\":\"a\"}\n{broken\n" +
                                                   "{\"op\":\"request\",\"seq\":\"e\",\"t\":9,\"length\":-1,\"blocks\":[]}\n");
    ProcessResult r = kvsim({"trace", "validate", bad});
    CHECK(r.exit_code == 2);
    std::vector<std::string> problems = lines_of(r.out);
    REQUIRE(problems.size() == 3);
    CHECK(contains(problems[0], "bad.jsonl:6:"));
    CHECK(contains(problems[1], "bad.jsonl:7:"));
    CHECK(contains(problems[2], "bad.jsonl:8:"));
    CHECK(contains(problems[2], "length: expected a whole number"));
    CHECK(r.err == "3 problems\n");
    ProcessResult first = kvsim({"trace", "validate", bad, "--problems", "2"});
    CHECK(first.exit_code == 2);
    CHECK(lines_of(first.out).size() == 2);
    CHECK(contains(first.err, "2 problems; there may be more"));
    ProcessResult json = kvsim({"trace", "validate", bad, "--report", "-", "--quiet"});
    CHECK(json.exit_code == 2);
    CHECK(Json::parse(json.out)["problems"].size() == 3);
}

TEST_CASE("trace validate: a stream that breaks off is a problem") {
    TraceSetup s;
    for (const char* tool : {"gzip", "zstd"}) {
        ProcessResult packed = run_program(tool, {"-c", s.demo});
        if (packed.exit_code != 0) {
            std::printf("skipped: %s is not there\n", tool);
            continue;
        }
        std::string path = s.dir.write("cut", packed.out.substr(0, packed.out.size() / 2));
        ProcessResult r = kvsim({"trace", "validate", path});
        CHECK(r.exit_code == 2);
        CHECK(contains(r.out, std::string("truncated: the ") + tool));
        fails({"replay", path}, {std::string("truncated: the ") + tool});
    }
}

TEST_CASE("trace convert: to kvsim and back changes nothing") {
    TraceSetup s;
    std::string one = s.dir.path("one.jsonl"), two = s.dir.path("two.jsonl");
    succeeds({"trace", "convert", s.demo, "--output", one});
    succeeds({"trace", "convert", one, "--output", two});
    CHECK(read_file(one) == read_file(two));
    CHECK(replay_report({one, "--blocks", "4"})["results"] == replay_report({s.demo, "--blocks", "4"})["results"]);
    ProcessResult out = succeeds({"trace", "convert", s.demo, "--output", "-"});
    CHECK(out.out == read_file(one));
    CHECK(lines_of(succeeds({"trace", "convert", s.demo, "--limit", "2", "--output", "-"}).out).size() == 3);
}

TEST_CASE("trace convert: mooncake both ways") {
    TempDir dir;
    // 10 and 6 of 4: ceil names 3 and 2 blocks. 9 of 4: 3.
    std::string moon = dir.write("m.jsonl",
                                 "{\"timestamp\":0,\"input_length\":10,\"output_length\":2,\"hash_ids\":[0,1,2]}\n"
                                 "{\"timestamp\":1500,\"input_length\":9,\"output_length\":0,\"hash_ids\":[0,1,3]}\n"
                                 "{\"timestamp\":2000,\"input_length\":6,\"output_length\":1,\"hash_ids\":[4,5]}\n");
    std::string format = "mooncake:tokens_per_id=4,tail=ceil";
    std::string native = dir.path("n.jsonl");
    succeeds({"trace", "convert", moon, "--format", format, "--to", "kvsim", "--output", native, "--quiet"});
    ProcessResult back = succeeds({"trace", "convert", native, "--to", "mooncake", "--output", "-"});
    CHECK(back.out == read_file(moon));
    CHECK(contains(back.err, "tokens_per_id=4,tail=ceil"));  // what is lost is said
    Json a = replay_report({moon, "--format", format, "--blocks", "3"}), b = replay_report({native, "--blocks", "3"});
    CHECK(a["results"] == b["results"]);
    CHECK(a["config"]["format"] == format);
}

TEST_CASE("trace convert: errors") {
    TraceSetup s;
    fails({"trace", "convert", s.demo}, {"expected --output FILE"});
    fails({"trace", "convert", s.demo, "--output", "-", "--to", "moncake"}, {"'moncake' (did you mean 'mooncake'?)"});
    fails({"trace", "convert", s.demo, "--output", "-", "--to", "ragpulse"}, {"'ragpulse'", "known: "});
    std::string forks = s.dir.write("f.jsonl", "{\"kvsim_trace\":1,\"block_size\":4}\n"
                                               "{\"op\":\"prompt\",\"seq\":\"a\",\"t\":0,\"length\":4,\"blocks\":[1]}\n"
                                               "{\"op\":\"fork\",\"seq\":\"a\",\"child\":\"b\"}\n");
    fails({"trace", "convert", forks, "--to", "mooncake", "--output", "-"}, {"mooncake cannot hold 1 fork"});
}

TEST_CASE("trace generate: the same spec and seed give the same bytes") {
    TempDir dir;
    for (const char* spec : {"uniform:requests=50", "chat:sessions=5,turns=3", "chat:sessions=4,named_output=on",
                             "rag:requests=30,documents=20", "rag:requests=30,order=retrieved", "agents:sessions=4",
                             "beam:prompts=3,steps=20,overlap=2", "beam:prompts=3,steps=20,named_output=on",
                             "stream:output_tokens=500", "stream:output_tokens=500,free=off"}) {
        ProcessResult a = succeeds({"trace", "generate", spec, "--seed", "7", "--output", "-"});
        CHECK(a.out == succeeds({"trace", "generate", spec, "--seed", "7", "--output", "-"}).out);
        CHECK(a.out != succeeds({"trace", "generate", spec, "--seed", "8", "--output", "-"}).out);
        CHECK(contains(a.err, "wrote "));
        CHECK(succeeds({"trace", "generate", spec, "--output", "-", "--quiet"}).err.empty());
        CHECK(kvsim({"trace", "validate", "-"}, a.out).exit_code == 0);
        for (const char* accounting : {"pinned", "flat", "tree"})
            succeeds({"replay", "-", "--blocks", "20%", "--verify", "--accounting", accounting}, a.out);
    }
    ProcessResult moon = succeeds({"trace", "generate", "uniform:requests=20", "--to", "mooncake", "--output", "-"});
    CHECK(lines_of(moon.out).size() == 20);
    CHECK(kvsim({"trace", "validate", "-"}, moon.out).exit_code == 0);
    moon = succeeds({"trace", "generate", "rag:requests=20", "--to", "mooncake", "--output", "-"});
    CHECK(lines_of(moon.out).size() == 20);
    fails({"trace", "generate", "beam", "--to", "mooncake", "--output", "-"}, {"mooncake cannot hold 200 forks"});
    std::string kinds = succeeds({"list", "generators"}).out;
    for (const char* kind : {"agents", "beam", "chat", "rag", "stream", "uniform"}) CHECK(contains(kinds, kind));
    CHECK(contains(kinds, "order=sorted"));
}

// Of 20 prompts: 3 forks and 7 of selections each, 64 steps of 4 beams, every beam freed.
TEST_CASE("trace info: events of a generated beam search") {
    std::string beam = succeeds({"trace", "generate", "beam", "--output", "-"}).out;
    Json events = Json::parse(succeeds({"trace", "info", "-", "--report", "-", "--quiet"}, beam).out)["trace"]["events"];
    CHECK(events == Json{{"prompt", 20}, {"decode", 5120}, {"fork", 200}, {"free", 220}});
    CHECK(contains(succeeds({"trace", "info", "-"}, beam).out, "20 prompt, 5,120 decode, 200 fork, 220 free"));
}

TEST_CASE("trace generate: errors") {
    fails({"trace", "generate", "uniform"}, {"expected --output FILE"});
    const std::pair<const char*, const char*> wrong[] = {{"unifrom", "did you mean 'uniform'?"},
                                                         {"uniform:", "expected key=value"},
                                                         {"uniform:requests", "expected key=value"},
                                                         {"uniform:request=5", "did you mean 'requests'?"},
                                                         {"uniform:requests=0", "requests=0"},
                                                         {"uniform:requests=-1", "requests=-1"},
                                                         {"uniform:requests=1e3", "requests=1e3"},
                                                         {"uniform:requests=", "requests="},
                                                         {"uniform:requests=99999999999999999999", "requests="},
                                                         {"uniform:requests=5,requests=6", "given twice"},
                                                         {"uniform:min_blocks=9,max_blocks=3", "min_blocks"},
                                                         {"uniform:block_size=0", "block_size=0"},
                                                         {"chat:named_output=maybe", "expected one of on, off"},
                                                         {"chat:rate=0", "rate=0"},
                                                         {"chat:rate=nan", "rate=nan"},
                                                         {"chat:think_s=-1", "think_s=-1"},
                                                         {"rag:order=best", "expected one of sorted, retrieved"},
                                                         {"rag:documents=2", "top_k"},
                                                         {"agents:steps=0", "steps=0"},
                                                         {"beam:width=2,drop=2", "drop below width"},
                                                         {"stream:free=1", "expected one of on, off"}};
    for (const auto& [spec, part] : wrong) fails({"trace", "generate", spec, "--output", "-"}, {part});
    fails({"trace", "generate", "uniform", "--to", "nope", "--output", "-"}, {"'nope'"});
}

TEST_CASE("trace: --report is written or refused, not dropped") {
    TraceSetup s;
    std::string report = s.dir.path("r.json");
    ProcessResult r = kvsim({"trace", "convert", s.demo, "--output", s.dir.path("o"), "--report", report});
    CHECK((r.exit_code == 2 || file_exists(report)));
    r = kvsim({"trace", "generate", "uniform:requests=3", "--output", s.dir.path("o"), "--report", report});
    CHECK((r.exit_code == 2 || file_exists(report)));
}

// 12,827 hit blocks at 1,000 blocks pinned and 12,782 flat: docs/DESIGN.md section 7.
TEST_CASE("trace: the published conversation trace") {
    std::string path = shared_file("traces/mooncake/conversation_trace.jsonl.zst");
    if (path.empty()) return;
    CHECK(replay_report({path, "--blocks", "1000"})["results"]["hits"]["hit_blocks"] == 12827);
    Json flat = replay_report({path, "--blocks", "1000", "--accounting", "flat"});
    CHECK(flat["results"]["hits"]["any_hit_blocks"] == 12782);
    Json info = Json::parse(succeeds({"trace", "info", path, "--report", "-", "--quiet"}).out);
    CHECK(info["trace"]["requests"] == 12031);
    CHECK(info["ceiling"]["hit_blocks"] == 105710);
}

}  // namespace trace_test
