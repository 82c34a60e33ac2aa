// Help, version, and what is said when a command line cannot be understood.
#include "cli.h"

namespace help_test {

using namespace kvsim_test;

static const std::vector<Args> kCommands = {{"replay"},           {"trace", "info"},     {"trace", "validate"},
                                            {"trace", "convert"}, {"trace", "generate"}, {"list"},
                                            {"bench"}};

TEST_CASE("help: every command explains itself on stdout, with two examples") {
    std::vector<Args> all = kCommands;
    all.push_back({});
    all.push_back({"trace"});
    for (const Args& command : all) {
        for (const char* flag : {"--help", "-h"}) {
            ProcessResult r = kvsim(command + Args{flag});
            INFO(shown(command + Args{flag}));
            CHECK(r.exit_code == 0);
            CHECK(r.err.empty());
            size_t examples = r.out.find("Examples:");
            REQUIRE(examples != std::string::npos);
            std::string prefix = "  kvsim ";
            for (const std::string& word : command) prefix += word + (word == command.back() ? "" : " ");
            int count = 0;
            for (const std::string& line : lines_of(r.out.substr(examples))) count += line.rfind(prefix, 0) == 0;
            CHECK(count >= 2);
        }
    }
}

TEST_CASE("help: every option of the contract is documented") {
    const std::pair<Args, Args> expected[] = {
        {{"replay"},
         {"--format", "--limit", "--warmup", "--block-size", "--blocks", "--tokens", "--memory", "--layout", "--eviction",
          "--accounting", "--match", "--model", "--kv-dtype", "--k-dtype", "--v-dtype", "--tp", "--decode",
          "--concurrency", "--bounds",
          "--verify", "--per-request", "--by"}},
        {{"trace", "info"}, {"--format", "--limit", "--block-size"}},
        {{"trace", "validate"}, {"--format", "--limit", "--problems"}},
        {{"trace", "convert"}, {"--format", "--limit", "--block-size", "--to", "--output"}},
        {{"trace", "generate"}, {"--seed", "--to", "--output"}},
        {{"list"}, {}}};
    for (const auto& row : expected) {  // clang cannot capture structured bindings in INFO
        std::string help = kvsim(row.first + Args{"--help"}).out;
        INFO(shown(row.first));
        for (const std::string& option : row.second + Args{"--config", "--print-config", "--quiet", "--verbose", "--color",
                                                        "--version"}) {
            INFO(option);
            CHECK((contains(help, "  " + option + " ") || contains(help, "," + option + " ")));
        }
    }
}

TEST_CASE("help: the top page names the commands and the exit codes") {
    std::string help = kvsim({"--help"}).out;
    for (const char* word : {"replay", "trace", "list", "Exit codes", "130 interrupted"}) CHECK(contains(help, word));
    std::string generate = kvsim({"trace", "generate", "--help"}).out;
    for (const char* word : {"chat: ", "uniform: ", "rag: ", "agents: ", "beam: ", "stream: ", "sessions=200", "fanout=8"}) CHECK(contains(generate, word));
}

TEST_CASE("help: an empty list is no default") {
    for (const char* command : {"compare", "curve"}) {
        std::string help = kvsim({command, "--help"}).out;
        CAPTURE(help);
        CHECK(contains(help, "LIST"));
        CHECK_FALSE(contains(help, "=[]"));
    }
}

// paged and contiguous have one path: nothing is replayed block by block there.
TEST_CASE("help: --verify says what it does where") {
    std::string help = kvsim({"replay", "--help"}).out, words;
    for (char c : help)
        if (c != ' ' && c != '\n') words += c;
    CHECK(contains(words, "derivethefinalstate'scountsanew;underprefixalsoreplayblockbyblock"));
}

TEST_CASE("version: on every command") {
    std::string first = kvsim({"--version"}).out;
    CHECK(first.rfind("kvsim ", 0) == 0);
    CHECK(lines_of(first).size() == 1);
    for (const Args& command : kCommands) {
        ProcessResult r = kvsim(command + Args{"--version"});
        CHECK(r.exit_code == 0);
        CHECK(r.out == first);
        CHECK(r.err.empty());
    }
}

TEST_CASE("usage: unknown and missing commands") {
    fails({}, {"expected a command", "replay"});
    fails({"frobnicate"}, {"unknown command 'frobnicate'", "known: replay"});
    fails({"replya"}, {"did you mean 'replay'?"});
    fails({"trace"}, {"kvsim trace: error: expected a command", "info, validate, convert, generate"});
    fails({"trace", "inof"}, {"kvsim trace: error:", "did you mean 'info'?"});
    fails({"--frobnicate"}, {"unknown option '--frobnicate'"});
    fails({"trace", "--frobnicate"}, {"unknown option '--frobnicate'"});
}

TEST_CASE("usage: unknown options name a near one") {
    const std::pair<Args, const char*> wrong[] = {
        {{"replay", "t", "--blokcs", "5"}, "unknown option '--blokcs' (did you mean '--blocks'?)"},
        {{"replay", "t", "--blokcs=5"}, "unknown option '--blokcs' (did you mean '--blocks'?)"},
        {{"replay", "t", "--acounting", "flat"}, "did you mean '--accounting'?"},
        {{"replay", "t", "--per_request", "x"}, "did you mean '--per-request'?"},
        {{"trace", "info", "t", "--limt", "5"}, "did you mean '--limit'?"},
        {{"trace", "convert", "t", "--ouput", "x"}, "did you mean '--output'?"},
        {{"list", "--repotr", "x"}, "did you mean '--report'?"},
        {{"replay", "t", "-q"}, "unknown option '-q'"},
    };
    for (const auto& [args, message] : wrong) fails(args, {message});
}

TEST_CASE("usage: missing and superfluous arguments") {
    fails({"replay"}, {"expected the argument trace", "kvsim replay --help"});
    fails({"trace", "info"}, {"expected the argument trace"});
    fails({"trace", "validate"}, {"expected the argument trace"});
    fails({"trace", "convert"}, {"expected the argument trace"});
    fails({"trace", "generate"}, {"expected the argument kind"});
    fails({"replay", "a", "b"}, {"unexpected argument 'b'"});
    fails({"list", "models", "b"}, {"unexpected argument 'b'"});
    fails({"replay", "t", "--blocks"}, {"--blocks"});
    fails({"replay", "t", "--blocks", "5", "--blocks", "6"}, {"--blocks"});
    fails({"replay", "t", "--quiet=perhaps"}, {"--quiet"});
    fails({"replay", "t", "--color", "blue"}, {"--color blue", "auto, always or never"});
}

TEST_CASE("usage: the hint names the whole command") {
    fails({"trace", "info"}, {"kvsim trace info --help"});
}

TEST_CASE("version: works on the trace command too") {
    CHECK(kvsim({"trace", "--version"}).exit_code == 0);
}

TEST_CASE("list: kinds, singular and plural, table and JSON") {
    std::string all = succeeds({"list"}).out;
    for (const char* word :
         {"layouts", "evictions", "formats", "generators", "models", "gpus", "dtypes", "lru", "mooncake"})
        CHECK(contains(all, word));
    for (const char* kind : {"layout", "eviction", "format", "generator", "model", "gpu", "dtype", "backend", "kernel"}) {
        ProcessResult one = succeeds({"list", kind});
        CHECK(one.out == succeeds({"list", std::string(kind) + "s"}).out);
        CHECK(one.err.empty());
        Json j = Json::parse(succeeds({"list", kind, "--report", "-"}).out);
        CHECK(j.is_object());
    }
    fails({"list", "modls"}, {"cannot list 'modls'", "did you mean 'models'?"});
}

TEST_CASE("list: a model's line does not say everything twice") {
    std::vector<std::string> lines = lines_of(succeeds({"list", "models"}).out);
    for (size_t i = 1; i < lines.size(); ++i) {
        std::string detail = lines[i].substr(std::min(lines[i].size(), lines[i].find_first_not_of(' ')));
        if (!detail.empty()) CHECK_FALSE(contains(lines[i - 1], detail));
    }
}

}  // namespace help_test
