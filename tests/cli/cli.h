// Shared by the tests of the command line: one-line errors, reports, the demo trace.
#pragma once

#include "support/process.h"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace kvsim_test {

using Json = nlohmann::ordered_json;
using Args = std::vector<std::string>;

inline Args operator+(Args a, const Args& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

inline std::string shown(const Args& args) {
    std::string s = "kvsim";
    for (const std::string& a : args) s += " '" + a + "'";
    return s;
}

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

inline std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (size_t at = 0; at < text.size();) {
        size_t end = std::min(text.find('\n', at), text.size());
        lines.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return lines;
}

/// The command fails with `code`, nothing on stdout, and its last stderr line (the only one besides notes) is an
/// error that holds every one of `parts`. Returns it.
inline std::string fails(const Args& args, const std::vector<std::string>& parts, int code = 2,
                         const std::string& input = {}) {
    ProcessResult r = kvsim(args, input);
    INFO(shown(args) << "\nstderr: " << r.err);
    CHECK(r.exit_code == code);
    CHECK(r.out.empty());
    std::vector<std::string> lines = lines_of(r.err);
    lines.erase(std::remove_if(lines.begin(), lines.end(),
                               [](const std::string& l) { return l.rfind("note: ", 0) == 0; }),
                lines.end());
    REQUIRE(lines.size() == 1);
    CHECK(!r.err.empty());
    CHECK(r.err.back() == '\n');
    CHECK(lines[0].rfind("kvsim", 0) == 0);
    CHECK(contains(lines[0], ": error: "));
    for (const std::string& part : parts) {
        INFO("expected: " << part);
        CHECK(contains(lines[0], part));
    }
    return lines[0];
}

inline ProcessResult succeeds(const Args& args, const std::string& input = {}) {
    ProcessResult r = kvsim(args, input);
    INFO(shown(args) << "\nstderr: " << r.err);
    REQUIRE(r.exit_code == 0);
    return r;
}

/// The report of a replay, from standard output.
inline Json replay_report(const Args& args, const std::string& input = {}) {
    return Json::parse(succeeds(Args{"replay"} + args + Args{"--report", "-", "--quiet"}, input).out);
}

/// Reports are what the schema says.
inline void check_schema(const TempDir& dir, const std::vector<Json>& reports) {
    Args args{source_file("tests/support/validate.py"), source_file("lib/kvsim/report/report.schema.json")};
    for (const Json& report : reports)
        args.push_back(dir.write("checked" + std::to_string(args.size()) + ".json", report.dump()));
    ProcessResult r = run_program(KVSIM_PYTHON3, args);
    INFO(r.out << r.err);
    CHECK(r.exit_code == 0);
}

inline std::string without_timing(Json report) {
    report.erase("timing");
    return report.dump();
}

/// Four requests, blocks of 4 tokens. Lookups 3 + 2 + 1 + 3 = 9 blocks, 10 + 8 + 4 + 10 = 32 tokens (c's tail of 2 has
/// no name); prompts 34 tokens, output 4; blocks 0, 1, 2 and 5 are distinct; with output 4, 3, 2 and 3 blocks.
inline const std::string kDemo =
    "{\"kvsim_trace\":1,\"name\":\"demo\",\"block_size\":4}\n"
    "{\"op\":\"request\",\"seq\":\"a\",\"t\":0,\"length\":10,\"blocks\":[0,1,2],\"output_length\":3,"
    "\"category\":\"x\",\"session\":\"s1\",\"turn\":1,\"cached_tokens\":0}\n"
    "{\"op\":\"request\",\"seq\":\"b\",\"t\":1,\"length\":8,\"blocks\":[0,1],\"output_length\":1,"
    "\"category\":\"y\",\"session\":\"s1\",\"turn\":2,\"cached_tokens\":8}\n"
    "{\"op\":\"request\",\"seq\":\"c\",\"t\":2,\"length\":6,\"blocks\":[5],\"output_length\":0,"
    "\"category\":\"x\",\"session\":\"s2\",\"turn\":1,\"cached_tokens\":0}\n"
    "{\"op\":\"request\",\"seq\":\"d\",\"t\":3,\"length\":10,\"blocks\":[0,1,2],\"output_length\":0,"
    "\"category\":\"x\",\"session\":\"s2\",\"turn\":2,\"cached_tokens\":4}\n";

}  // namespace kvsim_test
