// Generated traces: the same bytes for a seed, consistent prefixes, and the samples in traces/.
#include "support/process.h"

#include <doctest/doctest.h>
#include <kvsim/trace/format.h>
#include <kvsim/trace/generator.h>
#include <kvsim/trace/stats.h>
#include <kvsim/trace/writer.h>
#include "support/random_check.h"

#include <functional>

namespace generator_test {

using namespace kvsim;
using namespace kvsim_test;

namespace {

Trace load(const std::string& path) {
    LoadOptions options;
    options.path = path;
    return load_trace(options);
}

std::string text_of(const Trace& trace) {
    TempDir dir;
    OutputFile out(dir.path("t"));
    write_trace(trace, "kvsim", out);
    out.commit();
    return read_file(dir.path("t"));
}

std::string error_of(const std::function<void()>& call) {
    try {
        call();
    } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::input);
        return e.what();
    }
    return "no error";
}

}  // namespace

TEST_CASE("the samples are what their lines in traces/README.md generate") {
    std::string readme = read_file(source_file("traces/README.md"));
    struct Sample {
        const char* file;
        const char* spec;
    };
    for (const Sample& s : {Sample{"traces/chat.jsonl", "chat:sessions=100,systems=4,rate=0.5,block_size=64"},
                            Sample{"traces/uniform.jsonl", "uniform"},
                            Sample{"traces/rag.jsonl", "rag:requests=200,documents=100,block_size=64"},
                            Sample{"traces/agents.jsonl", "agents:sessions=16,block_size=64"},
                            Sample{"traces/beam_search.jsonl", "beam:prompts=6,steps=40,overlap=2"},
                            Sample{"traces/stream.jsonl", "stream:sequences=3,output_tokens=2048"}}) {
        CAPTURE(std::string(s.file));
        CHECK(text_of(generate_trace(s.spec, 1)) == read_file(source_file(s.file)));
        CHECK(readme.find("kvsim trace generate " + std::string(s.spec) + " --seed 1 -o " + s.file) !=
              std::string::npos);
    }
}

TEST_CASE("the samples' numbers") {
    struct Golden {
        const char* file;
        uint64_t requests, blocks, unique, hit_blocks, hit_tokens, prompt_tokens;
    };
    for (const Golden& g :
         {Golden{"chat", 613, 20928, 3663, 17265, 1104960, 1319732},
          Golden{"uniform", 1000, 3469, 1402, 2067, 33072, 55504}, Golden{"beam", 10, 35, 18, 27, 105, 138},
          Golden{"cached_tokens", 10, 53, 22, 31, 496, 914}, Golden{"rag", 200, 6618, 3128, 3490, 223360, 417350},
          Golden{"agents", 102, 7451, 1032, 6686, 427904, 473710},
          Golden{"beam_search", 48, 812, 104, 708, 11220, 13504}, Golden{"stream", 3, 114, 114, 0, 0, 1783}}) {
        CAPTURE(std::string(g.file));
        TraceStats s = trace_stats(load(source_file("traces/" + std::string(g.file) + ".jsonl")));
        CHECK(s.requests == g.requests);
        CHECK(s.lookup_blocks == g.blocks);
        CHECK(s.unique_blocks == g.unique);
        CHECK(s.ceiling_blocks == g.hit_blocks);
        CHECK(s.ceiling_tokens == g.hit_tokens);
        CHECK(s.prompt_tokens == g.prompt_tokens);
    }
}

TEST_CASE("the samples obey the schema") {
    const char* script =
        "import json, sys\n"
        "try:\n    import jsonschema\nexcept ImportError:\n    print('no jsonschema'); sys.exit(0)\n"
        "schema = json.load(open(sys.argv[1] + '/kvsim_trace.schema.json'))\n"
        "check = jsonschema.Draft7Validator(schema)\n"
        "jsonschema.Draft7Validator.check_schema(schema)\n"
        "for name in sys.argv[2:]:\n"
        "    for i, line in enumerate(open(sys.argv[1] + '/' + name)):\n"
        "        if i < 100: check.validate(json.loads(line))\n"
        "for wrong in ('{\"op\":\"free\"}', '{\"op\":\"decode\",\"seq\":\"a\"}', '{\"kvsim_trace\":2}',\n"
        "              '{\"op\":\"request\",\"seq\":\"a\"}', '{\"op\":\"request\",\"seq\":\"a\",\"blocks\":[]}',\n"
        "              '{\"op\":\"request\",\"seq\":\"a\",\"length\":0,\"blocks\":[]}', "
        "'{\"op\":\"free\",\"seq\":\"a\",\"x\":1}'):\n"
        "    assert not check.is_valid(json.loads(wrong)), wrong\n"
        "for right in ('{\"op\":\"request\",\"seq\":\"a\",\"length\":0}', '{\"op\":\"prompt\",\"seq\":\"a\",\"length\":3}',\n"
        "              '{\"op\":\"request\",\"seq\":\"a\",\"length\":1,\"tokens\":[7]}'):\n"
        "    check.validate(json.loads(right))\n";
    if (std::string(KVSIM_PYTHON3).find("python") == std::string::npos) return;
    auto run = run_program(KVSIM_PYTHON3, {"-c", script, source_file("traces"), "beam.jsonl",
                                           "cached_tokens.jsonl", "chat.jsonl", "uniform.jsonl", "rag.jsonl",
                                           "agents.jsonl", "beam_search.jsonl", "stream.jsonl"});
    CAPTURE(run.err);
    CHECK(run.exit_code == 0);
}

