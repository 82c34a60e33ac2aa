// The conformance vectors for SGLang's managers (conformance/sglang.md): every run of every file.
#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "support/sglang_run.h"
#include "unit/load_text.h"

namespace sglang_conformance_test {

using namespace kvsim;
using namespace kvsim_test;
using Json = nlohmann::json;

namespace {

std::string text_of(const Json& trace) {
    std::string text;
    for (const Json& line : trace) text += line.dump() + "\n";
    return text;
}

void check_run(const Trace& trace, const Json& expected) {
    auto spec = expected.at("engine").get<std::string>();
    CAPTURE(spec);
    const Json& room = expected.at("capacity_tokens");
    uint64_t capacity = room.is_null() ? kUnlimited : room.get<uint64_t>();
    SglangRun run = run_sglang(trace, spec, capacity, expected.value("decode", true));
    CHECK(Json(run.cached) == expected.at("cached_tokens"));
    Json rejected = Json::array(), evicted = Json::array(), tree = Json::array();
    for (uint32_t r = 0; r < run.rejected.size(); ++r)
        if (run.rejected[r]) rejected.push_back(r);
    CHECK(rejected == expected.at("rejected"));
    for (const SglangEvicted& e : run.evicted)
        evicted.push_back({{"request", e.request}, {"depth", e.depth}, {"tokens", e.tokens}});
    CHECK(evicted == expected.at("evictions"));
    if (!expected.contains("tree")) return;
    for (const SglangTreeNode& n : run.tree) tree.push_back({{"depth", n.depth}, {"tokens", n.tokens}, {"hits", n.hits}});
    CHECK(tree == expected.at("tree"));
}

}  // namespace

TEST_CASE("sglang: conformance vectors") {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(source_file("tests/golden/conformance"))) {
        std::string name = entry.path().filename().string();
        if (name.rfind("sglang_", 0) == 0 && entry.path().extension() == ".json") files.push_back(entry.path().string());
    }
    std::sort(files.begin(), files.end());
    CHECK(files.size() == 12);
    for (const std::string& file : files) {
        CAPTURE(file);
        Json vector = Json::parse(read_file(file));
        CHECK(vector.at("conformance") == "sglang");
        Trace trace = load_text(text_of(vector.at("trace")), "kvsim", 1);
        for (const Json& run : vector.at("runs")) check_run(trace, run);
    }
}

}  // namespace sglang_conformance_test
