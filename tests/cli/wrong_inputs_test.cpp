// Errors have one voice: tests/cli/wrong_inputs.txt lists wrong command lines with the exit code and the whole message.
#include "cli.h"

#include <sstream>

using namespace kvsim_test;

namespace wrong_inputs_test {

struct Wrong {
    std::string line, message;
    int code = 0;
};

/// A command line, and below it, two columns in, the exit code and the message; "..." at its end stands for the rest.
std::vector<Wrong> wrong_inputs() {
    std::vector<Wrong> out;
    for (const std::string& line : lines_of(read_file(source_file("tests/cli/wrong_inputs.txt")))) {
        if (line.empty() || line[0] == '#') continue;
        if (line[0] != ' ') {
            out.push_back({line == "(nothing)" ? "" : line, {}, {}});
            continue;
        }
        REQUIRE(!out.empty());
        out.back().code = line[2] - '0';
        out.back().message = line.substr(4);
    }
    return out;
}

/// The files that the command lines name.
void make_files(const TempDir& dir) {
    std::string trace = read_file(source_file("traces/chat.jsonl"));
    dir.write("t.jsonl", trace);
    dir.write("empty.jsonl", "");
    dir.write("blank.jsonl", "\n \n");
    dir.write("torn.jsonl", trace.substr(0, 3000) + "\n");
    dir.write("bytes.jsonl", std::string("\x01\x00\xff\xfe garbage \x80\n\x02", 16));
    dir.write("torn.zst", std::string("\x28\xb5\x2f\xfd\x04\x58\x11", 7));
    dir.write("torn.gz", std::string("\x1f\x8b\x08\x00\x00\x00", 6));
    dir.write("object.json", "{}\n");
    dir.write("bad.json", "[1\n");
    dir.write("page.html", "<html></html>\n");
    dir.write("unknown.json", "{\n  \"evicton\": \"lru\"\n}\n");
    dir.write("twice.json", "{\"blocks\": 5, \"blocks\": 6}\n");
    run_program("mkdir", {dir.path("dir"), dir.path("emptydir")});
    succeeds({"replay", dir.path("t.jsonl"), "--blocks", "10%", "--quiet", "--report", dir.path("r.json")});
    std::string report = read_file(dir.path("r.json"));
    dir.write("torn.json", report.substr(0, report.find("\"config\"") + 4));  // whatever the build is called
}

// Sanitizers see the same code on the other tests' errors.
TEST_CASE("plain:wrong inputs: one line, the right exit code, the same voice") {
    TempDir dir;
    make_files(dir);
    std::vector<Wrong> all = wrong_inputs();
    CHECK(all.size() >= 200);
    for (const Wrong& wrong : all) {
        ProcessResult r = run_program("sh", {"-c", "cd '" + dir.dir() + "' && exec '" + kvsim_binary() + "' " + wrong.line + " </dev/null"});
        INFO("kvsim " << wrong.line << "\nexpected " << wrong.code << " " << wrong.message << "\nfound " << r.exit_code << " " << r.err);
        CHECK(r.exit_code == wrong.code);
        CHECK(r.out.empty());
        std::vector<std::string> lines = lines_of(r.err);
        lines.erase(std::remove_if(lines.begin(), lines.end(), [](const std::string& l) { return l.rfind("note: ", 0) == 0; }), lines.end());
        REQUIRE(lines.size() == 1);
        size_t at = lines[0].find(": error: ");
        REQUIRE(at != std::string::npos);
        std::string command = lines[0].substr(0, at), said = lines[0].substr(at + 9);
        CHECK(command.rfind("kvsim", 0) == 0);
        if (command != "kvsim") CHECK(wrong.line.rfind(command.substr(6), 0) == 0);
        bool open = wrong.message.size() > 3 && wrong.message.compare(wrong.message.size() - 3, 3, "...") == 0;
        if (open) {
            CHECK(said.rfind(wrong.message.substr(0, wrong.message.size() - 3), 0) == 0);
        } else {
            CHECK(said == wrong.message);
        }
        for (const char* foreign : {"std::", "what()", "exception", "Assertion", "json.exception"}) CHECK_FALSE(contains(said, foreign));
        CHECK((said.back() != '.' || (said.size() > 3 && said.compare(said.size() - 3, 3, "...") == 0)));
    }
    // Nothing is left behind.
    CHECK(run_program("sh", {"-c", "ls '" + dir.dir() + "' | grep -c tmp"}).out == "0\n");
}

}  // namespace wrong_inputs_test
