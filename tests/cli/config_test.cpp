// --config, --print-config, and a report as a configuration.
#include "cli.h"

#include <filesystem>

namespace config_test {

using namespace kvsim_test;

struct Setup {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", kDemo);
    std::string config(const std::string& text) const { return dir.write("c.json", text); }
    std::string quoted() const { return "\"trace\": \"" + trace + "\""; }
};

TEST_CASE("config: comments, underscores and dashes, arrays of one") {
    Setup s;
    std::string path = s.config("{\n  // the demo\n  " + s.quoted() +
                                ",\n  \"block_size\": 2, /* re-blocked */\n  \"blocks\": [\"50%\"],\n  \"decode\": \"off\"}\n");
    Json r = replay_report({"--config", path});
    CHECK(r["config"]["block_size"] == 2);
    CHECK(r["config"]["blocks"] == 3);  // half of 7
    CHECK(r["config"]["decode"] == "off");
    std::string dashes = s.config("{" + s.quoted() + ", \"block-size\": 2, \"blocks\": \"50%\", \"decode\": \"off\"}");
    CHECK(without_timing(replay_report({"--config", dashes})) == without_timing(r));
}

TEST_CASE("config: flags beat the file, any capacity beats any capacity") {
    Setup s;
    std::string path = s.config("{" + s.quoted() + ", \"blocks\": 2, \"decode\": \"off\", \"accounting\": \"flat\"}");
    Json r = replay_report({"--config", path, "--accounting", "tree", "--tokens", "12"});
    CHECK(r["config"]["accounting"] == "tree");
    CHECK(r["config"]["blocks"] == 3);
    CHECK(r["config"]["decode"] == "off");
    std::string other = s.dir.write("other.jsonl", kDemo);
    CHECK(replay_report({other, "--config", path})["config"]["trace"] == "other.jsonl");
}

TEST_CASE("config: what is wrong is said with file, line and column") {
    Setup s;
    const std::pair<std::string, std::vector<std::string>> wrong[] = {
        {"{" + s.quoted() + ",\n  \"blokcs\": 4}", {"c.json:2:3: unknown key 'blokcs' (did you mean 'blocks'?)"}},
        {"{" + s.quoted() + ",\n \"blocks\": 4,\n \"blocks\": 5}", {"c.json:3:2: blocks: the key is given twice"}},
        {"{" + s.quoted() + ",\n \"block-size\": 4,\n \"block_size\": 4}", {"c.json:3:2: block_size: ", "twice"}},
        {"{" + s.quoted() + ",\n \"blocks\": null}", {"c.json:2:2: blocks: expected a string"}},
        {"{" + s.quoted() + ",\n \"blocks\": {\"n\":1}}", {"c.json:2:2: blocks: expected a string"}},
        {"{" + s.quoted() + ",\n \"blocks\": []}", {"c.json:2:2: blocks: expected at least one value"}},
        {"{" + s.quoted() + ",\n \"blocks\": [4, 5]}", {"c.json:2:2: blocks: expected one value, found 2"}},
        {"{" + s.quoted() + ",\n \"blocks\": [[4]]}", {"c.json:2:2: blocks: expected a string"}},
        {"{" + s.quoted() + ",\n \"verify\": \"perhaps\"}", {"c.json:2:2: verify: expected true or false, found 'perhaps'"}},
        {"{" + s.quoted() + ",\n \"config\": \"x\"}", {"c.json:2:2: unknown key 'config'"}},
        {"{" + s.quoted() + ",\n \"blocks\": 4", {"c.json:2:13: not valid JSON"}},
        {"{" + s.quoted() + ",\n \"blocks\": 4,}", {"c.json:2:14: not valid JSON"}},
        {"{" + s.quoted() + "}\n x", {"c.json:2:2: not valid JSON"}},
        {"", {"c.json:1:1: not valid JSON"}},
        {"[1]", {"c.json:1:1: expected a JSON object"}},
        {"{\"schema_version\":\"1.0\"}", {"c.json", "without a config block"}},
    };
    for (const auto& row : wrong) {  // clang cannot capture structured bindings in INFO
        INFO(row.first);
        fails({"replay", "--config", s.config(row.first)}, row.second);
    }
}

TEST_CASE("config: values are checked like flags") {
    Setup s;
    for (const char* value : {"0", "-4", "1.5", "1e2", "true", "\"\\u0000\"", "\"4 \"", "18446744073709551616"})
        fails({"replay", "--config", s.config("{" + s.quoted() + ", \"blocks\": " + value + "}")}, {"--blocks"});
    fails({"replay", "--config", s.config("{" + s.quoted() + ", \"color\": \"blue\"}")}, {"--color blue"});
    fails({"replay", "--config", s.config("{" + s.quoted() + ", \"blocks\": 4, \"tokens\": 8}")}, {"exclude each other"});
    fails({"trace", "info", "--config", s.config("{" + s.quoted() + ", \"accounting\": \"flat\"}")},
          {"unknown key 'accounting'"});
}

TEST_CASE("config: a list of traces does not lose all but the first") {
    Setup s;
    fails({"replay", "--config", s.config("{\"trace\": [\"" + s.trace + "\", \"none\"]}")}, {"trace"});
}

TEST_CASE("config: the place of the key, not of a value or comment with its text") {
    Setup s;
    fails({"replay", "--config", s.config("{\"eviction\": \"blocks\",\n \"blocks\": 4,\n \"blocks\": 5}")}, {"c.json:3:2"});
    fails({"replay", "--config", s.config("{// \"blokcs\"\n \"blokcs\": 5}")}, {"c.json:2:2"});
}

TEST_CASE("config: a directory cannot be read, which is I/O") {
    Setup s;
    fails({"replay", s.trace, "--config", s.dir.dir()}, {"directory"}, 3);
}

TEST_CASE("config: a flag is true or false") {
    Setup s;
    fails({"replay", "--config", s.config("{" + s.quoted() + ", \"verify\": 2}")}, {"verify"});
}

TEST_CASE("config: an unknown key names the whole command") {
    Setup s;
    fails({"trace", "info", "--config", s.config("{\"accounting\": 1}")}, {"kvsim trace info"});
}

TEST_CASE("config: --print-config prints what it would run, and that runs") {
    Setup s;
    Args options = {"--blocks", "50%", "--decode", "off", "--accounting", "tree:protect=chain", "--by", "category",
                    "--verify", "--model", "llama-3.1-8b", "--warmup", "25%"};
    ProcessResult printed = succeeds(Args{"replay", s.trace} + options + Args{"--print-config"});
    CHECK(printed.err.empty());
    Json j = Json::parse(printed.out);
    CHECK(j["trace"] == s.trace);
    CHECK(j["blocks"] == "50%");
    CHECK(j["verify"] == true);
    CHECK(j["layout"] == "prefix");
    std::string path = s.config(printed.out);
    CHECK(succeeds({"replay", "--config", path, "--print-config"}).out == printed.out);
    CHECK(without_timing(replay_report({"--config", path})) == without_timing(replay_report(Args{s.trace} + options)));
}

TEST_CASE("config: --print-config keeps text that looks like a number") {
    CHECK(Json::parse(succeeds({"replay", "007", "--print-config"}).out)["trace"] == "007");
}

TEST_CASE("config: a report reproduces itself") {
    Setup s;
    const Args variants[] = {{"--blocks", "3"},
                             {"--blocks", "75%", "--accounting", "tree:protect=chain", "--by", "turn"},
                             {"--memory", "3MB", "--model", "llama-3.1-8b", "--k-dtype", "f32", "--tp", "16"},
                             {"--block-size", "2", "--limit", "3", "--warmup", "34%", "--decode", "off"},
                             {}};
    for (const Args& v : variants) {
        std::string first = s.dir.path("first.json");
        succeeds(Args{"replay", s.trace, "--report", first} + v);
        // The report keeps the trace's base name; the trace may be anywhere.
        Json again = replay_report({s.trace, "--config", first});
        INFO(shown(v));
        CHECK(without_timing(again) == without_timing(Json::parse(read_file(first))));
    }
}

}  // namespace config_test
