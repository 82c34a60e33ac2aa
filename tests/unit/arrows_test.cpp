// The house rules that a compiler does not check (docs/DESIGN.md sections 2 and 7): who may include whom, no
// printing and no exiting in the library, files of a readable size.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <sstream>

#include "support/process.h"

namespace arrows_test {

namespace fs = std::filesystem;
using kvsim_test::read_file;
using kvsim_test::source_file;

namespace {

struct Source {
    std::string path;  ///< from the repository root
    std::string room;
    std::string text;
};

std::string room_of(const std::string& path) {
    if (path.rfind("lib/kvsim/", 0) == 0) return path.substr(10, path.find('/', 10) - 10);
    if (path.rfind("kernels/", 0) == 0) return path.substr(0, path.find('/', 8));
    return path.substr(0, path.find('/'));
}

const std::vector<Source>& sources() {
    static const std::vector<Source> all = [] {
        std::vector<Source> found;
        std::string root = source_file("");
        for (const char* folder : {"lib", "kernels", "apps"}) {
            if (!fs::exists(root + folder)) continue;
            for (const auto& entry : fs::recursive_directory_iterator(root + folder)) {
                std::string suffix = entry.path().extension().string();
                if (!entry.is_regular_file() ||
                    (suffix != ".h" && suffix != ".cpp" && suffix != ".cu" && suffix != ".cuh"))
                    continue;
                std::string path = entry.path().string().substr(root.size());
                found.push_back({path, room_of(path), read_file(entry.path().string())});
            }
        }
        std::sort(found.begin(), found.end(),
                  [](const Source& a, const Source& b) { return a.path < b.path; });
        return found;
    }();
    return all;
}

/// Rooms from left to right; a room may include what stands left of it.
const std::map<std::string, int>& levels() {
    static const std::map<std::string, int> level = {
        {"core", 0},   {"kernels/common", 0}, {"kernels/cpu", 1}, {"trace", 2},   {"kvdata", 2}, {"quant", 2},
        {"model", 3},  {"cache", 3},          {"block", 4},       {"eviction", 4}, {"layout", 5},
        {"engine", 6}, {"backend", 7},        {"sim", 8},         {"report", 9},   {"apps", 10}};
    return level;
}

/// Quoted and angled includes of our own files, as paths from the repository root.
std::vector<std::string> includes_of(const Source& s) {
    static const std::regex include("[ \t]*#[ \t]*include[ \t]*([<\"])([^>\"]+)[>\"].*");
    std::vector<std::string> found;
    std::istringstream lines(s.text);
    for (std::string line; std::getline(lines, line);) {
        std::smatch m;
        if (!std::regex_match(line, m, include)) continue;
        std::string target = m[2];
        if (target.rfind("kvsim/", 0) == 0)
            found.push_back("lib/" + target);
        else if (target.rfind("kernels/", 0) == 0)
            found.push_back(target);
        else if (m[1] == "\"")
            found.push_back((fs::path(s.path).parent_path() / target).lexically_normal().string());
    }
    return found;
}

bool may_include(const std::string& from, const std::string& to) {
    if (from == to) return true;
    if (from.rfind("kernels/", 0) == 0) {
        bool launches = from != "kernels/common" && from != "kernels/device";
        return to == "kernels/common" || (from != "kernels/cpu" && to == "kernels/device") ||
               (launches && from == "kernels/bench" && to.rfind("kernels/", 0) == 0);
    }
    auto ours = levels().find(from);
    if (to.rfind("kernels/", 0) == 0 && to != "kernels/common") {
        // quant calls the vector loops; backend and what stands right of it call all kernels.
        return ours->second >= levels().at("backend") || (to == "kernels/cpu" && from == "quant");
    }
    auto theirs = levels().find(to);
    return theirs != levels().end() && theirs->second < ours->second;
}

/// Code without comments and string contents, so that words in them do not count.
std::string code_of(const std::string& text) {
    static const std::regex noise("//[^\n]*|/\\*[^*]*\\*+(?:[^/*][^*]*\\*+)*/|\"(?:[^\"\\\\\n]|\\\\.)*\"");
    return std::regex_replace(text, noise, " ");
}

}  // namespace

TEST_CASE("plain: arrows: every room is known and includes only what stands left of it") {
    REQUIRE(sources().size() > 30);
    for (const Source& s : sources()) {
        bool known = levels().count(s.room) != 0 || s.room.rfind("kernels/", 0) == 0;
        CHECK_MESSAGE(known, s.path << " stands in no room of docs/DESIGN.md section 2");
        if (!known) continue;
        for (const std::string& target : includes_of(s))
            CHECK_MESSAGE(may_include(s.room, room_of(target)), s.path << " includes " << target);
    }
}

TEST_CASE("arrows: the test itself tells right from left") {
    CHECK(may_include("apps", "report"));
    CHECK(may_include("layout", "eviction"));
    CHECK_FALSE(may_include("trace", "cache"));
    CHECK_FALSE(may_include("trace", "model"));
    CHECK_FALSE(may_include("quant", "cache"));
    CHECK_FALSE(may_include("layout", "engine"));
    CHECK_FALSE(may_include("core", "trace"));
    CHECK_FALSE(may_include("report", "apps"));
    CHECK_FALSE(may_include("sim", "report"));
    CHECK_FALSE(may_include("kernels/device", "core"));
    CHECK(may_include("quant", "kernels/cpu"));
    CHECK_FALSE(may_include("layout", "kernels/cpu"));
    CHECK_FALSE(may_include("kernels/cpu", "kernels/device"));
}

TEST_CASE("plain: arrows: the library never prints and never exits") {
    static const std::regex forbidden(
        "\\b(std::)?(cout|cerr|clog)\\b|\\b(f|v|vf)?printf *\\(|\\bputs *\\(|\\bfputs "
        "*\\(|\\bfmt::print\\b|\\b(_|quick_)?exit *\\(|\\babort *\\(|\\bstd::terminate\\b");
    for (const Source& s : sources()) {
        if (s.path.rfind("lib/", 0) != 0) continue;
        std::string code = code_of(s.text);
        std::smatch m;
        bool found = std::regex_search(code, m, forbidden);
        CHECK_MESSAGE(!found, s.path << " has " << m.str());
    }
}

TEST_CASE("plain: arrows: no file has more than 500 lines") {
    for (const Source& s : sources()) {
        auto lines = std::count(s.text.begin(), s.text.end(), '\n');
        CHECK_MESSAGE(lines <= 500, s.path << " has " << lines << " lines");
    }
}

// A bug that cannot be planted any more looks like one that was found, for as long as nobody runs the long list.
TEST_CASE("plain: mutants: what they change stands where they look for it") {
    const std::pair<std::string, std::string> lists[] = {{"mutants.sh", "lib/kvsim/"}, {"kernel_mutants.sh", "kernels/"}};
    for (const auto& list : lists) {
        const std::string &script = list.first, &folder = list.second;
        std::string text = read_file(source_file("tests/long/" + script));
        size_t begin = text.find("<<'LIST'\n");
        REQUIRE(begin != std::string::npos);
        std::istringstream lines(text.substr(begin + 9, text.find("\nLIST\n", begin) - begin - 9));
        size_t planted = 0;
        for (std::string line; std::getline(lines, line);) {
            std::vector<std::string> field(1);
            for (size_t i = 0; i < line.size(); ++i) {
                char next = i + 1 < line.size() ? line[i + 1] : ' ';
                if (line[i] == '|') {
                    field.emplace_back();
                } else if (line[i] == '\\' && next == 'n') {
                    field.back() += '\n', ++i;
                } else if (line[i] == '\\' && (next == '|' || next == '&')) {
                    field.back() += next, ++i;
                } else {
                    field.back() += line[i];
                }
            }
            if (field.size() < 3) continue;
            ++planted;
            INFO(script << ": " << line);
            CHECK(read_file(source_file(folder + field[1])).find(field[2]) != std::string::npos);
        }
        CHECK(planted > 50);
    }
}

}  // namespace arrows_test