TEST_CASE("a seed gives one trace, another seed another") {
    CHECK(kvsim_test::random_check([](uint64_t seed) {
        const char* spec = "chat:sessions=4,turns=3,user_tokens=20,output_tokens=20,system_tokens=40";
        RC_ASSERT(text_of(generate_trace(spec, seed)) == text_of(generate_trace(spec, seed)));
        RC_ASSERT(text_of(generate_trace(spec, seed)) != text_of(generate_trace(spec, seed + 1)));
    }));
}

TEST_CASE("every kind: a seed gives one trace, another seed another") {
    for (const GeneratorRow& row : trace_generators().rows()) {
        CAPTURE(row.id);
        std::string one = text_of(generate_trace(row.id, 1));
        CHECK(one == text_of(generate_trace(row.id, 1)));
        for (uint64_t seed : {uint64_t{0}, uint64_t{2}, ~uint64_t{0}})
            CHECK(one != text_of(generate_trace(row.id, seed)));
    }
}

// 1,100,000 arrivals 2^30 ms apart on average: 1.18e12 s.
TEST_CASE("arrivals beyond what a trace may hold are refused") {
    std::string error = error_of([] {
        generate_trace("uniform:requests=1100000,fanout=1,max_blocks=1,gap_ms=1073741824", 1);
    });
    CHECK(error == "uniform: expected arrivals within 1e12 seconds; fewer requests or shorter gaps");
}

TEST_CASE("chat: every turn finds its session's past") {
    CHECK(kvsim_test::random_check([](uint64_t seed, bool named) {
        uint32_t block = 1 + static_cast<uint32_t>(seed % 30);
        Trace t = generate_trace(
            "chat:sessions=6,turns=4,systems=2,system_tokens=100,user_tokens=30,output_tokens=40,"
            "block_size=" +
                std::to_string(block) + (named ? ",named_output=on" : ""),
            seed);
        std::vector<uint64_t> said(6);  // full blocks of the session that have a name
        double before = 0;
        for (uint32_t r = 0; r < t.requests(); ++r) {
            RC_ASSERT(t.arrival_s[r] >= before);
            before = t.arrival_s[r];
            uint64_t session = std::stoull(t.session[r].substr(1));
            uint64_t shared = t.chains[t.lookup_row(r)].shared;
            RC_ASSERT(t.turn[r] == 1 || t.prompt_tokens[r] > 100);
            if (t.turn[r] == 1) {
                RC_ASSERT(shared == 0 || shared == 100 / block);
            } else {
                RC_ASSERT(shared == std::max<uint64_t>(said[session], 100 / block));
            }
            said[session] = (t.prompt_tokens[r] + (named ? t.output_tokens[r] : 0)) / block;
            RC_ASSERT(t.lookup_blocks(r) == (t.prompt_tokens[r] + block - 1) / block);
        }
    }));
}

TEST_CASE("uniform: prompts of full blocks within bounds, as many blocks as the forest has at most") {
    Trace t = generate_trace(
        "uniform:requests=500,fanout=3,min_blocks=2,max_blocks=4,block_size=32,output_tokens=0", 7);
    CHECK(t.requests() == 500);
    CHECK(t.unique_blocks() == 108);  // of 3 + 9 + 27 + 81
    for (uint32_t r = 0; r < t.requests(); ++r) {
        CHECK(t.prompt_tokens[r] == t.lookup_blocks(r) * 32);
        CHECK(t.lookup_blocks(r) >= 2);
        CHECK(t.lookup_blocks(r) <= 4);
        CHECK(t.output_tokens[r] == 0);
    }
}

TEST_CASE("wrong specs name what was expected") {
    CHECK(error_of([] { generate_trace("chatt", 1); }).find("did you mean 'chat'?") != std::string::npos);
    CHECK(error_of([] { generate_trace("chat:session=4", 1); }).find("session") != std::string::npos);
    CHECK(error_of([] { generate_trace("chat:context_tokens=100", 1); }).find("context_tokens") !=
          std::string::npos);
    CHECK(error_of([] { generate_trace("uniform:min_blocks=9", 1); }).find("min_blocks") !=
          std::string::npos);
    for (const GeneratorRow& row : trace_generators().rows()) {
        // Every documented default is the one that is used.
        std::string spec = row.id;
        char between = ':';
        for (const GeneratorParameter& p : row.parameters) {
            spec += between + p.key + "=" + p.fallback;
            between = ',';
        }
        CHECK(text_of(generate_trace(spec, 3)) == text_of(generate_trace(row.id, 3)));
    }
}

}  // namespace generator_test
