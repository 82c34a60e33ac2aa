// Small reports, and rules run over them: for the tests of the gate.
#pragma once

#include <kvsim/core/error.h>
#include <kvsim/report/check.h>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace check_reports_for_tests {

using namespace kvsim;
using Json = nlohmann::ordered_json;

inline Json replay(uint64_t hit, uint64_t lookup) {
    return Json::parse(
        R"({"schema_version":"1.0","kind":"replay","tool":{"version":"1","git":"g"},"trace":{"name":"t","sha256":"aa"},
        "config":{"trace":"t.jsonl","blocks":10},"definitions":{"hit":"resident","memory":"bytes"},
        "capacity":{"blocks":10},
        "results":{"requests":{"total":4,"rejected":0},"hits":{"hit_tokens":)" +
        std::to_string(hit) + R"(,"lookup_tokens":)" + std::to_string(lookup) + R"(,"token_hit_rate":)" +
        Json(static_cast<double>(hit) / static_cast<double>(lookup)).dump() +
        R"(},"evictions":{"blocks":7},"observed":{"token_hit_rate":0.5,"requests":4}},
        "bounds":{"unlimited":{"hit_blocks":9,"hit_tokens":90},"optimal":{"hit_blocks":8,"hit_tokens":80}},
        "timing":{"load_ms":1.5}})");
}
inline Json with_rate(double rate) {
    Json j = replay(1, 2);
    j["results"]["hits"] = {{"token_hit_rate", rate}};
    return j;
}

inline Json cell(const std::string& eviction, const std::string& capacity, double rate, const std::string& status = "ok") {
    Json c = {
        {"axes",
         {{"trace", "t"}, {"block_size", 16}, {"layout", "prefix"}, {"eviction", eviction}, {"capacity", capacity}}},
        {"status", status}};
    if (status != "ok")
        c["reason"] = "why";
    else
        c["results"] = {{"hits", {{"token_hit_rate", rate}}}, {"requests", {{"rejected", 0}}}};
    return c;
}
inline Json compare(const std::vector<Json>& cells, const std::string& trace = "t") {
    Json j = {{"schema_version", "1.0"},
              {"kind", "compare"},
              {"tool", {{"version", "1"}, {"git", "g"}}},
              {"traces", {{{"name", trace}, {"sha256", "aa"}}}},
              {"config", Json::object()},
              {"definitions", {{"hit", "resident"}}}};
    j["cells"] = Json::array();
    for (Json c : cells) {
        c["axes"]["trace"] = trace;
        j["cells"].push_back(c);
    }
    return j;
}

inline Json kernel(const char* name, double low, double median, double high, uint64_t samples = 20,
            const char* device = "cpu") {
    return {{"name", name},       {"backend", "cpu"},
            {"device", device},   {"shape", {{"batch", 4}, {"kv_dtype", "bf16"}}},
            {"status", "ok"},     {"median_us", median},
            {"p95_us", high},     {"ci_low_us", low},
            {"ci_high_us", high}, {"gb_per_s", 100 / median},
            {"samples", samples}};
}
inline Json bench(const std::vector<Json>& kernels) {
    return {{"schema_version", "1.0"},
            {"kind", "bench"},
            {"tool", {{"version", "1"}, {"git", "g"}}},
            {"config", Json::object()},
            {"definitions", Json::object()},
            {"backends", Json::array()},
            {"kernels", kernels}};
}

inline CheckOptions rules(const std::vector<std::pair<CheckKind, std::string>>& texts) {
    CheckOptions o;
    for (const auto& [kind, text] : texts) o.rules.push_back(CheckRule::parse(kind, text));
    return o;
}
inline Check run(const Json& now, const Json& before, const CheckOptions& o = {}) {
    return check_reports("new.json", now, "base.json", &before, o);
}
inline bool passes(const Json& now, const Json& before, CheckKind kind, const std::string& text) {
    return run(now, before, rules({{kind, text}})).passed();
}
inline bool passes(const Json& now, CheckKind kind, const std::string& text) {
    return check_reports("new.json", now, "", nullptr, rules({{kind, text}})).passed();
}
template <class F>
std::string error(F f) {
    try {
        f();
    } catch (const Error& e) {
        CHECK(e.kind() == ErrorKind::input);
        return e.what();
    }
    return "none";
}
inline std::string error(const Json& now, const Json& before, const CheckOptions& o = {}) {
    return error([&] { run(now, before, o); });
}
inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
inline constexpr CheckKind drop = CheckKind::max_drop, rise = CheckKind::max_rise, least = CheckKind::min, most = CheckKind::max,
                fail = CheckKind::fail_if;

inline Json curve(const std::vector<uint64_t>& blocks, const std::vector<uint64_t>& hits, bool exact = true) {
    Json j = replay(1, 2);
    j.erase("results");
    j["kind"] = "curve";
    j["lookup_tokens"] = 100;
    if (exact) j["exact_from_blocks"] = 1;
    j["curve"] = {{"blocks", blocks}, {"hit_tokens", hits}};
    for (size_t i = 0; i < blocks.size(); ++i)
        j["points"].push_back({{"blocks", blocks[i]},
                               {"hit_tokens", hits[i]},
                               {"token_hit_rate", static_cast<double>(hits[i]) / 100},
                               {"bounds", {{"optimal", {{"hit_tokens", 99}}}}}});
    return j;
}

}  // namespace check_reports_for_tests
