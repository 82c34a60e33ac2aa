// docs/CLI.md is what the program says of itself, and the samples of docs/TRACES.md are what it reads.
#include "cli.h"

#include <set>

using namespace kvsim_test;

namespace documents_test {

TEST_CASE("documents: docs/CLI.md is current") {
    ProcessResult r = run_program(KVSIM_PYTHON3, {source_file("tests/support/cli_doc.py"), kvsim_binary(), "--check", source_file("docs/CLI.md")});
    INFO("made anew by: python3 tests/support/cli_doc.py PROGRAM --update docs/CLI.md\n" << r.err);
    CHECK(r.exit_code == 0);
}

/// The first fenced block behind each heading "### `id`".
std::vector<std::pair<std::string, std::string>> samples() {
    std::vector<std::pair<std::string, std::string>> out;
    std::string id, text;
    bool inside = false, taken = false;
    for (const std::string& line : lines_of(read_file(source_file("docs/TRACES.md")))) {
        if (line.rfind("## ", 0) == 0) id.clear();
        if (line.rfind("### `", 0) == 0) {
            id = line.substr(5, line.find('`', 5) - 5);
            taken = false;
        } else if (line.rfind("```", 0) == 0) {
            if (inside && !id.empty() && !taken) {
                out.emplace_back(id, text);
                taken = true;
            }
            inside = !inside;
            text.clear();
        } else if (inside) {
            text += line + "\n";
        }
    }
    return out;
}

TEST_CASE("documents: the samples of docs/TRACES.md are read as what they are") {
    TempDir dir;
    std::set<std::string> seen;
    for (const auto& sample : samples()) {
        INFO(sample.first << "\n" << sample.second);
        std::string path = dir.write(sample.first, sample.second);
        Args args{"trace", "info", path, "--report", "-", "--quiet"};
        if (sample.first == "object_csv") args = args + Args{"--format", "object_csv"};
        Json info = Json::parse(succeeds(args).out);
        CHECK(info.at("trace").at("format") == sample.first);
        seen.insert(sample.first);
    }
    std::string page = read_file(source_file("docs/TRACES.md"));
    Json list = Json::parse(succeeds({"list", "formats", "--report", "-"}).out);
    for (const Json& row : list.at("formats")) {
        std::string id = row.at("id");
        INFO(id);
        CHECK(contains(page, "### `" + id + "`"));
        if (id != "oracle_general") CHECK(seen.count(id) == 1);  // binary
        if (contains(row.value("detail", ""), "can be written")) CHECK(contains(page, "| `" + id + "` |"));
    }
}

}  // namespace documents_test
