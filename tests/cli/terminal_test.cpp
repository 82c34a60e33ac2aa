// What is only right at a terminal: colours, progress, the width of lists. tests/support/at_terminal.py makes one.
#include "cli.h"

using namespace kvsim_test;

namespace terminal_test {

const std::string kEscape = "\x1b[";

/// What appears at a terminal where `settings` ("NO_COLOR=1") are in the environment.
std::string at_terminal(const Args& settings, const Args& command, const std::string& columns = "80") {
    Args args{source_file("tests/support/at_terminal.py"), "--columns", columns, "env", "-u", "NO_COLOR", "TERM=xterm"};
    ProcessResult r = run_program(KVSIM_PYTHON3, args + settings + command);
    INFO(r.err);
    CHECK(r.exit_code == 0);
    return r.out;
}

std::string listed(const Args& settings, const Args& options) {
    return at_terminal(settings, Args{kvsim_binary(), "list", "layouts"} + options);
}

bool colored(const std::string& text) { return contains(text, kEscape); }

TEST_CASE("terminal: colours follow the flag, then NO_COLOR, then the terminal") {
    CHECK(colored(listed({}, {})));
    CHECK_FALSE(colored(listed({"NO_COLOR=1"}, {})));
    CHECK(colored(listed({"NO_COLOR="}, {})));  // only a value that is not empty counts
    CHECK_FALSE(colored(listed({"TERM=dumb"}, {})));
    CHECK(colored(listed({"NO_COLOR=1"}, {"--color", "always"})));
    CHECK(colored(listed({"TERM=dumb"}, {"--color", "always"})));
    CHECK_FALSE(colored(listed({}, {"--color", "never"})));
    CHECK(colored(listed({"NO_COLOR=1"}, {"--color=always"})));
    CHECK_FALSE(colored(kvsim({"list", "layouts"}).out));
    CHECK(colored(kvsim({"list", "layouts", "--color", "always"}).out));
    CHECK_FALSE(colored(kvsim({"list", "layouts", "--color", "auto"}).out));
    // Where the table goes to a terminal and where it does not.
    TempDir dir;
    std::string trace = dir.write("t.jsonl", kDemo);
    std::string piped = at_terminal({}, {"sh", "-c", std::string(kvsim_binary()) + " list layouts | cat"});
    CHECK_FALSE(colored(piped));
    CHECK(contains(piped, "prefix"));
}

// Standard input that comes late is work that takes long.
TEST_CASE("terminal: progress is there only where somebody looks") {
    TempDir dir;
    std::string trace = dir.write("t.jsonl", kDemo);
    auto slowly = [&](const Args& settings, const std::string& options) {
        return at_terminal(settings, {"sh", "-c", "(sleep 0.65; cat " + trace + ") | " + kvsim_binary() + " replay - " + options});
    };
    std::string seen = slowly({}, "");
    CHECK(contains(seen, "\rreading - "));
    CHECK(contains(seen, "\r\x1b[K"));  // and taken away again
    CHECK(contains(seen, "token hit rate"));
    CHECK_FALSE(contains(slowly({}, "--quiet"), "reading"));
    CHECK_FALSE(contains(slowly({"TERM=dumb"}, ""), "reading"));
    CHECK_FALSE(contains(slowly({}, "2>" + dir.path("err")), "reading"));
    CHECK(read_file(dir.path("err")).empty());
    CHECK(contains(slowly({}, ">" + dir.path("out")), "reading"));  // the table elsewhere, progress here
    CHECK_FALSE(contains(read_file(dir.path("out")), "reading"));
}

TEST_CASE("terminal: lists are as wide as it is") {
    for (const char* columns : {"80", "120"}) {
        std::string all = at_terminal({}, {kvsim_binary(), "list", "--color", "never"}, columns);
        size_t longest = 0;
        for (std::string line : lines_of(all)) {
            while (!line.empty() && line.back() == '\r') line.pop_back();
            longest = std::max(longest, line.size());
        }
        INFO(columns << " columns: " << longest);
        CHECK(longest <= std::stoul(columns));
        CHECK(longest > std::stoul(columns) - 10);
        for (const char* id : {"s3_fifo", "llama-3.1-8b", "mooncake", "token/h2o"}) CHECK(contains(all, id));
    }
    // In a pipe a row is a line, for grep.
    bool whole = false;
    for (const std::string& line : lines_of(kvsim({"list", "evictions"}).out)) whole = whole || line.size() > 120;
    CHECK(whole);
}

}  // namespace terminal_test
